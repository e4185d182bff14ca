"""Depth as a lattice direction: soft neurons inside blocks of layers integrated out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._arguments import as_scale
from nnrg.theory.synaptic._samples import averages, data_arrays
from nnrg.theory.synaptic.feed_forward import FeedForward
from nnrg.theory.synaptic.layer_chain import LayerChain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DepthScales", "coarse_grain_depth"]

Array = npt.NDArray[np.float64]

# Numbers of the Jacobians of all samples and layers.
_LARGEST = 200_000_000
# Squares of gains are averaged for their errors.
_LARGEST_GAIN = 1e140


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DepthScales:
    r"""The chain of soft neurons along depth at scales b = 1, 2, 4 .. layers.

    Attributes
    ----------
    scales : tuple of int
        b, layers in a block.
    gain : Replicates, one number for each scale
        :math:`g_b = \langle \mathrm{tr} A A^T \rangle / n`, the growth of a squared fluctuation; A
        is the Jacobian of a block, n the number of its inputs.
    log_gain : Replicates, one number for each scale
        Mean of the logarithm of the same of each sample and block: what is typical.
    compliance : Replicates, one number for each scale
        :math:`1 / \kappa_b`, the mean squared strain of a neuron of the block at unit temperature.
    stiffness : float
        kappa of one layer.
    n_layers, n_samples : int
    assumptions, flags : tuple of str
    """

    scales: tuple[int, ...]
    gain: Replicates
    log_gain: Replicates
    compliance: Replicates
    stiffness: float
    n_layers: int
    n_samples: int
    assumptions: tuple[str, ...]
    flags: tuple[str, ...] = ()

    def growth(self) -> Replicates:
        """Return the exponent of typical fluctuations per layer, <ln g> / 2b, at each scale.

        Negative where they die out, ordered; positive where they grow, chaotic.
        """
        b = np.array(self.scales)
        return self.log_gain.map(lambda row: row / (2 * b))

    def correlation_depth(self) -> tuple[Estimate, ...]:
        """Return -1 / growth in layers at each scale: NaN where fluctuations grow."""
        return tuple(
            self.growth()
            .map(lambda row: np.where(row < 0, -1 / np.where(row < 0, row, -1.0), np.nan))
            .estimates(n_samples=self.n_samples)
        )

    def independence(self) -> Replicates:
        """Return <ln g_b> - b <ln g_1> over b: zero if a fluctuation forgets its direction."""
        b = np.array(self.scales)
        return self.log_gain.map(lambda row: row / b - row[0])

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each scale."""
        import pandas as pd

        growth, reach, apart = self.growth(), self.correlation_depth(), self.independence()
        return pd.DataFrame(
            {
                "scale": list(self.scales),
                "gain": self.gain.values,
                "gain_error": self.gain.errors(),
                "growth": growth.values,
                "growth_error": growth.errors(),
                "correlation_depth": [e.value for e in reach],
                "correlation_depth_error": [e.error for e in reach],
                "compliance": self.compliance.values,
                "compliance_error": self.compliance.errors(),
                "independence": apart.values,
                "independence_error": apart.errors(),
                "n_samples": self.n_samples,
            }
        )

    def __str__(self) -> str:
        growth = self.growth()
        lines = [
            f"chain of {self.n_layers} layers along depth, {self.n_samples} samples, kappa "
            f"{self.stiffness:g}"
        ]
        for i, b in enumerate(self.scales):
            gain, soft = self.gain.estimate(i), self.compliance.estimate(i)
            rate = growth.estimate(i)
            lines.append(
                f"  b = {b:<3} gain {shown_number(gain.value, gain.error)}  growth per layer "
                f"{shown_number(rate.value, rate.error)}  1/kappa_b "
                f"{shown_number(soft.value, soft.error)}"
            )
        lines += [f"  assumed: {a}" for a in self.assumptions]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def coarse_grain_depth(
    network: FeedForward | LayerChain,
    inputs: npt.ArrayLike,
    *,
    stiffness: float = 1.0,
    levels: int | None = None,
) -> DepthScales:
    r"""Integrate out the neurons inside blocks of contiguous layers, exactly to second order.

    Parameters
    ----------
    network : FeedForward or LayerChain
    inputs : array of shape (P, ...)
        Where the forward pass is expanded.
    stiffness : float
        kappa of the soft neurons, above zero.
    levels : int, optional
        Number of scales 1, 2, 4 ..; as many as the depth allows if left out.

    Returns
    -------
    DepthScales

    Raises
    ------
    ArgumentError
        If shapes do not fit, a number is out of range, or the depth does not allow the levels.
    AnalysisError
        If the Jacobians are more numbers than memory should hold, one of them vanishes, or gains
        leave double precision.

    Notes
    -----
    About the forward pass the soft neurons have the action :math:`\frac{\kappa}{2} \sum_l |\delta
    z_l - A_l \delta z_{l-1}|^2`, a chain of nearest neighbours. Without its inner layers a block is
    such a chain again, with :math:`A' = A_b \cdots A_1` and compliance :math:`1 / \kappa' = \sum_j
    A_b \cdots A_{j+1} A_{j+1}^T \cdots A_b^T / \kappa`: the renormalization along depth is
    decimation and closes. For A = a it is :math:`a' = a^b`, :math:`\kappa / \kappa' = (1 -
    a^{2b}) / (1 - a^2)`: a = 1 is the fixed point, relevant with growth ln a, and kappa falls as
    1 / b there. Derived here; that depth is a direction of locality is arXiv:2511.02003.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic import FeedForward, coarse_grain_depth
    >>> turn = np.array([[0.0, 0.8], [-0.8, 0.0]])
    >>> net = FeedForward.of([turn] * 4, activation="linear")
    >>> flow = coarse_grain_depth(net, np.eye(2))
    >>> flow.gain.values.round(6).tolist(), flow.compliance.values.round(6).tolist()
    ([0.64, 0.4096, 0.167772], [1.0, 1.64, 2.311744])
    """
    chain, kappa = LayerChain.of(network), as_scale("stiffness", stiffness)
    x, _ = data_arrays(inputs, None)
    if x.shape[1] != chain.n_inputs:
        raise ArgumentError(
            f"inputs must be {chain.n_inputs} numbers of each sample, got {np.shape(inputs)}"
        )
    most = chain.depth.bit_length()
    count = most if levels is None else as_count("levels", levels, 1, most)
    maps = _jacobians(chain, x)
    springs = [
        np.broadcast_to(np.eye(a.shape[1]) / kappa, (len(x), *(a.shape[1],) * 2)) for a in maps
    ]
    scales, rows, flags = [], [], []
    for level in range(count):
        with np.errstate(over="ignore", invalid="ignore"):
            if level:
                maps, springs = _decimated(maps, springs)
            gains = np.stack([(a * a).sum(axis=(1, 2)) / a.shape[2] for a in maps])
        if not gains.max() < _LARGEST_GAIN:
            raise AnalysisError(
                f"gains of blocks of {1 << level} layers leave double precision; take smaller "
                "weights or fewer levels"
            )
        if not gains.min() > 0:
            raise AnalysisError(
                f"a block of {1 << level} layers passes nothing on for a sample: its neurons are "
                "off; take other inputs or fewer levels"
            )
        soft = np.stack([np.trace(s, axis1=1, axis2=2) / s.shape[1] for s in springs])
        scales.append(1 << level)
        rows.append(np.stack([gains.mean(axis=0), np.log(gains).mean(axis=0), soft.mean(axis=0)]))
    left = chain.depth % scales[-1]
    if left:
        flags.append(f"blocks of {scales[-1]} layers leave out the last {left} of {chain.depth}")
    found = averages(np.concatenate(np.array(rows).swapaxes(0, 1)).T)
    at = np.arange(count)
    return DepthScales(
        scales=tuple(scales),
        gain=found.select(at),
        log_gain=found.select(count + at),
        compliance=found.select(2 * count + at),
        stiffness=kappa,
        n_layers=chain.depth,
        n_samples=len(x),
        assumptions=(
            "quadratic about the forward pass: of large stiffness, or low temperature",
            "weights at rest; samples independent",
        ),
        flags=tuple(flags),
    )


