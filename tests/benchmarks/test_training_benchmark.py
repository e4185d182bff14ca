"""Speed of training: many seeds together, and the share of it that is matrix products."""

from time import process_time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nnrg.simulate.training import MLP, HeavyBall, MeanSquaredError, perceptron
from nnrg.simulate.training._group import Batches, SeedGroup

pytestmark = pytest.mark.benchmark

OPTIMISER = HeavyBall(0.01, 0.9)


def groups(model, n_seeds, together, n_inputs, dtype):
    """Groups of seeds as `train` makes them, without records."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n_inputs, *model.input_shape)).astype(dtype)
    y = rng.standard_normal((n_inputs, *model.output_shape)).astype(dtype)
    w = (rng.standard_normal((n_seeds, model.n_parameters)) / 32).astype(dtype)
    v, batches = np.zeros_like(w), Batches(n_inputs, None, np.random.SeedSequence(0))
    cost = MeanSquaredError()
    return x, [
        SeedGroup(model, cost, OPTIMISER, x, y, w[part], {"velocity": v[part]}, at, batches)
        for at in range(0, n_seeds, together)
        for part in [slice(at, at + together)]
    ]


def advance(many, steps):
    for group in many:
        size = group.members.stop - group.members.start
        group.advance(0, np.full(steps, 1e-3), np.full(size, 1e12), lambda: False)


def interleaved(repeats, *functions):
    """Least processor time of each function, called in turn."""
    times = []
    for _ in range(repeats):
        row = []
        for function in functions:
            start = process_time()
            function()
            row.append(process_time() - start)
        times.append(row)
    return np.min(times, axis=0)


@pytest.mark.parametrize("widths", [(8, 16, 1), (8, 32, 1), (8, 32, 32, 1)])
def test_sixteen_seeds_together(widths):
    model = MLP(widths)
    with threadpool_limits(1):
        _, one = groups(model, 1, 1, 32, "float64")
        _, many = groups(model, 16, 16, 32, "float64")
        alone, together = interleaved(9, lambda: advance(one, 300), lambda: advance(many, 300))
    print(
        f"16 seeds of an MLP {widths}, 32 samples: as long as {together / alone:.1f} one by one "
        f"({alone / 300 * 1e6:.0f} us a step of one)"
    )
    assert together / alone < 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_heavy_ball_of_64_wide_perceptrons_against_its_matrix_products(dtype):
    """1024 x 256, 256 samples: products of weights with inputs, of slopes with inputs."""
    seeds, inputs, steps = 64, 256, 2
    with threadpool_limits(1):
        x, many = groups(perceptron(1024, 256), seeds, 1, inputs, dtype)
        w = np.random.default_rng(2).standard_normal((seeds, 256, 1024)).astype(dtype)
        z, g = np.empty((seeds, inputs, 256), dtype), np.empty_like(w)

        def products():
            for _ in range(steps):
                np.matmul(x, w.swapaxes(1, 2), out=z)
                np.matmul(z.swapaxes(1, 2), x, out=g)

        ours, blas = interleaved(4, lambda: advance(many, steps), products)
    print(f"heavy ball, 64 seeds of 1024-256, {dtype}: {ours / blas:.2f} x its matrix products")
    assert ours / blas < 2
