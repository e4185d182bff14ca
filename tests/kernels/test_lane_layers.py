"""Dense layers side by side, against products of one network after the other."""

import numpy as np
import pytest

from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._lane_tanh import tanh
from nnrg_kernels.lane_layers import backward_layer, forward_layer

TANH, RELU, NONE = 3, 1, -1


def spread(values, width):
    """Networks (S, ...) as blocks (blocks, ... * width), the last one copied."""
    blocks = -(-len(values) // width)
    chosen = values[np.minimum(np.arange(blocks * width), len(values) - 1)]
    chosen = chosen.reshape(blocks, width, -1)
    return np.ascontiguousarray(chosen.transpose(0, 2, 1)).reshape(blocks, -1)


def gathered(blocks, width, seeds, shape):
    values = blocks[:, : np.prod(shape) * width].reshape(len(blocks), -1, width)
    return values.transpose(0, 2, 1).reshape(-1, *shape)[:seeds]


def layer(seeds, n_in, n_out, samples, width, code, dtype, *, shared=False, bias=True):
    """Both passes of random layers: from the kernels, then from NumPy."""
    rng = np.random.default_rng(n_in + 100 * n_out)
    weight = rng.standard_normal((seeds, n_out, n_in)).astype(dtype)
    biases = rng.standard_normal((seeds, n_out if bias else 0)).astype(dtype)
    h = rng.standard_normal((1 if shared else seeds, n_in, samples)).astype(dtype)
    delta = rng.standard_normal((seeds, n_out, samples)).astype(dtype)
    lanes, blocks = (0,) * width, -(-seeds // width)
    room = -(-n_out * samples * width // 64) * 64
    below = spread(h, width)
    w, b = (np.zeros((blocks, n * width), dtype) for n in (n_out * n_in, n_out))
    z, y, d = (np.zeros((blocks, room), dtype) for _ in range(3))
    slopes = (0.25, 1.0)
    args = (lanes, weight.reshape(seeds, -1), biases, below, samples)
    forward_layer(*args, code, slopes, w, b, z, y)
    d[:, : n_out * samples * width] = spread(delta, width)
    out = gathered(z if code == TANH else y, width, seeds, (n_out, samples)).copy()
    before = gathered(z, width, seeds, (n_out, samples)).copy()
    slope_w, slope_b = np.zeros((seeds, n_out * n_in), dtype), np.zeros_like(biases)
    back = np.zeros((blocks, n_in * samples * width), dtype)
    constants = np.repeat(np.array([0, 1], dtype), width)
    rooms = np.zeros(n_out * n_in * width, dtype), np.zeros(n_out * width, dtype)
    backward_layer(
        lanes, w, below, samples, code, slopes, z, d, constants, *rooms, slope_w, slope_b, back
    )
    found = before, out, slope_w, slope_b, gathered(back, width, seeds, (n_in, samples))

    line = weight @ h + (biases[:, :, None] if bias else 0)
    leak = np.where(line >= 0, 1.0, 0.25)
    value = {TANH: np.tanh(line), RELU: leak * line, NONE: line}[code]
    delta = delta * {TANH: 1 - value**2, RELU: leak, NONE: 1.0}[code]
    naive = (
        value if code == TANH else line,
        value if code != NONE else 0 * line,
        (delta @ h.swapaxes(1, 2)).reshape(seeds, -1),
        delta.sum(axis=2)[:, : slope_b.shape[1]],
        weight.swapaxes(1, 2) @ delta,
    )
    return found, naive


SHAPES = [(1, 1, 1), (3, 5, 2), (4, 4, 4), (9, 6, 7), (17, 8, 13)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("seeds", "width"), [(1, 1), (1, 8), (8, 8), (11, 8)])
def test_layers_are_products_of_one_network_after_the_other(seeds, width, dtype):
    accuracy = 1e-13 if dtype == "float64" else 2e-5
    for shape in SHAPES:
        for code in (TANH, RELU, NONE):
            for options in ({}, {"shared": True}, {"bias": False}):
                found, naive = layer(seeds, *shape, width, code, dtype, **options)
                for one, other in zip(found, naive, strict=True):
                    np.testing.assert_allclose(one, other, rtol=accuracy, atol=accuracy)


def test_a_network_is_the_same_to_the_last_bit_alone_and_in_a_block():
    """Of eleven networks of the same numbers, each is what it is by itself."""
    for shape in SHAPES:
        for code in (TANH, RELU, NONE):
            (alone, _), (many, _) = (layer(1, *shape, width, code, "float64") for width in (1, 8))
            for one, other in zip(alone, many, strict=True):
                np.testing.assert_array_equal(one, other)


def test_tanh_to_the_last_digits():
    @borrowing_kernel
    def apply(x, out):
        for i in range(x.size):
            out[i] = tanh(x[i])

    rng = np.random.default_rng(1)
    x = rng.standard_normal(20000) * 10 ** rng.uniform(-12, 3, 20000)
    x = np.concatenate([x, [0.0, 5e-324, -1e-310, 20.0, 1e308, np.inf, -np.inf, np.nan]])
    out = np.empty_like(x)
    apply(x, out)
    np.testing.assert_allclose(out, np.tanh(x), rtol=1e-15, atol=0)