def _jacobians(chain: LayerChain, x: Array) -> list[Array]:
    """Return d z_l / d z_{l-1} of each sample, (P, n_l, n_{l-1})."""
    size = len(x) * sum(layer.n_outputs * layer.n_inputs for layer in chain.layers)
    if size > _LARGEST:
        raise AnalysisError(
            f"Jacobians of {len(x)} samples are {size:.3g} numbers, more than {_LARGEST:g}; give "
            "fewer inputs"
        )
    z, out = chain.start(x), []
    with np.errstate(over="ignore", invalid="ignore"):
        for i, layer in enumerate(chain.layers):
            h = layer.preactivations(chain.entering(i + 1, x, z))
            matrix = layer.back(np.eye(layer.n_outputs))[:, layer.n_inputs - z.shape[1] :]
            out.append(layer.activation.derivative(h)[:, :, None] * matrix)
            z = np.asarray(layer.activation(h))
    return out


def _decimated(maps: list[Array], springs: list[Array]) -> tuple[list[Array], list[Array]]:
    """Return the chain without every second layer; a last one that is alone is left out."""
    pairs = range(0, len(maps) - 1, 2)
    return (
        [maps[i + 1] @ maps[i] for i in pairs],
        [springs[i + 1] + maps[i + 1] @ springs[i] @ maps[i + 1].swapaxes(1, 2) for i in pairs],
    )
