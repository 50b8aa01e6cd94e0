"""Data version of a run: origin, and the fingerprint of every split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Origin = Literal["official", "custom", "synthetic"]

_DESCRIPTIONS: dict[Origin, str] = {
    "official": "official Fashion-MNIST",
    "custom": "not the official Fashion-MNIST",
    "synthetic": "SYNTHETIC images, not Fashion-MNIST",
}


@dataclass(frozen=True)
class DataVersion:
    """Identity of the data behind a run.

    Attributes
    ----------
    origin : {"official", "custom", "synthetic"}
        "official" only if the files, packed or unpacked, match the published SHA-256 checksums.
    location : str
        Directory the files were read from, or "generated".
    fingerprint : str
        SHA-256 (hexadecimal) of the fingerprints of all splits.
    splits : dict of str to str
        SHA-256 of every split's images and labels.
    files : dict of str to str
        SHA-256 of every file read; empty for synthetic data.
    dvc : str
        DVC hash of the files, see `fmnist_lib.data.dvc`; empty for synthetic data.
    corrected : int
        Training and validation labels that a table of corrections replaced.
    """

    origin: Origin
    location: str
    fingerprint: str
    splits: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    dvc: str = ""
    corrected: int = 0

    @property
    def description(self) -> str:
        """Short name of the data, for reports."""
        corrected = f", {self.corrected:,} training labels corrected" if self.corrected else ""
        return f"{_DESCRIPTIONS[self.origin]}{corrected}"

    @property
    def is_official(self) -> bool:
        """True if every file matches the published checksum, and no label was corrected."""
        return self.origin == "official" and not self.corrected
