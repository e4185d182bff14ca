"""Activation functions: values, derivatives by another way, what a callable must be."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, ndtr

from nnrg.activation_functions import ACTIVATION_NAMES, Activation, as_activation
from nnrg.errors import ArgumentError
from nnrg.networks.activations import FUNCTIONS

Z = np.linspace(-6, 6, 41) + 0.013
KNOWN = {
    "linear": Z,
    "relu": np.clip(Z, 0, None),
    "leaky_relu": np.where(Z > 0, Z, 0.01 * Z),
    "tanh": np.tanh(Z),
    "sigmoid": expit(Z),
    "gelu": Z * ndtr(Z),
    "silu": Z * expit(Z),
    "sin": np.sin(Z),
    "cos": np.cos(Z),
}


@pytest.mark.parametrize("name", KNOWN)
def test_values_are_those_of_scipy(name):
    assert_allclose(as_activation(name)(Z), KNOWN[name], rtol=1e-14)


def test_tanh_approximation_of_gelu_is_one():
    assert np.abs(as_activation("gelu")(Z) - as_activation("gelu_tanh")(Z)).max() < 5e-4


@pytest.mark.parametrize("name", [*ACTIVATION_NAMES, "leaky_relu:0.3"])
def test_derivatives_are_slopes_of_what_they_derive(name):
    phi = as_activation(name)
    h = 1e-5
    slope = (phi(Z + h) - phi(Z - h)) / (2 * h)
    bend = (phi.derivative(Z + h) - phi.derivative(Z - h)) / (2 * h)
    assert_allclose(phi.derivative(Z), slope, atol=1e-9)
    assert_allclose(phi.second_derivative(Z), bend, atol=1e-9)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_derivatives_keep_their_digits_far_out(name):
    phi = as_activation(name)
    far = np.array([-4e3, -30.0, 30.0, 4e3])
    assert np.isfinite([phi(far), phi.derivative(far), phi.second_derivative(far)]).all()
    # d tanh = 4 exp(-2 |z|) far out
    assert_allclose(as_activation("tanh").derivative(30.0), 4 * np.exp(-60.0), rtol=1e-12)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_networks_use_the_same_functions_on_single_precision(name):
    single = Z.astype(np.float32)
    values = FUNCTIONS[name](single)
    assert values.dtype == np.float32
    assert_allclose(values, as_activation(name)(single), rtol=1e-5, atol=1e-5)


def test_kinks_and_slopes_of_scale_invariant_functions():
    leaky = as_activation("leaky_relu:-0.5")
    assert leaky.slopes == (-0.5, 1.0)
    assert leaky.kinks == (0.0,)
    assert_allclose(leaky.derivative([-1.0, 0.0, 1.0]), [-0.5, 1, 1])
    assert as_activation("linear").kinks == ()
    assert as_activation("gelu").slopes is None


def test_codes_tell_the_functions_apart():
    codes = [as_activation(name).code for name in ACTIVATION_NAMES]
    assert sorted(codes) == list(range(len(ACTIVATION_NAMES)))
    assert as_activation("leaky_relu:0.3").code == as_activation("leaky_relu").code
    assert as_activation(np.tanh).code == -1


def test_a_callable_gets_derivatives_by_differences():
    phi = as_activation(lambda z: np.tanh(z))
    exact = as_activation("tanh")
    first, second = phi.accuracy
    assert_allclose(phi.derivative(Z), exact.derivative(Z), atol=first)
    assert_allclose(phi.second_derivative(Z), exact.second_derivative(Z), atol=second)
    assert "differences" in phi.note


def test_differences_do_not_reach_across_a_kink():
    phi = as_activation(lambda z: np.abs(z - 0.5), kinks=(0.5,))
    z = 0.5 + np.array([-1e-4, -1e-9, 0.0, 1e-9, 1e-4])
    assert_allclose(phi.derivative(z), [-1, -1, 1, 1, 1], atol=1e-10)
    assert_allclose(phi.second_derivative(z), 0, atol=1e-7)


def test_kinks_of_a_callable_are_found():
    assert as_activation(lambda z: np.maximum(z, 0)).kinks == (0.0,)
    bent = as_activation(lambda z: np.clip(z, -1 / 3, 2.5))
    assert_allclose(bent.kinks, [-1 / 3, 2.5], atol=1e-9)
    for smooth in (np.tanh, np.sin, lambda z: np.tanh(50 * z), lambda z: z / (1 + np.abs(z))):
        assert as_activation(smooth).kinks == ()


@pytest.mark.parametrize("name", [*ACTIVATION_NAMES, "leaky_relu:0.3"])
def test_known_functions_survive_pickling(name):
    phi = as_activation(name)
    assert pickle.loads(pickle.dumps(phi)) is phi


def test_other_functions_are_pickled_with_what_they_are():
    phi = Activation("exponential", np.exp, np.exp, np.exp, note="grows")
    again = pickle.loads(pickle.dumps(phi))
    assert again == phi
    assert again is not phi


def test_an_activation_passes_through():
    phi = Activation("cubic", lambda z: z**3, lambda z: 3 * z**2, lambda z: 6 * z)
    assert as_activation(phi) is phi
    assert str(phi) == "cubic"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("swish", "one of linear, relu"),
        ("tanh:2", "one of linear, relu"),
        ("leaky_relu:x", "slope"),
        ("leaky_relu:nan", "slope"),
        (3, "vectorised"),
        (lambda z: 1.0, "returned"),
        (lambda z: z[:1], "returned"),
        (lambda z: float(z), "raised"),
        (lambda z: z + 0j, "returned"),
        (lambda z: np.log(z), "finite"),
        (np.sign, "finite slope, but sign is not at -?0.000"),
        (lambda z: np.abs(z) ** 0.5, "finite slope"),
        (lambda z: np.abs(z - 0.3) ** 0.7, "finite slope"),
        (lambda z: np.tanh(z).astype(np.float32), "float64"),
        (lambda z: z / np.abs(z).sum(), "mixes"),
    ],
)
def test_what_is_no_activation_is_refused(spec, words):
    with pytest.raises(ArgumentError, match=words):
        as_activation(spec)
