"""Couplings between distant sites: recovered where they are known, zero where there are none."""

import numpy as np
import pytest
from physics.agreement import p_value
from scipy import stats

import nnrg
from nnrg.simulate import phi4_lattice


def gaussian_field(shape, n_samples, couplings, rng):
    """Periodic Gaussian fields with the quadratic action of `couplings`, name: value.

    Each mode has variance 1 / kernel, the kernel being sum_n (1 - cos k.n) over the neighbours.
    """
    k = np.meshgrid(*(2 * np.pi * np.fft.fftfreq(n) for n in shape), indexing="ij")
    kernel = np.full(shape, couplings.get("phi2", 0.0))
    for name, value in couplings.items():
        if name == "phi2":
            continue
        squared = round(float(name[2:]) ** 2)
        reach = range(-3, 4)
        for step in np.ndindex((7,) * len(shape)):
            n = [reach[s] for s in step]
            if sum(a * a for a in n) == squared:
                kernel += value * (1 - np.cos(sum(a * b for a, b in zip(n, k, strict=True))))
    noise = rng.normal(size=(n_samples, *shape))
    axes = tuple(range(1, 1 + len(shape)))
    return np.fft.ifftn(np.fft.fftn(noise, axes=axes) / np.sqrt(kernel), axes=axes).real


CHAIN = {"phi2": 0.3, "J:1": 1.0, "J:2": -0.12, "J:3": 0.25}
PLANE = {"phi2": 0.4, "J:1": 1.0, "J:1.414": -0.15, "J:2": 0.1, "J:2.236": 0.05}


@pytest.mark.parametrize(
    ("shape", "action"), [((64,), CHAIN), ((16, 16), PLANE)], ids=["chain", "plane"]
)
def test_quadratic_couplings_of_known_gaussian_fields_and_their_errors(shape, action):
    """Pulls of 200 fields: a mean has an error of 0.07, a spread one of 0.05."""
    rng = np.random.default_rng(61)
    basis = nnrg.Basis(
        ("phi2", "phi4", "J:1", *(n for n in action if n > "J:1" and n != "phi2"), "U:1")
    )
    pulls, p = [], []
    for _ in range(200):
        values = gaussian_field(shape, 40, action, rng)
        field = nnrg.SynapticField(values, nnrg.Lattice(shape, periodic=True))
        fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=1), basis=basis, nulls=())
        pulls.append((fit.values[0] - [action.get(n, 0.0) for n in fit.names]) / fit.errors()[0])
        p.append(fit.series["p"][0])
    assert set(action) < set(fit.names)
    assert np.abs(np.mean(pulls, axis=0)).max() < 0.25
    assert np.all(np.abs(np.std(pulls, axis=0, ddof=1) - 1.025) < 0.175)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def checkerboard(n_samples, length, sweeps, rng, *, r, u, quartic, cubic, stiffness=1.0):
    """Metropolis on periodic chains with U:1 and phi3phi:1, one sublattice after the other."""
    phi = rng.normal(scale=0.5, size=(n_samples, length))

    def local(x, left, right):
        squares, near = left**2 + right**2, left + right
        cubes = left**3 + right**3
        action = r / 2 * x**2 + u / 24 * x**4 + stiffness * (x * x - x * near)
        return action + quartic / 2 * x**2 * squares + cubic / 6 * (x**3 * near + x * cubes)

    for _ in range(sweeps):
        for half in (0, 1):
            x = phi[:, half::2]
            other = phi[:, 1 - half :: 2]
            left, right = (
                (np.roll(other, 1, 1), other) if half == 0 else (other, np.roll(other, -1, 1))
            )
            proposed = x + rng.uniform(-1.2, 1.2, size=x.shape)
            change = local(proposed, left, right) - local(x, left, right)
            phi[:, half::2] = np.where(rng.exponential(size=x.shape) > change, proposed, x)
    return phi


