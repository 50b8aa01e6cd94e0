"""Generate garment-like images, so that a first run works without any data source.

They have the format of Fashion-MNIST (28x28, uint8, ten classes), not its content: a class is a
silhouette, varied in size, position, tilt, brightness, pattern and noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import IMAGE_SHAPE, N_CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

N_TRAIN, N_TEST = 12_000, 2_000
#: Images drawn at once; limits the memory of the float arrays.
_BLOCK = 2_000
#: Width of the blurred outline, in units of half the image's width.
_EDGE = 0.05
#: Largest weight of the related class; above 0.5 an image looks more like that than its own.
_MAX_BLEND = 0.62


def generate(n_images: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw images of all ten classes in equal shares, in random order.

    Parameters
    ----------
    n_images : int
    seed : int

    Returns
    -------
    images : ndarray of uint8, shape (n_images, 28, 28), values 0-255
    labels : ndarray of uint8, shape (n_images,), values 0-9
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_images, dtype=np.int64) % N_CLASSES).astype(np.uint8)
    images = np.empty((n_images, *IMAGE_SHAPE), dtype=np.uint8)
    for label in range(N_CLASSES):
        members = np.flatnonzero(labels == label)
        for start in range(0, len(members), _BLOCK):
            block = members[start : start + _BLOCK]
            images[block] = _draw(label, len(block), rng)
    return images, labels


def _draw(label: int, n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    u, v = _garment_coordinates(n, rng)
    # Blend with a related garment, so that some images are ambiguous, as in real data.
    blend = (_MAX_BLEND * rng.random((n, 1, 1)) ** 2).astype(np.float32)
    outline = (1 - blend) * _OUTLINES[label](u, v, rng)
    outline = outline + blend * _OUTLINES[_RELATED[label]](u, v, rng)
    shape = 1 / (1 + np.exp(np.clip(-outline / _EDGE, -30, 30)))
    light = _uniform(rng, n, 0.45, 0.95) * _pattern(u, v, rng)
    light = light * (1 + _uniform(rng, n, -0.2, 0.2) * u)  # one side is darker
    noise = rng.normal(0, 1, shape.shape).astype(np.float32) * _uniform(rng, n, 0.01, 0.06)
    image = 255 * shape * (light + noise)
    return np.clip(image, 0, 255).astype(np.uint8)


def _garment_coordinates(n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return coordinates relative to the shifted, scaled and tilted garment, -1 to 1 across it."""
    height, width = IMAGE_SHAPE
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    tilt = rng.normal(0, 0.06, (n, 1, 1))
    x, y = x - _uniform(rng, n, -0.08, 0.08), y - _uniform(rng, n, -0.06, 0.06)
    u = (np.cos(tilt) * x + np.sin(tilt) * y) / _uniform(rng, n, 0.75, 1.05)
    v = (np.cos(tilt) * y - np.sin(tilt) * x) / _uniform(rng, n, 0.85, 1.05)
    return u.astype(np.float32), v.astype(np.float32)


