"""Cosmology of training: arguments, flags and results."""

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError
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
from nnrg.theory.cosmology import (
    cosmological_match,
    fit_background,
    hubble_law,
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
    with pytest.raises(AnalysisError, match="needs every step, got every 2"):
        ball = record(HeavyBall(0.01, 0.9), record=2)
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
    assert "from the match" in str(ball)


def test_spectra_name_what_is_wrong():
    made = record()
    table = perturbation_spectrum(made, X, Y, window=(0, 5), n_modes=3).to_dataframe()
    assert list(table["mode"]) == [0, 1, 2]
    for window in ((0, 61), (5, 5)):
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


@pytest.mark.parametrize(
    ("times", "options", "says"),
    [
        ([0.0], {}, "at least two"),
        ([1.0, 0.0], {}, "rising"),
        ([0.0, 1.0], {"cosmological_constant": 0.0}, "cosmological_constant must be positive"),
        ([0.0, 1.0], {"mass2": float("nan")}, "mass2 must be a finite real number"),
    ],
)
def test_universes_name_what_is_wrong(times, options, says):
    with pytest.raises(ArgumentError, match=says):
        solve_friedmann(times, **{"cosmological_constant": 3.0, "mass2": 1.0, **options})
