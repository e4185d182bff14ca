"""The phenomenological flow: its numbers against naive twins, what it says, what it refuses."""

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nnrg import progress
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.fields import Lattice, SynapticField
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy
from nnrg.rg.neighbourhoods.pairs import PairBlocks, pair_hierarchy
from nnrg.rg.phenomenological import (
    IndependentUnits,
    PhenomenologicalFlow,
    phenomenological_flow,
)
from nnrg.rg.phenomenological.exponents import fit_exponent
from nnrg.simulate.gaussian import ar1
from nnrg.stats.replicates import Replicates


class Interrupted(io.StringIO):
    """A terminal at which a run is interrupted when it says that it is done."""

    def isatty(self):
        return True

    def write(self, text):
        if "[" + 20 * "#" in text:
            raise KeyboardInterrupt
        return super().write(text)


def contiguous(n_units, levels):
    return Hierarchy([np.arange(n_units) >> level for level in range(1, levels)])


def halves(x, blocks=None):
    blocks = PairBlocks() if blocks is None else blocks
    split = blocks.samples(SynapticField(x, Lattice(x.shape[1])))
    return x[split.choosing], x[split.measuring], split


@pytest.fixture
def spikes(rng):
    common = rng.normal(size=(800, 1))
    return ((0.7 * common + rng.normal(size=(800, 33))) > 1.0).astype(float)


@pytest.fixture
def flow(spikes):
    return phenomenological_flow(spikes, rng=1, nulls=IndependentUnits(draws=20), modes=False)


def test_variance_kurtosis_and_silence_of_paired_blocks(spikes, flow):
    choosing, measuring, _ = halves(spikes)
    labels = pair_hierarchy(choosing, 4)
    for level, size in enumerate((1, 2, 4, 8)):
        inside = labels[-1] >= 0
        number = np.unique(labels[level][inside])
        blocks = [measuring[:, inside & (labels[level] == b)].sum(axis=1) for b in number]
        found = {name: data.values[level] for name, data in flow.observables.items()}
        assert flow.scales[level] == size and flow.n_blocks[level] == len(blocks) == 32 // size
        assert_allclose(found["variance"], np.mean([b.var(ddof=1) for b in blocks]))
        assert_allclose(found["free_energy"], -np.log(np.mean([(b == 0).mean() for b in blocks])))
        # Large n, where k-statistics and plug-in cumulants are alike.
        ratios = [np.mean((b - b.mean()) ** 4) / b.var() ** 2 - 3 for b in blocks]
        assert_allclose(found["kurtosis"], np.mean(ratios), atol=0.06)
    assert any("left over" in note for note in flow.notes)


def test_errors_are_those_of_leaving_groups_out(rng):
    x = rng.normal(size=(48, 16)) + rng.normal(size=(48, 1))
    flow = phenomenological_flow(x, hierarchy=contiguous(16, 3), nulls=(), modes=False)
    _, measuring, _ = halves(x)
    assert flow.n_groups == 24
    for level in range(3):
        sums = measuring.reshape(24, -1, 1 << level).sum(axis=2)
        left_out = [np.delete(sums, g, axis=0).var(axis=0, ddof=1).mean() for g in range(24)]
        error = np.sqrt(23 / 24 * np.sum((left_out - np.mean(left_out)) ** 2))
        assert_allclose(flow.observables["variance"].errors()[level], error)


