"""Sums over sites behind the Schwinger-Dyson equations of a scalar lattice field.

The action S = sum_a g_a O_a obeys ``<F_x dS/dphi_x> = <dF_x/dphi_x>`` for every function F_x of the
field. What has to be summed over sites are products of *rows*: powers of the field (derivatives of
local operators, and test functions) and derivatives of operators that couple neighbours. Rows of a
few hundred sites are built in the first cache levels, then one update adds all their products, so
a further operator is one more row and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._load import as_bytes
from nnrg_kernels._part_sums import allocate, sum_parts
from nnrg_kernels._parts import cut_parts
from nnrg_kernels._stencil import KINDS, Stencil, Term, build_stencil
from nnrg_kernels._user_rows import compile_pair, compile_site

__all__ = ["Sums", "Term", "accumulate"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SERIAL = 1 << 16  # below this many sites threads cost more than they bring


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the used sites x of each group; y is the rescaled field, T_c a derivative row.

    All are in units of the rescaled field: dimensionless when `inverse` has inverse field units.
    Channels are in the order of the terms. Without a window w = 1 and w' = 0.

    Attributes
    ----------
    sites : (G,) int64 array
        Number of sites used.
    moments : (G, 2K + 1) float64 array
        Sums of w y^p.
    cross : (G, K + 1, C) float64 array
        Sums of w y^k T_c.
    gram : (G, C, C) float64 array
        Sums of w T_c T_c'.
    second : (G, C) float64 array
        Sums of w dT_c/dy_x + w' T_c.
    edge : (G, K + 1) float64 array
        Sums of w' y^k.
    """

    sites: Ints
    moments: Floats
    cross: Floats
    gram: Floats
    second: Floats
    edge: Floats


def accumulate(
    values: npt.NDArray[Any],
    inverse: float,
    *,
    power: int,
    margin: int,
    periodic: tuple[bool, ...],
    sample_group: Ints,
    edges: tuple[Ints, ...],
    terms: tuple[Term, ...],
    window: tuple[float, float] | None = None,
) -> Sums:
    """Sum products of derivatives over the sites of a lattice field, group by group.

    Parameters
    ----------
    values : (S, n_0, ..., n_{d-1}) array, C-contiguous, d = 1 to 4
        The field, samples first: float64, float32, float16 or bfloat16.
    inverse : float
        Rescaling, inverse field units: y = values * inverse should be of order one. The field is
        not shifted, because the zero of the field means something to the action.
    power : int
        Largest power K of y, at least 1.
    margin : int
        On an open axis, sites nearer than this to either end are left out: at least the largest
        offset of any term along any open axis.
    periodic : tuple of d bool
        Axes that wrap; all their sites are used.
    sample_group : (S,) int64 array
        Group of each sample.
    edges : tuple of d int64 arrays
        For each axis ascending edges from 0 to n_a that cut the lattice into cells. The group of a
        site is ``sample_group * cells + cell``, cells in row-major order.
    terms : tuple of Term
        Operators other than powers of y; may be empty.
    window : (low, high), optional
        Edges of the support of y: no site may lie outside them.

    Returns
    -------
    Sums
        Sums in groups 0 to G - 1, G = (largest sample group + 1) * cells.

    Notes
    -----
    A window weighs every site with ``w(y) = 4 (y - low) (high - y) / (high - low)^2``. The identity
    ``<F dS/dy> = <dF/dy>`` holds for functions F that vanish at the edge of the support of y; with
    F = w f it reads ``<w f dS/dy> = <w df/dy + w' f>``. See A. Hyvarinen, J. Mach. Learn. Res. 6
    (2005) 695 for the equations that the sums enter, and Comput. Stat. Data Anal. 51 (2007) 2499
    for weights that vanish at an edge.

    ``bounded`` is an odd function of the site alone. A test function that grows no faster than a
    constant sees a potential whose tails are not those of the basis, and its mean has a small
    error, whereas high powers are dominated by a few large values.

    A user's own functions must not raise: what a compiled loop raises is lost. The loop that calls
    them is compiled once for each pair of functions, and nothing else is.

    The sums are the same bit for bit for any number of threads. NaN and infinity propagate.

    Examples
    --------
    >>> import numpy as np
    >>> field = np.array([[1.0, 2.0, 4.0, 8.0]])
    >>> sums = accumulate(
    ...     field, 1.0, power=2, margin=1, periodic=(False,),
    ...     sample_group=np.array([0]), edges=(np.array([0, 4]),),
    ...     terms=(Term("quadratic", ((1,),)),),
    ... )
    >>> sums.sites.tolist(), sums.moments.tolist()
    ([2], [[2.0, 6.0, 20.0, 72.0, 272.0]])
    >>> sums.cross.tolist(), sums.gram.tolist()
    ([[[-3.0], [-10.0], [-36.0]]], [[[5.0]]])
    """
    axes = values.ndim - 1
    lead = 4 - axes
    shape = (1,) * lead + values.shape[1:]
    margins = (0,) * lead + tuple(0 if wraps else margin for wraps in periodic)
    edges = (np.array([0, 1]),) * lead + edges
    stencil = build_stencil(axes, tuple((term.kind, term.offsets) for term in terms))
    loops = [_user_loop(term) for term in terms]
    parts, sites = cut_parts(shape, margins, sample_group, edges)

    channels = len(terms)
    products = np.zeros((parts.group.size, power + channels, 4 + channels))
    second = np.zeros((parts.group.size, channels))
    edge = np.zeros((parts.group.size, 2))
    raw, code = as_bytes(values)
    lattice = np.array(shape)
    ends = np.array(window or (0.0, 0.0), np.float64)
    calls = np.array([loop.address if loop else 0 for loop in loops], np.int64)

    def run(task: int) -> None:
        scratch = allocate(stencil, power, channels)
        sum_parts(
            raw, code, lattice, float(inverse), ends, stencil, calls, parts, task, scratch,
            products, second, edge,
        )  # fmt: skip

    _run_tasks(run, parts.tasks.size - 1, serial=sites.sum() < SERIAL)
    products, second, edge = (
        _add_parts(sums, parts.group, sites.size) for sums in (products, second, edge)
    )
    if not window:
        edge[:, 0] = sites
    return collect(power, sites, products, second, edge, stencil, window is not None)


