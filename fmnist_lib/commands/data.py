"""``data``: verify, download or archive the data set."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from fmnist_lib.commands.options import UserPath, config_option, json_option, print_json

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def data() -> None:
    """Verify, download or archive the data set."""


@data.command()
@click.argument("directory", required=False, type=UserPath())
@config_option
@json_option
def verify(directory: Path | None, config: Path, as_json: bool) -> None:
    """Verify the four data files and print their data version.

    Without DIRECTORY the files are looked for where a training run does, but not downloaded.
    """
    from fmnist_lib.common.paths import PROJECT_ROOT
    from fmnist_lib.config.loading import override, read_settings
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import load_dataset

    settings = override(read_settings(config, Settings), data_dir=directory and str(directory))
    dataset, version = load_dataset(settings.data, PROJECT_ROOT, settings.seed, mirrors=())
    images = {name: len(split) for name, split in dataset.splits.items()}
    if as_json:
        print_json(asdict(version) | {"images": images})
        return
    click.echo(f"{version.description} in {version.location}")
    for name, checksum in version.files.items():
        click.echo(f"{checksum}  {name}")
    click.echo(f"images: {', '.join(f'{name} {count}' for name, count in images.items())}")
    click.echo(f"fingerprint: {version.fingerprint}")
    click.echo(f"DVC hash: {version.dvc}")


@data.command()
@click.argument("directory", required=False, type=UserPath())
def download(directory: Path | None) -> None:
    """Download the four official files; files that are intact are kept.

    Without DIRECTORY they go where every training run finds them, the user's cache.
    """
    from fmnist_lib.data.download import download as download_file
    from fmnist_lib.data.official_files import FILES
    from fmnist_lib.data.verified_files import default_cache

    target = directory or default_cache()
    for name in FILES:
        download_file(name, target)
    click.echo(f"official Fashion-MNIST in {target}")


@data.command()
@click.argument("file", metavar="FILE.npz", type=UserPath())
@config_option
def splits(file: Path, config: Path) -> None:
    """Write the splits of a training run to FILE.npz, to archive them."""
    from fmnist_lib.common.paths import PROJECT_ROOT
    from fmnist_lib.config.loading import read_settings
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.dataset import load_dataset
    from fmnist_lib.data.splits import write_splits

    settings = read_settings(config, Settings)
    dataset, version = load_dataset(settings.data, PROJECT_ROOT, settings.seed)
    write_splits(dataset, file)
    click.echo(f"{file}: {version.description}, fingerprint {version.fingerprint}")
