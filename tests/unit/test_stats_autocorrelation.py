"""Integrated autocorrelation times: exact for AR(1), coverage of their errors, block lengths."""

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.simulate import ar1
from nnrg.stats.autocorrelation import autocorrelation_time, block_length
from nnrg.stats.estimate import Estimate


def exact_tau(rho):
    return 0.5 * (1 + rho) / (1 - rho)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.97])
def test_ar1_time_is_exact_and_its_error_covers(rho):
    chains = ar1(20_000, 40, rho=rho, rng=5)
    found = [autocorrelation_time(chain).tau for chain in chains]
    pulls = np.array([(tau.value - exact_tau(rho)) / tau.error for tau in found])
    # The mean of 40 pulls has error 0.16; truncation biases tau down by up to half its error.
    assert abs(pulls.mean()) < 0.5 + 4 * 0.16
    # The spread of 40 has relative error 1/sqrt(78): four of these, false alarm below 1e-3.
    assert 0.6 < pulls.std(ddof=1) < 1.45
    average = np.mean([tau.value for tau in found])
    assert abs(average / exact_tau(rho) - 1) < 0.05


def test_error_of_the_mean_knows_of_the_dependence():
    chains = ar1(5000, 200, rho=0.9, rng=7)
    found = [autocorrelation_time(chain).mean for chain in chains]
    pulls = np.array([mean.value / mean.error for mean in found])
    # 200 pulls: relative error of their spread 1/sqrt(398), five of these.
    assert 0.75 < pulls.std() < 1.25


def test_effective_samples_and_several_chains():
    chains = ar1(5000, 4, rho=0.8, rng=2)
    found = autocorrelation_time(chains)
    assert found.n_points == 20_000
    np.testing.assert_allclose(found.n_effective, 20_000 / (2 * found.tau.value))
    assert abs(found.tau.value - exact_tau(0.8)) < 4 * found.tau.error
    assert found.mean.n_samples == found.n_effective


def test_anticorrelated_series_has_a_time_below_one_half():
    found = autocorrelation_time(ar1(20_000, 1, rho=-0.5, rng=3)[0])
    # Exactly 1/6. The window rule knows no time below 1/2: it stops at the first lag, near zero.
    assert found.window == 1
    assert 0 < found.tau.value < 1 / 6


def test_unit_and_offset_change_nothing():
    chain = ar1(2000, 1, rho=0.7, rng=4)[0]
    one, other = autocorrelation_time(chain), autocorrelation_time(1e6 + 1e-3 * chain)
    np.testing.assert_allclose(other.tau.value, one.tau.value, rtol=1e-6)
    assert one.window == other.window


def test_short_series_is_flagged():
    found = autocorrelation_time(ar1(200, 1, rho=0.95, rng=1)[0])
    assert found.tau.flag.startswith("short series")
    assert "tau =" in str(found)


def test_block_is_twice_the_correlation_and_grows_with_the_data():
    assert block_length(100, 10.0) >= 20
    assert block_length(10**6, 5.0) == 369  # 5 (2 10^6 / 5)^(1/3) = 368.4
    assert block_length(100, Estimate(0.0, 0.1)) == 1
    assert block_length(40, 10.0) == 20
    with pytest.raises(AnalysisError, match="at least 2 are needed"):
        block_length(30, 10.0)
    with pytest.raises(ArgumentError, match="must not be negative"):
        block_length(30, -1.0)
    with pytest.raises(ArgumentError, match="finite real"):
        block_length(30, np.nan)


def test_bad_series():
    with pytest.raises(AnalysisError, match="constant at 3"):
        autocorrelation_time(np.full(100, 3.0))
    with pytest.raises(AnalysisError, match="too short"):
        autocorrelation_time([1.0, 2.0])
    with pytest.raises(NonFiniteError, match="1 values"):
        autocorrelation_time([*range(50), np.nan])
    with pytest.raises(ArgumentError, match="real numbers"):
        autocorrelation_time(np.ones(50, dtype=complex))
    with pytest.raises(ArgumentError, match="real numbers"):
        autocorrelation_time([])
    with pytest.raises(ArgumentError, match="slowness"):
        autocorrelation_time(np.arange(50) % 3, slowness=0)
    with pytest.raises(ArgumentError, match="shape"):
        autocorrelation_time(np.zeros((2, 3, 50)))
    assert autocorrelation_time(np.arange(64) % 2 == 0).tau.value < 0.5
