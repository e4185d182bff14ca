"""Samples of the Gaussian free field and of the phi^4 field on the nodes of a graph."""

from __future__ import annotations

from hashlib import sha256
from os import PathLike

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.progress import Told
from nnrg.simulate._markov import SWEEPS_A_CALL, MetropolisChain, run
from nnrg_kernels.graph_metropolis import sweep_graph

__all__ = ["graph_free_field", "phi4_graph"]

Floats = npt.NDArray[np.float64]

# Larger graphs are solved iteratively instead of factorised.
_DENSE = 4000
_ACCURACY = 1e-10


def graph_free_field(
    graph: ConnectionGraph,
    n_samples: int,
    *,
    mass2: float,
    stiffness: float = 1.0,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> Floats:
    r"""Draw independent Gaussian free fields on a graph.

    Parameters
    ----------
    graph : ConnectionGraph
        Of n nodes; weights may be negative.
    n_samples : int
        Number of independent fields.
    mass2, stiffness : float
        Couplings r > 0 and Z >= 0, dimensionless.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_samples, n)
        The field, dimensionless.

    Raises
    ------
    ArgumentError
        If it is no graph, or a coupling or a number is out of range.
    AnalysisError
        If the equations of a graph of more than 4000 nodes are not solved: r is too small.

    Notes
    -----
    .. math:: S = \sum_x \tfrac r2 \phi_x^2 + \tfrac Z2 \sum_{\langle xy \rangle} |w_{xy}|
              (\phi_x - \mathrm{sgn}(w_{xy}) \phi_y)^2 = \tfrac12 \phi (r + Z L) \phi

    with weights divided by the mean of their absolute values, as `nnrg.fit_couplings` does. Up to
    4000 nodes the covariance (r + Z L)^-1 is factorised; beyond, :math:`(r + Z L) \phi = \eta` is
    solved by conjugate gradients for noise :math:`\eta` of covariance r + Z L, one number for each
    node and one for each edge: exact up to a relative residual of 1e-10.

    Examples
    --------
    >>> import networkx as nx
    >>> from nnrg.graph.connection_graph import ConnectionGraph
    >>> ring = ConnectionGraph.from_networkx(nx.cycle_graph(64))
    >>> phi = graph_free_field(ring, 400, mass2=1.0, rng=1)
    >>> phi.shape, round(float((phi**2).mean()), 1)  # 1 / sqrt(r (r + 4))
    ((400, 64), 0.4)
    """
    weights = _unit_weights(graph)
    n_samples = as_count("n_samples", n_samples)
    r, z = as_real("mass2", mass2), as_real("stiffness", stiffness)
    if not (r > 0 and z >= 0):
        raise ArgumentError(
            f"mass2 must be positive and stiffness not negative, got {r} and {z}; try mass2=1"
        )
    noise = np.random.default_rng(as_seed(rng))
    n = graph.n_nodes
    strengths = np.bincount(_rows(graph), np.abs(weights), minlength=n)
    if n <= _DENSE:
        from scipy.linalg import cholesky, solve_triangular

        kernel = np.diag(r + z * strengths)
        kernel[_rows(graph), graph.indices] -= z * weights
        upper = cholesky(kernel, overwrite_a=True, check_finite=False)
        white = noise.standard_normal((n, n_samples))
        return np.ascontiguousarray(solve_triangular(upper, white, overwrite_b=True).T)
    diagonal = np.asarray(r + z * strengths, dtype=np.float64)
    return _solved(graph, weights, diagonal, r, z, n_samples, noise)


def _solved(
    graph: ConnectionGraph,
    weights: Floats,
    diagonal: Floats,
    r: float,
    z: float,
    n_samples: int,
    noise: np.random.Generator,
) -> Floats:
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.linalg import cg

    n = graph.n_nodes
    adjacency = csr_array((weights, graph.indices, graph.indptr), (n, n))
    kernel = (diags_array(diagonal) - z * adjacency).tocsr()
    once = _rows(graph) < graph.indices
    one, other, w = _rows(graph)[once], graph.indices[once], weights[once]
    size, sign = np.sqrt(z * np.abs(w)), np.sign(w)
    scale = diags_array(1 / diagonal)
    out = np.empty((n_samples, n))
    for sample in out:
        edge = size * noise.standard_normal(w.size)
        eta = np.sqrt(r) * noise.standard_normal(n)
        eta += np.bincount(one, edge, minlength=n) - np.bincount(other, sign * edge, minlength=n)
        sample[:], missed = cg(kernel, eta, rtol=_ACCURACY, maxiter=20 * n, M=scale)
        if missed:
            raise AnalysisError(
                f"the free field on {n} nodes was not solved to {_ACCURACY:g}: mass2 = {r} is "
                "too small for this graph; try a larger one"
            )
    return out


def phi4_graph(
    graph: ConnectionGraph,
    n_samples: int,
    *,
    r: float,
    u: float,
    stiffness: float = 1.0,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    thermalise: int = 1000,
    stride: int = 50,
    checkpoint: str | PathLike[str] | None = None,
    progress: Told | None = None,
) -> Floats:
    r"""Draw configurations of the scalar field with a quartic potential on a graph.

    Parameters
    ----------
    graph : ConnectionGraph
        Of n nodes; weights may be negative.
    n_samples : int
        Number of configurations.
    r, u, stiffness : float
        Couplings r, u, Z >= 0, dimensionless; u > 0, or u = 0 < r.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness.
    thermalise : int
        Sweeps before the first configuration; they also set the width of the proposals, which
        is fixed from then on.
    stride : int
        Sweeps from one configuration to the next.
    checkpoint : path, optional
        A file to go on from where it exists, and to keep once a minute, when interrupted, and at
        the end: the numbers are those of a run in one piece.
    progress : callable, optional
        Called with (configurations done, n_samples). By default a bar on stderr after two
        seconds, if that is a terminal.

    Returns
    -------
    ndarray of shape (n_samples, n)
        The field, dimensionless. Configurations are consecutive states of one Markov chain,
        independent if `stride` is well above its autocorrelation time; there are no cluster
        updates, so that in an ordered phase the sign of the field stays for very long.

    Raises
    ------
    ArgumentError
        If it is no graph, a count is not positive, the action is not bounded from below, or the
        checkpoint is of another chain.
    FormatError
        If the checkpoint is damaged.
    SourceError
        If the checkpoint cannot be read or written.

    Notes
    -----
    .. math:: S = \sum_x \Big[ \tfrac r2 \phi_x^2 + \tfrac u{24} \phi_x^4 \Big] + \tfrac Z2
              \sum_{\langle xy \rangle} |w_{xy}| (\phi_x - \mathrm{sgn}(w_{xy}) \phi_y)^2

    with weights divided by the mean of their absolute values, as `nnrg.fit_couplings` does. Nodes
    are updated in turn, each by a uniform step that is accepted with probability
    :math:`\min(1, e^{-\Delta S})` (N. Metropolis et al., J. Chem. Phys. 21 (1953) 1087,
    doi:10.1063/1.1699114).

    Examples
    --------
    >>> import networkx as nx
    >>> from nnrg.graph.connection_graph import ConnectionGraph
    >>> graph = ConnectionGraph.from_networkx(nx.random_regular_graph(3, 100, seed=1))
    >>> phi4_graph(graph, 10, r=0.5, u=3.0, rng=1, thermalise=100, stride=10).shape
    (10, 100)
    """
    weights = _unit_weights(graph)
    n_samples, stride = as_count("n_samples", n_samples), as_count("stride", stride)
    thermalise = as_count("thermalise", thermalise, 0)
    couplings = as_real("r", r), as_real("u", u), as_real("stiffness", stiffness)
    r, u, stiffness = couplings
    if not (stiffness >= 0 and (u > 0 or (u == 0 and r > 0))):
        raise ArgumentError(
            "the action must be bounded from below: u > 0, or u = 0 < r, and stiffness >= 0, got "
            f"r={r}, u={u} and stiffness={stiffness}"
        )
    code = sha256(graph.indptr.tobytes() + graph.indices.tobytes() + weights.tobytes())
    return run(
        lambda seed: _Chain(graph, weights, couplings, stride, seed),
        n_samples,
        thermalise,
        identity={
            "sampler": "phi^4 graph",
            "graph": code.hexdigest(),
            "couplings": [c.hex() for c in couplings],
            "stride": stride,
            "thermalise": thermalise,
        },
        seed=as_seed(rng),
        seeded=rng is not None,
        checkpoint=checkpoint,
        progress=progress,
    )


def _unit_weights(graph: object) -> Floats:
    """Return the weights divided by the mean of their absolute values."""
    if not isinstance(graph, ConnectionGraph):
        raise ArgumentError(
            f"graph must be a ConnectionGraph, got {type(graph).__name__}; "
            "try ConnectionGraph.from_networkx(graph)"
        )
    return graph.weights / np.abs(graph.weights).mean() if graph.n_edges else graph.weights


def _rows(graph: ConnectionGraph) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(graph.n_nodes), graph.degrees())


class _Chain(MetropolisChain):
    """Field, width of the proposals, and how many sweeps were made."""

    def __init__(
        self,
        graph: ConnectionGraph,
        weights: Floats,
        couplings: tuple[float, float, float],
        stride: int,
        seed: np.random.SeedSequence,
    ) -> None:
        r, u, _ = couplings
        curvature = max(0.0, r) + u**0.5
        keys, field = seed.spawn(2)
        phi = np.random.default_rng(field).normal(0.0, curvature**-0.5, graph.n_nodes)
        super().__init__(phi, curvature, keys.generate_state(1, np.uint64), stride)
        self._graph, self._weights, self._couplings = graph, weights, np.array(couplings)

    def _update(self, stop: int) -> int:
        accepted = 0
        while self._sweeps < stop:
            end = min(stop, self._sweeps + SWEEPS_A_CALL)
            accepted += sweep_graph(
                self._phi, self._graph.indptr, self._graph.indices, self._weights,
                self._couplings, self._width, self._keys[0], self._sweeps, end,
            )  # fmt: skip
            self._sweeps = end
        return accepted
