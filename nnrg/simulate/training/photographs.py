"""Patches of photographs, whose spectrum is near a power law."""

from __future__ import annotations

import numpy as np

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import SourceError
from nnrg.simulate.training.data import TrainingData

__all__ = ["photograph_patches"]

_NAMES = ("china.jpg", "flower.jpg")
_LUMINANCE = (0.299, 0.587, 0.114)
# The shorter side of both photographs.
_SIDE = 427


def photograph_patches(
    n_samples: int, side: int, *, rng: np.random.Generator | int | None = None
) -> TrainingData:
    """Draw square patches of the two photographs that scikit-learn carries.

    Parameters
    ----------
    n_samples : int
        Number of patches P.
    side : int
        Pixels along a side, at most 427.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    TrainingData
        Inputs (P, side * side) in rows, without targets. The covariance of their law is not known.

    Raises
    ------
    ArgumentError
        If a number is out of range.
    SourceError
        If scikit-learn or pillow is not installed.

    Notes
    -----
    Log luminance of each photograph, of mean zero and variance one, of which the mean of each patch
    is taken off, as in ``studies/train_patches.py``. The photographs are by danielbuechele and
    vultilion (CC BY 2.0).

    Examples
    --------
    >>> photograph_patches(10, 8, rng=1).inputs.shape
    (10, 64)
    """
    n, side = as_count("n_samples", n_samples), as_count("side", side, 2, _SIDE)
    try:
        from sklearn.datasets import load_sample_image

        images = [np.asarray(load_sample_image(name), float) / 255 for name in _NAMES]
    except ImportError as error:
        raise SourceError(
            f"photographs need scikit-learn and pillow ({shown(str(error))}); install nnrg[studies]"
        ) from None
    # The offset keeps the logarithm of black pixels finite.
    fields = np.stack([np.log(image @ np.array(_LUMINANCE) + 1 / 16) for image in images])
    fields -= fields.mean(axis=(1, 2), keepdims=True)
    fields /= fields.std(axis=(1, 2), keepdims=True)
    generator = np.random.default_rng(as_seed(rng))
    which = generator.integers(0, len(fields), n)
    row = generator.integers(0, fields.shape[1] - side + 1, n)
    column = generator.integers(0, fields.shape[2] - side + 1, n)
    windows = np.lib.stride_tricks.sliding_window_view(fields, (side, side), axis=(1, 2))
    patches = windows[which, row, column].reshape(n, -1)
    return TrainingData(patches - patches.mean(axis=1, keepdims=True))
