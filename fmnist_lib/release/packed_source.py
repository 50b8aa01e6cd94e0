"""Source files of a checkout, which are packed into a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: An allow-list, so that data, caches, results and secrets are never packed.
DIRECTORIES = ("cards", "config", "flows", "fmnist_lib", "requirements")
FILES = ("LICENSE", "Makefile", "README.md", "pyproject.toml", "uv.lock")
SUFFIXES = (".py", ".toml", ".txt", ".html", ".css", ".csv", ".md", ".lock", ".typed")


def project_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield every source file that there is, with its name relative to the checkout.

    Hidden files, caches and symbolic links are left out: a link may point anywhere.
    """
    for name in FILES:
        if (root / name).is_file() and not (root / name).is_symlink():
            yield name, root / name
    for directory in DIRECTORIES:
        for path in sorted((root / directory).rglob("*")):
            relative = path.relative_to(root)
            hidden = any(part.startswith((".", "__pycache__")) for part in relative.parts)
            linked = any(
                parent.is_symlink() for parent in [path, *path.parents][: len(relative.parts)]
            )
            if path.is_file() and path.suffix in SUFFIXES and not hidden and not linked:
                yield relative.as_posix(), path