def test_quartic_couplings_between_neighbours_are_recovered(checked):
    # U:1 of its own size and phi3phi:1, which no product of the usual terms can stand for.
    truth = {"phi2": 0.5, "phi4": 6.0, "grad2:0": 1.0, "U:1": 0.8, "phi3phi:1": -0.5}
    values = checkerboard(
        1000, 64, 150, np.random.default_rng(62), r=0.5, u=6.0, quartic=0.8, cubic=-0.5
    )
    field = nnrg.SynapticField(values, nnrg.Lattice(64, periodic=True))
    flow = nnrg.renormalize(field, levels=1)
    basis = nnrg.Basis(("phi", "phi3", "J:2", "U:2", *truth))
    fit = nnrg.fit_couplings(flow, basis=basis, nulls=())
    expected = [[truth.get(name, 0.0) for name in fit.names]]
    assert p_value(fit, fit.names, expected) > 1e-4
    topic = "Chain with quartic couplings between neighbours"
    for name, known in zip(fit.names, expected[0], strict=True):
        found = fit.estimate(name, 1)
        checked(topic, name, known, found.value, found.error, within=4.5)
    assert fit.series["p"][0] > 1e-4
    at = fit.names.index("U:1")
    assert fit.values[0, at] > 10 * fit.errors()[0, at]
    poor = nnrg.fit_couplings(flow, basis=nnrg.Basis.scalar(order=6), nulls=())
    assert poor.series["p"][0] < 1e-6


@pytest.fixture(scope="module")
def lattice_flow():
    values = phi4_lattice((64, 64), 100, r=-0.8, u=3.0, rng=2, stride=40)
    return nnrg.renormalize(
        nnrg.SynapticField(values, nnrg.Lattice((64, 64), periodic=True)), levels=3
    )


def test_blocks_of_a_local_action_have_couplings_between_distant_sites(lattice_flow):
    basis = nnrg.Basis(("phi2", "phi4", "phi6", "grad2", "J[2]", "U[2]"))
    fit = nnrg.fit_couplings(lattice_flow, basis=basis, nulls=())
    far = ("J:1.414", "J:2", "U:1", "U:1.414")
    assert p_value(fit, far, np.zeros((1, 4)), scales=[1]) > 1e-4
    assert p_value(fit, far, np.zeros((1, 4)), scales=[2]) < 1e-12
    for level in (1, 2):
        j = [fit.names.index(n) for n in ("J:1.414", "J:2")]
        assert np.all(fit.values[level, j] < -2 * fit.errors()[level, j])
    # With them the action describes the blocks; with the local ones alone it does not.
    assert np.all(fit.series["p"] > 1e-4)
    local = nnrg.fit_couplings(lattice_flow, basis=nnrg.Basis.scalar(order=6), nulls=())
    assert local.series["p"][1] < 1e-6


def test_couplings_of_gaussian_fields_with_distant_terms(checked):
    rng = np.random.default_rng(63)
    for label, shape, action in (("chain", (64,), CHAIN), ("d = 2", (32, 32), PLANE)):
        values = gaussian_field(shape, 400, action, rng)
        field = nnrg.SynapticField(values, nnrg.Lattice(shape, periodic=True))
        flow = nnrg.renormalize(field, levels=1)
        fit = nnrg.fit_couplings(flow, basis=nnrg.Basis((*action, "phi4", "U:1")), nulls=())
        for name in fit.names:
            found, known = fit.estimate(name, 1), action.get(name, 0.0)
            topic = f"Gaussian field with couplings between distant sites, {label}"
            checked(topic, name, known, found.value, found.error, within=4.5)


def test_block_action_as_reported(lattice_flow, checked):
    # Truncated, so that the numbers are those of a basis: U(1) takes part in Z and J(sqrt 2), and
    # was reported as the last of six operators.
    five = ("phi2", "phi4", "phi6", "J:1", "J:1.414")
    fit, wide = (
        nnrg.fit_couplings(lattice_flow, basis=nnrg.Basis(names), nulls=())
        for names in (five, (*five, "U:1"))
    )
    for result, name, fields, value, uncertainty in (
        (fit, "phi2", 2, -1.46, 0.06),
        (fit, "phi4", 4, 6.0, 0.6),
        (fit, "J:1", 2, 1.67, 0.02),
        (fit, "J:1.414", 2, -0.143, 0.016),
        (wide, "U:1", 4, -0.05, 0.03),
    ):
        found, unit = result.estimate(name, 2), result.series["sigma"][1] ** fields
        checked(
            "Interacting field, d = 2, block action at b = 2",
            f"{name} of {len(result.names)} operators, block field of unit variance",
            value,
            found.value * unit,
            found.error * unit,
            uncertainty=uncertainty,
            source="simulation",
        )
    diagonal = wide.estimate("J:1.414", 2)
    assert diagonal.value < -5 * diagonal.error
