"""Errors of making the film."""

from __future__ import annotations

from fmnist_lib.common.errors import FmnistError


class FilmError(FmnistError):
    """The film cannot be made, or does not meet its limits."""
