"""Training as dynamics: exact discrete modes, friction, energy, stability, and known minima."""

import numpy as np
import pytest
from scipy import stats

from nnrg.simulate.training import (
    MLP,
    GradientDescent,
    HeavyBall,
    Nesterov,
    exponential_inputs,
    largest_curvature,
    perceptron,
    power_law_inputs,
    teacher_data,
    train,
)

CURVATURES = np.array([0.02, 0.3, 1.0, 4.0])
TOPIC = "Training as field dynamics"


def modes(optimiser, steps, curvatures=CURVATURES, **options):
    """Train a perceptron whose cost is sum_k lambda_k (w_k - w*_k)^2 / 2; return w - w*, (T, n)."""
    n = len(curvatures)
    x = np.diag(np.sqrt(n * np.asarray(curvatures)))
    target = np.arange(1.0, n + 1)
    made = train(
        perceptron(n),
        (x, x @ target),
        optimiser=optimiser,
        steps=steps,
        record=1,
        initial={"layers.0.weight": np.zeros((1, n))},
        **options,
    )
    return made.weights["layers.0.weight"][0, :, 0] - target, made


def recursion(trajectory):
    """The (a, b) of x_{t+1} = a x_t - b x_{t-1} that a series obeys, by least squares."""
    design = np.stack([trajectory[1:-1], -trajectory[:-2]], axis=1)
    return np.linalg.lstsq(design, trajectory[2:], rcond=None)[0]


def test_modes_of_the_heavy_ball_are_the_roots_of_their_recursion(checked):
    eta, mu = 0.3, 0.8
    found, _ = modes(HeavyBall(eta, mu), 60)
    t = np.arange(61)
    for k, curvature in enumerate(CURVATURES):
        roots = np.roots([1, -(1 + mu - eta * curvature), mu]).astype(complex)
        # No velocity at the start: x_{-1} = x_0.
        amplitudes = np.linalg.solve([[1, 1], 1 / roots], [found[0, k]] * 2)
        exact = (amplitudes[:, None] * roots[:, None] ** t).sum(axis=0)
        np.testing.assert_allclose(found[:, k], exact.real, rtol=0, atol=1e-11 * abs(found[0, k]))
    # Underdamped modes all fall like sqrt(mu)^t.
    for k in (2, 3):
        assert eta * CURVATURES[k] > (1 - mu**0.5) ** 2
        a, b = recursion(found[:, k])
        size = np.abs(np.roots([1, -a, b]).astype(complex))
        checked(
            TOPIC,
            f"Modulus of an underdamped heavy-ball mode, learning rate x curvature "
            f"{eta * CURVATURES[k]:.1f}",
            mu**0.5,
            size[0],
        )


def test_friction_of_the_heavy_ball(checked):
    """Row 68: gamma = (1 - mu) / sqrt(eta)."""
    eta, mu = 0.01, 0.9
    found, _ = modes(HeavyBall(eta, mu), 300)
    _, b = recursion(found[:, 3])
    checked(
        TOPIC,
        "Friction of the heavy ball from a recorded mode, eta = 0.01, mu = 0.9",
        1.0,
        (1 - b) / eta**0.5,
    )


def test_the_heavy_ball_tends_to_the_damped_oscillator_like_the_time_step():
    gamma, end = 0.7, 6.0
    worst = []
    for h in (0.02, 0.01, 0.005):
        found, _ = modes(HeavyBall(h * h, 1 - gamma * h), round(end / h))
        t = h * np.arange(len(found))
        root = np.sqrt(gamma**2 / 4 - CURVATURES + 0j)
        exact = np.exp(-gamma / 2 * t[:, None]) * (
            np.cosh(root * t[:, None]) + gamma / 2 * np.sinh(root * t[:, None]) / root
        )
        worst.append(np.abs(found / found[0] - exact.real).max(axis=0))
    ratio = np.array(worst[:-1]) / np.array(worst[1:])
    np.testing.assert_allclose(ratio, 2.0, atol=0.06)


