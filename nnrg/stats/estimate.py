"""A number with its error, and how the two are printed together."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import hypot, isfinite, isnan, nan

from nnrg.errors import ArgumentError

__all__ = ["Estimate", "format_value_error", "shown_number"]


def _rounded(number: float, last: int) -> Decimal:
    """Round to a multiple of ``10**last``, half to even."""
    # Adding zero turns minus zero, which rounding can make, into zero.
    return Decimal(number).scaleb(-last).to_integral_value().scaleb(last) + 0


def _last_digit(error: float) -> int:
    """Exponent of the last digit to print, by the rule of the Particle Data Group."""
    digits, exponent = f"{error:.2e}".split("e")
    leading, last = int(digits.replace(".", "")), int(exponent)
    if leading <= 354:
        last -= 1
    return 0 if last == 1 and error < 99.5 else last


def format_value_error(value: float, error: float) -> str:
    r"""Write a value and its error as ``0.315(7)``.

    Parameters
    ----------
    value : float
        Any float.
    error : float
        One standard deviation, in the same units; not negative. NaN if unknown.

    Returns
    -------
    str
        ASCII. The digits in brackets are the error of the last digits before them; where they
        hold a decimal point, the error itself.

    Raises
    ------
    ArgumentError
        If `error` is negative.

    Notes
    -----
    The three leading digits of the error decide: 100 to 354 keeps two digits, 355 to 949 one,
    950 to 999 is rounded up to 1000 and keeps two (Particle Data Group, *Review of Particle
    Physics*, introduction, section 5.3). Two exceptions: errors between 10 and 99 are written
    to the unit, and no value to more than 17 digits, all that a float holds.

    Examples
    --------
    >>> print(format_value_error(0.31498, 0.0072), format_value_error(123.4, 45.0))
    0.315(7) 123(45)
    >>> print(format_value_error(1.234e-5, 4e-7), format_value_error(12.34, 1.52))
    1.23(4)e-05 12.3(1.5)
    """
    value, error = float(value), float(error)
    if error < 0:
        raise ArgumentError(
            f"error must not be negative, got {error}; give a standard deviation, or nan if unknown"
        )
    if isnan(value):
        return "nan"
    if not isfinite(value) or not isfinite(error):
        return f"{value:.6g}({error:.2g})"
    if error == 0:
        return f"{value!r}(0)"
    last = _last_digit(error)
    if value:
        last = max(last, Decimal(value).adjusted() - 16)
    shown, spread = _rounded(value, last), _rounded(error, last)
    top = max(number.adjusted() for number in (shown, spread, Decimal(1).scaleb(last)) if number)
    scientific = top < -4 or top >= 6 or last > 0
    exponent = top if scientific else 0
    shown, spread, last = shown.scaleb(-exponent), spread.scaleb(-exponent), last - exponent
    inside = f"{spread:.{-last}f}" if spread >= 1 else f"{spread.scaleb(-last):.0f}"
    return f"{shown:.{-last}f}({inside})" + (f"e{exponent:+03d}" if scientific else "")


def shown_number(value: float, error: float) -> str:
    """Write a number with its error, or nine digits where all of them are right.

    Parameters
    ----------
    value, error : float

    Examples
    --------
    >>> print(shown_number(0.31498, 0.0072), shown_number(0.1, 1e-17))
    0.315(7) 0.1
    """
    if error <= 1e-10 * abs(value):
        return f"{value:.9g}"
    return format_value_error(value, error)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured number that carries what is needed to judge it.

    Parameters
    ----------
    value : float
        The number, in the units of its quantity.
    error : float
        One standard deviation, in the same units; NaN if it is not known.
    n_samples : float
        Number of independent samples that made it; NaN if it is not known.
    null : float or Estimate, optional
        What the null model gives.
    flag : str
        Why the number should not be trusted; empty if there is no reason.

    Raises
    ------
    ArgumentError
        If `error` is negative.

    Examples
    --------
    >>> u = Estimate(2.99, 0.034, n_samples=100, null=0.0)
    >>> print(u)
    2.990(34)
    >>> round(u.z, 1)
    87.9
    """

    value: float
    error: float
    n_samples: float = nan
    null: float | Estimate | None = None
    flag: str = ""

    def __post_init__(self) -> None:
        if self.error < 0:
            raise ArgumentError(
                f"error must not be negative, got {self.error}; "
                "give a standard deviation, or nan if unknown"
            )

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return format_value_error(self.value, self.error) + (" !" if self.flag else "")

    @property
    def z(self) -> float:
        """Distance from the null in standard deviations of the difference; NaN if undefined."""
        if self.null is None:
            return nan
        spread = hypot(self.error, self.null.error if isinstance(self.null, Estimate) else 0.0)
        return (self.value - float(self.null)) / spread if spread > 0 else nan

    def explain(self) -> str:
        """Say in words, one fact a line, what stands behind the number.

        Returns
        -------
        str
            Value, error, samples, null model and flag.

        Examples
        --------
        >>> print(Estimate(2.99, 0.034, n_samples=100, null=0.0).explain())
        2.990(34)
        value     2.99
        error     0.034, one standard deviation (1.1 % of the value)
        samples   100 independent
        null      0.0, 87.9 standard errors away
        """
        lines = [str(self), f"value     {self.value:.10g}"]
        if isnan(self.error):
            lines.append("error     not known")
        else:
            relative = (
                f" ({100 * self.error / abs(self.value):.2g} % of the value)" if self.value else ""
            )
            lines.append(f"error     {self.error:.4g}, one standard deviation{relative}")
        lines.append(
            "samples   number not known"
            if isnan(self.n_samples)
            else f"samples   {self.n_samples:.6g} independent"
        )
        if self.null is not None:
            away = "distance not known" if isnan(self.z) else f"{self.z:.1f} standard errors away"
            lines.append(f"null      {self.null}, {away}")
        if self.flag:
            lines.append(f"flag      {self.flag}")
        return "\n".join(lines)
