"""What data a run used: where they came from and the fingerprint of every split."""

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
        "official" only when the files, or what they unpack to, match the SHA-256 checksums of what
        was published.
    location : str
        Directory the files were read from, or "generated".
    fingerprint : str
        SHA-256 (hexadecimal) over the fingerprints of all splits.
    splits : dict of str to str
        SHA-256 of every split's images and labels.
    files : dict of str to str
        SHA-256 of every file read; empty for synthetic data.
    dvc : str
        Version by which DVC would know the files, see `fmnist_lib.data.dvc`; empty for synthetic
        data.
    """

    origin: Origin
    location: str
    fingerprint: str
    splits: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    dvc: str = ""

    @property
    def description(self) -> str:
        """One phrase that names the data in every report."""
        return _DESCRIPTIONS[self.origin]

    @property
    def is_official(self) -> bool:
        """Whether every file matches the publisher's checksum."""
        return self.origin == "official"