def test_energy_is_lost_to_friction_alone():
    """dE/dt = -gamma |w'|^2 with E = |w'|^2 / 2 + C, for a net whose cost is not quadratic."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    gamma, end, residual = 0.5, 2.0, []
    for h in (0.04, 0.02, 0.01):
        made = train(
            MLP((3, 6, 1)),
            (x, y),
            optimiser=HeavyBall(h * h, 1 - gamma * h),
            steps=round(end / h),
            record=1,
            rng=2,
        )
        speed2 = sum(
            (v[0].reshape(len(made.steps), -1) ** 2).sum(axis=1) / h**2
            for v in made.optimiser_state["velocity"].values()
        )
        energy = speed2 / 2 + made.losses[0]
        residual.append(abs(energy[-1] - energy[0] + gamma * h * speed2[1:].sum()) / energy[0])
    ratio = np.array(residual[:-1]) / np.array(residual[1:])
    np.testing.assert_allclose(ratio, 2.0, atol=0.25)
    assert residual[-1] < 0.02


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        (GradientDescent, 2.0),
        (lambda rate: HeavyBall(rate, 0.9), 3.8),
        (lambda rate: Nesterov(rate, 0.9), 3.8 / 2.8),
    ],
    ids=["gradient descent", "heavy ball", "Nesterov"],
)
def test_stability_ends_at_the_bound(make, bound, checked):
    assert make(1.0).stability_bound() == pytest.approx(bound, rel=1e-15)
    edge = []
    for share in (0.995, 1.005):
        found, made = modes(make(share * bound), 3000, curvatures=[1.0, 0.5])
        assert bool(made.flags) == (share > 1)
        edge.append(abs(found[-1, 0]) < abs(found[0, 0]))
    assert edge == [True, False]
    # At the bound the mode that flips its sign each step neither grows nor falls.
    found, _ = modes(make(bound), 400, curvatures=[1.0, 0.5])
    size = np.abs(found[200:, 0])
    checked(
        TOPIC,
        f"Change of a mode in 200 steps at the stability bound {bound:.4g}",
        1.0,
        size[-1] / size[0],
        rtol=1e-6,
    )


def test_rate_of_gradient_descent_beside_the_second_order_match(checked):
    """Row 70: both rates are theta + eta theta^2 / 2 + ...; they part at eta^2 theta^3 / 6."""
    eta, theta = 0.01, 1.0
    found, _ = modes(GradientDescent(eta), 200, curvatures=[theta])
    rate = -np.log(found[200, 0] / found[0, 0]) / (200 * eta)
    checked(TOPIC, "Decay rate of gradient descent, eta theta = 0.01", -np.log1p(-0.01) / eta, rate)
    match = (1 - np.sqrt(1 - 2 * eta * theta)) / eta
    assert (match - rate) / (eta**2 * theta**3 / 6) == pytest.approx(1.0, rel=0.03)


def test_underdetermined_regression_ends_at_the_smallest_solution():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 10)), rng.normal(size=(6, 2))
    made = train(
        perceptron(10, 2),
        (x, y),
        optimiser=HeavyBall(0.3, 0.8),
        steps=4000,
        initial={"layers.0.weight": np.zeros((2, 10))},
    )
    np.testing.assert_allclose(
        made.weights["layers.0.weight"][0, -1], (np.linalg.pinv(x) @ y).T, atol=1e-10
    )
    top = np.linalg.eigvalsh(x.T @ x / 6)[-1]
    found = largest_curvature(made.model, made.tensors(), x, y, tolerance=1e-8)
    assert found == pytest.approx(top, rel=1e-8)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: exponential_inputs(4000, 16, correlation_length=3.0, rng=rng),
        lambda rng: power_law_inputs(4000, 16, exponent=1.5, mass2=0.1, rng=rng),
        lambda rng: power_law_inputs(4000, 15, exponent=1.5, mass2=0.1, rng=rng),
    ],
    ids=["exponential", "power law", "odd ring"],
)
def test_inputs_have_the_covariance_they_say(draw):
    """Likelihood ratio of two covariances, chi^2 of n (n + 1) / 2; false alarms 2e-4 each."""
    data = draw(11)
    n = data.inputs.shape[1]
    np.testing.assert_allclose(np.diag(data.covariance), 1.0, rtol=1e-12)
    relative = np.linalg.solve(data.covariance, data.inputs.T @ data.inputs / len(data.inputs))
    sign, logdet = np.linalg.slogdet(relative)
    ratio = len(data.inputs) * (np.trace(relative) - n - logdet)
    law = stats.chi2(n * (n + 1) / 2)
    assert sign == 1 and law.ppf(1e-4) < ratio < law.ppf(1 - 1e-4)


def test_weights_learn_modes_in_the_order_of_the_data():
    """Mode k of the data decays like (1 - eta S_k)^t in a linear perceptron."""
    data = power_law_inputs(400, 32, exponent=1.0, rng=4)
    teacher = np.random.default_rng(6).normal(size=(1, 32))
    data = teacher_data(data, teacher)
    eta, steps = 0.05, 100
    made = train(
        perceptron(32),
        data,
        optimiser=GradientDescent(eta),
        steps=steps,
        initial={"layers.0.weight": np.zeros((1, 32))},
    )
    s, waves = np.linalg.eigh(data.inputs.T @ data.inputs / 400)
    left = (made.weights["layers.0.weight"][0, -1, 0] - teacher[0]) @ waves / (-teacher[0] @ waves)
    np.testing.assert_allclose(left, (1 - eta * s) ** steps, rtol=1e-9, atol=1e-12)
