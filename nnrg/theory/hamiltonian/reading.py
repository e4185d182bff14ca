"""Hamiltonian networks read the other way: how far given weights are from Klein-Gordon or Dirac."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.provenance import describe_run, utc_now
from nnrg.simulate._network_weights import available_threads
from nnrg.stats.jackknife import jackknife_covariance
from nnrg.theory.hamiltonian._arguments import as_square
from nnrg.theory.hamiltonian._weight_scales import Scale, dropped, graph_scales, line_scales
from nnrg.theory.hamiltonian._weight_statistics import NAMES, block_means, weight_statistics
from nnrg.theory.hamiltonian.weight_reading import WeightReading

__all__ = ["read_weights"]

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], Floats]

# Eigenvalues of every replicate and draw take minutes beyond this.
_LARGEST_SPECTRUM = 512
_LARGEST = 4096
# At the last scale, as many as the groups that are left out for the errors at least.
_FEWEST_BLOCKS = 12
_MOST_GROUPS = 16
_HENRICI = NAMES.index("henrici")


def read_weights(
    weights: npt.ArrayLike | SynapticField,
    *,
    graph: ConnectionGraph | None = None,
    order: npt.ArrayLike | None = None,
    factor: int = 2,
    levels: int | None = None,
    components: int = 1,
    demean: bool = True,
    draws: int = 64,
    spectrum: bool | None = None,
    name: str = "weights",
    sources: Iterable[str] = (),
    rng: object = None,
) -> WeightReading:
    r"""Measure how far a square matrix of weights is from Klein-Gordon and Dirac form.

    Parameters
    ----------
    weights : array_like of shape (n, n), or SynapticField of one such sample
        Rows and columns the same neurons: `read_network` checks that in a file.
    graph : ConnectionGraph, optional
        Which neurons are neighbours; by default those next to one another in the file. Blocks are
        then heavy-edge matchings of the graph, and there is no central difference, hence no
        Dirac form.
    order : int array of shape (n,), optional
        The neurons in the order in which neighbours follow one another, made of other numbers.
    factor, levels : int
        Neurons joined to a block at each level, and how many levels beside the first; by default
        while twelve blocks are left. Of a graph the factor is about 2.
    components : int
        Neurons that are the components of one site, next to one another.
    demean : bool
        Take the mean of all entries out: it is symmetric, and all that is left at large b.
    draws : int
        Of each null model.
    spectrum : bool, optional
        Whether Henrici's number is computed; by default for up to 512 neurons.
    name : str
    sources : iterable of str
        Names of the tensors that the weights are, as `SynapticField` has them: a graph that was
        made of the same numbers is refused.
    rng : int, Generator or None
        Seed of the nulls.

    Returns
    -------
    WeightReading

    Raises
    ------
    ArgumentError
        If the matrix is not square, or an option is out of range.
    NonFiniteError
        If a weight is not finite.
    AnalysisError
        If there are fewer than 24 neurons, all entries are equal, or the graph was made of the
        weights that are read.

    Notes
    -----
    With :math:`S, A = (W \pm W^T)/2`, K minus the second difference and D the central one,

    - symmetric: :math:`f_S = |S|^2/|W|^2`; of independent weights :math:`(N+1)/2N`, not 1/2.
    - reciprocity: correlation of W_ij with W_ji off the diagonal; diagonal: its share of |W|^2.
    - klein_gordon: share of :math:`|S|^2` that is :math:`c_0 + c_1 K`, 1 for a Klein-Gordon field;
      on_site and stiffness are c_0, c_1. As the M of ``phi'' = -M phi`` waves need c_1 > 0, as the
      transfer matrix of a step c_1 < 0. kinetic: what c_1 adds to the share, without which neurons
      swing each on its own and no wave runs.
    - dirac: share of :math:`|A|^2` that is :math:`P \otimes D + Q \otimes (1, K)`, P symmetric and
      Q antisymmetric in the components of a site; clifford: how far P and Q are from Clifford's
      relations, without which antisymmetry is not Dirac.
    - klein_gordon_distance, dirac_distance: length of what is left of S and A beside the nearest
      such form, over that of S and A: the root of 1 minus the share.
    - henrici: :math:`(|W|^2 - \sum|\lambda|^2)^{1/2}/|W|`; commutator: :math:`|[W, W^T]|/|W|^2`.
      Both are 0 for a normal matrix; :math:`1/\sqrt2` and about :math:`\sqrt{2/N}` for
      independent weights.
    - variance: mean square in units of that at b = 1 over b^2: 1 for independent weights.

    Both axes are blocked together, so that blocking commutes with transposition. (V. Vanchurin,
    arXiv:2411.08138, for which tensor gives which field; read backwards here.)

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.hamiltonian.klein_gordon import KleinGordonLattice
    >>> ring = KleinGordonLattice(64, mass=0.5, dt=0.1).weights().toarray()
    >>> reading = read_weights(ring, demean=False, draws=8, rng=1)
    >>> round(reading.estimate("symmetric").value, 9)
    1.0
    >>> bool(reading.estimate("klein_gordon").value > 0.99)
    True
    """
    from threadpoolctl import threadpool_limits

    started, seed = utc_now(), as_seed(rng)
    matrix, known, notes = _matrix(weights, name)
    n = len(matrix)
    components = as_count("components", components)
    draws = as_count("draws", draws, 4)
    if n > _LARGEST:
        raise ArgumentError(f"{n} neurons are more than {_LARGEST}; take a part of them")
    if n % components or n // components < 2 * _FEWEST_BLOCKS:
        raise AnalysisError(
            f"{n} neurons in sites of {components}: whole sites and {2 * _FEWEST_BLOCKS} of them "
            "at least are needed"
        )
    # In units of the largest, whose squares neither overflow nor vanish.
    unit = float(np.abs(matrix).max()) or 1.0
    matrix = matrix / unit
    mean_share = float(n * n * matrix.mean() ** 2 / np.vdot(matrix, matrix)) if matrix.any() else 0
    if demean:
        matrix = matrix - matrix.mean()
    if np.ptp(matrix) == 0:
        raise AnalysisError(f"{name}: all weights are equal, there is nothing to read")
    if graph is None:
        matrix, where = _ordered(matrix, order)
        scales = line_scales(n, as_count("factor", factor, 2), levels, components, _FEWEST_BLOCKS)
        notes += (f"neighbours are those next to one another {where}", *dropped(scales))
    else:
        if components != 1 or order is not None:
            raise ArgumentError("components and order are those of a line; leave graph= out")
        made_of = known | frozenset(sources)
        scales, more = graph_scales(matrix, graph, levels, made_of, name, _FEWEST_BLOCKS)
        notes += more
    eigenvalues = n <= _LARGEST_SPECTRUM if spectrum is None else bool(spectrum)
    reading = _Reader(scales, components, eigenvalues)
    null_draws = _nulls(matrix)
    groups = reading.groups(_MOST_GROUPS)
    sizes = np.array([group.size for group in groups])
    # Threads of the linear algebra cost far more than they gain on matrices of this size.
    with threadpool_limits(1, user_api="blas"):
        values = reading.of(matrix)

        def drawn(task: tuple[str, np.random.SeedSequence]) -> Floats:
            null, own = task
            # Relabelling leaves eigenvalues as they are.
            known = values[0] if null == "relabelled" else None
            return reading.of(null_draws[null](np.random.default_rng(own)), known)

        tasks = [
            (null, own)
            for null, of_null in zip(null_draws, seed.spawn(len(null_draws)), strict=True)
            for own in of_null.spawn(draws)
        ]
        with ThreadPoolExecutor(available_threads()) as pool:
            replicates = np.stack(list(pool.map(partial(reading.without, matrix), groups)))
            every = list(pool.map(drawn, tasks))
    nulls = {
        null: np.stack(every[i * draws : (i + 1) * draws]) for i, null in enumerate(null_draws)
    }
    flat = jackknife_covariance(replicates.reshape(len(groups), -1), values.ravel(), sizes)
    errors = np.sqrt(np.diag(flat)).reshape(values.shape)
    for measured in (values, errors, replicates, *nulls.values()):
        measured[..., [NAMES.index("on_site"), NAMES.index("stiffness")]] *= unit
    counts = tuple(len(scale.forms.laplacian) * components for scale in scales)
    return WeightReading(
        name,
        tuple(scale.b for scale in scales),
        counts,
        values,
        errors,
        replicates,
        nulls,
        np.array([scale.independent(demean) for scale in scales]),
        mean_share,
        _flags(mean_share, demean),
        notes,
        attrs={**describe_run("read_weights", started), "seed": str(seed.entropy)},
    )


class _Reader:
    """Measures a matrix at all scales, whole and with groups of neurons left out."""

    def __init__(self, scales: Sequence[Scale], components: int, spectrum: bool) -> None:
        self._scales, self._components, self._spectrum = scales, components, spectrum

    def of(self, matrix: Floats, known: Floats | None = None) -> Floats:
        """Return the quantities at each scale, shape (n_scales, n_quantities).

        With those of a matrix at b = 1 that has the same eigenvalues, if they are known.
        """
        reference = float(np.mean(matrix**2))
        rows = []
        for level, scale in enumerate(self._scales):
            block = block_means(matrix, scale.labels) if scale.b != 1 else matrix
            unit = reference / scale.b**2
            spectrum = self._spectrum and (level > 0 or known is None)
            rows.append(weight_statistics(block, scale.forms, unit, spectrum=spectrum))
        if known is not None:
            rows[0][_HENRICI] = known[_HENRICI]
        return np.stack(rows)

    def groups(self, most: int) -> list[npt.NDArray[np.int64]]:
        """Return runs of regions, the coarsest blocks."""
        count = int(self._scales[-1].region.max()) + 1
        return np.array_split(np.arange(count), min(most, count))

    def without(self, matrix: Floats, group: npt.NDArray[np.int64]) -> Floats:
        """Return the quantities without the neurons of some regions."""
        c = self._components
        gone = np.isin(self._scales[-1].region, group)
        kept = np.flatnonzero(~gone)
        reference = float(np.mean(matrix[np.ix_(kept, kept)] ** 2))
        rows = []
        for scale in self._scales:
            block = block_means(matrix, scale.labels) if scale.b != 1 else matrix
            lost = np.unique(scale.labels[gone & (scale.labels >= 0)])
            left = np.setdiff1d(np.arange(len(block)), lost)
            forms = scale.forms.without(np.unique(lost // c))
            part = block[np.ix_(left, left)]
            unit = reference / scale.b**2
            rows.append(weight_statistics(part, forms, unit, spectrum=self._spectrum))
        return np.stack(rows)


def _ordered(matrix: Floats, order: npt.ArrayLike | None) -> tuple[Floats, str]:
    """Return the matrix in the order of a line, and where that is from."""
    if order is None:
        return matrix, "in the file"
    at = np.asarray(order)
    if at.dtype.kind not in "iu" or not np.array_equal(np.sort(at.ravel()), np.arange(len(matrix))):
        raise ArgumentError(
            f"order must hold each of 0 to {len(matrix) - 1} once, got {shown(order)}"
        )
    return matrix[np.ix_(at, at)], "in the order given"


def _nulls(matrix: Floats) -> dict[str, Draw]:
    n = len(matrix)

    def relabelled(rng: np.random.Generator) -> Floats:
        order = rng.permutation(n)
        return matrix[np.ix_(order, order)]

    def signs(rng: np.random.Generator) -> Floats:
        return np.where(rng.random((n, n)) < 0.5, -matrix, matrix)

    return {
        "independent": lambda rng: rng.permutation(matrix.ravel()).reshape(n, n),
        "signs": signs,
        "unaligned": lambda rng: matrix[rng.permutation(n)],
        "relabelled": relabelled,
    }


def _matrix(
    weights: npt.ArrayLike | SynapticField, name: str
) -> tuple[Floats, frozenset[str], tuple[str, ...]]:
    if not isinstance(weights, SynapticField):
        return as_square(name, weights), frozenset(), ()
    if weights.n_samples != 1:
        raise ArgumentError(
            f"field {weights.name!r} has {weights.n_samples} samples (gates, taps): read one "
            "matrix at a time, or read_network for all gates"
        )
    values = as_square(weights.name, weights.values[0].astype(np.float64))
    return values, weights.sources, weights.notes


def _flags(mean_share: float, demean: bool) -> tuple[str, ...]:
    if demean or mean_share <= 0.01:
        return ()
    return (
        f"the mean of all weights is {100 * mean_share:.2g} % of their squares and symmetric: with "
        "b it is all that is left; try demean=True",
    )
