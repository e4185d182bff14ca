"""Speed of the Schwinger-Dyson sums, as ratios taken in one process."""

from functools import partial
from itertools import combinations, combinations_with_replacement
from math import factorial
from time import perf_counter, process_time

import ml_dtypes
import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose

import nnrg
from nnrg_kernels.schwinger_dyson import Term, accumulate

pytestmark = pytest.mark.benchmark

SIDE = 4096
AXES = (((1, 0),), ((0, 1),))
SHELLS = {
    1: ((1, 0), (0, 1)),
    2: ((1, 1), (1, -1)),
    4: ((2, 0), (0, 2)),
    5: ((1, 2), (1, -2), (2, 1), (2, -1)),
    8: ((2, 2), (2, -2)),
}
KINETIC = tuple(Term("quadratic", axis) for axis in AXES)
# With phi, phi2, phi3, phi4 and phi6: eight operators, and sixteen with J(r) and U(r) on four
# shells each and one phi^3 phi.
EIGHT = (*KINETIC, Term("quadratic", SHELLS[2]))
SIXTEEN = (
    *KINETIC,
    *(Term("quadratic", SHELLS[squared]) for squared in (2, 4, 5, 8)),
    *(Term("quartic", SHELLS[squared]) for squared in (1, 2, 4, 5)),
    Term("cubic", SHELLS[1]),
)
TESTS_ON = (
    *KINETIC,
    Term("quadratic", SHELLS[4]),
    Term("quadratic", SHELLS[2]),
    Term("quartic", SHELLS[1]),
    Term("bounded"),
)
WINDOW = (-8.0, 8.0)


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


