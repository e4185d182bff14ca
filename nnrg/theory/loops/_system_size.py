r"""Expansion in 1/n of a Markov chain of layer averages, to second order.

Given the variables m of one layer, those of the next are averages over n independent neurons: their
mean is h(m), their second and third cumulants S(m)/n and S3(m)/n^2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement as multisets
from itertools import permutations

import numpy as np
import numpy.typing as npt

from nnrg.theory.loops._taylor import VARIABLES, Taylor, cut

__all__ = ["Key", "LayerLaw", "Moments", "count", "layer_law", "next_moments", "products"]

Array = npt.NDArray[np.float64]
Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LayerLaw:
    """Derivatives of the law of one layer at a point: ``h[k]`` is that of order k of the mean."""

    h: tuple[Array, ...]
    spread: tuple[Array, ...]
    skewness: Array


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of the deviation from the infinite-width value, each with its powers of 1/n.

    ``first`` and ``second`` hold the order 1/n, ``first_2`` and ``second_2`` the order 1/n^2, and
    ``third`` and ``fourth`` are of order 1/n^2 in full.
    """

    first: Array
    second: Array
    first_2: Array
    second_2: Array
    third: Array
    fourth: Array

    @classmethod
    def zero(cls) -> Moments:
        """Return those of a layer without fluctuations."""
        shapes = [(VARIABLES,) * k for k in (1, 2, 1, 2, 3, 4)]
        return cls(*(np.zeros(shape) for shape in shapes))

    def scaled(self, by: Array) -> Moments:
        """Return the moments of variables multiplied by a number each."""
        two = np.multiply.outer(by, by)
        three = np.multiply.outer(two, by)
        return Moments(
            self.first * by,
            self.second * two,
            self.first_2 * by,
            self.second_2 * two,
            self.third * three,
            self.fourth * np.multiply.outer(three, by),
        )


def layer_law(raw: Mapping[Key, Taylor], bias: Array, degree: int) -> LayerLaw:
    """Return the derivatives of cumulants from raw moments.

    Parameters
    ----------
    raw : mapping
        Average of each product of the three averaged functions, by how often each is in it: one
        and two factors, and three where the degree is 4.
    bias : ndarray of shape (3,)
        Added to the means.
    degree : int
        Of the means; 2 less for the covariances.
    """
    axes = range(VARIABLES)

    def of(*indices: int) -> Taylor:
        return raw[count(*indices)]

    mean = [of(a) for a in axes]
    low = [cut(m, degree - 2) for m in mean]
    h = [np.stack([m.derivatives(k) for m in mean]) for k in range(degree + 1)]
    spread = [np.zeros((VARIABLES, VARIABLES, *(VARIABLES,) * k)) for k in range(degree - 1)]
    for a, b in multisets(axes, 2):
        covariance = of(a, b) - low[a] * low[b]
        for k, tensor in enumerate(spread):
            tensor[a, b] = tensor[b, a] = covariance.derivatives(k)
    skewness = np.zeros((VARIABLES,) * 3)
    if degree > 2:
        m = [x.value for x in mean]
        for a, b, c in multisets(axes, 3):
            pairs = m[a] * of(b, c).value + m[b] * of(a, c).value + m[c] * of(a, b).value
            for place in set(permutations((a, b, c))):
                skewness[place] = of(a, b, c).value - pairs + 2 * m[a] * m[b] * m[c]
    h[0] = h[0] + bias
    return LayerLaw(tuple(h), tuple(spread), skewness)


def count(*indices: int) -> Key:
    """Return how often each variable is in a product."""
    return indices.count(0), indices.count(1), indices.count(2)


def products(order: int) -> dict[Key, int]:
    """Products of which `layer_law` needs the averages, and to which degree each is expanded."""
    return {
        count(*chosen): 2 * order - 2 * (factors - 1)
        for factors in range(1, 4 if order > 1 else 3)
        for chosen in multisets(range(VARIABLES), factors)
    }


def next_moments(law: LayerLaw, at: Moments, width: float) -> Moments:
    """Carry the moments through one layer of so many neurons."""
    slope, bend = law.h[1], law.h[2] / 2
    noise = law.spread[0] / width
    first = slope @ at.first + np.einsum("iab,ab->i", bend, at.second)
    second = slope @ at.second @ slope.T + noise
    if len(law.h) <= 3:
        return Moments(first, second, at.first_2, at.second_2, at.third, at.fourth)
    cubic, quartic = law.h[3] / 6, law.h[4] / 24
    noise_slope, noise_bend = law.spread[1] / width, law.spread[2] / (2 * width)
    n = VARIABLES
    # Tensors as matrices of pairs: products of matrices are a tenth of the time of einsum.
    third, fourth = at.third.reshape(n, n * n), at.fourth.reshape(n * n, n * n)
    bend_of, cubic_of = bend.reshape(n, n * n), cubic.reshape(n, n**3)
    first_2 = (
        slope @ at.first_2
        + bend_of @ at.second_2.ravel()
        + cubic_of @ third.ravel()
        + quartic.reshape(n, n**4) @ fourth.ravel()
    )
    mixed = slope @ (third @ bend_of.T + at.fourth.reshape(n, n**3) @ cubic_of.T)
    second_2 = (
        slope @ at.second_2 @ slope.T
        + mixed
        + mixed.T
        + bend_of @ fourth @ bend_of.T
        + noise_slope @ at.first
        + (noise_bend.reshape(n * n, n * n) @ at.second.ravel()).reshape(n, n)
    )
    # The leg that bends comes first, then those that follow the slope.
    moved = slope @ (bend_of @ fourth).reshape(n, n, n) @ slope.T
    along = (slope @ at.second @ noise_slope.reshape(n * n, n).T).reshape(n, n, n)
    third_now = (
        (slope @ (slope @ at.third @ slope.T).reshape(n, n * n)).reshape(n, n, n)
        + _places(moved)
        + _places(np.multiply.outer(first, noise) + along)
        + law.skewness / width**2
    )
    return Moments(first, second, first_2, second_2, third_now, _pairings(second))


def _places(tensor: Array) -> Array:
    """Sum over the three places of the first index of a tensor symmetric in the other two."""
    return tensor + tensor.transpose(1, 0, 2) + tensor.transpose(1, 2, 0)


def _pairings(second: Array) -> Array:
    """Fourth moments of a Gaussian."""
    pair = np.einsum("ab,cd->abcd", second, second)
    return np.asarray(pair + pair.transpose(0, 2, 1, 3) + pair.transpose(0, 3, 2, 1))
