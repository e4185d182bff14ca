"""All that null draws on the blocks of a flow are asked for, in one pass over each of them.

A draw has the blocks, graphs and equations of the flow. What depends on those alone is prepared
once; the block fields of a draw are made for a few samples at a time, all scales one after the
other while the numbers are near, and are not kept. The numbers of a block stand next to one
another, one for each sample, so that blocks and neighbours are whole rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.rg.basis import Basis
from nnrg.rg.flow import Flow
from nnrg.rg.graph_action._draw_levels import Level, prepared_level
from nnrg.rg.graph_action.terms import derivative_row
from nnrg.rg.neighbourhoods._equalised import equalising
from nnrg.rg.schwinger_dyson import LinearSystem, assemble
from nnrg_kernels.graph_blocks import sum_runs
from nnrg_kernels.graph_rows import row_products
from nnrg_kernels.pyramid import Pyramid
from nnrg_kernels.schwinger_dyson import Sums

__all__ = ["DrawSums"]

Floats = npt.NDArray[np.float64]

# Numbers of a batch of samples: those of a scale, and of the next, fit the second cache.
_BATCH = 1 << 17
# Block sums of a draw that are kept between the two passes; above, they are made again.
_KEPT = 1 << 21


class DrawSums:
    """The sums of null draws through the blocks of a flow on graphs.

    Parameters
    ----------
    flow : Flow
    bases : sequence of Basis
        Operators that are fitted at each scale: those that its graphs can tell, all of them powers
        of the field or squares of differences.
    """

    def __init__(self, flow: Flow, bases: Sequence[Basis]) -> None:
        assert flow.arrangement is not None
        stats = flow.statistics
        self._axes = flow.field.sites.dimension
        self._levels = [
            prepared_level(flow.arrangement, k, basis, float(stats.shift[k]), float(stats.scale[k]))
            for k, basis in enumerate(bases)
        ]
        powers = [k for level in self._levels for row, _ in level.rows for k in row]
        self._power = max([1, *powers])
        self._order = max(stats.sums.shape[-1], 2 * self._power)
        self._kept_order = stats.sums.shape[-1]
        p = range(self._order + 1)
        self._binomials = np.array([[float(comb(n, k)) for k in p] for n in p])

    @staticmethod
    def serves(flow: Flow, basis: Basis, *, hard_edge: bool) -> bool:
        """Tell whether draws of a flow can be summed so."""
        if not flow.graphs or hard_edge or flow.field.sites.dimension > 2:
            return False
        if flow.field.values.dtype not in (np.float32, np.float64):
            return False
        terms = [t for o in basis if not o.local for t in derivative_row(o)[1]]
        own = any(derivative_row(o)[1] for o in basis if o.local)
        return not own and all(t.kind == "quadratic" for t in terms)

    def measure(self, values: npt.NDArray[Any]) -> tuple[Pyramid, list[LinearSystem]]:
        """Return the statistics and the equations of one draw, its sites in order."""
        n_samples = values.shape[0]
        columns = 1 if self._axes == 1 else values.shape[2]
        field = values.reshape(n_samples, -1, columns)
        step = max(1, _BATCH // (field.shape[1] * columns))
        cuts = [(at, min(at + step, n_samples)) for at in range(0, n_samples, step)]
        numbers = n_samples * sum(prod(level.shape) for level in self._levels)
        kept = [list(self._totals(field, *cut)) for cut in cuts] if numbers <= _KEPT else None
        affine = self._affine(field, cuts, kept)
        sums = [_Part(self._power, self._order, len(level.near)) for level in self._levels]
        for place, cut in enumerate(cuts):
            totals = kept[place] if kept else self._totals(field, *cut)
            for level, of_level, part, total in zip(
                self._levels, affine, sums, totals, strict=True
            ):
                part.add(level, total, *of_level)
            if kept:
                kept[place] = []
        return self._statistics(n_samples, sums), [
            self._equations(level, part, n_samples)
            for level, part in zip(self._levels, sums, strict=True)
        ]

    def _totals(self, field: npt.NDArray[Any], low: int, high: int) -> Iterator[Floats]:
        """Yield the block sums of some samples at each scale, samples last."""
        total = np.empty((*field.shape[1:], high - low))
        total[:] = np.moveaxis(field[low:high], 0, -1)
        for level in self._levels:
            for starts, axis in level.runs:
                total = sum_runs(total, starts, axis)
            yield total

    def _affine(
        self,
        field: npt.NDArray[Any],
        cuts: list[tuple[int, int]],
        kept: list[list[Floats]] | None,
    ) -> list[tuple[Floats, Floats]]:
        """Return for each scale what makes the rescaled, equalised field of block sums."""
        uneven = [k for k, level in enumerate(self._levels) if level.kind is not None]
        moments = {k: np.zeros((2, *self._levels[k].shape)) for k in uneven}
        for place, cut in enumerate(cuts if uneven else []):
            for k, total in enumerate(kept[place] if kept else self._totals(field, *cut)):
                if k in moments:
                    level = self._levels[k]
                    y = total / level.sizes[:, :, None]
                    y -= level.shift
                    moments[k][0] += y.sum(axis=-1)
                    moments[k][1] += np.einsum("ijk,ijk->ij", y, y)
        out = []
        for k, level in enumerate(self._levels):
            factor, centre = np.ones(level.shape), 0.0
            if level.kind is not None:
                flat = level.kind.ravel()
                count = np.bincount(flat) * field.shape[0]
                first, second = (
                    np.bincount(flat, m.ravel()).astype(np.float64) for m in moments[k]
                )
                above, of_kind = equalising(level.kinds, count, first, second)
                factor, centre = of_kind[level.kind], level.shift + above
            slope = factor / (level.sizes * level.scale)
            at_zero = (centre * (1 - factor) - level.shift) / level.scale
            out.append((slope[:, :, None], np.asarray(at_zero)[:, :, None]))
        return out

    def _statistics(self, n_samples: int, sums: Sequence[_Part]) -> Pyramid:
        n, d = len(self._levels), self._axes
        bonds, squares = np.zeros((2, n, 1, d))
        for k, (level, part) in enumerate(zip(self._levels, sums, strict=True)):
            mean = part.moments[1] / part.moments[0]
            for axis, place, unit in level.bonds:
                # Deviations from the mean of the draw, as those from the shift are at hand.
                own, other = part.cross[:2, place], part.of_constant(level, place)
                energy = own[1] - mean * (own[0] + other[1] - mean * other[0])
                squares[k, 0, axis] = energy * unit
                bonds[k, 0, axis] = level.strength(place) * n_samples / 2 * unit
        return Pyramid(
            shift=np.array([level.shift for level in self._levels]),
            scale=np.array([level.scale for level in self._levels]),
            counts=np.array([[n_samples * prod(level.shape)] for level in self._levels]),
            sums=np.stack([part.moments[None, 1 : 1 + self._kept_order] for part in sums]),
            bonds=bonds,
            gradients=squares,
            fields=None,
        )

    def _equations(self, level: Level, part: _Part, n_samples: int) -> LinearSystem:
        """Return A and h of the field itself, in units of its root mean square."""
        n, m1, m2 = part.moments[:3]
        shift, scale = level.shift, level.scale
        mean_square = shift**2 + 2 * shift * scale * m1 / n + scale**2 * m2 / n
        unit = float(np.sqrt(max(mean_square, 1e-300)))
        a, b = shift / unit, scale / unit
        # y = a + b u: its powers by those of u.
        p = np.arange(self._order + 1)
        powers = self._binomials * a ** np.maximum(p[:, None] - p, 0) * b**p
        few, count = powers[: self._power + 1, : self._power + 1], len(level.terms)
        # T of y is b times that of u, and a times that of a constant.
        mixed = np.zeros((part.cross.shape[1], count))
        for c in range(count):
            mixed[c, c] = b
            if (place := part.places.get(c)) is not None:
                mixed[place, c] = a
        sums = Sums(
            sites=np.array([int(n)]),
            moments=(powers @ part.moments)[None, : 2 * self._power + 1],
            cross=(few @ part.cross @ mixed)[None],
            gram=(mixed.T @ part.gram @ mixed)[None],
            second=np.array([[level.strength(c) * n_samples for c in range(count)]]),
            edge=np.zeros((1, self._power + 1)),
        )
        return assemble(sums, level.terms, level.rows, [], (), unit)


class _Part:
    """Sums of powers of u, of powers times T, and of T times T, at one scale of one draw."""

    def __init__(self, power: int, order: int, near: int) -> None:
        self._power, self._order, self._near = power, order, near
        self.moments = np.zeros(order + 1)
        self.cross = np.zeros((power + 1, near))
        self.gram = np.zeros((near, near))
        # Where signed graphs have a channel of what they make of a constant.
        self.places: dict[int, int] = {}

    def add(self, level: Level, total: Floats, slope: Floats, at_zero: Floats) -> None:
        """Add the sums of some samples, from their block sums."""
        u = total * slope
        u += at_zero
        signed = [c for c, near in enumerate(level.near) if near.signed]
        channels = np.empty((self._near + len(signed), *u.shape))
        for channel, near in zip(channels, level.near, strict=False):
            near.fill(u, channel)
        for place, c in enumerate(signed, self._near):
            along = [-1 if a == level.near[c].axis else 1 for a in range(3)]
            channels[place] = level.near[c].of_constant.reshape(along)
            self.places[c] = place
        found = row_products(
            u.ravel(), channels.reshape(channels.shape[0], u.size), self._power, self._order
        )
        if self.gram.shape != found[2].shape:
            self.cross, self.gram = np.zeros_like(found[1]), np.zeros_like(found[2])
        self.moments += found[0]
        self.cross += found[1]
        self.gram += found[2]

    def of_constant(self, level: Level, place: int) -> Floats:
        """Return sum r and sum u r, with r what the list makes of a constant."""
        at = self.places.get(place)
        return np.zeros(2) if at is None else np.asarray(self.cross[:2, at])
