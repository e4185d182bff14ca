"""Principal components: which samples choose, what is kept, what is refused."""

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.mode_cumulants import measure_modes
from nnrg.rg.principal_components import PrincipalComponents
from nnrg.rg.renormalize import with_errors


def random_field(shape, n_samples=12, seed=0, **options):
    values = np.random.default_rng(seed).normal(size=(n_samples, *shape))
    return nnrg.SynapticField(values, nnrg.Lattice(shape, **options))


def correlated(n_samples, n_sites, seed):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(n_sites, n_sites)))[0]
    return rng.normal(size=(n_samples, n_sites)) @ (turn / np.arange(1, n_sites + 1)).T


@pytest.mark.parametrize("n_samples", [60, 400])  # fewer, and more, than sites in a half
def test_components_are_those_of_the_other_half(n_samples):
    x = correlated(n_samples, 48, 5) + 0.3
    field = nnrg.SynapticField(x.reshape(-1, 6, 8), nnrg.Lattice((6, 8)), natural=False)
    flow = nnrg.renormalize(field, PrincipalComponents(2), levels=3)
    assert flow.scales == (1, 2, 4) and flow.sites == (field.sites,) * 3
    first, second = slice(0, n_samples // 2), slice(n_samples // 2, None)
    for level, count in ((1, 12), (2, 3)):
        for applied, chosen in ((first, second), (second, first)):
            covariance = np.cov(x[chosen].T)
            modes = np.linalg.eigh(covariance)[1][:, ::-1][:, :count]
            projector = modes @ modes.T
            kept, sites = np.diag(projector @ covariance @ projector), np.diag(covariance)
            weights = np.sqrt(sites / kept * kept.sum() / sites.sum())
            mean = x[applied].mean(axis=0)
            expected = mean + weights * ((x[applied] - mean) @ projector)
            measured = flow.means[level].reshape(n_samples, -1)[applied]
            np.testing.assert_allclose(measured, expected, rtol=0, atol=1e-9)


def test_components_keep_the_mean_of_every_site():
    x = correlated(100, 16, 6) + np.linspace(-1, 1, 16)
    flow = nnrg.renormalize(nnrg.SynapticField(x, nnrg.Lattice(16)), PrincipalComponents(2))
    for means in flow.means:
        np.testing.assert_allclose(means.mean(axis=0), x.mean(axis=0), atol=1e-13)


def test_components_do_not_see_the_order_of_sites():
    x = correlated(200, 32, 7)
    flow = nnrg.renormalize(nnrg.SynapticField(x, nnrg.Lattice(32)), PrincipalComponents(2))
    measured = flow.cumulants(order=4, rng=3)
    one_point = [i for i, n in enumerate(measured.names) if not n.startswith("neighbour")]
    assert np.isnan(measured.z()[:, one_point]).all()
    assert not np.isnan(measured.z()[:, -1]).any()


def test_components_say_what_chose_them():
    field = nnrg.SynapticField(correlated(80, 32, 8), nnrg.Lattice(32), natural=False)
    flow = nnrg.renormalize(field, PrincipalComponents(2), levels=3)
    fit = nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "phi4")), nulls=())
    assert fit.attrs["blocks_chosen_by"] == "covariance of the other half of the samples"
    assert "leading 32, 16, 8 modes" in flow.notes[0]
    assert not any("without meaning" in note for note in flow.notes)
    assert "biased" in PrincipalComponents(2, split=False).provenance
    assert flow.singular == "fewer modes than sites"
    assert nnrg.renormalize(field).singular == ""


def test_components_need_samples():
    with pytest.raises(AnalysisError, match="no region can be left out"):
        nnrg.renormalize(random_field((64,), n_samples=4), PrincipalComponents(2))
    with pytest.raises(AnalysisError, match=r"32 modes of 64 sites .* at least 66"):
        nnrg.renormalize(random_field((64,), n_samples=40), PrincipalComponents(2))
    assert len(nnrg.renormalize(random_field((64,), n_samples=40), PrincipalComponents(4))) == 3
    flow = nnrg.renormalize(random_field((64,), n_samples=100), PrincipalComponents(2))
    with pytest.raises(AnalysisError, match="no region can be left out"):
        with_errors(flow, nnrg.Jackknife(over="sites"))
    taps = nnrg.SynapticField(flow.field.values, flow.field.sites, independent=False)
    with pytest.raises(AnalysisError, match="ten independent samples"):
        nnrg.renormalize(taps, PrincipalComponents(2))


def test_what_has_no_modes_is_refused():
    field = random_field((16,), n_samples=40)
    for value in (field, nnrg.renormalize(field), 3):
        with pytest.raises(ArgumentError, match="PrincipalComponents"):
            measure_modes(value)
    flow = nnrg.renormalize(field, PrincipalComponents(2))
    for order in (2, 5, 10, None):
        with pytest.raises(ArgumentError, match="order"):
            measure_modes(flow, order=order)
    with pytest.raises(ArgumentError, match="two scales"):
        measure_modes(nnrg.renormalize(field, PrincipalComponents(2), levels=1))
    unsplit = nnrg.renormalize(field, PrincipalComponents(2, split=False), levels=2)
    assert "modes of the same samples" in measure_modes(unsplit).flags[0][0]
    assert "K/N" in str(measure_modes(unsplit, order=6))
