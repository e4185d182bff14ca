"""Where the estimator's assumptions fail it says so, and where they hold it does not."""

import numpy as np
import pytest
import scipy.stats
from physics.agreement import deviations, p_value

import nnrg
from nnrg.simulate.gaussian import ar1, gaussian_free_field


def fit(values, levels=3, **options):
    sites = nnrg.Lattice(values.shape[1:], **options)
    return nnrg.fit_couplings(
        nnrg.renormalize(nnrg.SynapticField(values, sites), levels=levels), nulls=()
    )


def kinds(result, level):
    return {flag.partition(":")[0] for flag in result.flags[level][0].split("; ") if flag}


# Unequal variances: excess kurtosis 3 Var(v) / E[v]^2 of Gaussian numbers.

VARIANCES = np.array([1.0, 4.0])
EXCESS = 3 * VARIANCES.var() / VARIANCES.mean() ** 2
MIXTURE = "Mixtures of variances"


def test_samples_of_unequal_variance_fake_a_fourth_cumulant_at_every_scale(rng, checked):
    values = rng.normal(size=(1024, 128)) * np.sqrt(VARIANCES[np.arange(1024) % 2])[:, None]
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(128)), levels=4)
    measured = flow.cumulants(order=4, nulls=())
    assert pytest.approx(1.08) == EXCESS
    # The mixture has no scale: block means have the same excess as sites.
    assert p_value(measured, ["ratio_4"], EXCESS) > 1e-4
    assert np.abs(deviations(measured, ["ratio_4"], EXCESS)).max() < 4.5
    for b in (1, 8):
        found = measured.estimate("ratio_4", b)
        quantity = f"lambda_4 of samples of variance 1 and 4, b = {b}"
        checked(MIXTURE, quantity, EXCESS, found.value, found.error, within=4.5)
    for level in range(4):
        assert "unequal variance of samples" in kinds(fit(values, 4), level)


def test_sites_of_unequal_variance_fake_a_fourth_cumulant_until_they_are_averaged(rng, checked):
    values = rng.normal(size=(1024, 128)) * np.sqrt(VARIANCES[np.arange(128) % 2])
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(128)), levels=3)
    measured = flow.cumulants(order=4, nulls=())
    assert p_value(measured, ["ratio_4"], [[EXCESS], [0.0], [0.0]]) > 1e-4
    for b, known in ((1, EXCESS), (2, 0.0)):
        found = measured.estimate("ratio_4", b)
        quantity = f"lambda_4 of alternating sites of variance 1 and 4, b = {b}"
        checked(MIXTURE, quantity, known, found.value, found.error, within=4.5)
    result = fit(values)
    assert "unequal variance of sites" in kinds(result, 0)
    assert "unequal variance of sites" not in kinds(result, 1)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=(32, 64)),
        lambda rng: rng.exponential(size=(64, 64)),
        lambda rng: rng.normal(size=(64, 16, 16)),
        lambda rng: gaussian_free_field((16, 16), 64, mass2=0.3, rng=rng),
        lambda rng: ar1(64, 64, rho=0.9, rng=rng),
    ],
    ids=["independent", "exponential", "plane", "free field", "ar1"],
)
def test_fields_of_one_variance_are_not_called_unequal(draw):
    # Correlated sites fluctuate together: a sample's variance then varies more than 2 / n.
    rng = np.random.default_rng(41)
    wrong = 0
    for _ in range(20):
        result = fit(draw(rng), levels=2)
        wrong += any("unequal" in k for level in range(2) for k in kinds(result, level))
    assert wrong <= 1


@pytest.mark.parametrize("levels", [2, 4])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=(1, 64, 64)),
        lambda rng: gaussian_free_field((64, 64), 1, mass2=1.0, rng=rng),
    ],
    ids=["independent", "free field"],
)
def test_regions_wider_than_two_correlation_lengths_are_not_called_correlated(draw, levels):
    # 64 regions of 8 x 8 sites; the correlation length of the free field is one site.
    rng = np.random.default_rng(42)
    results = [fit(draw(rng), levels) for _ in range(20)]
    assert sum("correlated regions" in kinds(r, 0) for r in results) <= 1