def _user_loop(term: Term) -> Any:
    """Return the compiled loop over a user's functions, which owns its address, or None."""
    compiler = {"pair": compile_pair, "site": compile_site}.get(term.kind)
    return compiler(*(term.function or ())) if compiler else None


def _run_tasks(run: Callable[[int], None], tasks: int, *, serial: bool) -> None:
    """Run all tasks, on threads unless they are too short.

    The kernel releases the GIL and runs for milliseconds, so Python's threads do as well as a
    compiled parallel loop, which takes longer to compile than all the rest together.
    """
    threads = 1 if serial else min(numba.get_num_threads(), tasks)
    if threads < 2:
        for task in range(tasks):
            run(task)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(run, range(tasks)):
            pass


def _add_parts(sums: Floats, group: Ints, groups: int) -> Floats:
    """Add the parts of each group in their order."""
    total = np.zeros((groups, *sums.shape[1:]))
    if group.size:
        present, start = np.unique(group, return_index=True)
        total[present] = np.add.reduceat(sums, start)
    return total


def collect(
    power: int,
    sites: Ints,
    products: Floats,
    second: Floats,
    edge: Floats,
    stencil: Stencil,
    windowed: bool,
) -> Sums:
    """Sort the products of rows by kind; `edge` holds the sums of w and of w'."""
    channels = stencil.kind.size
    derivatives = slice(1, 1 + channels)
    # The last three columns: sums of rows times w and times w', with a window, and of rows.
    plain, sloped = products[..., -3 if windowed else -1], products[..., -2]
    powers = [*range(1 + channels, power + channels), 0]  # rows of y, ..., y^K
    upper = np.triu(products[:, derivatives, derivatives])
    constant = np.where(stencil.kind == KINDS.index("quadratic"), stencil.neighbours, 0)
    return Sums(
        sites=sites,
        moments=np.concatenate([edge[:, :1], plain[:, powers], products[:, powers, 0]], axis=1),
        cross=np.concatenate(
            [plain[:, None, derivatives], products[:, powers, derivatives]], axis=1
        ),
        gram=upper + np.triu(upper, 1).transpose(0, 2, 1),
        second=second + edge[:, :1] * constant + sloped[:, derivatives],
        edge=np.concatenate([edge[:, 1:], sloped[:, powers]], axis=1),
    )
