"""A data version whose cards have no warning."""

from __future__ import annotations

from fmnist_lib.common.data_version import DataVersion

OFFICIAL = DataVersion("official", "somewhere", "ab" * 32, {})
