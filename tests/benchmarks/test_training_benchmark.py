"""Speed of training: many seeds together, and the share of it that is matrix products."""

from time import process_time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nnrg.simulate.training import MLP, HeavyBall, perceptron, train

pytestmark = pytest.mark.benchmark


def problem(model, n_inputs):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n_inputs, *model.input_shape))
    return x, rng.standard_normal((n_inputs, *model.output_shape))


def seconds(function):
    """Processor time of a call, of all threads."""
    start = process_time()
    function()
    return process_time() - start


def run(model, data, **options):
    quiet = {"rng": 1, "progress": lambda done, total: None}
    return train(model, data, optimiser=HeavyBall(0.01, 0.9), **quiet, **options)


@pytest.mark.parametrize(
    ("widths", "n_inputs", "steps", "most"),
    [
        ((8, 16, 1), 32, 500, 4),
        ((8, 32, 1), 32, 500, 4),
        ((8, 32, 32, 1), 32, 500, 4),
        ((8, 32, 32, 1), 64, 300, 16),
        ((8, 32, 32, 1), 128, 200, 16),
        ((16, 64, 64, 1), 128, 60, 16),
    ],
)
def test_sixteen_seeds_together(widths, n_inputs, steps, most):
    """A whole run of 16 seeds takes no longer than four of one, if networks are small.

    Small are MLPs with a hidden layer, at most 4096 parameters and at most 50 000 products of
    parameters and samples of a step: their seeds lie side by side in the registers. Beyond, one
    seed alone is trained by matrix products near the speed of the machine, and the ratio comes near
    16; a run of many seeds is only never slower than one by one.
    """
    model = MLP(widths)
    data = problem(model, n_inputs)
    times = np.min(
        [
            [seconds(lambda n=n: run(model, data, steps=steps, n_seeds=n)) for n in (1, 16)]
            for _ in range(7)
        ],
        axis=0,
    )
    alone, together = times
    print(
        f"16 seeds of an MLP {widths}, {n_inputs} samples, {steps} steps: as long as "
        f"{together / alone:.2f} one by one ({alone / steps * 1e6:.0f} us a step of one, "
        f"{together / steps * 1e6:.0f} of sixteen)"
    )
    assert together / alone < most


@pytest.mark.parametrize(
    ("dtype", "n_inputs", "steps"), [("float32", 64, 150), ("float64", 256, 40)]
)
def test_heavy_ball_of_64_wide_perceptrons_against_its_matrix_products(dtype, n_inputs, steps):
    """Whole runs of 64 seeds of 1024-256, start, curvature and record included.

    These are paid once: of 1000 steps the share of the products is larger.
    """
    model, seeds = perceptron(1024, 256), 64
    data = problem(model, n_inputs)
    x = data[0].astype(dtype)
    w = np.random.default_rng(2).standard_normal((1, 256, 1024)).astype(dtype)
    z, g = np.empty((1, n_inputs, 256), dtype), np.empty_like(w)

    def products(times):
        with threadpool_limits(1):
            for _ in range(times):
                np.matmul(x, w.swapaxes(1, 2), out=z)
                np.matmul(z.swapaxes(1, 2), x, out=g)

    options = {"steps": steps, "n_seeds": seeds, "dtype": dtype, "record": steps}
    products(20)
    blas = [seconds(lambda: products(100))]
    ours = seconds(lambda: run(model, data, **options))
    blas.append(seconds(lambda: products(100)))
    ratio = ours / (np.mean(blas) / 100 * steps * seeds)
    print(
        f"heavy ball, 64 seeds of 1024-256, {n_inputs} samples, {dtype}, {steps} steps: "
        f"{ratio:.2f} x its matrix products"
    )
    assert ratio < 2
