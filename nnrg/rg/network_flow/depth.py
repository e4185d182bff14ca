"""Depth as one more axis: blocks of consecutive layers, and how weights correlate along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.networks.network import Network
from nnrg.networks.topology import Topology
from nnrg.rg.cumulants import align
from nnrg.rg.levels import as_levels
from nnrg.rg.network_flow._depth_numbers import block_layers, depth_observables, said
from nnrg.rg.network_flow.stack import Stack, stack
from nnrg.rg.observables import Observables
from nnrg.stats.estimate import format_value_error

__all__ = ["HOW", "DepthFlow", "depth_blocks"]

Floats = npt.NDArray[np.float64]

HOW = ("average", "compose", "residual")
"""What a block of layers becomes; see `depth_blocks`."""

# An exponent takes two decades, and never fewer points than this.
_FEWEST_SCALES = 4


@dataclass(frozen=True, slots=True, eq=False)
class DepthFlow:
    """Blocks of consecutive layers at scales b = 1, b, b^2, .. in depth; made by `depth_blocks`.

    Attributes
    ----------
    stack : Stack
        The layers.
    how : str
        ``"average"``, ``"compose"`` or ``"residual"``.
    fields : tuple of float64 arrays of shape (n_blocks, ...)
        The blocks at each scale.
    numbers : Observables
        ``kappa_2`` of the entries (unit of the weights squared), ``growth`` = b kappa_2(b) /
        kappa_2(1), ``depth:r`` the correlation of blocks r apart, ``beyond_sum`` the share of a
        residual composition that is not in the sum of its layers; all but kappa_2 dimensionless.
    notes : tuple of str
    """

    stack: Stack
    how: str
    fields: tuple[Floats, ...]
    numbers: Observables
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        counts = " -> ".join(str(len(f)) for f in self.fields)
        return f"DepthFlow({self.stack.name}, {self.how}: {counts} layers)"

    @property
    def verdict(self) -> str:
        """Whether anything can be said of scaling in depth."""
        n, scales = len(self.stack.layers), len(self.fields)
        if scales < _FEWEST_SCALES:
            return (
                f"{n} layers make {scales} scales in depth: an exponent cannot be told, "
                f"{_FEWEST_SCALES} scales at least are needed"
            )
        return f"{n} layers make {scales} scales in depth"

    def __str__(self) -> str:
        errors, z = self.numbers.errors(), self.numbers.z()
        lines = [["b", "layers", *self.numbers.names]]
        for level, b in enumerate(self.numbers.scales):
            row = [f"{b:g}", str(len(self.fields[level]))]
            for i in range(len(self.numbers.names)):
                value = self.numbers.values[level, i]
                text = format_value_error(value, errors[level, i]) if np.isfinite(value) else "-"
                score = z[level, i]
                row.append(text if np.isnan(score) else f"{text} [{score:+.1f}]")
            lines.append(row)
        said = "value(error), z against layers in random order in brackets"
        return "\n".join([repr(self), align(lines), said, *self.notes, self.verdict])


def depth_blocks(
    net: Network,
    pattern: str | Sequence[str],
    b: int = 2,
    *,
    how: str = "average",
    levels: int | None = None,
    aligned: bool = False,
    draws: int = 100,
    topology: Topology | None = None,
    rng: object = None,
) -> DepthFlow:
    r"""Block consecutive layers of a stack, and measure how weights correlate along depth.

    Parameters
    ----------
    net : Network
    pattern : str, or pair of str
        A tensor with ``*`` for the number of the layer, whose units are the same in every layer: on
        the residual stream. Or a pair of matrices whose product is: output times value of
        attention, query times key, second times first of a feed-forward part.
    b : int
        Layers in a block, at each step.
    how : {"average", "compose", "residual"}
        The mean of the layers; the product W_b .. W_2 W_1 of linear maps, the first layer first; or
        (1 + W_b) .. (1 + W_1) - 1, for maps that are added to a stream. Both products leave out
        activations and normalisations between layers, and are statements of the weights alone.
    levels : int, optional
        Number of scales; by default as many as leave two blocks of layers.
    aligned : bool
        That units of one index are the same in every layer although they are populations of their
        own.
    draws : int
        Of each null model: layers in random order, and units in a random order of each layer.
    topology : Topology, optional
    rng : int, numpy Generator or None

    Returns
    -------
    DepthFlow

    Raises
    ------
    ArgumentError
        If an option is out of range, or fewer than two layers fit the pattern.
    AnalysisError
        If units have no identity across layers, or layers cannot be composed.

    Notes
    -----
    The axis is open: a remainder of layers, the last ones, is left out of the blocks, with a note.
    ``depth:r`` is the mean over all pairs of blocks r apart of the correlation of their entries,
    each with its own mean taken out. With independent layers all are zero and ``growth`` stays one;
    with identical layers they are one and ``growth`` is b, by ``"average"``.

    Errors leave out bands of rows, then bands of columns, and add the squares of both: an upper
    bound, by at most sqrt(2) for independent entries. Few layers are few whatever the error of
    their correlation: the first null is that of their order. The second says what of a correlation
    is that of the same units: it keeps variances, and the diagonal of a map from units to
    themselves.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.rg.network_flow.depth import depth_blocks
    >>> rng = np.random.default_rng(1)
    >>> shift = {f"layer.{i}.norm.bias": rng.normal(size=64) for i in range(8)}
    >>> net = nnrg.load(shift)
    >>> flow = depth_blocks(net, "layer.*.norm.bias", aligned=True, rng=1)
    >>> [len(f) for f in flow.fields], abs(flow.numbers.z()[0, 2]) < 4
    ([8, 4, 2], np.True_)
    """
    length = as_count("b", b, 2, hint="a block has at least 2 layers")
    count = as_count("draws", draws, 3)
    if how not in HOW:
        raise ArgumentError(f"how must be one of {', '.join(HOW)}, got {shown(how)}")
    layers = stack(net, pattern, aligned=aligned, topology=topology)
    if how != "average" and not layers.is_map:
        raise AnalysisError(
            f"{layers.name}: layers that map {' to '.join(layers.populations[::-1])} cannot be "
            "composed; try how='average'"
        )
    n = len(layers.layers)
    scales = [1]
    while n // (scales[-1] * length) >= 2:
        scales.append(scales[-1] * length)
    if levels is not None:
        wanted = as_levels(levels)
        if wanted > len(scales):
            raise ArgumentError(
                f"{wanted} scales were asked of {n} layers, blocks of {length} make {len(scales)}; "
                "ask for fewer levels"
            )
        scales = scales[:wanted]
    seed = as_seed(rng)
    fields = tuple(block_layers(layers.values, size, how) for size in scales)
    notes = [*layers.notes]
    if n % scales[-1]:
        notes.append(f"the last {n % scales[-1]} of {n} layers are in no block of {scales[-1]}")
    notes.append(said(how))
    for field in fields:
        field.flags.writeable = False
    return DepthFlow(
        layers,
        how,
        fields,
        depth_observables(layers, fields, scales, how, count, seed),
        tuple(notes),
    )
