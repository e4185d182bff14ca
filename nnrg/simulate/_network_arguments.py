"""Arguments of an ensemble of random networks, checked, and what identifies it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.simulate.architectures import ConvolutionalNetwork, DenseNetwork
from nnrg.stats._arrays import real_array

__all__ = ["checked_inputs", "checked_keep", "digest", "fingerprint", "takes_law"]

Floats = npt.NDArray[np.float64]


def takes_law(net: DenseNetwork | ConvolutionalNetwork, method: str, n_inputs: int) -> bool:
    """Return whether members are drawn by the law of their layers."""
    if method not in ("auto", "layer law", "weights"):
        raise ArgumentError(
            f"method must be 'auto', 'layer law' or 'weights', got {shown(method)}; try 'auto'"
        )
    if method == "layer law" and not net.is_normal:
        raise ArgumentError(
            f"the layer law holds for normal weights, got {net.law.name}; take method='weights'"
        )
    if method == "auto" and isinstance(net, ConvolutionalNetwork):
        # It takes a covariance of all positions: for few channels the weights are fewer numbers.
        smallest = min(net.widths) * net.kernel_size
        return net.is_normal and n_inputs * net.positions <= smallest
    return net.is_normal and method != "weights"


def checked_inputs(net: DenseNetwork | ConvolutionalNetwork, inputs: npt.ArrayLike) -> Floats:
    """Return inputs of shape (k, d), or (k, channels, positions)."""
    x = real_array("inputs", inputs)
    if isinstance(net, ConvolutionalNetwork):
        x = x[:, None] if x.ndim == 2 else x
        shape, good = "(k, positions) or (k, channels, positions)", x.ndim == 3
        good = good and x.shape[2] == net.positions
    else:
        shape, good = "(k, d)", x.ndim == 2
    if not good or 0 in x.shape:
        raise ArgumentError(f"inputs must have shape {shape}, got {x.shape}; put the inputs first")
    if not np.isfinite(x).all():
        raise ArgumentError("inputs must be finite, got NaN or infinity; leave such inputs out")
    return x


def checked_keep(keep: Sequence[str], checkpoint: object) -> set[str]:
    """Return what to keep of every network."""
    kept = {keep} if isinstance(keep, str) else set(keep)
    if not kept <= {"metrics", "outputs"}:
        raise ArgumentError(f"keep takes 'metrics' and 'outputs', got {shown(keep)}")
    if kept and checkpoint is not None:
        raise ArgumentError(
            "a checkpoint holds sums, not single networks: keep must be empty with it, got "
            f"{shown(keep)}"
        )
    return kept


def fingerprint(net: DenseNetwork | ConvolutionalNetwork) -> str:
    """Return a digest of what its text does not say: all layers, and functions by their values."""
    probe = np.linspace(-2.0, 2.0, 9)
    parts = [net.sigmas, np.array(net.widths, dtype=np.float64)]
    parts += [a(probe) for a in dict.fromkeys(net.activations)]
    parts.append(net.law.draw(np.random.default_rng(0), (9,)))
    return digest(np.concatenate([p.ravel() for p in parts]))


def digest(values: Floats) -> str:
    """Return a hash of numbers."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()
