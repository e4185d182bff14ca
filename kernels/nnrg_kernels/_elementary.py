"""Elementary functions as arithmetic, which loops over arrays can be vectorised through.

A call into a library of mathematics is made one number at a time. Selections take the place of
branches here; relative errors are below 1e-13 wherever nothing else is said.
"""

from __future__ import annotations

import math

import numpy as np

from nnrg_kernels._exp import exp_of_negative
from nnrg_kernels._jit import inlined_kernel

__all__ = ["cosine", "erf", "erfc", "log_of_uniform", "sigmoid", "sine", "tanh", "turn"]

_LN2 = 0.6931471805599453
_MANTISSA = 0xFFFFFFFFFFFFF
_ONE = 0x3FF0000000000000
_SQRT2 = 1.4142135623730951
# pi / 2 in two parts: a multiple of the first, of 33 bits, is exact.
_HALF_PI_HIGH, _HALF_PI_LOW = 1.5707963267341256, 6.077100506506192e-11
_TWO_OVER_PI = 0.6366197723675814
_TWO_OVER_SQRT_PI = 1.1283791670955126


@inlined_kernel
def log_of_uniform(x: float) -> float:
    """Return ln x for a normal number x > 0: the exponent, and the series of artanh."""
    word = np.float64(x).view(np.int64)
    exponent = np.int64(np.int64(word >> np.int64(52)) - np.int64(1023))
    bits = np.int64(np.int64(word & np.int64(_MANTISSA)) | np.int64(_ONE))
    m: float = bits.view(np.float64)
    large = m > _SQRT2
    m = 0.5 * m if large else m
    n = np.float64(exponent) + (1.0 if large else 0.0)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 2.0 / 17.0
    p = p * z + 2.0 / 15.0
    p = p * z + 2.0 / 13.0
    p = p * z + 2.0 / 11.0
    p = p * z + 2.0 / 9.0
    p = p * z + 2.0 / 7.0
    p = p * z + 2.0 / 5.0
    p = p * z + 2.0 / 3.0
    p = p * z + 2.0
    return n * _LN2 + s * p


@inlined_kernel
def turn(x: float, quarter: int | np.int64) -> tuple[float, float]:
    """Return cosine and sine of x plus so many right angles, for |x| <= pi / 4."""
    q = x * x
    s = -1.0 / 1307674368000.0
    s = s * q + 1.0 / 6227020800.0
    s = s * q - 1.0 / 39916800.0
    s = s * q + 1.0 / 362880.0
    s = s * q - 1.0 / 5040.0
    s = s * q + 1.0 / 120.0
    s = s * q - 1.0 / 6.0
    s = x * (s * q + 1.0)
    c = 1.0 / 20922789888000.0
    c = c * q - 1.0 / 87178291200.0
    c = c * q + 1.0 / 479001600.0
    c = c * q - 1.0 / 3628800.0
    c = c * q + 1.0 / 40320.0
    c = c * q - 1.0 / 720.0
    c = c * q + 1.0 / 24.0
    c = c * q - 0.5
    c = c * q + 1.0
    crossed = np.int64(quarter & 1) == 1
    first = s if crossed else c
    second = c if crossed else s
    first = -first if np.int64((quarter + 1) & 2) == 2 else first
    second = -second if np.int64(quarter & 2) == 2 else second
    return first, second


@inlined_kernel
def _reduced(x: float) -> tuple[float, int]:
    n = math.floor(x * _TWO_OVER_PI + 0.5)
    rest = (x - n * _HALF_PI_HIGH) - n * _HALF_PI_LOW
    return rest, n


@inlined_kernel
def sine(x: float) -> float:
    """Return sin x; the error is below 1e-15 (1 + |x|) for |x| up to 1e6."""
    rest, quarter = _reduced(x)
    return turn(rest, quarter)[1]


@inlined_kernel
def cosine(x: float) -> float:
    """Return cos x; the error is below 1e-15 (1 + |x|) for |x| up to 1e6."""
    rest, quarter = _reduced(x)
    return turn(rest, quarter)[0]


@inlined_kernel
def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^-x)."""
    small = exp_of_negative(-abs(x))
    return (1.0 if x >= 0 else small) / (1.0 + small)


@inlined_kernel
def tanh(x: float) -> float:
    """Return tanh x: a quotient of polynomials near zero, where the exponential loses digits."""
    q = x * x
    near = x * (10395.0 + q * (1260.0 + 21.0 * q)) / (10395.0 + q * (4725.0 + q * (210.0 + q)))
    small = exp_of_negative(-2.0 * abs(x))
    far = (1.0 - small) / (1.0 + small)
    far = -far if x < 0 else far
    return near if q < 0.04 else far


@inlined_kernel
def erfc(x: float) -> float:
    """Return 1 - erf x for x >= 0, as t exp(P(t) - x^2) with t = 2 / (2 + x).

    P is a Chebyshev series in 2 t - 1, of coefficients computed to double precision from the
    scaled function exp(x^2) erfc(x). The form is that of W. Press et al., Numerical Recipes,
    3rd ed., section 6.2.2.
    """
    t = 2.0 / (2.0 + x)
    y = 4.0 * t - 2.0
    a, b = 0.0, 0.0
    a, b = y * a - b + -1.5230282014571043e-15, a
    a, b = y * a - b + 7.106097613609237e-15, a
    a, b = y * a - b + 3.810905255189232e-16, a
    a, b = y * a - b + -1.1270822361367252e-13, a
    a, b = y * a - b + 3.130921399342958e-13, a
    a, b = y * a - b + 8.944879273090725e-13, a
    a, b = y * a - b + -6.886027526497553e-12, a
    a, b = y * a - b + 2.3940380830391146e-12, a
    a, b = y * a - b + 9.646791102015527e-11, a
    a, b = y * a - b + -2.273651222931836e-10, a
    a, b = y * a - b + -9.91364156493033e-10, a
    a, b = y * a - b + 5.059343495551469e-09, a
    a, b = y * a - b + 6.5290544390988515e-09, a
    a, b = y * a - b + -8.523809591492654e-08, a
    a, b = y * a - b + 1.5626441722066142e-08, a
    a, b = y * a - b + 1.3036558355805232e-06, a
    a, b = y * a - b + -1.6242900046470256e-06, a
    a, b = y * a - b + -2.0278578112534242e-05, a
    a, b = y * a - b + 4.252332480690777e-05, a
    a, b = y * a - b + 0.00036683949785276145, a
    a, b = y * a - b + -0.0009465953444820369, a
    a, b = y * a - b + -0.009561514786808632, a
    a, b = y * a - b + 0.019476473204185836, a
    a, b = y * a - b + 0.6419697923564902, a
    return t * exp_of_negative(min(0.5 * (-1.3026537197817094 + y * a) - b - x * x, 0.0))


@inlined_kernel
def erf(x: float) -> float:
    """Return erf x: its series near zero, where one minus the rest loses digits."""
    q = x * x
    p = 1.0 / 6894720.0
    p = p * q - 1.0 / 685440.0
    p = p * q + 1.0 / 75600.0
    p = p * q - 1.0 / 9360.0
    p = p * q + 1.0 / 1320.0
    p = p * q - 1.0 / 216.0
    p = p * q + 1.0 / 42.0
    p = p * q - 1.0 / 10.0
    p = p * q + 1.0 / 3.0
    near = _TWO_OVER_SQRT_PI * x * (1.0 - q * p)
    far = 1.0 - erfc(abs(x))
    far = -far if x < 0 else far
    return near if q < 0.16 else far
