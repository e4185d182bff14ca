"""Arguments as plain numbers: what counts as an integer, what as a real number."""

from fractions import Fraction

import numpy as np
import pytest

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError

HUGE = pytest.param(10**5000, id="huge")


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_of_any_type_are_python_integers(value):
    assert as_count("n", value, 3, 3) == 3
    assert type(as_count("n", value)) is int


@pytest.mark.parametrize(
    "value", [True, np.True_, 3.0, np.float64(3), "3", None, [3], np.array([3]), 3 + 0j, 2, 5]
)
def test_what_is_no_integer_in_range_is_refused(value):
    with pytest.raises(ArgumentError, match=r"n must be an integer from 3 to 4, got .*; try 3"):
        as_count("n", value, 3, 4, hint="try 3")


def test_count_without_an_upper_end_has_128_bits():
    assert as_count("n", 2**128 - 1) == 2**128 - 1
    for value in (2**128, 10**5000):
        with pytest.raises(ArgumentError, match=r"below 2\^128"):
            as_count("n", value)
    with pytest.raises(ArgumentError, match=r"an integer of at least 1, got 0$"):
        as_count("n", 0)


@pytest.mark.parametrize("value", [0.5, Fraction(1, 2), np.float16(0.5), np.float64(0.5)])
def test_real_numbers_of_any_type_are_python_floats(value):
    number = as_real("x", value)
    assert number == 0.5 and type(number) is float
    assert as_real("x", -2) == -2.0


@pytest.mark.parametrize(
    "value", [True, np.True_, "0.5", None, [0.5], 1j, np.nan, np.inf, -np.inf, 10**400, HUGE]
)
def test_what_is_no_finite_real_number_is_refused(value):
    with pytest.raises(ArgumentError, match=r"x must be a finite real number, got .*; try 1"):
        as_real("x", value, hint="try 1")


@pytest.mark.parametrize("value", [np.zeros((50, 50)), "a\nb" * 100, {"a": "\n"}, HUGE])
def test_values_are_shown_on_one_short_line(value):
    assert "\n" not in shown(value)
    assert len(shown(value)) <= 80
