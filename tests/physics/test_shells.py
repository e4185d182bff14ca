"""Momentum shell, principal components and decimation where the answer is known.

Each bound of 4.5 errors is passed by chance about seven times in a million, each p-value below
1e-4 once in ten thousand.
"""

import numpy as np
import pytest
from physics import exact
from physics.agreement import deviations, p_value

import nnrg
from nnrg.rg.decimation import Decimation, MajorityBlocks
from nnrg.rg.mode_cumulants import measure_modes
from nnrg.rg.momentum_shell import MomentumShell
from nnrg.rg.principal_components import PrincipalComponents
from nnrg.simulate.gaussian import ar1, gaussian_free_field
from nnrg.simulate.phi4 import phi4_lattice

QUADRATIC = nnrg.Basis(("phi2", "grad2"))


def shell_kernel(shape, mass2, b, stiffness=1.0):
    """1/G'(K) of a free field after a cut at pi/b: b^2 r + Z sum_mu [2 b sin(K_mu / 2b)]^2."""
    axes = [(2 * b * np.sin(np.pi * np.fft.fftfreq(n) / b)) ** 2 for n in shape]
    return b * b * mass2 + stiffness * sum(np.meshgrid(*axes, indexing="ij"))


def power(values):
    """|phi_K|^2 / V, the mean over samples."""
    axes = tuple(range(1, values.ndim))
    return np.mean(np.abs(np.fft.fftn(values, axes=axes)) ** 2, axis=0) / values[0].size


@pytest.fixture(scope="module")
def free_field():
    phi = gaussian_free_field((32, 32), 2000, mass2=0.3, stiffness=0.7, rng=21)
    return nnrg.SynapticField(phi, nnrg.Lattice((32, 32), periodic=True))


@pytest.mark.parametrize(("shape", "b"), [((64,), 2), ((27, 18), 3), ((16, 8, 8), 2)])
def test_free_field_keeps_its_law_at_every_momentum(shape, b):
    # The edge of the zone, K = pi, included.
    n, r = 2000, 0.3
    phi = gaussian_free_field(shape, n, mass2=r, rng=20)
    field = nnrg.SynapticField(phi, nnrg.Lattice(shape, periodic=True))
    flow = nnrg.renormalize(field, MomentumShell(b), levels=3, rescale="kinetic")
    for scale, block in flow:
        ratio = power(block.values) * shell_kernel(block.sites.shape, r, scale)
        assert np.abs(ratio - 1).max() < 5.5 * np.sqrt(2 / n)


def test_open_field_keeps_its_law_at_every_mode():
    # The free field of an open chain, whose ends have one neighbour, is diagonal in cosines.
    from scipy.fft import dct, idct

    n, length, r = 4000, 48, 0.2
    spectrum = r + 4 * np.sin(np.pi * np.arange(length) / (2 * length)) ** 2
    noise = np.random.default_rng(22).normal(size=(n, length))
    phi = idct(noise / np.sqrt(spectrum), norm="ortho", axis=1)
    field = nnrg.SynapticField(phi, nnrg.Lattice(length))
    flow = nnrg.renormalize(field, MomentumShell(2), levels=4, rescale="kinetic")
    for b, block in flow:
        count = block.sites.n_sites
        kernel = b * b * r + (2 * b * np.sin(np.pi * np.arange(count) / (2 * count * b))) ** 2
        measured = np.mean(dct(block.values, norm="ortho", axis=1) ** 2, axis=0) * kernel
        assert np.abs(measured - 1).max() < 5 * np.sqrt(2 / n)


