"""The official files, for benchmarks that read them without a configuration."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def official_files(directory: Path | None = None) -> dict[str, Path]:
    """Return the paths of the four files by their official names, from where a run finds them.

    Parameters
    ----------
    directory : path, optional
        The only one to search.
    """
    from fmnist_lib.config.training import DataConfig
    from fmnist_lib.data.verified_files import find_source

    config = DataConfig(directory=str(directory) if directory else None, synthetic_fallback=False)
    return dict(find_source(config, ROOT).paths)
