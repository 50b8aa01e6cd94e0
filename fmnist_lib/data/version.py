"""Data version of a run; artifacts of older runs name the class by this module."""

from __future__ import annotations

from fmnist_lib.common.data_version import DataVersion, Origin

__all__ = ["DataVersion", "Origin"]