def test_regions_narrower_than_the_correlation_length_are_called_correlated():
    values = gaussian_free_field((64, 64), 1, mass2=0.002, rng=43)
    assert "correlated regions" in kinds(fit(values, 3, periodic=True), 0)


# Edges of the support, discrete values.


def truncated_normal(rng, shape):
    """Gaussian numbers of unit variance with those beyond +-1 drawn again."""
    return scipy.stats.truncnorm.rvs(-1, 1, size=shape, random_state=rng)


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda rng, n: rng.uniform(-0.3, 0.3, size=n), {}),
        (truncated_normal, {"phi2": 1.0}),
        (lambda rng, n: -np.log(1 - rng.uniform(0, 0.9, size=n)), {"phi": 1.0}),
    ],
    ids=["uniform", "truncated normal", "exponential"],
)
def test_action_inside_a_hard_edge(draw, expected):
    """exp(-S) need not vanish at the edge; pulls of 60 fields, false alarms below 1e-3."""
    rng = np.random.default_rng(44)
    basis = nnrg.Basis(("phi", "phi2", "phi3", "phi4", "grad2"))
    pulls = []
    for _ in range(60):
        field = nnrg.SynapticField(draw(rng, (64, 64)), nnrg.Lattice(64))
        result = nnrg.fit_couplings(nnrg.renormalize(field, levels=2), basis=basis, nulls=())
        assert "hard edge" in kinds(result, 0)
        truth = [expected.get(name, 0.0) for name in result.names]
        pulls.append((result.values[0] - truth) / result.errors()[0])
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 4 / np.sqrt(60))
    assert np.all(np.abs(np.std(pulls, axis=0) - 1) < 0.35)


def test_sites_of_unequal_variance_are_told_apart_once_standardised(rng):
    values = rng.normal(size=(1024, 128)) * np.sqrt(VARIANCES[np.arange(128) % 2])
    field = nnrg.SynapticField(values, nnrg.Lattice(128))
    basis = nnrg.Basis(("phi2", "phi4", "grad2"))
    faked, true = (
        nnrg.fit_couplings(nnrg.renormalize(f, levels=1), basis=basis, nulls=())
        for f in (field, field.standardised())
    )
    assert abs(faked.values[0, 1]) > 20 * faked.errors()[0, 1]
    assert np.all(np.abs(true.values[0] - [1.0, 0.0, 0.0]) < 4.5 * true.errors()[0] + 2 / 1024)
    assert "unequal variance of sites" not in kinds(true, 0)


def test_field_clipped_at_zero_is_refused(rng):
    result = fit(np.maximum(rng.normal(size=(64, 128)), 0.0), levels=2)
    assert "hard edge" in kinds(result, 0)
    assert np.all(np.isnan(result.values[0]))


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_discrete_values_are_refused(rng, levels):
    # Spins, and weights quantised to a few levels.
    for values in (rng.choice([-1.0, 1.0], size=(64, 256)), np.round(rng.normal(size=(64, 256)))):
        result = fit(values, levels)
        assert "discrete values" in kinds(result, 0)
        assert np.all(np.isnan(result.values[0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rounding_of_stored_weights_is_harmless(rng, dtype):
    values = rng.normal(scale=0.05, size=(128, 256))
    rounded = fit(values.astype(dtype), levels=2)
    exact = fit(values, levels=2)
    assert kinds(rounded, 0).isdisjoint({"hard edge", "discrete values"})
    assert np.all(np.abs(rounded.values[0] - exact.values[0]) < 0.1 * exact.errors()[0])


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=(8, 4096)),
        lambda rng: rng.laplace(size=(8, 4096)),
        lambda rng: rng.gamma(4.0, size=(8, 4096)),
    ],
    ids=["normal", "laplace", "gamma"],
)
def test_smooth_densities_have_no_edge(draw):
    rng = np.random.default_rng(44)
    for _ in range(20):
        result = fit(draw(rng), levels=3)
        for level in range(3):
            assert kinds(result, level).isdisjoint({"hard edge", "discrete values"})
