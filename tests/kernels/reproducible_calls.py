"""One small call of every public kernel, as bytes: a program that test_reproducible.py runs twice.

``python reproducible_calls.py OUT.npz`` writes the numbers that each kernel returns.
"""

import sys
import tempfile
from itertools import product

import ml_dtypes
import numpy as np

from nnrg_kernels.clusters import flip_signs
from nnrg_kernels.correlation_pairing import correlations, greedy_pairs, sums_of_pairs
from nnrg_kernels.directed_percolation import decay
from nnrg_kernels.graph_blocks import moments_by_kind, scaled_by_kind, sum_runs
from nnrg_kernels.graph_components import components
from nnrg_kernels.graph_contraction import contract
from nnrg_kernels.graph_matching import match_heaviest, match_two_hop
from nnrg_kernels.graph_metropolis import sweep_graph
from nnrg_kernels.graph_neighbours import block_means, block_sums, neighbour_sum, shells
from nnrg_kernels.graph_rewiring import swap_edges
from nnrg_kernels.graph_schwinger_dyson import GraphTerm, Neighbours, accumulate_on_graph
from nnrg_kernels.ising import flip_clusters, heat_bath
from nnrg_kernels.klein_gordon import advance
from nnrg_kernels.lanczos import Lanczos
from nnrg_kernels.lane_layers import backward_layer, forward_layer
from nnrg_kernels.layer_law import member_normals, propagate
from nnrg_kernels.metropolis import merge_colours, split_colours, sweep
from nnrg_kernels.pyramid import PyramidStream, pyramid
from nnrg_kernels.schwinger_dyson import Term, accumulate
from nnrg_kernels.two_point import lattice_momenta, radial_counts, radial_power

KEY = np.uint64(77)
COUPLINGS = np.array([-0.5, 3.0, 0.7])


def site_slope(y):
    return np.tanh(y)


def site_second(y):
    return 1 - np.tanh(y) ** 2


def pair_slope(y, x):
    return y * x * x / (1 + y * y)


def pair_second(y, x):
    return x * x * (1 - y * y) / (1 + y * y) ** 2


def some_graph(n, seed=3):
    """Return the CSR arrays of a random graph of about eight signed edges a node."""
    rng = np.random.default_rng(seed)
    dense = np.triu(rng.random((n, n)) < 8 / n, 1) * rng.normal(size=(n, n))
    dense = dense + dense.T
    rows, columns = np.nonzero(dense)
    indptr = np.searchsorted(rows, np.arange(n + 1)).astype(np.int64)
    return indptr, columns.astype(np.int64), dense[rows, columns]


def everything(result):
    """Return the arrays of a result, whatever it is made of."""
    if hasattr(result, "__dataclass_fields__"):
        result = [getattr(result, name) for name in result.__dataclass_fields__]
    if isinstance(result, list | tuple):
        return [array for one in result for array in everything(one)]
    return [] if result is None else [np.asarray(result)]


