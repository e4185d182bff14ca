"""The network that ships with nnrg, trained and at its initialisation.

``README.md`` beside the two weight files is their card: architecture, training, data, licence.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["default_network_path", "initial_network_path"]


def default_network_path() -> Path:
    """Path of the trained default network.

    Returns
    -------
    pathlib.Path
        A safetensors file: ``encoder.weight`` of shape (96, 1024), whose rows are samples on the
        32 x 32 pixel lattice, ``encoder.bias`` (96,) and ``decoder.bias`` (1024,), all float32 and
        dimensionless. The metadata key ``nnrg.lattice.encoder.weight`` holds ``"32,32"``.

    Notes
    -----
    The network is a sparse denoising autoencoder with tied weights, y = Wᵀ relu(W x + b) + c,
    trained on patches of two photographs by ``studies/train_patches.py``.

    Examples
    --------
    >>> from nnrg.data import default_network_path
    >>> default_network_path().name
    'patches.safetensors'
    """
    return _path("patches.safetensors")


def initial_network_path() -> Path:
    """Path of the default network before its first training step.

    The null model of training: same tensors, same seed, weights drawn from N(0, 1/1024) and all
    biases zero.

    Returns
    -------
    pathlib.Path
        A safetensors file with the tensors of `default_network_path`.

    Notes
    -----
    The biases are constant fields with zero variance: they have no couplings.

    Examples
    --------
    >>> from nnrg.data import initial_network_path
    >>> initial_network_path().name
    'patches_init.safetensors'
    """
    return _path("patches_init.safetensors")


def _path(name: str) -> Path:
    return Path(str(files("nnrg.data") / name))
