"""Random networks that ensembles are made of: widths, activation functions, laws of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import ArgumentError
from nnrg.simulate.weight_laws import NORMAL, WeightLaw, weight_law

__all__ = ["ConvolutionalNetwork", "DenseNetwork"]

Spec = str | Activation | Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

_WIDEST = 1 << 20
_DEEPEST = 1 << 20


class _Layers:
    """What dense and convolutional networks share, read from their checked fields."""

    __slots__ = ()

    activation: Any
    sigma_w: Any
    sigma_b: Any
    width: Any
    weights: Any

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer."""
        return tuple(self.width)

    @property
    def activations(self) -> tuple[Activation, ...]:
        """Activation function of each hidden layer."""
        return tuple(self.activation)

    @property
    def sigmas(self) -> npt.NDArray[np.float64]:
        """(sigma_w, sigma_b) of each of the T + 1 layers of weights, shape (T + 1, 2)."""
        return np.column_stack([np.array(self.sigma_w), np.array(self.sigma_b)])

    @property
    def law(self) -> WeightLaw:
        """Law of the weights."""
        return weight_law(self.weights)

    @property
    def is_normal(self) -> bool:
        """Whether weights are normal numbers."""
        return self.law == NORMAL

    @property
    def n_hidden(self) -> int:
        """Number of hidden layers T."""
        return len(self.widths)


@dataclass(frozen=True, slots=True)
class DenseNetwork(_Layers):
    r"""Feed-forward network of dense layers in the standard parametrisation.

    .. math:: z^1 = W^1 x + b^1, \qquad z^{t+1} = r z^t + W^{t+1} \phi(z^t) + b^{t+1}, \qquad
              W^{t+1}_{ij} \sim \frac{\sigma_w}{\sqrt{n_t}}, \quad b_i \sim N(0, \sigma_b^2) .

    Parameters
    ----------
    activation : str, Activation, callable, or a sequence of them
        :math:`\phi` of every hidden layer, or of each.
    sigma_w, sigma_b : float or sequence of float
        At least zero; one number, or one for each of the depth + 1 layers of weights.
    width : int or sequence of int
        Neurons n of every hidden layer, or of each; at least 2.
    depth : int, optional
        Number of hidden layers T, at least 1; left out, as many as there are widths.
    n_outputs : int
        Neurons of the layer after the last hidden one, which has no activation function; 0 for
        none.
    weights : str or WeightLaw
        ``"normal"``, ``"uniform"``, ``"student:NU"``. Biases are always normal.
    residual : float
        r, with which the preactivations of one hidden layer are added to those of the next.

    Raises
    ------
    ArgumentError
        If a number is out of range, or sequences do not fit the depth.

    Examples
    --------
    >>> print(DenseNetwork("relu", 2**0.5, width=64, depth=8, n_outputs=2))
    dense, 8 hidden layers of 64 neurons, relu, sigma_w 1.41421, sigma_b 0, normal, 2 outputs
    """

    activation: Spec | Sequence[Spec]
    sigma_w: float | Sequence[float] = 1.0
    sigma_b: float | Sequence[float] = 0.0
    _: KW_ONLY
    width: int | Sequence[int] = 128
    depth: int | None = None
    n_outputs: int = 1
    weights: str | WeightLaw = "normal"
    residual: float = 0.0

    def __post_init__(self) -> None:
        widths, depth = _layers("width", self.width, self.depth)
        checked = tuple(as_count("width", w, 2, _WIDEST) for w in widths)
        residual = as_real("residual", self.residual)
        if residual and len(set(checked)) > 1:
            raise ArgumentError(f"a residual network needs equal widths, got {shown(checked)}")
        for name, value in {
            "width": checked,
            "depth": depth,
            "activation": _activations(self.activation, depth),
            "sigma_w": _deviations("sigma_w", self.sigma_w, depth + 1),
            "sigma_b": _deviations("sigma_b", self.sigma_b, depth + 1),
            "n_outputs": as_count("n_outputs", self.n_outputs, 0, _WIDEST),
            "weights": weight_law(self.weights),
            "residual": residual,
        }.items():
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        kind = f"residual ({self.residual:g})" if self.residual else "dense"
        return f"{kind}, {_described(self)}, {_plural(self.n_outputs, 'output')}"