def test_modes_of_all_units_against_whole_arrays(rng):
    x = rng.normal(size=(300, 16)) @ rng.normal(size=(16, 16)) + rng.exponential(size=(300, 1)) ** 2
    flow = phenomenological_flow(x, nulls=())
    choosing, measuring, _ = halves(x)
    vectors = np.linalg.eigh(np.cov(choosing.T))[1][:, ::-1]
    for level, size in enumerate(flow.scales.tolist()):
        kept = vectors[:, : 16 // size]
        y = (measuring - measuring.mean(axis=0)) @ kept @ kept.T
        n = len(y)
        m2, m4 = np.mean(y**2, axis=0), np.mean(y**4, axis=0)
        k4 = n**2 * ((n + 1) * m4 - 3 * (n - 1) * m2**2) / ((n - 1) * (n - 2) * (n - 3))
        ratio = np.mean(k4 / (m2 * n / (n - 1)) ** 2)
        assert_allclose(flow.observables["mode_kurtosis"].values[level], ratio, rtol=1e-9)


def test_spectrum_is_that_of_held_out_modes_extrapolated(rng):
    x = rng.normal(size=(800, 32)) * np.linspace(1, 2, 32)
    flow = phenomenological_flow(x, hierarchy=contiguous(32, 4), nulls=(), modes=False)
    choosing, measuring, _ = halves(x)
    (spectrum,) = flow.spectra
    assert spectrum.size == 8
    ranks = [[3, 4, 5, 6, 7], [1, 2], [0]]

    def logs(samples):
        variances = []
        for block in range(4):
            at = slice(8 * block, 8 * block + 8)
            vectors = np.linalg.eigh(np.cov(samples[:, at].T))[1][:, ::-1]
            variances.append((measuring[:, at] @ vectors).var(axis=0, ddof=1))
        mean = np.log(np.mean(variances, axis=0))
        return np.array([mean[r].mean() for r in ranks])

    whole, first, last = (logs(c) for c in (choosing, choosing[:200], choosing[200:]))
    assert_allclose(spectrum.biased, whole)
    assert_allclose(spectrum.logs.values, 2 * whole - (first + last) / 2)
    ratio = [np.exp(np.mean(np.log(8 / (np.array(r) + 1)))) for r in ranks]
    assert_allclose(spectrum.ratio, ratio)


def test_correlation_time_against_products_of_all_pairs(rng):
    x = ar1(4000, 8, rho=0.9, rng=rng).T.copy()
    blocks = PairBlocks(series=True)
    flow = phenomenological_flow(
        x, blocks=blocks, hierarchy=contiguous(8, 3), nulls=(), modes=False
    )
    _, measuring, split = halves(x, blocks)
    centred = measuring - measuring.mean(axis=0)
    stretches = [centred[split.group == g] for g in np.unique(split.group)]
    longest = min(map(len, stretches))
    for level in range(3):
        series = [s.reshape(len(s), -1, 1 << level).sum(axis=2) for s in stretches]
        spread = np.concatenate(series).std(axis=0)
        rho = np.array(
            [
                sum(np.sum(s[t:] * s[: len(s) - t] / spread**2) for s in series)
                / sum(s[t:].size for s in series)
                for t in range(longest)
            ]
        )
        rho /= rho[0]
        below = int(np.flatnonzero(rho < np.exp(-1))[0])
        time = np.interp(-np.exp(-1), -rho[below - 1 : below + 1], [below - 1, below])
        assert_allclose(flow.observables["time"].values[level], time, rtol=1e-9)


def test_density_counts_standardised_activity(rng):
    x = rng.exponential(size=(600, 16)) * np.linspace(1, 5, 16)
    density = phenomenological_flow(x, nulls=(), modes=False).density
    width = np.diff(density.edges)
    assert np.all((density.values * width).sum(axis=1) <= 1 + 1e-12)
    _, measuring, _ = halves(x)
    standard = (measuring - measuring.mean(axis=0)) / measuring.std(axis=0)
    counts = np.histogram(standard, density.edges)[0]
    assert_allclose(density.values[0], counts / (standard.size * width[0]))
    filled = counts > 0
    # Where few values fall, counts are Poisson.
    rare = filled & (counts < 100)
    poisson = np.sqrt(counts[rare]) / (standard.size * width[0])
    assert_allclose(density.errors[0][rare], poisson, rtol=0.5)


def test_draws_keep_each_unit_and_lose_what_units_share(rng):
    x = rng.exponential(size=(200, 5)) + 10 * np.arange(200)[:, None]
    null = IndependentUnits()
    stimulus = np.repeat(np.arange(4), 50)
    for labels, series in ((None, False), (stimulus, False), (None, True)):
        y = null.draw(x, labels, series, np.random.default_rng(2))
        assert_array_equal(np.sort(y, axis=0), np.sort(x, axis=0))
        if labels is not None:
            for one in range(4):
                at = labels == one
                assert_array_equal(np.sort(y[at], axis=0), np.sort(x[at], axis=0))
        if series:
            for unit in range(5):
                start = int(np.flatnonzero(y[:, unit] == x[0, unit])[0])
                assert_array_equal(np.roll(y[:, unit], -start), x[:, unit])


def test_a_drift_is_said_only_of_ends_that_differ_by_more_than_their_errors(rng):
    x = 2.0 ** np.arange(7)
    straight = 0.9 * np.log(x)
    waved = straight + 0.02 * np.array([0, 0, 1, -1, 1, 0, 0])
    bent = straight + 0.02 * np.log(x) ** 2
    noise = np.exp(1e-3 * rng.normal(size=(64, x.size)) / np.sqrt(64))
    said = []
    for curve in (waved, bent):
        data = Replicates.from_jackknife(np.exp(curve), np.exp(curve) * noise, np.ones(64))
        said.append(fit_exponent("beta", x, data).refusal)
    assert all(one.startswith("no window follows one power, ") for one in said)
    assert ["drifts" in one for one in said] == [False, True]


def test_the_bar_is_cleared_where_a_run_is_interrupted(spikes, monkeypatch):
    stream = Interrupted()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    with pytest.raises(KeyboardInterrupt):
        phenomenological_flow(spikes, nulls=(IndependentUnits(draws=3),), modes=False, rng=1)
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress_counts_the_data_and_each_draw(spikes):
    seen = []
    null = IndependentUnits(draws=3)
    phenomenological_flow(
        spikes,
        nulls=null,
        modes=False,
        rng=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_same_seed_same_draws(spikes):
    one, other, third = (
        phenomenological_flow(spikes, rng=seed, nulls=IndependentUnits(3), modes=False)
        for seed in (4, 4, 5)
    )
    assert_array_equal(one.draws["variance"], other.draws["variance"])
    assert np.any(one.draws["variance"] != third.draws["variance"])
    assert one.draws["variance"].shape == (3, 4)
    assert one.attrs["seed"] == "4"


def test_tidy_frame_and_screen(flow):
    frame = flow.to_dataframe()
    assert list(frame.columns) == [
        "scale",
        "observable",
        "value",
        "error",
        "n_samples",
        "null",
        "null_spread",
        "z",
        "flag",
    ]
    assert set(frame.observable) == {"variance", "kurtosis", "free_energy"}
    units = frame[(frame.observable == "variance") & (frame.scale == 1)].iloc[0]
    pairs = frame[(frame.observable == "variance") & (frame.scale == 2)].iloc[0]
    assert pairs.z > 5 and pairs.error > 0 and abs(units.null / units.value - 1) < 0.2
    text = str(flow)
    assert len(text.splitlines()) < 30
    for word in ("alpha", "beta", "mu", "z ", "N8", "verdict: beats", "blocks: "):
        assert word in text


def test_decades_and_windows_are_said(rng):
    x = rng.normal(size=(1000, 64))
    alpha = phenomenological_flow(x, nulls=(), modes=False).exponents()["alpha"]
    assert "two are needed" in alpha.estimate.flag
    assert alpha.decades == pytest.approx(np.log10(16))
    assert alpha.window[1] == 16 and "chi2/dof" in str(alpha)
    assert len(alpha.windows().splitlines()) == len(alpha.law.power.fits) + 1
    assert len(alpha.running) == 4


def test_what_cannot_be_measured_is_said(rng):
    flow = phenomenological_flow(rng.normal(size=(60, 16)), nulls=(), modes=False)
    said = {name: one.refusal for name, one in flow.exponents().items()}
    assert said["beta"].startswith("activity is negative")
    assert said["z"].startswith("samples are no time series")
    assert said["mu"].startswith("no blocks with 8 modes")
    assert flow.verdict.startswith("cannot be told: the null model")
    assert not flow.beaten and np.isnan(flow.rank_p)
    assert "not asked for" in flow.absent["mode_kurtosis"]
    positive = phenomenological_flow(rng.random((60, 16)) + 1, nulls=(), modes=False)
    assert positive.exponents()["beta"].refusal.startswith("no unit is ever silent")


def test_silence_of_thresholded_activity(rng):
    x = rng.normal(size=(2000, 16))
    flow = phenomenological_flow(x, threshold=0.5, nulls=(), modes=False)
    binary = phenomenological_flow(
        (x > 0.5).astype(float), hierarchy=contiguous(16, 3), nulls=(), modes=False
    )
    given = phenomenological_flow(
        x, threshold=0.5, hierarchy=contiguous(16, 3), nulls=(), modes=False
    )
    assert_allclose(
        given.observables["free_energy"].values, binary.observables["free_energy"].values
    )
    assert abs(flow.exponents()["beta"].effective.value - 1) < 0.05


def test_too_few_silent_samples_are_no_logarithm(rng):
    x = (rng.random((400, 64)) < 0.5).astype(float)
    flow = phenomenological_flow(x, nulls=(), modes=False)
    energy = flow.observables["free_energy"].values
    # 200 / 2^K samples are expected to be silent, ten are needed.
    assert_array_equal(np.isfinite(energy), [True, True, True, False, False])
    assert flow.to_dataframe().query("observable == 'free_energy'").flag.iloc[-1]


def test_too_few_draws_tell_nothing(spikes):
    flow = phenomenological_flow(spikes, nulls=IndependentUnits(5), rng=1, modes=False)
    assert flow.verdict.startswith("cannot be told from 5 draws")


def test_constant_units_are_left_out_and_named(rng):
    x = rng.normal(size=(100, 18))
    x[:, [3, 7]] = 2.5
    flow = phenomenological_flow(x, nulls=(), modes=False)
    assert flow.notes[0].startswith("units 3, 7 are the same in every sample")
    kept = np.delete(x, [3, 7], axis=1)
    other = phenomenological_flow(kept, nulls=(), modes=False)
    assert_array_equal(flow.observables["variance"].values, other.observables["variance"].values)


def test_held_out_samples_choose_and_all_are_measured(rng):
    x, held = rng.normal(size=(2, 200, 16))
    blocks = PairBlocks(split=None, chosen_on=held)
    flow = phenomenological_flow(x, blocks=blocks, nulls=IndependentUnits(3), modes=False, rng=1)
    assert flow.n_samples == 200 and flow.draws["variance"].shape == (3, 3)
    labels = pair_hierarchy(held, 3)[1]
    expected = np.mean([x[:, labels == b].sum(axis=1).var(ddof=1) for b in range(8)])
    assert_allclose(flow.observables["variance"].values[1], expected)


def test_counts_and_fields_are_taken_alike(rng):
    counts = rng.poisson(0.5, size=(300, 16))
    one = phenomenological_flow(counts, nulls=(), modes=False)
    field = SynapticField(counts.astype(float), Lattice(16), name="counts", notes=("binned",))
    other = phenomenological_flow(field, nulls=(), modes=False)
    assert isinstance(other, PhenomenologicalFlow)
    assert other.name == "counts" and "binned" in other.notes
    assert_array_equal(one.observables["variance"].values, other.observables["variance"].values)


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        (np.full((30, 8), np.nan), NonFiniteError, "NaN"),
        (np.ones((30, 8)), AnalysisError, "0 unit"),
        (np.arange(30.0)[:, None], AnalysisError, "1 unit"),
        (np.arange(24.0).reshape(3, 8) ** 2, AnalysisError, "3 independent samples"),
        (np.random.default_rng(1).normal(size=(12, 8)), AnalysisError, "errors need at least 10"),
        (np.random.default_rng(1).normal(size=(60, 6)), AnalysisError, "6 unit"),
        (np.zeros(5), ArgumentError, "samples come first"),
        (np.zeros((5, 0)), ArgumentError, "samples come first"),
        (np.array([["a"]]), ArgumentError, "real numbers"),
    ],
)
def test_bad_activity(values, error, said):
    with pytest.raises(error, match=said):
        phenomenological_flow(values)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"blocks": 2}, "blocks must be PairBlocks"),
        ({"hierarchy": [0, 1]}, "must be a Hierarchy"),
        ({"hierarchy": contiguous(8, 2)}, "of the 16 units"),
        ({"hierarchy": Hierarchy([np.arange(16) // 3])}, "equal size"),
        ({"nulls": "permutation"}, "independent units"),
        ({"nulls": ("independent", "independent")}, "independent units"),
        ({"nulls": None}, "independent units"),
        ({"threshold": 50.0}, "ever above threshold"),
        ({"threshold": "low"}, "finite real number"),
        ({"stimulus": [1, 2]}, "one label for each of 60"),
        ({"stimulus": np.zeros(60), "blocks": PairBlocks(series=True)}, "independent trials"),
        ({"rng": -1}, "rng"),
    ],
)
def test_bad_arguments(arguments, said, rng):
    with pytest.raises(ArgumentError, match=said):
        phenomenological_flow(rng.normal(size=(60, 16)), modes=False, **arguments)


def test_stimuli_shown_once(rng):
    x = rng.normal(size=(60, 16))
    with pytest.raises(AnalysisError, match="shown once"):
        phenomenological_flow(x, stimulus=np.arange(60))
    labels = np.r_[np.zeros(30), np.arange(1, 31)]
    flow = phenomenological_flow(x, stimulus=labels, nulls=IndependentUnits(3), modes=False, rng=1)
    assert "30 of 31 stimuli were shown once and stay as they are" in flow.notes


def test_draws_must_be_some():
    with pytest.raises(ArgumentError, match="draws"):
        IndependentUnits(2)
