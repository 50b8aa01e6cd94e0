"""The chunk type that every batch reader yields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Part(NamedTuple):
    """A chunk of a batch, not validated yet.

    Attributes
    ----------
    pixels : array-like of shape (n, 28, 28) or (n, 784)
    labels : array-like of shape (n,), or None
    names : tuple of str, or None
        File name or another name of each image.
    """

    pixels: Any
    labels: Any = None
    names: tuple[str, ...] | None = None

    def pieces(self, rows: int) -> Iterator[Part]:
        """Yield the same images, at most `rows` at a time."""
        for start in range(0, len(self.pixels), rows):
            chosen = slice(start, start + rows)
            yield Part(
                self.pixels[chosen],
                None if self.labels is None else self.labels[chosen],
                None if self.names is None else self.names[chosen],
            )
