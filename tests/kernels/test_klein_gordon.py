"""Steps of the Klein-Gordon field against a naive twin; the same for any number of threads."""

import numba
import numpy as np
import pytest

from nnrg_kernels.klein_gordon import advance

STEP = (0.3, 0.8, 0.2)


def naive(phi, beta, mass_squared, stiffness, dt):
    """One step, as one writes it down."""
    phi = phi + dt * beta
    force = -mass_squared * phi
    for axis in range(3):
        if phi.shape[axis] > 1:
            near = np.roll(phi, 1, axis) + np.roll(phi, -1, axis)
            force += stiffness * (near - 2 * phi)
    return phi, beta + dt * force


def fields(shape, kind):
    return np.random.default_rng(5).normal(size=(2, *shape)).astype(kind)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 1, 65), (2, 1, 2), (5, 1, 8), (4, 3, 5), (9, 8, 16)],
)
def test_steps_equal_the_naive_twin(shape, kind):
    phi, beta = fields(shape, kind)
    expected = phi.astype(np.float64), beta.astype(np.float64)
    for _ in range(5):
        expected = naive(*expected, *STEP)
    advance(phi, beta, *STEP, 5)
    tolerance = 50 * np.finfo(kind).eps
    np.testing.assert_allclose(phi, expected[0], rtol=0, atol=tolerance)
    np.testing.assert_allclose(beta, expected[1], rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(512, 1, 512), (5, 160, 256), (2, 1, 1 << 16)])
def test_number_of_threads_does_not_matter(shape):
    before = numba.get_num_threads()
    found = []
    try:
        for threads in {1, min(2, before), before}:
            numba.set_num_threads(threads)
            phi, beta = fields(shape, np.float64)
            advance(phi, beta, *STEP, 3)
            found.append((phi, beta))
    finally:
        numba.set_num_threads(before)
    for other in found[1:]:
        assert np.array_equal(found[0], other)


def test_large_fields_equal_the_naive_twin():
    phi, beta = fields((512, 1, 512), np.float64)
    expected = naive(*naive(phi, beta, *STEP), *STEP)
    advance(phi, beta, *STEP, 2)
    np.testing.assert_allclose((phi, beta), expected, rtol=0, atol=2e-14)


def test_not_a_number_spreads_to_its_neighbours_only():
    phi, beta = fields((6, 1, 7), np.float64)
    phi[2, 0, 3] = np.nan
    advance(phi, beta, *STEP, 1)
    lost = np.argwhere(np.isnan(beta[:, 0])).tolist()
    assert lost == [[1, 3], [2, 2], [2, 3], [2, 4], [3, 3]]
