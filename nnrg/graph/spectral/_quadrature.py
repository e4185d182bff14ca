"""Stochastic Lanczos quadrature of the spectrum, the lowest modes taken out of what is random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.graph.spectral._coarse import coarse_modes
from nnrg.graph.spectral._laplacian import Laplacian
from nnrg.graph.spectral._thermal import power_sums, thermal
from nnrg_kernels._lanczos_tridiagonal import gauss_rule
from nnrg_kernels.lanczos import WIDTH, Lanczos

__all__ = ["Quadrature", "quadrature"]

Floats = npt.NDArray[np.float64]

FIRST_STEPS = 40
GROWTH = 1.5
SHORTER = 0.85  # share of the steps whose result must agree with that of all
PER_DECADE = 6
# First and last time, in units of the inverse of the largest and smallest eigenvalue.
EARLIEST, LATEST = 0.01, 30.0
# Eigenvalues that differ by less than this share of the largest are the same.
SAME = 1e-11
# Errors of S, in units of ln N, below which nothing is gained: of the steps and of the probes.
STEP_ERROR = 1e-4
PROBE_ERROR = 1e-3
FEW_MODES = 300.0
# Residual of an eigenvector relative to its eigenvalue, which is then good to the square of it.
FOUND_RESIDUAL = 0.02
NO_WEIGHT = 1e-10
# Modes looked for unless their number is given, and the edges times vectors times steps that it may
# take then: some seconds.
MODES, LONGEST = 64, 4e9


@dataclass(frozen=True, slots=True, eq=False)
class Quadrature:
    """Eigenvalues known beforehand, and for each probe a measure of what they leave.

    Attributes
    ----------
    eigenvalues : (R,) array
        Each counts as one mode.
    nodes, weights : (k, m) arrays
        Of each probe, weights of either sign; the mean over probes adds up to n - R.
    shorter_nodes, shorter_weights : (k, m') arrays
        The same from fewer steps.
    steps : int
    coarse : int
        How many of the eigenvalues are those of the coarse-grained graph: what they are off the
        graph's own is in the weights. The others are exact.
    """

    eigenvalues: Floats
    nodes: Floats
    weights: Floats
    shorter_nodes: Floats
    shorter_weights: Floats
    steps: int
    coarse: int = 0


def quadrature(
    operator: Laplacian, *, probes: int, steps: int, deflate: int | None, rng: np.random.Generator
) -> Quadrature:
    r"""Estimate the spectrum of a Laplacian.

    A probe z of independent signs, less its parts along the zero modes, has
    :math:`E\, z^T f(L) z = \mathrm{tr} f(L)` over the other modes. Lanczos gives each quadratic
    form as a Gauss quadrature, for all f at once. Where few modes are left, at large tau, probes
    differ most: lowest modes u, those of the coarse-grained graph or, where these do not help,
    eigenvectors, then count as one mode each, and leave
    :math:`z^T f z - \sum_u (u \cdot z)^2 f(\lambda_u)`.

    Parameters
    ----------
    operator : Laplacian
    probes : int
        A multiple of eight.
    steps : int
        At most so many.
    deflate : int or None
        At most so many eigenvectors are taken out. None for the modes of the coarse-grained graph,
        and for 64 eigenvectors if that takes seconds.
    rng : numpy.random.Generator
    """
    tool = Lanczos(operator.indptr, operator.indices, operator.weights, operator.diagonal)
    n = operator.n_nodes
    # Signs from bits: eight probes of a node from one byte.
    signs: list[Floats] = [
        np.where(np.unpackbits(rng.integers(0, 256, (n, 1), dtype=np.uint8), axis=1), 1.0, -1.0)
        for _ in range(probes // WIDTH)
    ]
    starts = [operator.without_zero_modes(block) for block in signs]
    runs = [tool.start(block) for block in starts]
    sizes = np.concatenate([np.einsum("ij,ij->j", block, block) for block in starts])
    rest = n - operator.n_zero
    target, done = min(FIRST_STEPS, steps), 0
    coarse: tuple[Floats, Floats] | None = None
    untried = deflate is None
    while True:
        for run in runs:
            for _ in range(target - done):
                run.step()
        done = target
        alpha = np.concatenate([np.array(run.alpha) for run in runs], axis=1)
        beta = np.concatenate([np.array(run.beta) for run in runs], axis=1)
        plain = Quadrature(
            np.zeros(operator.n_zero),
            *_gauss(alpha, beta, rest),
            *_gauss(*_shorter(alpha, beta), rest),
            done,
        )
        found = plain if coarse is None else _without(plain, *coarse, coarse=True)
        steps_agree, few_modes_differ = _judge(found)
        if few_modes_differ and untried:
            untried = False
            modes = coarse_modes(operator, _edges(plain))
            if modes is not None:
                parts = np.concatenate([modes.parts(block) for block in starts])
                coarse = modes.values, parts * (rest / sizes)[:, None]
                found = _without(plain, *coarse, coarse=True)
                steps_agree, few_modes_differ = _judge(found)
        if steps_agree or done >= steps or not beta[-1].any():
            break
        target = min(steps, int(done * GROWTH))
    if not few_modes_differ or deflate == 0:
        return found
    count, longest = (MODES, LONGEST) if deflate is None else (min(deflate, n - 1), np.inf)
    values, vectors = _lowest(tool, operator, plain, count, longest, rng)
    if not values.size:
        return found
    overlaps = np.concatenate([(vectors.T @ block).T for block in starts]) ** 2
    exact = _without(plain, values, overlaps * (rest / sizes)[:, None])
    return min(found, exact, key=_largest_error)


def _without(
    plain: Quadrature, values: Floats, parts: Floats, *, coarse: bool = False
) -> Quadrature:
    """Return the same with some modes counted once each; `parts` of each probe are along them."""
    again = np.broadcast_to(values, parts.shape)
    modes = np.concatenate([plain.eigenvalues, values])
    rest = plain.weights[0].sum() - values.size

    def joined(nodes: Floats, weights: Floats) -> tuple[Floats, Floats]:
        both = np.concatenate([weights, -parts], axis=1)
        # Weights that add up to the known number of modes for each probe.
        both *= rest / both.sum(axis=1, keepdims=True)
        return np.concatenate([nodes, again], axis=1), both

    return Quadrature(
        modes,
        *joined(plain.nodes, plain.weights),
        *joined(plain.shorter_nodes, plain.shorter_weights),
        plain.steps,
        values.size if coarse else 0,
    )


def _shorter(alpha: Floats, beta: Floats) -> tuple[Floats, Floats]:
    fewer = max(2, int(SHORTER * alpha.shape[0]))
    return alpha[:fewer], beta[: fewer + 1]


def _gauss(alpha: Floats, beta: Floats, total: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of the quadrature of each column, shape (k, m)."""
    nodes, weights = np.empty(alpha.T.shape), np.empty(alpha.T.shape)
    for c in range(alpha.shape[1]):
        values, shares = gauss_rule(alpha[:, c], beta[1:-1, c])
        nodes[c] = np.maximum(values, 0.0)
        weights[c] = total * shares
    return nodes, weights


def _judge(found: Quadrature) -> tuple[bool, bool]:
    """Say whether fewer steps give the same, and whether probes differ where few modes are left."""
    error, truncated, spread = _errors(found)
    scale = np.log(_count(found))
    agree = np.all(truncated <= np.maximum(0.3 * error, STEP_ERROR * scale))
    # Written so that what is no number differs: an estimate of Z that is not positive.
    differ = not np.all((error <= PROBE_ERROR * scale) | (spread >= FEW_MODES))
    return bool(agree), differ


def _largest_error(found: Quadrature) -> float:
    """Return the largest error of the entropy from probes and steps."""
    error, truncated, _ = _errors(found)
    return float(np.nan_to_num(np.hypot(error, truncated), nan=np.inf).max(initial=0.0))


def _errors(found: Quadrature) -> tuple[Floats, Floats, Floats]:
    """Return the errors of S from probes and from steps, and how many modes take part."""
    tau = time_grid(found)
    lowest = lowest_value(found)
    exact = power_sums(found.eigenvalues, None, tau, lowest)
    each = power_sums(found.nodes, found.weights, tau, lowest)
    fewer = power_sums(found.shorter_nodes, found.shorter_weights, tau, lowest).mean(axis=0)
    full = thermal(exact + each.mean(axis=0), tau)
    short = thermal(exact + fewer, tau)
    k = each.shape[0]
    left_out = thermal(exact + (each.sum(axis=0) - each) / (k - 1), tau)
    error = np.sqrt((k - 1) * left_out.entropy.var(axis=0))
    return error, np.abs(full.entropy - short.entropy), full.spread


def _count(found: Quadrature) -> float:
    return float(found.weights[0].sum()) + found.eigenvalues.size


def _edges(found: Quadrature) -> Callable[[float], float]:
    """Return the function from a number of modes to an eigenvalue that so many lie below."""
    nodes = found.nodes.ravel()
    order = np.argsort(nodes)
    below = np.cumsum(found.weights.ravel()[order]) / found.nodes.shape[0]

    def edge(count: float) -> float:
        return float(nodes[order[min(int(np.searchsorted(below, count)), nodes.size - 1)]])

    return edge


def lowest_value(found: Quadrature) -> float:
    """Smallest eigenvalue or node."""
    return min(float(part.min()) for part in (found.eigenvalues, found.nodes) if part.size)


def spectral_bounds(found: Quadrature) -> tuple[float, float] | None:
    """Return the smallest and largest gap to the lowest eigenvalue; None if all are equal."""
    values = np.concatenate([found.eigenvalues, found.nodes.ravel()])
    weights = np.concatenate([np.ones(found.eigenvalues.size), found.weights.ravel()])
    values = values[np.abs(weights) > NO_WEIGHT * np.abs(weights).max()]
    largest, lowest = float(values.max()), lowest_value(found)
    gaps = values[values > lowest + SAME * largest] - lowest
    return (float(gaps.min()), largest - lowest) if gaps.size else None


def time_grid(found: Quadrature, per_decade: int = PER_DECADE) -> Floats:
    """Return times from before diffusion starts to when nothing is left of it.

    Empty if all eigenvalues are equal.
    """
    bounds = spectral_bounds(found)
    if bounds is None:
        return np.empty(0)
    first, last = EARLIEST / bounds[1], LATEST / bounds[0]
    return np.geomspace(first, last, 1 + int(np.ceil(per_decade * np.log10(last / first))))


def _lowest(
    tool: Lanczos,
    operator: Laplacian,
    found: Quadrature,
    count: int,
    longest: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return lowest eigenvalues and eigenvectors that have converged, (R,) and (n, R).

    Random vectors, filtered so that little is left of the modes beyond the `count` lowest, span
    the lower half of these. None are returned if that would take too long.
    """
    edge = _edges(found)
    middle, low = edge(0.4 * count), edge(0.9 * count)
    high = 1.02 * float(found.nodes.max())
    n = operator.n_nodes
    none = np.empty(0), np.empty((n, 0))
    if not 0 < middle < low < high:
        return none
    # Of n numbers of like size what is left makes a residual that is small for the middle mode.
    damping = np.log(2 * high * np.sqrt(n / count) / (FOUND_RESIDUAL * middle))
    degree = int(np.ceil(damping / (2 * np.sqrt((low - middle) / high))))
    if degree * count * (operator.indices.size + n) > longest:
        return none
    start = operator.without_zero_modes(rng.standard_normal((n, count)))
    some = operator.without_zero_modes(tool.filtered(start, low, high, max(1, degree)))
    some /= np.sqrt(np.einsum("ij,ij->j", some, some))
    overlap, mix = np.linalg.eigh(some.T @ some)
    kept = overlap > NO_WEIGHT
    basis = some @ (mix[:, kept] / np.sqrt(overlap[kept]))
    image = tool.product(basis)
    values, turn = np.linalg.eigh(basis.T @ image)
    vectors = basis @ turn
    residual = np.linalg.norm(image @ turn - vectors * values, axis=0)
    good = residual < FOUND_RESIDUAL * values
    return values[good], vectors[:, good]