def pyramids(rng):
    shapes = {1: (3, 96), 2: (3, 24, 40), 3: (2, 12, 12, 20), 4: (1, 6, 6, 6, 10)}
    types = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
    for (d, shape), kind, order in product(shapes.items(), types, (8, 4)):
        for periodic in (False, True):
            cuts = tuple(np.array([0, n // 2 // 4 * 4, n] if n > 12 else [0, n]) for n in shape[1:])
            yield (
                f"pyramid {d} {kind.__name__} {order} {periodic}",
                pyramid(
                    rng.normal(size=shape).astype(kind),
                    (2,) * d,
                    1 if d == 4 else 2,
                    periodic=(periodic,) * d,
                    sample_group=np.arange(shape[0]) % 2,
                    edges=cuts,
                    order=order,
                ),
            )
    for kind, order in product(types, (8, 4)):  # a matrix by itself goes another way
        edges = (np.array([0, 48, 96]), np.array([0, 80, 160]))
        one = rng.normal(size=(1, 96, 160)).astype(kind)
        group = np.zeros(1, np.int64)
        yield (
            f"pyramid of a matrix {kind.__name__} {order}",
            pyramid(
                one,
                (2, 2),
                3,
                periodic=(False, False),
                sample_group=group,
                edges=edges,
                order=order,
            ),
        )
    threes = rng.normal(size=(2, 30, 45))
    yield (
        "pyramid of threes",
        pyramid(
            threes,
            (3, 5),
            1,
            periodic=(True, False),
            sample_group=np.zeros(2, np.int64),
            edges=(np.array([0, 15, 30]), np.array([0, 45])),
        ),
    )
    for kind in types:
        stream = PyramidStream((64, 48), kind, (2, 2), 3, shift=0.1, scale=0.9)
        for rows in rng.normal(size=(4, 16, 48)).astype(kind):
            stream.feed(rows)
        yield f"stream {kind.__name__}", stream.finish()
    kind = ml_dtypes.bfloat16
    large = rng.normal(size=(2048, 64)).astype(kind)
    stream = PyramidStream(large.shape, kind, (2, 2), 6, shift=0.1, scale=0.9, order=4)

    def read(start, rows):
        rows[...] = large[start : start + len(rows)]

    with tempfile.TemporaryFile() as file:
        file.write(large.tobytes())
        file.flush()
        stream.pull(read, 32, place=(file.fileno(), 0))
    yield "stream of a file", stream.finish()


def actions(rng):
    terms = (
        Term("quadratic", ((0, 1),)),
        Term("quartic", ((1, 0), (0, 1))),
        Term("pair", ((0, 1), (1, 0)), (pair_slope, pair_second)),
        Term("site", (), (site_slope, site_second)),
    )
    for kind, window in product((np.float64, np.float32, np.float16), (None, (-6.0, 6.0))):
        yield (
            f"accumulate {np.dtype(kind).name} {window}",
            accumulate(
                rng.normal(size=(4, 24, 36)).astype(kind),
                1.1,
                power=6,
                margin=1,
                periodic=(False, True),
                sample_group=np.arange(4) % 2,
                edges=(np.array([0, 12, 24]), np.array([0, 36])),
                terms=terms,
                window=window,
            ),
        )
    indptr, indices, weights = some_graph(90)
    for window in (None, (-6.0, 6.0)):
        yield (
            f"accumulate_on_graph {window}",
            accumulate_on_graph(
                rng.normal(size=(13, 90)),
                1.1,
                power=6,
                neighbours=(Neighbours(0, indptr, indices, weights),),
                terms=(
                    GraphTerm("quadratic", 0),
                    GraphTerm("quartic", 0),
                    GraphTerm("site", -1, (site_slope, site_second)),
                ),
                sample_group=np.arange(13) % 3,
                edges=(np.array([0, 30, 90]),),
                window=window,
            ),
        )

        near = (Neighbours(0, indptr, indices, weights), Neighbours(1, indptr, indices, weights))
        yield (
            f"accumulate_on_graph, product {window}",
            accumulate_on_graph(
                rng.normal(size=(2, 90, 90)),
                1.1,
                power=5,
                neighbours=near,
                terms=tuple(GraphTerm(k, a) for k in ("quadratic", "cubic") for a in (0, 1)),
                sample_group=np.arange(2),
                edges=(np.array([0, 30, 90]), np.array([0, 90])),
                window=window,
            ),
        )


def graphs(rng):
    indptr, indices, weights = some_graph(300)
    labels = np.arange(300) // 3
    for kind in (np.int64, np.int32):
        few = indices.astype(kind)
        yield f"components {kind.__name__}", components(indptr, few)
        yield f"shells {kind.__name__}", shells(indptr, few, 3, 10**6)
    blocks = rng.normal(size=(2, 30, 40))
    kinds = np.arange(30) % 3, np.arange(40) % 4
    yield "sum_runs", [sum_runs(blocks, np.array([0, 7, 30]), 1), sum_runs(blocks, np.arange(3), 0)]
    yield "moments_by_kind", moments_by_kind(blocks, 0.1, *kinds, (3, 4))
    yield "scaled_by_kind", scaled_by_kind(blocks, 0.1, *kinds, np.arange(12.0).reshape(3, 4))
    once = np.repeat(np.arange(300), np.diff(indptr)) < indices
    ends = np.repeat(np.arange(300), np.diff(indptr))[once], indices[once].copy()
    m = ends[0].size
    free = np.zeros(m, np.int64), np.full(m, m), np.ones(m, bool)
    yield "swap_edges", [swap_edges(*ends, *free, 7, 9 * m), *ends]
    yield "contract", contract(indptr, indices, weights, labels, 100)
    mate = match_heaviest(indptr, indices, np.abs(weights), floor=0.5)
    yield "match", [mate, match_two_hop(indptr, indices, np.abs(weights), mate.copy(), floor=0.5)]
    for columns in (1, 8, 11):
        values = rng.normal(size=(300, columns))
        yield f"neighbour_sum {columns}", neighbour_sum(indptr, indices, weights, values)
        samples = rng.normal(size=(columns, 300))
        yield f"block_sums {columns}", block_sums(labels, 100, samples)
        yield f"block_means {columns}", block_means(labels, 100, samples)
    matrix = Lanczos(indptr, indices, weights, rng.normal(size=300))
    recurrence = matrix.start(rng.normal(size=(300, 8)))
    for _ in range(12):
        recurrence.step()
    yield "lanczos", [recurrence.alpha, recurrence.beta, recurrence.current]
    yield "lanczos product", matrix.product(rng.normal(size=(300, 11)))
    yield "lanczos filter", matrix.filtered(rng.normal(size=(300, 11)), 2.0, 9.0, 6)
    phi = rng.normal(size=300)
    accepted = sweep_graph(phi, indptr, indices, weights, COUPLINGS, 2.0, KEY, 0, 20)
    yield "sweep_graph", [accepted, phi]
    for kind in (np.float64, np.float32):
        samples = rng.normal(size=(60, 48)).astype(kind)
        covariance = samples.T @ samples
        pairs, _ = greedy_pairs(correlations(covariance, magnitude=True))
        yield f"pairs {kind.__name__}", [pairs, sums_of_pairs(covariance, pairs)]


def lattices(rng):
    for shape in ((1, 1, 64), (1, 16, 24), (8, 8, 12)):
        phi = rng.normal(size=shape)
        colours = np.empty((2, *shape[:2], shape[2] // 2))
        split_colours(phi, colours)
        accepted = sweep(colours, COUPLINGS, 2.0, KEY, 0, 20)
        merge_colours(colours, phi)
        yield f"sweep {shape}", [accepted, phi.copy()]
        flip_signs(phi, 0.7, KEY, 3, np.empty(phi.size, np.int64))
        yield f"flip_signs {shape}", phi
        spins = np.where(phi > 0, 1, -1).astype(np.int8)
        thresholds = np.linspace(1, 2**63, 13).astype(np.uint64)
        heat_bath(spins, thresholds, KEY, 0, 10)
        stack = np.empty(phi.size + 1, np.uint64)
        after = flip_clusters(spins, 5, np.uint64(2**62), KEY, np.uint64(9), stack)
        yield f"spins {shape}", [spins, after]
    for shape in ((1, 1, 64), (24, 1, 36), (6, 6, 8)):
        phi, beta = rng.normal(size=(2, *shape))
        advance(phi, beta, 0.3, 1.0, 0.1, 7)
        yield f"klein_gordon {shape}", [phi, beta]
    field = rng.normal(size=(24, 36))
    edges = np.array([0.1, 1.0, 3.0, 8.0])
    yield "radial_power", radial_power(np.fft.rfft2(field), (24, 36), edges, 3)
    yield "radial_counts", radial_counts((24, 36), edges, 3)
    yield "lattice_momenta", lattice_momenta((24, 36))


def networks(rng):
    normals = np.empty((5, 333))
    member_normals(KEY, 0, 1, normals)
    yield "member_normals", normals
    counts = np.empty((3, 40), np.int64)
    decay(500, 2769000000, KEY, 0, counts)
    yield "decay", counts
    for code, k, carry, short in product(range(11), (1, 3), (0.0, 0.7), (False, True)):
        widths = np.array([70, 70] if carry else [70, 300, 9])
        depth = widths.size
        constants = np.zeros((depth, 6))
        constants[:, :2] = {0: (1.0, 1.0), 2: (0.2, 1.1)}.get(code, (0.0, 1.0))
        constants[:, 2:4] = 1.7, 0.1
        constants[1:, 4] = constants[:-1, 5] = carry
        inputs = rng.normal(size=(k, 5))
        metrics = np.empty((40, depth + 1, k * (k + 1) // 2))
        metrics[:, 0] = (inputs @ inputs.T / 5)[np.tril_indices(k)]
        outputs = np.empty((40, k, 3))
        propagate(widths, np.full(depth, code), constants, short, KEY, 0, metrics, outputs)
        yield f"propagate {code} {k} {carry} {short}", [metrics, outputs]


def layers(rng):
    for seeds, width in ((1, 1), (11, 8)):
        blocks, lanes = -(-seeds // width), (0,) * width
        size = -(-5 * 7 * width // 64) * 64
        w, b = rng.normal(size=(seeds, 65)), rng.normal(size=(seeds, 5))
        x = rng.normal(size=(1, 13 * 7 * width))
        sw, sb = np.zeros((blocks, 65 * width)), np.zeros((blocks, 5 * width))
        z, d = np.zeros((blocks, size)), rng.normal(size=(blocks, size))
        forward_layer(lanes, w, b, x, 7, 3, (0.0, 1.0), sw, sb, z, z)
        back, rooms = (
            np.zeros((blocks, 13 * 7 * width)),
            (np.zeros(65 * width), np.zeros(5 * width)),
        )
        constants = np.repeat([0.0, 1.0], width)
        backward_layer(lanes, sw, x, 7, 3, (0.0, 1.0), z, d, constants, *rooms, w, b, back)
        yield f"layer {seeds}", [z, d, w, b, back]


def main(path):
    rng = np.random.default_rng(5)
    found = {}
    for calls in (pyramids, actions, graphs, lattices, networks, layers):
        for name, result in calls(rng):
            for i, array in enumerate(everything(result)):
                found[f"{name} [{i}]"] = np.frombuffer(array.tobytes(), np.uint8)
    np.savez(path, **{name.replace("/", " "): array for name, array in found.items()})


if __name__ == "__main__":
    main(sys.argv[1])
