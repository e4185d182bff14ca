"""Estimates: how a number and its error are printed, and what they say of themselves."""

import math
import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate, format_value_error

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.31498, 0.0072, "0.315(7)"),
        (0.827, 0.119, "0.83(12)"),  # the Particle Data Group's own three examples
        (0.827, 0.367, "0.8(4)"),
        (0.827, 0.0965, "0.83(10)"),
        (123.4, 45.0, "123(45)"),
        (123.4, 98.7, "123(99)"),
        (123.4, 99.7, "1.2(1.0)e+02"),
        (12.34, 1.52, "12.3(1.5)"),
        (12.34, 5.0, "12(5)"),
        (12345.0, 678.0, "1.23(7)e+04"),
        (1.234e-5, 4e-7, "1.23(4)e-05"),
        (1.5e8, 2.1e6, "1.500(21)e+08"),
        (-0.001, 0.5, "0.0(5)"),
        (-1.46, 0.06, "-1.46(6)"),
        (0.0, 3e-7, "0.0(3.0)e-07"),
        (9.9996, 0.0012, "9.9996(12)"),
        (99.99996, 0.0005, "100.0000(5)"),
        (1.0, 1e-30, "1.0000000000000000(0)"),
        (0.5, 0.0, "0.5(0)"),
        (0.315, NAN, "0.315(nan)"),
        (0.315, INF, "0.315(inf)"),
        (NAN, 0.1, "nan"),
        (-INF, 0.1, "-inf(0.1)"),
    ],
)
def test_printed_text(value, error, text):
    assert format_value_error(value, error) == text


def parse(text):
    number, inside, exponent = re.fullmatch(
        r"(-?\d+(?:\.\d+)?)\(([\d.]+)\)(?:e([+-]\d+))?", text
    ).groups()
    scale = Decimal(10) ** int(exponent or 0)
    last = Decimal(10) ** -len(number.partition(".")[2])
    error = Decimal(inside) * (1 if "." in inside else last)
    return Decimal(number) * scale, error * scale, last * scale


@given(
    value=st.floats(-1e30, 1e30),
    error=st.floats(1e-300, 1e30, exclude_min=True),
)
@example(value=0.0, error=0.95)
@example(value=1.0, error=0.9996)
@example(value=999999.7, error=0.4)
@example(value=0.0, error=9.96e-6)
def test_printed_text_reads_back_within_rounding(value, error):
    shown, spread, last = parse(format_value_error(value, error))
    half = last / 2 * Decimal("1.000000001")
    assert abs(shown - Decimal(value)) <= half
    assert abs(spread - Decimal(error)) <= half
    if Decimal(error) > abs(Decimal(value)) * Decimal("1e-14"):
        # One or two digits of the error, 100 at most: never more than it is worth.
        assert 1 <= spread / last <= 99


@given(value=st.floats(1e-3, 1e3), error=st.floats(1e-6, 1e3))
def test_sign_only_adds_a_minus(value, error):
    text, mirrored = format_value_error(value, error), format_value_error(-value, error)
    assert mirrored in (text, "-" + text)


def test_estimate_prints_value_error_and_a_mark_for_its_flag():
    assert str(Estimate(0.31498, 0.0072)) == "0.315(7)"
    assert str(Estimate(0.31498, 0.0072, flag="undetectable")) == "0.315(7) !"
    assert f"{float(Estimate(0.25, 1.0)):.2f}" == "0.25"


def test_distance_from_the_null_counts_both_errors():
    assert Estimate(3.0, 0.5, null=1.0).z == 4.0
    assert Estimate(3.0, 0.3, null=Estimate(1.0, 0.4)).z == pytest.approx(4.0)
    assert math.isnan(Estimate(3.0, 0.3).z)
    assert math.isnan(Estimate(3.0, 0.0, null=3.0).z)


def test_explanation_names_everything_it_knows():
    text = Estimate(0.0, 0.2, 64, Estimate(0.1, 0.1), "too few blocks").explain()
    assert text.splitlines() == [
        "0.00(20) !",
        "value     0",
        "error     0.2, one standard deviation",
        "samples   64 independent",
        "null      0.10(10), -0.4 standard errors away",
        "flag      too few blocks",
    ]
    unknown = Estimate(1.0, NAN, null=0.0).explain()
    assert "error     not known" in unknown and "number not known" in unknown
    assert "distance not known" in unknown


@pytest.mark.parametrize("make", [format_value_error, Estimate])
def test_negative_errors_are_refused(make):
    with pytest.raises(ArgumentError, match="must not be negative, got -0"):
        make(1.0, -0.1)


def test_estimates_are_frozen_and_compare_by_value():
    number = Estimate(1.0, 0.1)
    with pytest.raises(AttributeError):
        number.value = 2.0
    assert number == Estimate(1.0, 0.1, number.n_samples)
