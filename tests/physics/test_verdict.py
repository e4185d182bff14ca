"""Verdicts on fields with known answers, and how often they are wrong."""

import numpy as np
import pytest
from scipy import stats

import nnrg
from nnrg.rg.action import measure
from nnrg.rg.verdict import verdict
from nnrg.simulate.chain import phi4_chain
from nnrg.simulate.gaussian import ar1, gaussian_free_field

ALPHA = 0.05
CHAIN, PLANE = nnrg.Lattice(64), nnrg.Lattice((16, 16), periodic=True)

FIELDS = {
    "normal": lambda rng: nnrg.SynapticField(rng.normal(size=(64, 64)), CHAIN),
    "laplace": lambda rng: nnrg.SynapticField(rng.laplace(size=(64, 64)), CHAIN),
    "ar1": lambda rng: nnrg.SynapticField(ar1(64, 64, rho=0.7, rng=rng), CHAIN),
    "gff": lambda rng: nnrg.SynapticField(
        gaussian_free_field((16, 16), 40, mass2=0.3, rng=rng), PLANE
    ),
    # Hidden units of unequal norm, and sites of unequal variance and mean.
    "norms": lambda rng: nnrg.SynapticField(
        ar1(64, 64, rho=0.7, rng=rng) * np.exp(rng.normal(size=(64, 1))), CHAIN
    ),
    "profile": lambda rng: nnrg.SynapticField(
        gaussian_free_field((16, 16), 40, mass2=0.3, rng=rng)
        * np.exp(0.5 * rng.normal(size=(16, 16)))
        + np.sin(np.arange(16) * np.pi / 8),
        PLANE,
    ),
    # One matrix of independent numbers, as a hidden layer is at initialisation.
    "matrix": lambda rng: nnrg.SynapticField(
        rng.normal(size=(1, 48, 64)),
        nnrg.Lattice((48, 64), populations=((0,), (1,))),
        natural=False,
    ),
}
CLAIMS = {
    "normal": "indistinguishable from permuted",
    "laplace": "indistinguishable from permuted",
    "matrix": "indistinguishable from permuted",
    "ar1": "local structure",
    "gff": "local structure",
    "norms": "local structure",
    "profile": "local structure",
}


def verdicts(name, count, alpha=ALPHA):
    found = []
    for seed in range(count):
        field = FIELDS[name](np.random.default_rng([51, seed]))
        flow = nnrg.renormalize(field)
        nulls = ("permutation", "phase")
        found.append(verdict(*measure(flow, order=4, nulls=nulls, rng=seed), alpha=alpha))
    return found


def most(count, rate, false_alarm=1e-4):
    """Most events of a rate that chance makes."""
    return int(stats.binom.isf(false_alarm, count, rate))


@pytest.mark.parametrize("name", CLAIMS)
def test_verdicts_on_fields_without_interactions(name):
    found = verdicts(name, 4)
    wrong = [v.line for v in found if v.statement != CLAIMS[name]]
    assert len(wrong) <= most(4, ALPHA), wrong


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_false_claims_are_no_more_frequent_than_alpha(name):
    found = verdicts(name, 200)
    wrong = [v.line for v in found if v.statement != CLAIMS[name]]
    assert len(wrong) <= most(200, ALPHA), wrong
    # The rank test alone holds exactly, with 20 draws at 1/21: neither more often nor never.
    null = "permutation" if CLAIMS[name].startswith("indist") else "phase"
    below = sum(t.rank_p <= ALPHA for v in found for t in v.tests if t.null == null)
    assert below <= most(200, 1 / 21)
    if name not in ("matrix", "norms", "profile") or null == "permutation":
        assert below > 0  # chance 6e-5


def test_weak_structure_is_told():
    field = nnrg.SynapticField(ar1(64, 200, rho=0.1, rng=52), CHAIN)
    v = verdict(
        *measure(nnrg.renormalize(field, levels=3), order=4, nulls=("permutation", "phase"), rng=53)
    )
    assert v.statement == "local structure"
    assert {"neighbour:0", "grad2:0"} & {e.name for e in v.evidence if e.null == "permutation"}


@pytest.mark.parametrize("r", [0.5, -1.0])
def test_the_interacting_chain_has_interactions(r, checked):
    field = nnrg.SynapticField(phi4_chain(64, 400, r=r, u=6.0, rng=54), CHAIN)
    v = verdict(
        *measure(nnrg.renormalize(field, levels=3), order=4, nulls=("permutation", "phase"), rng=55)
    )
    assert v.statement == "interactions beyond Gaussian"
    beaten = {(e.name, e.scale) for e in v.evidence if e.null == "phase" and e.adjusted <= ALPHA}
    assert {("ratio_4", 1), ("phi4", 1)} <= beaten
    # Its quartic coupling is u = 6; that of its surrogate is zero.
    (u,) = (e for e in v.evidence if (e.null, e.name, e.scale) == ("phase", "phi4", 1))
    quantity = f"phi4 at r = {r:g}, u = 6, 400 segments of 64 sites, in the verdict"
    checked("Interacting chain, couplings", quantity, 6.0, u.value, u.error, within=4.5)
    assert abs(u.null_mean) < 4.5 * u.null_spread


def test_gaussian_fields_of_unequal_variance_have_none():
    rng = np.random.default_rng(56)
    values = ar1(64, 400, rho=0.7, rng=rng) * np.exp(0.5 * rng.normal(size=(400, 1)))
    field = nnrg.SynapticField(values, CHAIN)
    v = verdict(
        *measure(nnrg.renormalize(field, levels=3), order=4, nulls=("permutation", "phase"), rng=57)
    )
    assert v.statement == "local structure"
    assert "no interactions beyond Gaussian" in v.line
    values = ar1(64, 400, rho=0.7, rng=rng) * np.hanning(66)[1:-1]
    field = nnrg.SynapticField(values, CHAIN)
    v = verdict(
        *measure(nnrg.renormalize(field, levels=3), order=4, nulls=("permutation", "phase"), rng=58)
    )
    assert v.statement == "local structure"
    assert "no interactions beyond Gaussian" in v.line