@dataclass(frozen=True, slots=True)
class ConvolutionalNetwork(_Layers):
    r"""Convolutional network in one dimension: channels on a ring of positions.

    .. math:: z^{t+1}_{c x} = \sum_{c' \delta} W^{t+1}_{c c' \delta} \phi(z^t_{c', x + \delta})
              + b^{t+1}_c, \qquad W \sim \frac{\sigma_w}{\sqrt{n_t k}}

    with n channels, as ``width``, and k places :math:`\delta` of the kernel. Outputs see all
    channels at all positions through weights of their own.

    Parameters
    ----------
    activation, sigma_w, sigma_b, width, depth, n_outputs, weights
        As of `DenseNetwork`; `width` is the number of channels.
    positions : int
        Length of the ring.
    kernel_size : int
        Odd, at most the number of positions.

    Raises
    ------
    ArgumentError
        If a number is out of range, or sequences do not fit the depth.
    """

    activation: Spec | Sequence[Spec]
    sigma_w: float | Sequence[float] = 1.0
    sigma_b: float | Sequence[float] = 0.0
    _: KW_ONLY
    positions: int
    kernel_size: int = 3
    width: int | Sequence[int] = 32
    depth: int | None = None
    n_outputs: int = 1
    weights: str | WeightLaw = "normal"

    def __post_init__(self) -> None:
        positions = as_count("positions", self.positions, 1, _WIDEST)
        size = as_count("kernel_size", self.kernel_size, 1, positions)
        if size % 2 == 0:
            raise ArgumentError(f"kernel_size must be odd, got {size}; try {size + 1}")
        like = DenseNetwork(
            self.activation,
            self.sigma_w,
            self.sigma_b,
            width=self.width,
            depth=self.depth,
            n_outputs=self.n_outputs,
            weights=self.weights,
        )
        for name in ("activation", "sigma_w", "sigma_b", "width", "depth", "n_outputs", "weights"):
            object.__setattr__(self, name, getattr(like, name))
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "kernel_size", size)

    def __str__(self) -> str:
        return (
            f"convolutional, {self.positions} positions, kernel of {self.kernel_size}, "
            f"{_described(self)}, {_plural(self.n_outputs, 'output')}"
        )


def _described(net: _Layers) -> str:
    unit = "channels" if isinstance(net, ConvolutionalNetwork) else "neurons"
    layers = _plural(net.n_hidden, "hidden layer")
    names = _listed([a.name for a in net.activations])
    sigma_w, sigma_b = (_listed([f"{s:g}" for s in column]) for column in net.sigmas.T)
    return (
        f"{layers} of {_listed([str(w) for w in net.widths])} {unit}, {names}, "
        f"sigma_w {sigma_w}, sigma_b {sigma_b}, {net.law.name}"
    )


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _listed(values: list[str]) -> str:
    if len(set(values)) == 1:
        return values[0]
    return "-".join(values) if len(values) <= 6 else "-".join([*values[:3], "...", values[-1]])


def _is_sequence(value: object) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)


def _layers(name: str, value: object, depth: int | None) -> tuple[Sequence[object], int]:
    if _is_sequence(value):
        rows = list(value)  # type: ignore[call-overload]
        count = as_count("depth", len(rows) if depth is None else depth, 1, _DEEPEST)
        if count != len(rows):
            raise ArgumentError(f"{name} has {len(rows)} entries, but depth is {count}; drop one")
        return rows, count
    count = as_count("depth", 1 if depth is None else depth, 1, _DEEPEST)
    return [value] * count, count


def _activations(value: object, depth: int) -> tuple[Activation, ...]:
    if not _is_sequence(value):
        return (as_activation(value),) * depth  # type: ignore[arg-type]
    rows = tuple(as_activation(a) for a in value)  # type: ignore[attr-defined]
    if len(rows) != depth:
        raise ArgumentError(
            f"activation has {len(rows)} entries for {depth} hidden layers; give one, or one each"
        )
    return rows


def _deviations(name: str, value: object, layers: int) -> tuple[float, ...]:
    rows = list(value) if _is_sequence(value) else None  # type: ignore[call-overload]
    if rows is not None and len(rows) != layers:
        raise ArgumentError(
            f"{name} has {len(rows)} entries for {layers} layers of weights (one more than hidden "
            "layers); give one, or one each"
        )
    out = tuple(as_real(name, v) for v in rows) if rows else (as_real(name, value),) * layers
    if min(out) < 0:
        raise ArgumentError(
            f"{name} is a standard deviation and must not be negative, got {min(out)}"
        )
    return out
