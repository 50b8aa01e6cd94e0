"""Similarity of the patches of an image to a dictionary of typical patches."""

from __future__ import annotations

from functools import cache
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from fmnist_lib.common.labels import IMAGE_SHAPE
from fmnist_lib.features.chunks import in_chunks
from fmnist_lib.features.images import as_images
from fmnist_lib.features.pooling import triangular_pooling

#: Images per chunk: larger chunks exceed the L2 cache.
_CHUNK = 8
#: Most images and patches used to fit the whitening and the dictionary.
_FIT_IMAGES, _FIT_PATCHES = 2000, 200_000
#: Patches with a standard deviation (of pixels in 0..1) up to this are background.
_BACKGROUND_STD = 0.02


class PatchDictionary(TransformerMixin, BaseEstimator):
    """Pooled, thresholded similarities to a dictionary of whitened patches.

    Every patch of the image, padded with background, is normalised to mean 0 and unit contrast and
    whitened (ZCA). Its similarities to the atoms are soft-thresholded, with separate columns for
    positive and negative ones, summed over overlapping cells of the image, and square-rooted. The
    atoms are patches drawn from the training images; half of them are mirror images of the other
    half, so that mirroring an image only permutes its columns.

    Parameters
    ----------
    size : int, default=5
        Pixels along each side of a patch; odd.
    atoms : int, default=100
        Size of the dictionary; even.
    threshold : float, default=0.15
        Similarities closer to 0 count as 0.
    contrast : float, default=0.04
        Added to the variance of a patch before normalisation: damps low-contrast patches.
    whitening : float, default=0.1
        Added to the eigenvalues of the patches' covariance matrix before whitening.
    cells : int, default=7
        Pooling cells along each side of the image; a position counts for its nearest cells by a
        triangular weight.
    random_state : int, RandomState or None, default=None
        Draws the images, the patches and the atoms.

    Attributes
    ----------
    filters_ : ndarray of float32, shape (size * size, atoms)
        Centring, whitening and dictionary in one matrix.
    offset_ : ndarray of float32, shape (atoms,)
        Similarities of the mean patch.
    n_features_out_ : int

    References
    ----------
    Coates and Ng, "The Importance of Encoding Versus Training with Sparse Coding and Vector
    Quantization", ICML 2011; Thiry, Arbel, Belilovsky and Oyallon, "The Unreasonable Effectiveness
    of Patches in Deep Convolutional Kernels Methods", ICLR 2021.
    """

    def __init__(  # noqa: PLR0917 (hyper-parameters, as scikit-learn requires)
        self,
        size: int = 5,
        atoms: int = 100,
        threshold: float = 0.15,
        contrast: float = 0.04,
        whitening: float = 0.1,
        cells: int = 7,
        random_state: Any = None,
    ) -> None:
        self.size = size
        self.atoms = atoms
        self.threshold = threshold
        self.contrast = contrast
        self.whitening = whitening
        self.cells = cells
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Learn the whitening and draw the dictionary.

        Parameters
        ----------
        X : array-like of uint8, shape (n, 28, 28) or (n, 784)

        Raises
        ------
        ValueError
            ``size`` is even or ``atoms`` is odd.
        DataError
            No images.
        """
        if self.size % 2 == 0 or self.atoms % 2:
            raise ValueError(
                f"PatchDictionary: expected an odd size and an even number of atoms, got "
                f"size={self.size} and atoms={self.atoms}."
            )
        random = check_random_state(self.random_state)
        patches = self._sample(as_images(X), random)
        both = np.concatenate([patches, patches[:, self._mirror_pixels()]])
        mean = both.mean(axis=0)
        eigenvalues, axes = np.linalg.eigh(np.cov(both, rowvar=False))
        whiten = (axes / np.sqrt(eigenvalues + self.whitening)) @ axes.T
        dictionary = (patches - mean) @ whiten
        drawn = random.choice(len(dictionary), self.atoms // 2, replace=len(patches) < self.atoms)
        dictionary = dictionary[drawn]
        dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True) + 1e-12
        dictionary = np.concatenate([dictionary, dictionary[:, self._mirror_pixels()]])
        filters = whiten @ dictionary.T
        self.offset_ = (mean @ filters).astype(np.float32)
        # Subtracting each patch's mean is linear too, so it is folded into the filters.
        self.filters_ = (filters - filters.mean(axis=0)).astype(np.float32)
        self.n_features_out_ = self.cells**2 * 2 * self.atoms
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return float32 columns of shape (n, cells**2 * 2 * atoms): cell by cell, atom by atom."""
        check_is_fitted(self)
        return in_chunks(self._columns, as_images(X), self.n_features_out_, _CHUNK)

    def mirror_columns(self) -> np.ndarray:
        """Return the column permutation that corresponds to mirroring an image left to right.

        Returns
        -------
        ndarray of intp, shape (n_features_out_,)
            ``transform(images[:, :, ::-1])`` equals ``transform(images)[:, mirror_columns()]`` up
            to rounding.
        """
        order = np.arange(self.cells**2 * 2 * self.atoms)
        order = order.reshape(self.cells, self.cells, 2, 2, self.atoms // 2)
        return order[:, ::-1, :, ::-1].ravel()

    def _sample(self, images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """Draw contrast-normalised patches that are not background, float64, one per row."""
        chosen = random.permutation(len(images))[:_FIT_IMAGES]
        patches = self._patches(images[chosen])[:-1].T
        patches = patches[random.permutation(len(patches))[:_FIT_PATCHES]].astype(np.float64)
        structured = patches.std(axis=1) > _BACKGROUND_STD
        # Do not fail if all patches are background.
        patches = patches[structured] if structured.any() else patches
        patches -= patches.mean(axis=1, keepdims=True)
        return patches / np.sqrt(patches.var(axis=1, keepdims=True) + self.contrast)

    def _columns(self, images: np.ndarray) -> np.ndarray:
        """Return the columns of one chunk."""
        patches = self._patches(images)
        pixels = patches[:-1]
        mean_square = np.einsum("ij,ij->j", pixels, pixels) / np.float32(len(pixels))
        variance = np.maximum(mean_square - np.square(pixels.mean(axis=0)), 0)
        pixels /= np.sqrt(variance + np.float32(self.contrast))
        signed = patches.T @ self._signed_filters()
        # np.maximum with an array of zeros is four times as fast as with a scalar.
        np.maximum(signed, _zeros(signed.shape), out=signed)
        side = IMAGE_SHAPE[0]
        pooling = triangular_pooling(self.cells)
        # Pool over the rows of the image, then over its columns.
        pooled = pooling @ signed.reshape(len(images), side, -1)
        pooled = pooling @ pooled.reshape(len(images), self.cells, side, -1)
        return np.sqrt(pooled, out=pooled).reshape(len(images), -1)

    def _signed_filters(self) -> np.ndarray:
        """Return the filters with both signs; the last row subtracts mean and threshold."""
        threshold = np.float32(self.threshold)
        return np.vstack(
            [
                np.hstack([self.filters_, -self.filters_]),
                np.concatenate([-self.offset_ - threshold, self.offset_ - threshold]),
            ]
        )

    def _patches(self, images: np.ndarray) -> np.ndarray:
        """Return the patch around every pixel, float32 in 0..1, one per column, and a row of ones.

        The shape is (size * size + 1, n * 784): each row but the last is a shifted copy of the
        images.
        """
        padding, side = self.size // 2, IMAGE_SHAPE[0]
        padded = np.zeros((len(images), side + 2 * padding, side + 2 * padding), dtype=np.float32)
        padded[:, padding : padding + side, padding : padding + side] = images
        padded *= np.float32(1 / 255)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
        patches = np.ones((self.size**2 + 1, *images.shape), dtype=np.float32)
        shifted = patches[:-1].reshape(self.size, self.size, *images.shape)
        shifted[...] = np.moveaxis(windows, 0, 2)
        return patches.reshape(len(patches), -1)

    def _mirror_pixels(self) -> np.ndarray:
        """Return the pixel permutation that mirrors a patch."""
        return np.arange(self.size**2).reshape(self.size, self.size)[:, ::-1].ravel()


@cache
def _zeros(shape: tuple[int, int]) -> np.ndarray:
    zeros = np.zeros(shape, dtype=np.float32)
    zeros.setflags(write=False)
    return zeros
