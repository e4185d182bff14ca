"""Fields that allow no analysis: a named error or a flagged result, never a silent number."""

import numpy as np
import pytest

import nnrg
from nnrg.errors import NNRGError
from nnrg.rg.action import measure
from nnrg.rg.cross_check.exponential_family import maximum_entropy
from nnrg.rg.cross_check.pseudo_likelihood import pseudo_likelihood
from nnrg.rg.scaling.exponents import fit_exponents
from nnrg.rg.two_point.correlation import measure_two_point
from nnrg.rg.two_point.nonlocality import nonlocality

RNG = np.random.default_rng(80)

# What is no field at all.
REFUSED = {
    "empty": np.zeros((0, 8)),
    "complex": np.ones((20, 8)) * 1j,
    "integer": np.arange(160).reshape(20, 8),
    "boolean": np.ones((20, 8), dtype=bool),
    "text": np.full((20, 8), "a"),
    "nan": np.full((20, 8), np.nan),
    "infinite": np.full((20, 8), np.inf),
}

# What is a field, but one that says little.
POOR = {
    "constant": np.full((20, 32), 0.3),
    "one site": RNG.normal(size=(40, 1)),
    "two sites": RNG.normal(size=(40, 2)),
    "one sample": RNG.normal(size=(1, 32)),
    "one sample of few sites": RNG.normal(size=(1, 6)),
    "two samples": RNG.normal(size=(2, 16)),
    "quantised": np.round(RNG.normal(size=(40, 32)) * 2) / 2,
    "spins": RNG.choice([-1.0, 1.0], size=(40, 32)),
    "one value apart": np.where(np.arange(1280).reshape(40, 32) == 7, 1.0, 0.0),
    "half zero": RNG.normal(size=(40, 32)) * (np.arange(32) % 2),
    "repeated samples": np.tile(RNG.normal(size=(2, 32)), (10, 1)),
    "small plane": RNG.normal(size=(30, 3, 3)),
    "long and thin": RNG.normal(size=(30, 64, 2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_field_is_refused_by_name(name):
    with pytest.raises(NNRGError) as caught:
        nnrg.SynapticField(REFUSED[name], nnrg.Lattice(8))
    assert "\n" not in str(caught.value)


def couplings(flow):
    basis = nnrg.Basis.scalar(order=8, shells=4, quartic=3)
    return measure(flow, basis=basis, nulls=(nnrg.NullModel("permutation", draws=3),), rng=1)


def two_points(flow):
    measure_two_point(flow)
    return (nonlocality(flow, nulls=(nnrg.NullModel("permutation", draws=3),), rng=1),)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("analysis", [couplings, two_points])
@pytest.mark.parametrize("name", POOR)
def test_poor_fields_give_an_error_a_flag_or_a_number_with_its_error(name, analysis, periodic):
    values = POOR[name]
    try:
        field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:], periodic=periodic))
        results = analysis(nnrg.renormalize(field))
    except NNRGError as error:
        assert "\n" not in str(error)
        return
    for result in results:
        errors = result.errors()
        assert str(result)
        for level, k in np.ndindex(result.values.shape):
            told = np.isfinite(result.values[level, k]) and np.isfinite(errors[level, k])
            assert told or result.flags[level][k], (result.scales[level], result.names[k])


@pytest.mark.parametrize("name", POOR)
def test_poor_fields_have_no_exponents_and_no_strong_verdict(name):
    values = POOR[name]
    try:
        field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:]))
        flow = nnrg.renormalize(field)
        cumulants = flow.cumulants(nulls=(nnrg.NullModel("permutation", draws=20),), rng=2)
        judged = nnrg.verdict(cumulants)
        exponents = fit_exponents(cumulants)
    except NNRGError as error:
        assert "\n" not in str(error)
        return
    assert judged.statement in (
        "cannot be told",
        "indistinguishable from permuted",
        "local structure",
    )
    for exponent in exponents:
        number = exponent.estimate
        assert exponent.refusal or (np.isfinite(number.value) and number.error > 0), exponent.name


@pytest.mark.parametrize("name", POOR)
@pytest.mark.parametrize("function", [maximum_entropy, pseudo_likelihood, nnrg.cross_check])
def test_poor_fields_are_cross_checked_or_refused(name, function):
    values = POOR[name]
    try:
        field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:]))
        result = function(nnrg.renormalize(field))
    except NNRGError as error:
        assert "\n" not in str(error)
        return
    assert str(result)
    if function is nnrg.cross_check:
        assert result.rows or result.skipped
    else:
        assert np.all(np.isfinite(result.values) & (result.errors > 0))


def test_shells_longer_than_half_the_lattice_are_left_out_with_a_reason():
    values = np.random.default_rng(81).normal(size=(60, 12))
    for periodic in (False, True):
        field = nnrg.SynapticField(values, nnrg.Lattice(12, periodic=periodic))
        basis = nnrg.Basis(("phi2", "grad2", "J:2", "J:7"))
        fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=1), basis=basis, nulls=())
        far = fit.names.index("J:7")
        assert np.isnan(fit.values[0, far])
        assert fit.flags[0][far].startswith("redundant" if periodic else "no room")
        assert np.isfinite(fit.values[0, :3]).all()


def test_too_few_blocks_for_the_operators_give_no_numbers():
    values = np.random.default_rng(82).normal(size=(12, 8))
    basis = nnrg.Basis.scalar(order=8, shells=1, quartic=1)
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(8)), levels=2)
    fit = nnrg.fit_couplings(flow, basis=basis, nulls=())
    assert np.isnan(fit.values).all()
    assert "too few blocks" in fit.flags[0][0]


def test_one_corrupt_weight_gives_flags_and_no_warnings():
    # 1e8 among numbers of order one: sums of its powers leave nothing of the others.
    values = np.random.default_rng(0).normal(size=(64, 16, 16)).astype(np.float32)
    values[0, 3, 3] = 1e8
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice((16, 16))))
    couplings = nnrg.fit_couplings(flow, nulls=(nnrg.NullModel("permutation", 3),), rng=0)
    assert all(flag for row in couplings.flags for flag in row)
