"""Speed of the Schwinger-Dyson sums, as ratios taken in one process."""

from functools import partial
from math import factorial
from time import perf_counter, process_time

import ml_dtypes
import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nnrg_kernels.schwinger_dyson import accumulate

pytestmark = pytest.mark.benchmark

SIDE = 4096
TESTS_OFF = {"second_neighbours": False, "diagonal": True, "quartic": False, "bounded": False}
TESTS_ON = {"second_neighbours": True, "diagonal": True, "quartic": True, "bounded": True}


def fastest(repeats, *functions):
    """Shortest wall time, shortest processor time and last result of each, run in turn."""
    walls, cores, results = [], [], []
    for _ in range(repeats):
        for function in functions:
            wall, core = perf_counter(), process_time()
            results.append(function())
            walls.append(perf_counter() - wall)
            cores.append(process_time() - core)
    n = len(functions)
    return [(min(walls[i::n]), min(cores[i::n]), results[(repeats - 1) * n + i]) for i in range(n)]


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


def product_mean(a, b):
    return np.mean(a * b)


def blas_mean(a, b):
    return np.vdot(a, b) / a.size


def whole_arrays(field, mean):
    """A and h of phi, phi2, phi3, phi4, phi6, grad2:0, grad2:1, J:1.414: whole arrays, float64."""
    phi = field[0].astype(np.float64)
    square = phi * phi
    powers = [np.ones_like(phi), phi, square, square * phi, square * square * phi]
    rows = [power / factorial(k) for k, power in zip((0, 1, 2, 3, 5), powers, strict=True)]
    rows += [2 * phi - np.roll(phi, 1, axis) - np.roll(phi, -1, axis) for axis in (0, 1)]
    corners = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    rows.append(4 * phi - sum(np.roll(phi, corner, (0, 1)) for corner in corners))
    a = np.empty((8, 8))
    for i in range(8):
        for j in range(i, 8):
            a[i, j] = a[j, i] = mean(rows[i], rows[j])
    lower = [1.0, np.mean(phi), np.mean(square) / 2, mean(square, square) / 24]
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
    cases = {
        "8 operators: powers to 5, grad2:0 grad2:1 J:1.414": (5, TESTS_OFF),
        "the same with powers to 7": (7, TESTS_OFF),
        "all test functions: powers to 7, J:2, U:1, bounded": (7, TESTS_ON),
        "all test functions: powers to 9, J:2, U:1, bounded": (9, TESTS_ON),
    }
    means = {"np.mean": product_mean, "np.vdot": blas_mean}
    sums(np.ascontiguousarray(field[:, :64]), 5, TESTS_OFF)  # compiles
    numpy = fastest(1, *[partial(whole_arrays, field, mean) for mean in means.values()])
    kernel = fastest(9, *[partial(sums, field, *case) for case in cases.values()])
    ((read, _, _),) = fastest(9, partial(np.sum, field))
    slow, _, expected = numpy[0]
    threads = numba.get_num_threads()
    with capsys.disabled():
        print(f"\n{SIDE}^2 float32, {threads} threads; np.sum {1e3 * read:.1f} ms")
        print(f"{'':50}     ms  Msites/s  ns of a core  faster than np.mean, np.vdot")
        for name, (wall, _, _) in zip(means, numpy, strict=True):
            print(f"{'NumPy float64, 8 operators, np.roll and ' + name:50} {1e3 * wall:6.0f}")
        for label, (wall, core, _) in zip(cases, kernel, strict=True):
            print(
                f"{label:50} {1e3 * wall:6.1f} {field.size / wall / 1e6:9.0f}"
                f" {1e9 * core / field.size:13.2f} {slow / wall:20.0f} {numpy[1][0] / wall:8.0f}"
            )
    wall, core, result = kernel[0]
    for got, want in zip(from_sums(result), expected, strict=True):
        assert_allclose(got, want, rtol=1e-9, atol=1e-9)
    assert slow / wall > 40
    # Two hundred million sites a second on two cores; processor time, which a neighbour's load
    # on the machine does not lengthen as it does the wall time.
    assert core / field.size < 10e-9


def test_two_byte_numbers_are_as_fast_as_four_byte_ones(field, capsys):
    fields = [field, field.astype(np.float16), field.astype(ml_dtypes.bfloat16)]
    times = fastest(9, *[partial(sums, f, 5, TESTS_OFF) for f in fields])
    for f, (_, core, _) in zip(fields[1:], times[1:], strict=True):
        with capsys.disabled():
            print(f"\n{f.dtype.name}: {core / times[0][1]:.2f} of the time for float32", end="")
        assert core < 1.3 * times[0][1]


def test_many_small_samples_and_one_long_line_keep_up(field, capsys):
    most = {(1, SIDE, SIDE): 1.0, (20_000, 28, 28): 5.0, (1, 1 << 24): 1.5, (1, 256, 256, 256): 3.0}
    fields = [field.reshape(-1)[: np.prod(shape)].reshape(shape) for shape in most]
    times = fastest(5, *[partial(sums, f, 5, TESTS_OFF) for f in fields])
    per_site = [core / f.size for (_, core, _), f in zip(times, fields, strict=True)]
    for (shape, slack), time in list(zip(most.items(), per_site, strict=True))[1:]:
        ratio = time / per_site[0]
        with capsys.disabled():
            print(f"\n{shape}: {ratio:.2f} of the time per site of {SIDE}^2", end="")
        assert ratio < slack