def _pattern(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """Return brightness factors of a plain, striped or checked cloth."""
    n = len(u)
    across, along = (rng.random((2, n, 1, 1)) < 0.3).astype(np.float32)  # noqa: PLR2004 (share)
    frequency, depth = _uniform(rng, n, 6, 16), _uniform(rng, n, 0.05, 0.3)
    waves = across * np.sin(frequency * v) + along * np.sin(frequency * u)
    return 1 + depth * waves.astype(np.float32)


# Every outline is positive inside the garment and negative outside; v runs from top to bottom.


def _box(u: Floats, v: Floats, half_width: Floats | float, top: float, bottom: float) -> Floats:
    return np.minimum(half_width - np.abs(u), np.minimum(v - top, bottom - v))


def _neck(u: Floats, v: Floats, width: float, depth: float) -> Floats:
    """Return an outline that is negative in the neck opening."""
    return (u / width) ** 2 + ((v + 0.95) / depth) ** 2 - 1


def _top(sleeve_end: float, hem: float) -> Callable[[Floats, Floats, np.random.Generator], Floats]:
    """Return the outline of an upper-body garment; `sleeve_end` and `hem` are heights."""

    def outline(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
        n = len(u)
        width = _uniform(rng, n, 0.42, 0.54)
        body = _box(u, v, width, -0.9, hem)
        # Sleeves slant outwards from the shoulders.
        middle = width + 0.1 + 0.16 * (v + 0.9)
        reach = sleeve_end + _uniform(rng, n, -0.1, 0.1)
        sleeve = np.minimum(
            _uniform(rng, n, 0.13, 0.18) - np.abs(np.abs(u) - middle),
            np.minimum(v + 0.85 - 0.3 * (np.abs(u) - width), reach - v),
        )
        return np.minimum(np.maximum(body, sleeve), _neck(u, v, 0.24, 0.22))

    return outline


def _trouser(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    n = len(u)
    leg = _uniform(rng, n, 0.15, 0.21)
    apart = leg + 0.02 + _uniform(rng, n, 0.02, 0.12) * (v + 1)
    legs = np.minimum(leg - np.abs(np.abs(u) - apart), np.minimum(v + 0.95, 0.95 - v))
    hips = _box(u, v, 2 * leg, -0.95, -0.45)
    return np.maximum(legs, hips)


def _dress(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    n = len(u)
    waist, flare = _uniform(rng, n, 0.2, 0.28), _uniform(rng, n, 0.1, 0.35)
    width = waist + 0.12 * np.clip(-0.3 - v, 0, 1) + flare * np.clip(v + 0.3, 0, 2)
    return np.minimum(_box(u, v, width, -0.95, 0.95), _neck(u, v, 0.16, 0.25))


def _coat(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    opening = np.abs(u - _uniform(rng, len(u), -0.06, 0.06)) - 0.05
    return np.minimum(_top(sleeve_end=0.75, hem=0.95)(u, v, rng), opening)


def _shirt(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    collar = np.maximum(np.abs(u) - 0.5 * (-0.45 - v), v + 0.45)
    buttons = np.hypot(u, np.mod(v + _uniform(rng, len(u), 0, 0.3), 0.3) - 0.15) - 0.06
    sleeve_end = float(rng.uniform(0.2, 0.6))
    top = _top(sleeve_end=sleeve_end, hem=0.85)(u, v, rng)
    return np.minimum(top, np.minimum(collar + 0.02, buttons))


def _sole(u: Floats, v: Floats) -> Floats:
    return _box(u, v, 0.95, 0.38, 0.55)


def _sandal(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    n = len(u)
    arch = 0.45 * np.clip(-u, 0, 1) * _uniform(rng, n, 0.2, 1.2)
    sole = _sole(u, v + arch)
    straps = 0.06 - np.abs(np.mod(u + 0.5 * v + _uniform(rng, n, 0, 0.5), 0.5) - 0.25)
    top = -0.1 - 0.5 * np.clip(-u, 0, 1)
    return np.maximum(sole, np.minimum(straps, np.minimum(_box(u, v, 0.8, -1, 0.45), v - top)))


def _sneaker(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    rise = _uniform(rng, len(u), 0.35, 0.5)
    top = 0.3 - rise * np.clip(0.6 - u, 0, 1.1)
    upper = np.minimum(_box(u, v, 0.92, -1, 0.42), v - top)
    return np.maximum(upper, _sole(u, v))


def _bag(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    n = len(u)
    top = float(rng.uniform(-0.3, -0.1))
    body = _box(u, v, _uniform(rng, n, 0.7, 0.95), top, 0.8)
    handle = 0.07 - np.abs(np.hypot(u, 0.9 * (v - top)) - _uniform(rng, n, 0.35, 0.6))
    return np.maximum(body, np.minimum(handle, top - v))


def _ankle_boot(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    n = len(u)
    foot = _sneaker(u, v - 0.2, rng)
    shaft = _box(u + 0.45, v, _uniform(rng, n, 0.35, 0.45), -0.85, 0.7)
    heel = _box(u + 0.7, v, 0.22, 0.5, 0.85)
    return np.maximum(np.maximum(foot, shaft), heel)


#: In label order.
_OUTLINES: tuple[Callable[[Floats, Floats, np.random.Generator], Floats], ...] = (
    _top(sleeve_end=-0.25, hem=0.85),
    _trouser,
    _top(sleeve_end=0.75, hem=0.75),
    _dress,
    _coat,
    _sandal,
    _shirt,
    _sneaker,
    _bag,
    _ankle_boot,
)
#: T-shirt - shirt, trouser - dress, pullover - coat, coat - shirt, sandal - sneaker - boot, ...
_RELATED = (6, 3, 4, 1, 6, 7, 0, 5, 2, 7)


def _uniform(rng: np.random.Generator, n: int, low: float, high: float) -> Floats:
    """Return one value per image, of shape (n, 1, 1)."""
    return rng.uniform(low, high, (n, 1, 1)).astype(np.float32)
