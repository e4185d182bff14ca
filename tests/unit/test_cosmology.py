"""Cosmology of training: arguments, flags and results."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError, SourceError
from nnrg.simulate.training import (
    MLP,
    Adam,
    ConvNet,
    CosineDecay,
    GradientDescent,
    HeavyBall,
    Recording,
    RecurrentNet,
    perceptron,
    train,
)
from nnrg.stats.estimate import Estimate
from nnrg.theory.cosmology import (
    _verdicts,
    circle_data,
    compare_universe,
    cosmological_match,
    fit_background,
    friedmann,
    hubble_law,
    hubble_scan,
    mean_background,
    output_jacobian,
    perturbation_spectrum,
    solve_friedmann,
    tangent_kernel,
)

X = np.random.default_rng(1).normal(size=(10, 4))
Y = X @ np.arange(1.0, 5.0)


def record(optimiser=None, steps=60, model=None, **options):
    options = {"record": 1, "n_seeds": 3, "rng": 1, **options}
    optimiser = GradientDescent(0.05) if optimiser is None else optimiser
    model = perceptron(4) if model is None else model
    return train(model, (X, Y), optimiser=optimiser, steps=steps, **options)


@pytest.mark.parametrize(
    "model", [ConvNet((5,), (1, 3), 2), RecurrentNet(2, 4, 2, length=3), MLP((3, 4, 2), "relu")]
)
def test_jacobians_of_all_models(model):
    rng = np.random.default_rng(2)
    x, weights = rng.normal(size=(3, *model.input_shape)), model.initial(rng)
    found = output_jacobian(model, weights, x)
    assert found.shape == (6, model.n_parameters)
    v = {name: rng.normal(size=w.shape) for name, w in weights.items()}
    sides = [model.outputs({k: w + h * v[k] for k, w in weights.items()}, x) for h in (1e-6, -1e-6)]
    along = np.concatenate([v[name].ravel() for name in model.shapes])
    np.testing.assert_allclose(found @ along, (sides[0] - sides[1]).ravel() / 2e-6, atol=1e-7)


def test_matches_name_what_is_wrong():
    with pytest.raises(ArgumentError, match="match must be one of slow_roll"):
        cosmological_match(0.1, 1.0, match="hot")
    with pytest.raises(ArgumentError, match="learning_rate must be positive"):
        cosmological_match(-0.1, 1.0, match="slow_roll")
    with pytest.raises(ArgumentError, match="of plain gradient descent"):
        cosmological_match(0.1, 1.0, match="slow_roll", momentum=0.5)
    found = cosmological_match(0.1, 6.0, match="second_order")
    assert found.oscillates and found.rates[0].imag != 0  # theta > 1 / (2 eta)
    still = cosmological_match(0.1, 4.0, match="second_order")
    assert not still.oscillates
    slow, fast = still.rates
    assert slow + fast == pytest.approx(still.friction) and slow * fast == pytest.approx(80.0)


@pytest.mark.parametrize(
    ("options", "made", "says"),
    [
        ({"match": "warm"}, {}, "match must be one of"),
        ({"match": "momentum"}, {}, "is of HeavyBall, but the record is of GradientDescent"),
        ({"match": "slow_roll"}, {"optimiser": Adam(0.1)}, "but the record is of Adam"),
        ({"match": "slow_roll"}, {"batch": 5}, "batch=None"),
        (
            {"match": "slow_roll"},
            {"optimiser": GradientDescent(CosineDecay(0.1, 60))},
            "learning rate must be constant",
        ),
        ({"match": "slow_roll", "mode": "median"}, {}, 'mode must be "mean" or an integer'),
        ({"match": "slow_roll", "mode": 10}, {}, "mode must be an integer from 0 to 9"),
        ({"match": "slow_roll"}, {"record": Recording(1, outputs=False)}, "holds no outputs"),
        ({"match": "slow_roll"}, {"record": Recording(1, probe=X[:3])}, "3 recorded inputs"),
    ],
)
def test_records_of_other_training_are_named(options, made, says):
    with pytest.raises(ArgumentError, match=says):
        fit_background(record(**made), X, Y, **options)


def test_what_cannot_be_told_is_named():
    with pytest.raises(AnalysisError, match="at least two, got one"):
        fit_background(record(n_seeds=1), X, Y, match="slow_roll")
    with pytest.raises(AnalysisError, match="six frames"):
        fit_background(record(steps=3), X, Y, match="slow_roll")
    with pytest.raises(AnalysisError, match="equal distances"):
        uneven = [0, 1, 2, 3, 5, 7, 9, 20]
        fit_background(record(record=uneven), X, Y, match="slow_roll", window=(0, 20))
    with pytest.raises(AnalysisError, match="frames every 4 steps do not tell its frequency"):
        ball = record(HeavyBall(0.8, 0.9), record=4)
        fit_background(ball, X, Y, match="momentum", mode=0)
    top = np.linalg.eigvalsh(X.T @ X / 10)[-1]
    with pytest.raises(AnalysisError, match="changes its sign"):
        fit_background(record(GradientDescent(1.5 / top)), X, Y, match="slow_roll", mode=0)
    fits = [
        fit_background(record(GradientDescent(eta)), X, Y, match="slow_roll", mode=0)
        for eta in (0.01, 0.02, 0.03)
    ]
    law = hubble_law(fits)
    assert "fewer than two do not tell an exponent" in law.flags[-1]
    assert list(law.to_dataframe().learning_rate) == [0.01, 0.02, 0.03]
    assert "H ~ eta^x, slow_roll match" in str(law)
    with pytest.raises(AnalysisError, match="three learning rates"):
        hubble_law(fits[:2])
    ball = fit_background(record(HeavyBall(0.01)), X, Y, match="momentum", mode=0)
    with pytest.raises(ArgumentError, match="of one match"):
        hubble_law([*fits, ball])
    lighter = fit_background(record(HeavyBall(0.02, 0.5)), X, Y, match="momentum", mode=0)
    with pytest.raises(ArgumentError, match="of one momentum"):
        hubble_law([ball, ball, lighter])
    with pytest.raises(AnalysisError, match="three learning rates at least, got 1"):
        hubble_law([ball] * 5)
    with pytest.raises(ArgumentError, match="of one mode"):
        hubble_law([*fits[:2], fit_background(record(), X, Y, match="slow_roll", mode=1)])
    with pytest.raises(AnalysisError, match="got 5; record more of the start: training diverged"):
        fit_background(record(GradientDescent(5.0), 3000), X, Y, match="slow_roll", mode=0)
    assert "from the match" in str(ball)


def test_spectra_name_what_is_wrong():
    made = record()
    table = perturbation_spectrum(made, X, Y, window=(0, 5), n_modes=3).to_dataframe()
    assert list(table["mode"]) == [0, 1, 2]
    for window in ((0, 61), (1, 61)):
        with pytest.raises(ArgumentError, match="two recorded steps"):
            perturbation_spectrum(made, X, Y, window=window)
    with pytest.raises(ArgumentError, match="GradientDescent"):
        perturbation_spectrum(record(HeavyBall(0.01)), X, Y, window=(0, 5))
    with pytest.raises(AnalysisError, match="at least two"):
        perturbation_spectrum(record(n_seeds=1), X, Y, window=(0, 5))
    with pytest.raises(ArgumentError, match="holds no outputs"):
        mean_background(record(record=Recording(1, outputs=False)))
    with pytest.raises(ArgumentError, match="one network"):
        tangent_kernel(made.model, {k: w[:, 0] for k, w in made.weights.items()}, X)


def test_spectra_say_in_which_window_all_modes_have_a_rate():
    """Of a constant kernel: heavy modes are rounding after ln(1e12) / -ln(1 - eta theta) steps."""
    values, vectors = np.linalg.eigh(X @ X.T / 10)
    values, vectors = values[:-5:-1], vectors[:, :-5:-1]
    made = record(GradientDescent(0.5 / values[0]), 80, record=4)
    long = perturbation_spectrum(made, X, Y, window=(0, 80))
    left = np.abs((made.outputs[..., 0] - Y) @ vectors)
    alive = left >= 1e-12 * np.abs(made.outputs[..., 0] - Y).max(axis=(1, 2))[:, None, None]
    last = made.steps[alive.all(axis=(0, 2)).argmin() - 1]
    silent = int((~alive[:, -1]).any(axis=0).sum())
    assert 0 < silent < 4 and np.isnan(long.rates).sum() == silent and 30 < last < 60
    assert long.flags == (
        f"{silent} of 4 modes have no rate: they change sign or are rounding; in window=(0, {last})"
        " all have one",
    )
    assert np.isfinite(perturbation_spectrum(made, X, Y, window=(0, int(last))).rates).all()
    # Its sign comes back every second step, which is no rate; no shorter window helps.
    turning = record(GradientDescent(1.5 / values[0]), 4)
    found = perturbation_spectrum(turning, X, Y, window=(0, 4))
    assert np.isnan(found.rates[0]) and np.isfinite(found.rates[-1])
    assert found.flags[-1].endswith("record more of the start, or train in smaller steps")


@pytest.mark.parametrize(
    ("times", "options", "says"),
    [
        ([0.0], {}, "at least two"),
        ([1.0, 0.0], {}, "rising"),
        ("ab", {}, "times must be an array of real numbers"),
        ([1j, 2], {}, "times must be an array of real numbers"),
        ([0.0, 1.0], {"momenta": 3}, "momenta must be a sequence"),
        ([0.0, 1.0], {"momenta": ["a"]}, "momenta must be a finite real number"),
        ([0.0, 1.0], {"mode_velocities": [1.0]}, "one for each of 0 momenta"),
        ([0.0, 1.0], {"redshift": "no"}, "redshift must be True or False"),
        ([0.0, 1.0], {"cosmological_constant": 0.0}, "cosmological_constant must be positive"),
        ([0.0, 1.0], {"mass2": float("nan")}, "mass2 must be a finite real number"),
    ],
)
def test_universes_name_what_is_wrong(times, options, says):
    with pytest.raises(ArgumentError, match=says):
        solve_friedmann(times, **{"cosmological_constant": 3.0, "mass2": 1.0, **options})


def test_universes_that_cannot_be_followed_end_soon(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(friedmann, "_MOST", 2000)
        with pytest.raises(AnalysisError, match="more than 2000 evaluations"):
            solve_friedmann([0.0, 5000.0], cosmological_constant=1e-6, mass2=1e6)
    for phi, times in ((3.0, [0, 1]), (0.5, [0, 5])):  # at once, and on its way down
        with pytest.raises(AnalysisError, match="space does not expand"):
            solve_friedmann(
                times, cosmological_constant=0.5, mass2=-1.0, phi=phi, backreaction=True
            )
    with pytest.raises(AnalysisError, match="numbers outgrow double precision"):
        solve_friedmann([0.0, 5000.0], cosmological_constant=1.0, mass2=-100.0)
    hubble = 1e4  # friction over many Hubble times, and a mode that starts at a speed
    t = np.linspace(0, 3, 20)
    found = solve_friedmann(
        t, cosmological_constant=3 * hubble**2, mass2=3 * hubble, phi=2.0, velocity=-2.0,
        momenta=[0.0], mode_velocities=[-1.0],
    )  # fmt: skip
    slow = 3 * hubble / (1.5 * hubble + np.sqrt(2.25 * hubble**2 - 3 * hubble))
    np.testing.assert_allclose(found.background[10:] / found.background[10],
                               np.exp(-slow * (t[10:] - t[10])), rtol=1e-6)  # fmt: skip
    np.testing.assert_allclose(found.modes[0], found.background / 2, rtol=1e-7)
    assert "1 modes" in str(found) and len(found.to_dataframe()) == 20
    with pytest.raises(ValueError, match="read-only"):
        found.modes[0, 0] = 1


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda r: fit_background(r, X[::-1], Y, match="slow_roll"), ArgumentError, "inputs are n"),
        (
            lambda r: fit_background(r, X, Y + 1, match="slow_roll"),
            ArgumentError,
            "targets are not",
        ),
        (lambda r: fit_background(r, X * np.nan, Y, match="slow_roll"), NonFiniteError, "NaN"),
        (lambda r: fit_background(r, "x", Y, match="slow_roll"), ArgumentError, "real numbers"),
        (lambda r: fit_background(3, X, Y, match="slow_roll"), ArgumentError, "a TrainingRecord"),
        (
            lambda r: fit_background(r, X, Y, match="slow_roll", window=3),
            ArgumentError,
            "two steps",
        ),
        (lambda r: fit_background(r, X, Y, match="slow_roll", mode=9), AnalysisError, "not move"),
        (lambda r: perturbation_spectrum(r, X, Y, window=None), ArgumentError, "two steps"),
        (lambda r: compare_universe(r, X, Y, match="hot"), ArgumentError, "match must be"),
        (lambda r: compare_universe(r, X, Y, match="momentum"), ArgumentError, "of HeavyBall"),
        (
            lambda r: compare_universe(r, X, Y, match="slow_roll", tolerance=0),
            ArgumentError,
            "tolerance must be positive",
        ),
        (lambda r: compare_universe(r, X, Y, match="slow_roll", until=1), AnalysisError, "three"),
        (lambda r: mean_background(None), ArgumentError, "a TrainingRecord"),
        (lambda r: hubble_law("abc"), ArgumentError, "fits must be of fit_background"),
        (lambda r: hubble_law(3), ArgumentError, "fits must be of fit_background"),
        (lambda r: tangent_kernel(r.model, None, X), ArgumentError, "tensors by name"),
        (lambda r: tangent_kernel(None, {}, X), ArgumentError, "model must be"),
        (
            lambda r: tangent_kernel(r.model, r.tensors(), np.empty((0, 4))),
            ArgumentError,
            "one at least",
        ),
        (
            lambda r: cosmological_match(1e-300, 1.0, match="second_order"),
            ArgumentError,
            "double precision",
        ),
        (lambda r: circle_data(6), ArgumentError, "power of two"),
        (lambda r: hubble_scan(match="hot"), ArgumentError, "match must be"),
        (lambda r: hubble_scan(n_seeds=1), ArgumentError, "at least 2"),
        (lambda r: hubble_scan(widths=8), ArgumentError, "widths must be a sequence"),
        (lambda r: hubble_scan(depths=[-1]), ArgumentError, "depths must be an integer"),
        (lambda r: hubble_scan((X, Y), data_sizes=[11]), ArgumentError, "at most the 10"),
        (lambda r: hubble_scan((X, Y[:3])), ArgumentError, r"inputs \(P, n\)"),
        (lambda r: hubble_scan(X), ArgumentError, "data must be TrainingData"),
        (lambda r: hubble_scan(learning_rates=[0.0]), ArgumentError, "positive numbers"),
        (lambda r: hubble_scan(learning_rates="a"), ArgumentError, "real numbers"),
        (lambda r: hubble_scan(momentum=1.0), ArgumentError, "below 1"),
        (lambda r: hubble_scan(momentum=0.0), ArgumentError, "above 0"),
        (lambda r: hubble_scan((X * np.nan, Y)), NonFiniteError, "NaN"),
        (
            lambda r: fit_background(record(HeavyBall(0.01, 0.0)), X, Y, match="momentum"),
            ArgumentError,
            "momentum 0 has one solution alone",
        ),
        (lambda r: hubble_scan(tolerance=0), ArgumentError, "tolerance must be positive"),
        (lambda r: hubble_scan(mode="median"), ArgumentError, "mode must be"),
        (lambda r: hubble_scan(mode=99), ArgumentError, "from 0 to 15"),
        (lambda r: hubble_scan(folder="x"), ArgumentError, "give rng"),
        (lambda r: hubble_scan(folder="", rng=1), ArgumentError, "folder must be a path"),
        (lambda r: hubble_scan(learning_rates=[1e9]), AnalysisError, "diverged at step"),
        (
            lambda r: hubble_scan(match="slow_roll", learning_rates=[1e-20]),
            ArgumentError,
            "larger ones, or the number of steps",
        ),
        (
            lambda r: hubble_scan(widths=[4096], depths=[2], learning_rates=[1e-4], n_seeds=2),
            ArgumentError,
            "GB of memory; give a folder",
        ),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says) as raised:
        call(record())
    assert "\n" not in str(raised.value)


def test_one_solution_alone_tells_no_hubble_rate():
    """Of an overdamped mode the fast solution is gone after a while, and with it the friction."""
    made = record(HeavyBall(1e-3, 0.9), 800, record=2)
    early, late = (0, 200), (400, 800)
    found = fit_background(made, X, Y, match="momentum", mode=0, window=early)
    assert found.hubble.value == pytest.approx(found.predicted_hubble, rel=1e-8)
    assert found.flags == ()
    with pytest.raises(AnalysisError, match="one of both solutions alone"):
        fit_background(made, X, Y, match="momentum", mode=0, window=late)
    # What is late in a long window says nothing of a drift.
    whole = fit_background(made, X, Y, match="momentum", mode=0, window=(0, 800))
    assert whole.hubble.value == pytest.approx(found.predicted_hubble, rel=1e-8)
    assert np.isnan(whole.drift.value) and "tells no rate" in whole.flags[0]
    single = record(HeavyBall(1e-3, 0.9), 400, record=2, dtype="float32")
    with pytest.raises(AnalysisError, match="one of both solutions alone"):
        fit_background(single, X, Y, match="momentum", mode=0, window=(150, 400))


@pytest.mark.parametrize("eta", [1e-3, 0.02])
def test_frames_that_are_far_apart_tell_the_same_rates(eta):
    """Two real rates and a pair of complex ones, from every fourth step."""
    top = float(np.linalg.eigvalsh(X.T @ X / 10)[-1])
    assert (eta * top > (1 - 0.9**0.5) ** 2) == (eta > 0.01)
    for stride in (1, 4):
        made = record(HeavyBall(eta, 0.9), steps=80, record=stride)
        fit = fit_background(made, X, Y, match="momentum", mode=0)
        assert fit.hubble.value == pytest.approx(fit.predicted_hubble, rel=1e-7)
        assert fit.mass2.value == pytest.approx(top, rel=1e-6)


def test_the_kernel_drifts_as_far_as_the_window_goes():
    model = MLP((4, 8, 1), bias=False)
    made = record(GradientDescent(0.02), 100, model, n_seeds=3)
    for last in (10, 100):
        late = fit_background(made, X, Y, match="slow_roll", mode=0, window=(0, last))
        first, after = (
            np.stack([tangent_kernel(model, made.tensors(s, step), X) for s in range(3)])
            for step in (0, last)
        )
        drifts = np.linalg.norm(after - first, axis=(1, 2)) / np.linalg.norm(first, axis=(1, 2))
        assert late.kernel_drift.value == pytest.approx(drifts.mean())
    frame = late.to_dataframe().set_index("quantity")
    apart = late.replicates["hubble"] - late.predicted_hubble
    expected = apart.mean() / (apart.std(ddof=1) / 3**0.5)
    assert frame.sigmas["hubble"] == pytest.approx(expected) == late.hubble_sigmas
    assert late.provenance["command"] == "train"
    with pytest.raises(ValueError, match="read-only"):
        late.replicates["mass2"][0] = 1


@pytest.mark.parametrize(("match", "change"), [("second_order", 1.09), ("slow_roll", 0.88)])
def test_steps_that_are_not_small_are_told_from_a_duality_that_fails(match, change):
    """At eta theta = 0.23 the match is many errors away, and what discrete steps do is not."""
    data = circle_data(8)
    made = train(MLP((2, 256, 1), sigma_b=0.5), data, optimiser=GradientDescent(0.005), steps=24,
                 record=1, n_seeds=8, rng=1)  # fmt: skip
    fit = fit_background(made, data.inputs, data.targets, match=match, mode=0)
    starts = [tangent_kernel(made.model, made.tensors(s, 0), data.inputs) for s in range(8)]
    theta = np.linalg.eigvalsh(starts)[:, -1]
    s = -np.log1p(-0.005 * theta) / 0.005
    steps = theta / (0.005 * s) / 3 if match == "slow_roll" else s**2 / (s - theta) / 3
    assert fit.discrete_hubble.value == pytest.approx(steps.mean(), rel=1e-9)
    apart = fit.replicates["hubble"] - steps
    expected = apart.mean() / (apart.std(ddof=1) / 8**0.5)
    assert fit.discrete_hubble_sigmas == pytest.approx(expected, rel=1e-6)
    assert abs(fit.hubble_sigmas) > 30 and abs(expected) < 4
    assert fit.flags[-1].startswith("steps are not small, eta theta = 0.23: with a constant kernel")
    assert fit.flags[-1].endswith(f"put H at {change} times the match")
    assert f"from discrete steps alone {steps.mean():.6g} ({expected:+.1f} sigma)" in str(fit)
    mass2 = 3 * steps * theta if match == "second_order" else theta
    frame = fit.to_dataframe().set_index("quantity")
    assert frame.discrete["mass2"] == pytest.approx(mass2.mean(), rel=1e-9)
    small = record(GradientDescent(1e-3))
    assert fit_background(small, X, Y, match=match, mode=0).flags == ()


def test_a_straight_line_has_the_chi_squared_of_its_seeds():
    """Common seeds make Hubble rates at all learning rates move together."""
    base = fit_background(record(), X, Y, match="slow_roll", mode=0)
    rng, etas = np.random.default_rng(7), (0.01, 0.02, 0.05, 0.1, 0.3)
    found = []
    for _ in range(300):
        common = 0.2 * rng.normal(size=12)
        fits = []
        for eta in etas:
            hubble = np.exp(common + 0.01 * rng.normal(size=12)) / (3 * eta)
            own = {**base.replicates, "hubble": hubble}
            said = {"learning_rate": eta, "predicted_hubble": 1 / (3 * eta)}
            fits.append(replace(base, **said, replicates=own, n_samples=12))
        found.append(hubble_law(fits))
    # The mean of chi2/dof is 1, its standard deviation 1.4; false alarms of both: below 1e-5.
    assert abs(np.mean([law.chi2_per_dof for law in found]) - 1) < 4.5 * 1.4 / 300**0.5
    assert sum(law.p < 0.01 for law in found) <= 12
    # One of twenty is refused: 15 of 300, and four standard deviations more.
    assert sum("no power law" in law.verdict for law in found) <= 30
    pulls = np.array([law.sigmas for law in found])  # Student's t with eleven degrees of freedom
    assert np.abs(pulls.mean()) < 5 * pulls.std() / 300**0.5 and 0.9 < pulls.std() < 1.35


def test_what_no_straight_line_goes_through_is_no_power_law():
    """Hubble rates within half a percent of a straight line that seeds tell to a tenth of it."""
    base = fit_background(record(GradientDescent(1e-3)), X, Y, match="slow_roll", mode=0)

    even = np.geomspace(1e-3, 0.1, 5)

    def law(seeds, size, etas=even):
        rng = np.random.default_rng(4)
        fits = []
        for eta, sign in zip(etas, (1, -2, 0, 2, -1), strict=False):
            hubble = np.exp(5e-4 * rng.normal(size=seeds) + size * sign) / (3 * eta)
            own = {**base.replicates, "hubble": hubble}
            said = {"learning_rate": eta, "predicted_hubble": 1 / (3 * eta), "n_samples": seeds}
            fits.append(replace(base, **said, replicates=own))
        return hubble_law(fits)

    found, straight = law(8, 2.5e-3), law(8, 0.0)
    assert found.verdict == "no power law at this precision" and found.p < 1e-3
    assert found.flags[0].startswith(f"{found.verdict}: chi2/dof {found.chi2_per_dof:.2g}, p ")
    assert "ln H bends" not in str(found)
    eta = np.log([fit.learning_rate for fit in found.fits])
    logs = np.log([fit.replicates["hubble"] for fit in found.fits])
    slopes, offsets = np.polyfit(eta, logs, 1)
    for one, values in ((found.exponent, slopes), (found.amplitude, np.exp(offsets))):
        spread = np.std(values, ddof=1) / 8**0.5
        assert one.error == pytest.approx(found.chi2_per_dof**0.5 * spread)
    assert f"{found.verdict}, errors widened by {found.error_factor:.2g}" in str(found)
    assert straight.verdict == "power law" and straight.flags == ()
    few = law(5, 0.0)
    assert few.verdict == "cannot be told" and few.error_factor == 1
    assert few.flags == (
        "whether it is a power law is not told: chi2/dof of 5 runs needs 6 seeds at least, got 5",
    )
    assert law(8, 0.0, (0.01, 0.02, 0.03)).verdict == "cannot be told"  # of half a decade
    scan = narrow_and_wide()
    for place, one in scan.laws.items():
        assert f"{place}: " in str(scan) and f": {one.verdict}{one.widened}" in str(scan)


def test_circles_are_even_in_all_their_beginnings():
    data = circle_data(16)
    for n in (2, 4, 8, 16):
        angle = np.sort(np.arctan2(data.inputs[:n, 1], data.inputs[:n, 0]) % (2 * np.pi - 1e-9))
        np.testing.assert_allclose(np.diff(angle), 2 * np.pi / n, atol=1e-7)
        small = circle_data(n)
        np.testing.assert_allclose(small.inputs, data.inputs[:n], atol=1e-12)
        np.testing.assert_allclose(small.targets, data.targets[:n], atol=1e-12)


# -- both sides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", ["momentum", "second_order", "slow_roll"])
def test_linear_training_is_discrete_training_and_a_universe_without_redshift(match):
    top = float(np.linalg.eigvalsh(X.T @ X / 10)[-1])
    gaps = []
    for shrink in (1, 2):
        # A constant kernel; the same universe by steps of half the time.
        if match == "momentum":
            optimiser, steps = HeavyBall(0.02 / shrink**2, 1 - 0.1 / shrink), 60 * shrink
        else:
            optimiser, steps = GradientDescent(0.1 / top / shrink), 30 * shrink
        made = record(optimiser, steps)
        found = compare_universe(made, X, Y, match=match, n_modes=9)
        assert found.names == ("mean", "0", "1", "2", "3")  # of ten, four move
        assert max(gap.value for gap in found.gaps["discrete"]) < 1e-10
        gaps.append(found.gaps["static"][1].value)
    # Slow roll is the field equation where eta^2 theta is small, others are of first order in time.
    assert gaps[1] < gaps[0] / 1.8 and gaps[0] < 0.05
    assert found.verdicts("static")[1:] == ("holds",) * 4
    assert found.verdicts("redshifted")[1:3] == ("fails", "fails")
    # The mean is lighter than all modes here: its mass is the field's.
    assert found.frequencies2.argmin() == 0 and list(found.moves) == [False, *[True] * 4]
    again = found.solve(found.hubble_times, found.frequencies2[1:], redshift=True)
    np.testing.assert_allclose(again, found.redshifted[1:], atol=1e-6)
    assert "k stays" in str(found)
    assert len(found.to_dataframe()) == 5 * len(found.steps)
    table = found.summary()
    assert list(table.verdict[-5:]) == ["no momentum", *found.verdicts("redshifted")[1:]]
    assert list(table.gap[5:10]) == [gap.value for gap in found.gaps["static"]]
    with pytest.raises(ArgumentError, match="at least m"):
        found.solve([0, 1], [found.frequencies2.min() / 2], redshift=False)


def test_a_mean_that_is_not_moved_is_no_background():
    # An odd network on pairs of opposite inputs.
    x = np.concatenate([X, -X])
    made = train(MLP((4, 16, 1), bias=False), (x, np.tanh(x[:, 0])), rng=1, n_seeds=2, steps=20,
                 optimiser=GradientDescent(0.01), record=2)  # fmt: skip
    found = compare_universe(made, x, np.tanh(x[:, 0]), match="second_order", n_modes=2)
    assert found.names == ("0", "1") and "no background" in found.flags[-1]
    assert np.isnan(found.lighter.value) and "lighter" not in str(found)


def test_modes_at_their_targets_are_left_out():
    start = {"layers.0.weight": np.zeros((3, 1, 4))}
    vectors = np.linalg.eigh(X @ X.T)[1]

    def trained(y):
        return train(perceptron(4), (X, y), optimiser=GradientDescent(0.05), steps=20, record=1,
                     n_seeds=3, rng=1, initial=start)  # fmt: skip

    y = vectors[:, -2]  # the second mode alone
    found = compare_universe(trained(y), X, y, match="second_order")
    assert found.names == ("mean", "1")
    assert "left out, at their targets from the start: 0, 2, 3" in found.flags
    with pytest.raises(AnalysisError, match="training moves nothing"):
        compare_universe(trained(0 * y), X, 0 * y, match="second_order")
    with pytest.raises(AnalysisError, match="at its target from the start in 3 of 3 seeds"):
        fit_background(trained(0 * y), X, 0 * y, match="slow_roll", mode=0)
    assert len(perturbation_spectrum(trained(y), X, y, window=(0, 5)).rates) == 4  # of ten


def test_sides_are_named():
    made = record(HeavyBall(0.01, 0.9))
    found = compare_universe(made, X, Y, match="momentum")
    for call in (found.verdicts, found.sigmas):
        with pytest.raises(ArgumentError, match="side must be one of discrete, static"):
            call("other")
    with pytest.raises(ArgumentError, match="axis must be one of width"):
        narrow_and_wide().along("time")


@pytest.mark.parametrize("n", [2, 3, 8])
def test_verdicts_are_rarely_wrong(n):
    """Of normal deviations: exact, by a tenth above and below the tolerance, and by twice it.

    False alarms of the bounds below 1e-4 each.
    """
    rng, draws, rates = np.random.default_rng(n), 400, {}
    for size in (0.9, 1.1, 2.0):
        for share in (0.0, 0.8, 1.0):  # of the square that all seeds have in common
            common, own = size * share**0.5, size * (1 - share) ** 0.5
            values = common + own * rng.normal(size=(draws, n))
            said = [_verdicts.verdict_of_all(0.05 * row, 0.05) for row in values]
            wrong = "fails" if size < 1 else "holds"
            rates[size, share] = said.count(wrong) / draws
            if share == 1:
                assert set(said) == {"holds" if size < 1 else "fails"}
    # At most 2 %, and 3.5 % (two seeds) to 1 % (eight): four standard deviations of a count above.
    holds = max(rate for (size, _), rate in rates.items() if size > 1)
    fails = max(rate for (size, _), rate in rates.items() if size < 1)
    assert holds < 0.05 and fails < 0.025 + 0.09 / n
    assert _verdicts.verdict_of_all(np.zeros(n), 0.05) == "holds"
    # A mean is told by Student's t: with two seeds by 12.7 errors.
    near = Estimate(0.05 + 0.01 * 2.2, 0.01, n)
    assert _verdicts.verdict_of_mean(near, 0.05) == "cannot be told"
    far = Estimate(0.05 + 0.01 * (13 if n == 2 else 4.4), 0.01, n)
    assert _verdicts.verdict_of_mean(far, 0.05) == "fails"


# -- scans -----------------------------------------------------------------------------------------


@cache
def narrow_and_wide():
    return hubble_scan(widths=(128, 4), data_sizes=(8, 4), n_seeds=4, rng=3, steps=60,
                       learning_rates=(1e-4, 1e-3, 1e-2, 0.5))  # fmt: skip


def test_every_row_of_a_scan_says_whether_and_why():
    scan = narrow_and_wide()
    assert [str(place) for place in scan.along("width")] == [
        "width 4, depth 1, 8 data", "width 128, depth 1, 8 data",
    ]  # fmt: skip
    wide, narrow = (scan.at(place) for place in reversed(scan.along("width")))
    assert [row.verdict for row in wide] == ["holds", "holds", "holds", "fails"]
    assert wide[3].fit is None and "diverged at step" in wide[3].reason
    assert np.isnan(wide[3].deviation.value)
    row = narrow[2]
    assert row.verdict != "holds" and "features are learned" in row.reason
    # By hand, from the same training.
    data = circle_data(8)
    ratio = row.fit.replicates["hubble"] / ((1 - 0.9) / (3 * 0.01**0.5)) - 1
    assert row.deviation.value == pytest.approx(np.sqrt((ratio**2).mean()))
    left_out = [np.sqrt(np.delete(ratio**2, s).mean()) for s in range(4)]
    assert row.beyond == (np.abs(ratio) > 0.05).sum() and wide[3].beyond == 4
    spread = np.sqrt(3 / 4 * ((left_out - np.mean(left_out)) ** 2).sum())
    assert row.deviation.error == pytest.approx(spread)
    own = row.fit.replicates["mass2"] / row.fit.replicates["eigenvalue"]
    assert row.mass_ratio.value == pytest.approx(own.mean())
    for found, top, bottom in (
        (row.invariant_ratio, own, 1 + ratio),
        (row.fit.invariant, row.fit.replicates["mass2"], row.fit.replicates["hubble"]),
    ):
        assert found.value == pytest.approx(top.mean() / bottom.mean() ** 2)
        left_out = [np.delete(top, s).mean() / np.delete(bottom, s).mean() ** 2 for s in range(4)]
        assert found.error == pytest.approx(3**0.5 * np.std(left_out))
    assert data.inputs.shape == (8, 2)
    frame = scan.to_dataframe()
    assert len(frame) == 12 and list(frame.verdict[:4]) == [r.verdict for r in wide]
    text = str(scan)
    assert "holds at 3 of 4 rates" in text and "training as a universe" in text
    law = scan.laws[scan.places[0]]
    assert law.predicted_exponent == -0.5 and law.window == (1e-4, 1e-2)
    assert law.exponent.value == pytest.approx(-0.5, abs=0.01)
    assert scan.universe.learning_rate == 1e-3  # the middle one of three


def test_a_linear_network_has_the_rates_of_its_match():
    for match, within in (("momentum", 1e-7), ("slow_roll", 0.02), ("second_order", 0.02)):
        scan = hubble_scan((X, Y), match=match, depths=(0,), n_seeds=2, rng=1,
                           learning_rates=(1e-3, 3e-3, 1e-2))  # fmt: skip
        assert {row.verdict for row in scan.rows} == {"holds"}
        for row in scan.rows:
            assert row.deviation.value < within
            assert row.fit.hubble.value == pytest.approx(row.discrete_hubble, rel=1e-6)
            assert row.kernel_drift < 1e-12


def test_second_order_rates_are_hidden_by_a_kernel_that_moves():
    """H is what the rate exceeds theta by: no failure of the match where the kernel moves more."""
    scan = hubble_scan(match="second_order", widths=(128,), n_seeds=4, data_sizes=(8,), rng=1)
    rows = [row for row in scan.rows if np.isfinite(row.deviation.value)]
    hidden = [r for r in rows if r.kernel_drift > 0.05 * r.rate_times_eigenvalue / 2]
    assert hidden[0].deviation.value > 0.1
    assert all(row.verdict == "cannot be told" for row in hidden if row.beyond)
    assert "hides by how much the rate exceeds" in hidden[0].reason
    steps = scan.rows[-1]  # eta theta = 0.2, of which discrete training makes 0.07 of H
    assert steps.verdict == "fails" and "steps are not small" in steps.reason


def test_few_networks_cannot_tell_of_all():
    (row,) = hubble_scan(widths=(8,), n_seeds=2, steps=20, learning_rates=[1e-3], rng=1).rows
    assert row.beyond == 0 and row.deviation.value + 5 * row.deviation.error < 0.05
    assert row.verdict == "cannot be told" and "2 networks are too few" in row.reason


def test_a_scan_goes_on_where_it_was_stopped(tmp_path):
    def scan(rng, folder):
        return hubble_scan(widths=(8,), n_seeds=2, learning_rates=(1e-3, 1e-2, 2e-2), steps=40,
                           rng=rng, folder=folder)  # fmt: skip

    whole = scan(5, None)
    first = scan(5, tmp_path / "a")
    files = sorted((tmp_path / "a").iterdir())
    assert len(files) == 3
    files[0].unlink()
    size = files[1].stat().st_size
    with files[1].open("r+b") as file:  # cut off by a kill
        file.truncate(size * 2 // 3)
    kept = files[2].stat().st_mtime_ns
    again = scan(5, tmp_path / "a")
    assert files[2].stat().st_mtime_ns == kept
    for one in (first, again):
        assert one.to_dataframe().equals(whole.to_dataframe())
    with pytest.raises(ArgumentError, match="record of another run"):
        scan(6, tmp_path / "a")
    with pytest.raises(SourceError, match="cannot be made"):
        scan(5, files[2])