def sums(field, power, terms, cells=(1, 1), **options):
    """Sums of a periodic field, in one group or one for each of some equal cells."""
    shape = field.shape[1:]
    cuts = (*cells[: len(shape)], *[1] * (len(shape) - 2))
    return accumulate(
        field,
        1.0,
        power=power,
        margin=2,
        periodic=(True,) * len(shape),
        sample_group=np.zeros(len(field), np.int64),
        edges=tuple(np.arange(cut + 1) * n // cut for n, cut in zip(shape, cuts, strict=True)),
        terms=terms,
        **options,
    )


def product_mean(a, b):
    return np.mean(a * b)


def blas_mean(a, b):
    return np.vdot(a, b) / a.size


def term_row(phi, term):
    """Derivative of an operator and the mean of its own derivative: whole arrays, np.roll."""
    total = np.zeros_like(phi)
    cubes = np.zeros_like(phi)
    count = 0
    for step in term.offsets:
        for sign in (1, -1):
            near = np.roll(phi, (sign * step[0], sign * step[1]), (0, 1))
            count += 1
            if term.kind == "cubic":
                cubes += near * near * near
            total += near * near if term.kind == "quartic" else near
    if term.kind == "quadratic":
        return count * phi - total, float(count)
    if term.kind == "quartic":
        return phi * total, np.mean(total)
    return phi * phi * total / 2 + cubes / 6, np.mean(phi * total)


def whole_arrays(field, terms, mean):
    """A and h of phi, phi2, phi3, phi4, phi6 and the terms: whole arrays, float64."""
    phi = field[0].astype(np.float64)
    square = phi * phi
    powers = [np.ones_like(phi), phi, square, square * phi, square * square * phi]
    rows = [power / factorial(k) for k, power in zip((0, 1, 2, 3, 5), powers, strict=True)]
    h = [0.0, 1.0, np.mean(phi), np.mean(square) / 2, mean(square, square) / 24]
    for term in terms:
        row, second = term_row(phi, term)
        rows.append(row)
        h.append(second)
    a = np.empty((len(rows), len(rows)))
    for i, j in combinations_with_replacement(range(len(rows)), 2):
        a[i, j] = a[j, i] = mean(rows[i], rows[j])
    return a, np.array(h)


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


def report(capsys, field, slow, kernel):
    """Print what the kernel takes, and how much faster it is than whole arrays."""
    with capsys.disabled():
        print(f"\n{SIDE}^2 float32, {numba.get_num_threads()} threads")
        print(f"{'':50}     ms  Msites/s  ns of a core  faster than np.mean, np.vdot")
        for name, (wall, _, _) in zip(("np.mean", "np.vdot"), slow, strict=True):
            print(f"{'NumPy float64, np.roll and ' + name:50} {1e3 * wall:6.0f}")
        for label, (wall, core, _) in kernel.items():
            print(
                f"{label:50} {1e3 * wall:6.1f} {field.size / wall / 1e6:9.0f}"
                f" {1e9 * core / field.size:13.2f} {slow[0][0] / wall:20.0f}"
                f" {slow[1][0] / wall:8.0f}"
            )


def against_whole_arrays(field, terms):
    """Time and result of the NumPy version, with two ways to take a mean."""
    means = (product_mean, blas_mean)
    return fastest(1, *[partial(whole_arrays, field, terms, mean) for mean in means])


def test_eight_operators_in_two_dimensions(field, capsys):
    cases = {
        "8 operators: powers to 5, grad2:0 grad2:1 J:1.414": (5, EIGHT, None),
        "the same with powers to 7": (7, EIGHT, None),
        "the same with a window": (5, EIGHT, WINDOW),
        "all test functions: powers to 7, J:2, U:1, bounded": (7, TESTS_ON, None),
        "all test functions: powers to 9, J:2, U:1, bounded": (9, TESTS_ON, None),
    }
    sums(np.ascontiguousarray(field[:, :64]), 5, EIGHT)  # compiles
    slow = against_whole_arrays(field, EIGHT)
    runs = [
        partial(sums, field, power, terms, window=window) for power, terms, window in cases.values()
    ]
    kernel = dict(zip(cases, fastest(9, *runs), strict=True))
    report(capsys, field, slow, kernel)
    wall, _, result = next(iter(kernel.values()))
    for got, want in zip(from_sums(result), slow[0][2], strict=True):
        assert_allclose(got, want, rtol=1e-9, atol=1e-9)
    assert slow[0][0] / wall > 40
    # On two idle cores; a neighbour's load makes it longer.
    assert field.size / wall > 200e6


def test_sixteen_operators_in_two_dimensions(field, capsys):
    slow = against_whole_arrays(field, SIXTEEN)
    (run,) = fastest(7, partial(sums, field, 5, SIXTEEN))
    report(capsys, field, slow, {"16 operators: powers to 5, four shells": run})
    for got, want in zip(from_sums(run[2]), slow[0][2], strict=True):
        assert_allclose(got, want, rtol=1e-9, atol=1e-9)
    assert slow[0][0] / run[0] > 40


def test_all_scales_cost_less_than_ten_times_the_finest(field, capsys):
    flow = nnrg.renormalize(nnrg.SynapticField(field, nnrg.Lattice((SIDE, SIDE), periodic=True)))
    scales = [np.ascontiguousarray(means) for means in flow.means]
    cells = (4, 8)

    def one():
        return sums(scales[0], 5, SIXTEEN, cells)

    def every():
        return [sums(means, 5, SIXTEEN, cells) for means in scales]

    (one_wall, one_core, _), (wall, core, results) = fastest(5, one, every)
    with capsys.disabled():
        sites = sum(means.size for means in scales)
        print(
            f"\n16 operators, 32 cells, {len(scales)} scales: {wall / one_wall:.2f} of the finest"
            f" ({core / one_core:.2f} of its processor time); {sites / wall / 1e6:.0f} Msites/s"
        )
    assert [result.sites.sum() for result in results] == [means.size for means in scales]
    assert wall / one_wall < 10


def test_two_byte_numbers_are_as_fast_as_four_byte_ones(field, capsys):
    fields = [field, field.astype(np.float16), field.astype(ml_dtypes.bfloat16)]
    times = fastest(9, *[partial(sums, f, 5, EIGHT) for f in fields])
    for f, (_, core, _) in zip(fields[1:], times[1:], strict=True):
        with capsys.disabled():
            print(f"\n{f.dtype.name}: {core / times[0][1]:.2f} of the time for float32", end="")
        assert core < 1.3 * times[0][1]


def test_many_small_samples_and_one_long_line_keep_up(field, capsys):
    most = {(1, SIDE, SIDE): 1.0, (20_000, 28, 28): 5.0, (1, 1 << 24): 1.5, (1, 256, 256, 256): 3.0}
    fields = [field.reshape(-1)[: np.prod(shape)].reshape(shape) for shape in most]

    def eight(d):
        unit = tuple(tuple(int(a == b) for b in range(d)) for a in range(d))
        diagonal = tuple(
            tuple(p + sign * q for p, q in zip(e, f, strict=True))
            for e, f in combinations(unit, 2)
            for sign in (1, -1)
        )
        far = (Term("quadratic", diagonal),) if d > 1 else ()
        return (*(Term("quadratic", (step,)) for step in unit), *far)

    times = fastest(5, *[partial(sums, f, 5, eight(f.ndim - 1)) for f in fields])
    per_site = [core / f.size for (_, core, _), f in zip(times, fields, strict=True)]
    for (shape, slack), time in list(zip(most.items(), per_site, strict=True))[1:]:
        ratio = time / per_site[0]
        with capsys.disabled():
            print(f"\n{shape}: {ratio:.2f} of the time per site of {SIDE}^2", end="")
        assert ratio < slack
