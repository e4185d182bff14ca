"""Speed of the Schwinger-Dyson sums, as ratios taken in one process."""

from math import factorial
from time import perf_counter

import ml_dtypes
import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nnrg_kernels.schwinger_dyson import accumulate

pytestmark = pytest.mark.benchmark

SIDE = 4096
TESTS_OFF = {"second_neighbours": False, "diagonal": True, "quartic": False}
TESTS_ON = {"second_neighbours": True, "diagonal": True, "quartic": True}


def fastest(function, repeats):
    times = []
    for _ in range(repeats):
        start = perf_counter()
        result = function()
        times.append(perf_counter() - start)
    return min(times), result


def sums(field, power, channels):
    """Sums of a periodic field in one group."""
    return accumulate(
        field,
        1.0,
        power=power,
        margin=2,
        periodic=(True,) * (field.ndim - 1),
        sample_group=np.zeros(len(field), np.int64),
        edges=tuple(np.array([0, n]) for n in field.shape[1:]),
        **channels,
    )


def straightforward(field):
    """A and h of phi, phi2, phi3, phi4, phi6, grad2:0, grad2:1, J:1.414: whole arrays, float64."""
    phi = field[0].astype(np.float64)
    rows = [phi**k / factorial(k) for k in (0, 1, 2, 3, 5)]
    rows += [2 * phi - np.roll(phi, 1, axis) - np.roll(phi, -1, axis) for axis in (0, 1)]
    corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    rows.append(4 * phi - sum(np.roll(phi, corner, (0, 1)) for corner in corners))
    a = np.empty((8, 8))
    for i in range(8):
        for j in range(i, 8):
            a[i, j] = a[j, i] = np.mean(rows[i] * rows[j])
    lower = [np.mean(phi**k) / factorial(k) for k in (0, 1, 2, 4)]
    return a, np.array([0.0, *lower, 2.0, 2.0, 4.0])


def from_sums(s):
    """Return the same A and h, out of the sums."""
    powers = np.array([0, 1, 2, 3, 5])
    weight = np.array([1 / factorial(k) for k in powers])
    local = s.moments[0, powers[:, None] + powers] * weight[:, None] * weight
    mixed = s.cross[0, powers] * weight[:, None]
    a = np.block([[local, mixed], [mixed.T, s.gram[0]]])
    h = [0.0, *(s.moments[0, k] / factorial(k) for k in (0, 1, 2, 4)), *s.second[0]]
    return a / s.sites[0], np.array(h) / s.sites[0]


@pytest.fixture(scope="module")
def field():
    return np.random.default_rng(1).standard_normal((1, SIDE, SIDE), np.float32)


def test_eight_operators_in_two_dimensions(field, capsys):
    cases = [
        ("8 operators: powers to 5, grad2:0 grad2:1 J:1.414", 5, TESTS_OFF),
        ("the same with powers to 7", 7, TESTS_OFF),
        ("all test functions: powers to 7, J:2 and U:1 too", 7, TESTS_ON),
        ("all test functions: powers to 9, J:2 and U:1 too", 9, TESTS_ON),
    ]
    slow, expected = fastest(lambda: straightforward(field), 1)
    sums(field[:, :512, :512].copy(), 5, TESTS_OFF)
    read, _ = fastest(lambda: np.sum(field), 7)
    ours = {}
    with capsys.disabled():
        print(f"\n{SIDE}^2 float32, {numba.get_num_threads()} threads")
        print(f"{'':52}      ms  Msites/s  x np.sum  faster than NumPy")
        print(f"{'NumPy float64, np.roll and np.mean, 8 operators':52} {1e3 * slow:7.0f}")
        for label, power, channels in cases:
            time, result = fastest(lambda p=power, c=channels: sums(field, p, c), 9)
            ours[label] = time, result
            rate = field.size / time / 1e6
            print(
                f"{label:52} {1e3 * time:7.1f} {rate:9.0f} {time / read:9.1f} {slow / time:18.0f}"
            )
    time, result = ours[cases[0][0]]
    for got, want in zip(from_sums(result), expected, strict=True):
        assert_allclose(got, want, rtol=1e-9, atol=1e-9)
    assert slow / time > 40
    assert field.size / time > 200e6


def test_two_byte_numbers_are_as_fast_as_four_byte_ones(field, capsys):
    half = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
    base, _ = fastest(lambda: sums(field, 5, TESTS_OFF), 9)
    for dtype in half:
        copy = field.astype(dtype)
        time, _ = fastest(lambda f=copy: sums(f, 5, TESTS_OFF), 9)
        with capsys.disabled():
            print(f"\n{dtype.name}: {time / base:.2f} of the time for float32", end="")
        assert time < 1.3 * base


def test_many_small_samples_and_one_long_line_keep_up(field, capsys):
    base, _ = fastest(lambda: sums(field, 5, TESTS_OFF), 9)
    shapes = {(20_000, 28, 28): 5.0, (1, 1 << 24): 1.5, (1, 256, 256, 256): 3.0}
    for shape, slack in shapes.items():
        other = field.reshape(-1)[: np.prod(shape)].reshape(shape)
        time, _ = fastest(lambda f=other: sums(f, 5, TESTS_OFF), 5)
        ratio = time / other.size / (base / field.size)
        with capsys.disabled():
            print(f"\n{shape}: {ratio:.2f} of the time per site of {SIDE}^2", end="")
        assert ratio < slack