def test_two_schemes_on_one_field(free_field):
    # Both keep the zero mode: 1/G'(0) = b^2 r. The shell keeps every other mode below the cut, in
    # every configuration; a block average mixes it with its aliases.
    shell, grid = (
        nnrg.renormalize(free_field, scheme(2), levels=4, rescale="kinetic")
        for scheme in (MomentumShell, nnrg.GridBlocks)
    )
    fine = power(free_field.values)
    for (b, by_shell), (_, by_grid) in zip(shell, grid, strict=True):
        below = np.arange(1 - 16 // b, 16 // b)
        here, there = power(by_shell.values), power(by_grid.values)
        np.testing.assert_allclose(here[0, 0], fine[0, 0] / b**2, rtol=1e-10)
        np.testing.assert_allclose(there[0, 0], fine[0, 0] / b**2, rtol=1e-10)
        modes = np.ix_(below, below)
        np.testing.assert_allclose(here[modes], fine[modes] / b**2, rtol=1e-9)
        grid_law = exact.free_block_propagator((32, 32), 0.3, b, stiffness=0.7)
        spread = 5.5 * np.sqrt(2 / 2000)
        assert np.abs(there / grid_law - 1).max() < spread
        # At the smallest momentum after three steps the stiffness of a block average is off by
        # more than what the samples could hide; that of the shell is Z (K^2 + O(K^4 / b^2)).
        k = 2 * np.pi / (32 / b)
        law = shell_kernel(by_shell.sites.shape, 0.3, b, 0.7)
        stiffness = (law[0, 1] - law[0, 0]) / k**2
        assert stiffness == pytest.approx(0.7, abs=0.7 * k * k / (12 * b * b))
        if b == 8:
            assert (1 / grid_law[0, 1] - 1 / grid_law[0, 0]) / k**2 > 1.5 * stiffness


def projected_couplings(kernel):
    """(phi2, grad2:0, grad2:1) that score matching gives for a Gaussian field with 1/G = kernel."""
    symbols = [np.ones(kernel.shape)]
    for axis, n in enumerate(kernel.shape):
        s = 4 * np.sin(np.pi * np.arange(n) / n) ** 2
        symbols.append(np.broadcast_to(np.expand_dims(s, 1 - axis), kernel.shape))
    matrix = [[np.mean(p * q / kernel) for q in symbols] for p in symbols]
    return np.linalg.solve(matrix, [np.mean(p) for p in symbols])


def test_couplings_of_the_shell_field(free_field, checked):
    flow = nnrg.renormalize(free_field, MomentumShell(2), levels=3, rescale="kinetic")
    fit = nnrg.fit_couplings(flow, basis=QUADRATIC, nulls=("permutation",), rng=1)
    expected = [projected_couplings(shell_kernel(s.shape, 0.3, b, 0.7))
                for b, s in zip(flow.scales, flow.sites, strict=True)]  # fmt: skip
    assert p_value(fit, fit.names, expected) > 1e-4
    assert np.abs(deviations(fit, fit.names, expected)).max() < 4.5
    for name, known in zip(fit.names[:2], expected[2][:2], strict=True):
        found = fit.estimate(name, 4)
        quantity = f"{name} of the free field, d = 2, r = 0.3, Z = 0.7, b = 4"
        checked("Momentum shell", quantity, known, found.value, found.error, within=4.5)
    # Order matters: Student's t with 19 degrees exceeds 7 once in a million.
    assert np.abs(fit.z()[:2, 1:]).min() > 7
    assert fit.series["p"][0] > 1e-4


def test_independent_numbers_stay_independent():
    # The shell is part of an orthogonal transform: with Delta = d/2 it keeps white noise white.
    values = np.random.default_rng(23).normal(size=(200, 32, 32))
    field = nnrg.SynapticField(values, nnrg.Lattice((32, 32), periodic=(True, False)))
    flow = nnrg.renormalize(field, MomentumShell(2), levels=4, rescale="clt")
    measured = flow.cumulants(order=4, rng=1)
    names = ("kappa_2", "neighbour:0", "neighbour:1", "ratio_4")
    expected = [[4.0**-level, 0, 0, 0] for level in range(4)]
    assert np.abs(deviations(measured, names, expected)).max() < 4.5
    assert p_value(measured, names, expected) > 1e-4
    # Student's t with 19 degrees: beyond 7 once in a million.
    assert np.nanmax(np.abs(measured.z()[1:])) < 7


@pytest.mark.parametrize("b", [2, 3])
def test_shell_cumulants_of_independent_numbers(b, checked):
    # phi'_X = sum_x M_Xx phi_x of independent numbers: kappa_n' = kappa_n sum_x M_Xx^n.
    values = np.random.default_rng(24).exponential(size=(400, 24, 24))
    sites = nnrg.Lattice((24, 24), periodic=True)
    flow = nnrg.renormalize(nnrg.SynapticField(values, sites), MomentumShell(b), levels=2)
    delta = np.zeros((10, 24, 24))
    rows = []
    for x in range(b):
        for y in range(b):
            delta[:] = 0
            delta[:, x, y] = np.arange(1, 11)  # copies of one sample would have no error
            point = nnrg.SynapticField(delta, sites)
            rows.append(nnrg.renormalize(point, MomentumShell(b), levels=2).means[1][0].ravel())
    kernel = np.concatenate(rows)
    measured = flow.cumulants(order=4, nulls=())
    second = np.sum(kernel**2)
    expected = [[kernel.sum(), second, 2 * np.sum(kernel**3) / second**1.5,
                 6 * np.sum(kernel**4) / second**2]]  # fmt: skip
    names = ("kappa_1", "kappa_2", "ratio_3", "ratio_4")
    assert second == pytest.approx(b**-2, rel=1e-12) and kernel.sum() == pytest.approx(1)
    assert np.abs(deviations(measured, names, expected, scales=[b])).max() < 4.5
    for name, known in zip(names[2:], expected[0][2:], strict=True):
        found = measured.estimate(name, b)
        quantity = f"{name} of exponential sites, d = 2, b = {b}"
        checked("Momentum shell", quantity, known, found.value, found.error, within=4.5)


def test_couplings_of_phi4_under_the_shell():
    phi = phi4_lattice((64, 64), 100, r=-0.8, u=3.0, rng=25, stride=40)
    field = nnrg.SynapticField(phi, nnrg.Lattice((64, 64), periodic=True))
    flow = nnrg.renormalize(field, MomentumShell(2), levels=3)
    basis = nnrg.Basis(("phi", "phi2", "phi3", "phi4", "grad2"))
    fit = nnrg.fit_couplings(flow, basis=basis, nulls=())
    exact_values = [[0, -0.8, 0, 3.0, 1.0, 1.0]]
    assert p_value(fit, fit.names, exact_values, scales=[1]) > 1e-4
    # The interaction survives the cut, and the symmetry with it.
    assert np.abs(deviations(fit, ("phi", "phi3"), np.zeros((3, 2)))).max() < 4.5
    assert fit.estimate("phi4", 2).value > 10 * fit.estimate("phi4", 2).error
    difference = fit.values[:, 4] - fit.values[:, 5]
    covariance = fit.covariance()
    for level, b in enumerate(fit.scales):
        at = covariance.sel(scale=b, scale_2=b)
        pair = [float(at.sel(operator=p, operator_2=q)) for p in ("grad2:0", "grad2:1")
                for q in ("grad2:0", "grad2:1")]  # fmt: skip
        assert abs(difference[level]) < 4.5 * np.sqrt(pair[0] + pair[3] - pair[1] - pair[2])
    # Both schemes keep the mean over sites, and so the susceptibility and its Binder ratio.
    grid = nnrg.renormalize(field, levels=3)
    for ours, theirs in zip(flow.means, grid.means, strict=True):
        np.testing.assert_allclose(ours.mean(axis=(1, 2)), theirs.mean(axis=(1, 2)), atol=1e-13)


def test_errors_from_regions_of_the_shell_are_those_of_the_ensemble():
    # 60 fields: a spread of 60 numbers is known to 9 %, the bounds are four of that and the share
    # of the errors' own spread away.
    values, errors = [], []
    for seed in range(60):
        phi = gaussian_free_field((160, 160), 1, mass2=0.2, rng=seed)[:, :128, :128]
        flow = nnrg.renormalize(
            nnrg.SynapticField(phi, nnrg.Lattice((128, 128))), MomentumShell(2), levels=3
        )
        assert flow.groups.kind == "regions"
        measured = flow.cumulants(order=4, nulls=())
        at = [measured.names.index(n) for n in ("kappa_2", "neighbour:0", "ratio_4")]
        values.append(measured.values[:, at])
        errors.append(measured.errors()[:, at])
    ratio = np.std(values, axis=0, ddof=1) / np.sqrt(np.mean(np.square(errors), axis=0))
    assert 0.6 < ratio.min() and ratio.max() < 1.4


def test_decimated_ar1_is_ar1(checked):
    # rho' = rho^b exactly, still of nearest neighbours, every one-point number as it was.
    rho = 0.9
    field = nnrg.SynapticField(ar1(2560, 256, rho=rho, rng=26), nnrg.Lattice(2560))
    flow = nnrg.renormalize(field, Decimation(2), levels=4, rescale=0.0)
    measured = flow.cumulants(order=4, nulls=())
    far = rho ** np.array(flow.scales)
    names = ("kappa_2", "neighbour:0", "ratio_4")
    expected = np.column_stack([np.ones(4), far, np.zeros(4)])
    assert p_value(measured, names, expected) > 1e-4
    for b, known in zip(flow.scales[1:], far[1:], strict=True):
        found = measured.estimate("neighbour:0", b)
        quantity = f"neighbour:0 of the chain decimated by b = {b}, rho = 0.9"
        checked("AR(1) chain", quantity, known, found.value, found.error)
    fit = nnrg.fit_couplings(flow, basis=QUADRATIC, nulls=())
    couplings = np.column_stack([(1 - far) / (1 + far), far / (1 - far**2)])
    assert p_value(fit, fit.names, couplings) > 1e-4
    assert fit.series["p"].min() > 1e-4


def test_decimated_ising_chain(checked):
    # Bonds of the chain are independent: <s_x s_{x+1}> = tanh K, and tanh K' = (tanh K)^b.
    t = np.tanh(0.9)
    rng = np.random.default_rng(27)
    bonds = np.where(rng.random((400, 3000)) < (1 + t) / 2, 1.0, -1.0)
    spins = np.cumprod(bonds, axis=1) * rng.choice([-1.0, 1.0], size=(400, 1))
    flow = nnrg.renormalize(nnrg.SynapticField(spins, nnrg.Lattice(3000)), Decimation(3), levels=3)
    measured = flow.cumulants(order=2, nulls=())
    expected = [[t**b] for b in flow.scales]
    assert p_value(measured, ("neighbour:0",), expected) > 1e-4
    for b in flow.scales[1:]:
        found = measured.estimate("neighbour:0", b)
        quantity = f"tanh K' of the sampled chain, K = 0.9, b = {b}"
        checked("Ising maps in closed form", quantity, t**b, found.value, found.error)


def test_majority_of_independent_spins():
    # m' = (3m - m^3) / 2 of three, m' = m of two with coins for ties.
    m = 0.2
    spins = np.where(np.random.default_rng(28).random((200, 972)) < (1 + m) / 2, 1.0, -1.0)
    field = nnrg.SynapticField(spins, nnrg.Lattice(972))
    for b, rule in ((3, lambda x: (3 * x - x**3) / 2), (2, lambda x: x)):
        flow = nnrg.renormalize(field, MajorityBlocks(b, seed=3), levels=4)
        expected = [m]
        for _ in range(3):
            expected.append(rule(expected[-1]))
        measured = flow.cumulants(order=2, nulls=())
        assert p_value(measured, ("kappa_1",), np.array(expected)[:, None]) > 1e-4


def stepped_field(n_samples, rng, amplitude=1.0):
    """64 sites of equal variance 60/64, modes of variance 4 (8), 1.5 (8), 0.6 (16), 0.2 (32)."""
    spectrum = np.full(33, 0.2)
    spectrum[1:5], spectrum[5:9], spectrum[9:17] = 4.0, 1.5, 0.6
    noise = np.random.default_rng(rng).normal(size=(n_samples, 64))
    phi = np.fft.irfft(np.fft.rfft(noise, axis=1) * np.sqrt(spectrum), n=64, axis=1)
    # The order of the sites carries nothing that the modes need.
    order = np.random.default_rng(rng + 1).permutation(64)
    return nnrg.SynapticField(amplitude * phi[:, order], nnrg.Lattice(64), natural=False)


SPECTRUM = np.repeat([4.0, 1.5, 0.6, 0.2], [8, 8, 16, 32])


def kept_variance(n):
    """Variance a site in the leading 64, 32, 16, 8 modes, if n samples have chosen them.

    To first order mode mu takes lambda_nu / n lambda_mu / (lambda_mu - lambda_nu)^2 of mode nu,
    and so the kept modes lose lambda_mu lambda_nu / n (lambda_mu - lambda_nu) for every pair.
    """
    kept = []
    for count in (64, 32, 16, 8):
        inside, outside = SPECTRUM[:count, None], SPECTRUM[count:]
        loss = np.sum(inside * outside / (inside - outside)) / (n - 1)
        kept.append((inside.sum() - loss) / 64)
    return np.array(kept)


def test_gaussian_data_stay_gaussian_under_principal_components(checked):
    flow = nnrg.renormalize(stepped_field(4000, 30), PrincipalComponents(2), levels=4)
    measured = flow.cumulants(order=6, nulls=())
    names = ("kappa_2", "ratio_3", "ratio_4", "ratio_6")
    kept = kept_variance(2000)
    expected = np.column_stack([kept, *np.zeros((3, 4))])
    assert np.abs(deviations(measured, names, expected)).max() < 4.5
    assert p_value(measured, names, expected) > 1e-4
    assert measured.errors()[:, measured.names.index("ratio_4")].max() < 0.03
    modes = measure_modes(flow, order=6)
    known = np.column_stack([kept[1:] / kept[0], kept[0] - kept[1:], np.zeros(3), np.zeros(3)])
    assert modes.names == ("share", "ridge", "ratio_4", "ratio_6")
    assert np.abs(deviations(modes, modes.names, known)).max() < 4.5
    last = modes.scales[-1]
    for name, exactly in zip(modes.names, known[-1], strict=True):
        found = modes.estimate(name, last)
        quantity = f"{name} of Gaussian data, 8 of 64 modes kept"
        topic = "Principal components"
        checked(topic, quantity, exactly, found.value, found.error, within=4.5)
    np.testing.assert_array_equal(modes.series["modes"], [32, 16, 8])


def test_a_mixture_stays_under_principal_components(checked):
    # sqrt(v) times a Gaussian field: every projection has kappa_4 / kappa_2^2 = 3 Var(v) / E[v]^2.
    v = np.random.default_rng(31).choice([0.5, 1.5], size=(4000, 1))
    flow = nnrg.renormalize(stepped_field(4000, 32, np.sqrt(v)), PrincipalComponents(2), levels=4)
    measured = flow.cumulants(order=4, nulls=())
    expected = np.column_stack([kept_variance(2000), np.full(4, 0.75)])
    assert np.abs(deviations(measured, ("kappa_2", "ratio_4"), expected)).max() < 4.5
    modes = measure_modes(flow)
    assert np.abs(deviations(modes, ("ratio_4",), np.full((3, 1), 0.75))).max() < 4.5
    found = modes.estimate("ratio_4", modes.scales[-1])
    quantity = "ratio_4 of a mixture of variances 1/2 and 3/2, 8 of 64 modes kept"
    checked("Principal components", quantity, 0.75, found.value, found.error, within=4.5)


def test_modes_of_independent_numbers_have_their_share_on_other_samples():
    # On the samples that chose them, the leading modes of noise hold more than K / N.
    values = np.random.default_rng(33).normal(size=(256, 64))
    field = nnrg.SynapticField(values, nnrg.Lattice(64), natural=False)
    fair, chosen = (
        nnrg.renormalize(field, PrincipalComponents(2, split=split), levels=4, rescale="clt")
        for split in (True, False)
    )
    expected = 2.0 ** -np.arange(4)[:, None]
    measured = fair.cumulants(order=4, nulls=())
    assert np.abs(deviations(measured, ("kappa_2",), expected)).max() < 4.5
    assert np.abs(deviations(measured, ("ratio_4",), np.zeros((4, 1)))).max() < 4.5
    biased = chosen.cumulants(order=4, nulls=())
    assert deviations(biased, ("kappa_2",), expected)[1:].min() > 15
