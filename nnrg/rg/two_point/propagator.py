"""Fits of the propagator and of C(r): mass, stiffness, long-range exponent, correlation length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.two_point._fit import Fit, best, fit_replicates
from nnrg.rg.two_point._replicates import Replicates
from nnrg.rg.two_point.correlation import Correlation
from nnrg.rg.two_point.spectrum import Spectrum, lag_window
from nnrg.stats.estimate import Estimate

__all__ = [
    "correlation_length",
    "fit_decay",
    "fit_propagator",
    "fitted_lengths",
    "scan_decay",
    "scan_propagator",
    "second_moment_length",
    "second_moment_lengths",
]

Array = npt.NDArray[np.float64]

_TERMS = ("r", "Z", "A", "c4")
# Where an exponent is free the search begins at each of these.
_EXPONENTS = (0.5, 1.0, 1.5)
# Numbers below so many of their errors have no logarithm to speak of.
_DETECTED = 4.0
# Below so many correlation lengths the smallest momentum is no small one.
_LENGTHS = 6.0


def fit_propagator(
    spectrum: Spectrum,
    *,
    terms: Sequence[str] = ("r", "Z", "c4"),
    sigma: float | None = None,
    k_max: float | None = None,
) -> Fit:
    r"""Fit 1/G(k) with the jackknife covariance of all bins.

    Parameters
    ----------
    spectrum : Spectrum
    terms : sequence of {"r", "Z", "A", "c4"}
        Which terms are fitted. With ``"A"`` the exponent ``sigma`` is a parameter too.
    sigma : float, optional
        Exponent of the long-range term, 0 < sigma < 4, if it is not to be fitted.
    k_max : float, optional
        Largest khat used, in inverse blocks; all bins by default.

    Returns
    -------
    Fit
        r, Z, A, c4 in the unit of the field to the power -2, with lengths in blocks.

    Raises
    ------
    ArgumentError
        If a term is unknown or an option out of range.
    AnalysisError
        If there are too few bins for the terms, or no minimum.

    Notes
    -----
    .. math:: 1/G(k) = r + Z \hat k^2 + A \hat k^\sigma + c_4 \hat k^4,
              \quad \hat k^2 = \sum_\mu 4 \sin^2(k_\mu/2)

    Fitted is ln G, whose errors are nearly normal, with the bias of a logarithm (half the relative
    variance) put back; in the model G is averaged over the momenta of each bin as in the data.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.rg.two_point.correlation import measure_two_point
    >>> from nnrg.rg.two_point.spectrum import spectrum
    >>> from nnrg.simulate.gaussian import gaussian_free_field
    >>> values = gaussian_free_field((32, 32), 100, mass2=0.5, rng=1)
    >>> field = nnrg.SynapticField(values, nnrg.Lattice((32, 32), periodic=True))
    >>> g = spectrum(measure_two_point(nnrg.renormalize(field, levels=1))[0])
    >>> fit = fit_propagator(g, terms=("r", "Z"))
    >>> abs(fit.estimate("r").value - 0.5) < 3 * fit.estimate("r").error
    True
    """
    if not isinstance(spectrum, Spectrum):
        raise ArgumentError(
            f"fit_propagator takes a Spectrum, got {type(spectrum).__name__}; try spectrum(level)"
        )
    names = _terms(terms)
    fixed = None
    if "A" in names:
        fixed = None if sigma is None else as_real("sigma", sigma, hint="try 1.0")
        if fixed is not None and not 0 < fixed < 4:
            raise ArgumentError(f"sigma must lie between 0 and 4, got {sigma}; try 1.0")
    top = np.inf if k_max is None else as_real("k_max", k_max, hint="try 1.0")
    errors = spectrum.values.errors()
    kept = (spectrum.square <= top**2) & (spectrum.values.value > _DETECTED * errors)
    if not kept.any():
        raise AnalysisError(
            f"b = {spectrum.scale}: no bin of G(k) up to khat = {top:g} is {_DETECTED:g} errors "
            "above zero; use more samples"
        )
    data = _logarithm(spectrum.values, kept)
    square = spectrum.square[kept]
    powers = _powers(spectrum.nodes, names)
    parameters = names if "A" not in names or fixed is not None else (*names, "sigma")

    def model(x: Array) -> Array:
        exponent = fixed if fixed is not None else (x[-1] if "A" in names else 1.0)
        inverse = powers @ x[: len(names)]
        if "A" in names:
            inverse = inverse + x[names.index("A")] * spectrum.nodes ** (exponent / 2)
        return np.asarray(np.log(spectrum.averaged(1 / inverse))[kept])

    window = (float(np.sqrt(square[0])), float(np.sqrt(square[-1])))
    starts = _EXPONENTS if "A" in names and fixed is None else (fixed or 1.0,)
    fits = []
    for exponent in starts:
        start = _start(np.exp(data.rows[0]), square, names, exponent)
        if len(parameters) > len(names):
            start = np.append(start, exponent)
        try:
            fits.append(fit_replicates(data, model, start, parameters, window))
        except AnalysisError:
            if exponent == starts[-1] and not fits:
                raise
    return min(fits, key=lambda fit: fit.chi2)


def _terms(terms: Sequence[str]) -> tuple[str, ...]:
    names = (terms,) if isinstance(terms, str) else tuple(terms)
    if not names or len(set(names)) < len(names) or not set(names) <= set(_TERMS):
        raise ArgumentError(
            f"terms must be some of {', '.join(map(repr, _TERMS))}, each once, got {shown(terms)}"
        )
    return names


def _powers(square: Array, names: Sequence[str]) -> Array:
    """Return the columns of 1/G that are linear, with zeros where the long-range term stands."""
    columns = {"r": square**0, "Z": square, "c4": square**2, "A": np.zeros_like(square)}
    return np.column_stack([columns[name] for name in names])


def _start(g: Array, square: Array, names: Sequence[str], exponent: float) -> Array:
    """Return coefficients from 1/G at the centre of each bin, with relative weights."""
    columns = _powers(square, names)
    if "A" in names:
        columns[:, list(names).index("A")] = square ** (exponent / 2)
    return np.asarray(np.linalg.lstsq(columns * g[:, None], np.ones(g.size), rcond=None)[0])


def _logarithm(values: Replicates, kept: npt.NDArray[np.bool_]) -> Replicates:
    relative = values.errors()[kept] / values.value[kept]
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = np.log(values.rows[:, kept]) + relative**2 / 2
    return Replicates(rows, values.weights)


def scan_propagator(
    spectrum: Spectrum, *, terms: Sequence[str] = ("r", "Z", "c4"), sigma: float | None = None
) -> tuple[Fit, ...]:
    """Return fits of 1/G(k) for every k_max that leaves two bins more than parameters, widest last.

    Raises
    ------
    AnalysisError
        If no window has a fit.
    """
    fits = []
    for top in spectrum.square[len(_terms(terms)) + 1 :]:
        try:
            k_max = 1.001 * float(np.sqrt(top))
            fits.append(fit_propagator(spectrum, terms=terms, sigma=sigma, k_max=k_max))
        except AnalysisError:
            continue
    if not fits:
        raise AnalysisError(
            f"b = {spectrum.scale}: no window of G(k) has a fit of {', '.join(_terms(terms))}; "
            "fit fewer terms or use more samples"
        )
    return tuple(fits)


def correlation_length(spectrum: Spectrum) -> Estimate:
    """Return xi = sqrt(Z / r) in blocks, from 1/G = r + Z khat^2 + c4 khat^4 in its best window.

    NaN with a flag where r or Z is not positive: the data then set no length.

    Raises
    ------
    AnalysisError
        If no window has a fit.

    Notes
    -----
    The rate at which a free propagator r + Z khat^2 decays along an axis is the other length, 2
    asinh(1 / (2 xi)): the two agree where xi is long.
    """
    lengths, flag = fitted_lengths(spectrum)
    length = lengths.at(0, flag)
    if np.isnan(length.value) or np.isnan(length.error):
        return Estimate(np.nan, np.nan, length.n_samples, flag="r or Z is not told from zero")
    return length


def fitted_lengths(spectrum: Spectrum) -> tuple[Replicates, str]:
    """Return sqrt(Z / r) of the best window, with each group left out, and a flag."""
    fit = best(scan_propagator(spectrum))
    poor = f"1/G is no polynomial in khat^2 (p = {fit.p:.1g})" if fit.p < 0.01 else ""
    flag = "; ".join(f for f in (spectrum.flag, poor) if f)
    return fit.parameters.map(lambda x: np.sqrt(x[:, 1:2] / x[:, :1])), flag


def fit_decay(
    level: Correlation, *, axis: int = 0, r_min: int = 1, r_max: int | None = None
) -> Fit:
    r"""Fit the decay of C along one axis: :math:`C(r) = A\, r^{-(d-1)/2} e^{-r/\xi}`.

    Parameters
    ----------
    level : Correlation
    axis : int
    r_min, r_max : int
        Window in blocks. By default to where C first falls below four of its errors.

    Returns
    -------
    Fit
        ``ln A`` (A in the unit of the field squared) and ``1/xi`` in inverse blocks.

    Raises
    ------
    ArgumentError
        If the window is out of range.
    AnalysisError
        If fewer than two lags of C in the window are above four errors.

    Notes
    -----
    The form of Ornstein and Zernike, exact for r much larger than xi; in one dimension a pure
    exponential.
    """
    if not isinstance(level, Correlation):
        raise ArgumentError(f"fit_decay takes a Correlation, got {type(level).__name__}")
    lags, line = level.axis(axis)
    low = as_count("r_min", r_min, 1)
    high = int(lags[-1]) if r_max is None else as_count("r_max", r_max, low)
    lost = np.flatnonzero(~(line.value > _DETECTED * line.errors()))
    last = min(high, int(lost[0]) - 1 if lost.size else high, int(lags[-1]))
    kept = (lags >= low) & (lags <= last)
    if np.count_nonzero(kept) < 2:
        raise AnalysisError(
            f"b = {level.scale}: fewer than two lags of C from r = {low} on are above "
            f"{_DETECTED:g} errors; the decay cannot be told from these data"
        )
    data = _logarithm(line, kept)
    r = lags[kept].astype(np.float64)
    shape = -(len(level.lags) - 1) / 2 * np.log(r)
    slope = (data.rows[0, 0] - shape[0] - data.rows[0, -1] + shape[-1]) / (r[-1] - r[0])
    start = np.array([data.rows[0, 0] - shape[0] + slope * r[0], slope])
    window = (float(r[0]), float(r[-1]))
    return fit_replicates(
        data, lambda x: np.asarray(x[0] - x[1] * r + shape), start, ("ln A", "1/xi"), window
    )


def scan_decay(level: Correlation, *, axis: int = 0, r_max: int | None = None) -> tuple[Fit, ...]:
    """Return fits of the decay of C for r_min = 1, 2, ..., as long as three lags are above errors.

    Raises
    ------
    AnalysisError
        If there is none.
    """
    fits: list[Fit] = []
    for r_min in range(1, max(2, max(level.longest))):
        try:
            fit = fit_decay(level, axis=axis, r_min=r_min, r_max=r_max)
        except AnalysisError:
            if not fits:
                raise
            break
        if fit.dof < 1 and fits:
            break
        fits.append(fit)
    return tuple(fits)


def second_moment_length(level: Correlation) -> Estimate:
    r"""Return the second-moment correlation length in blocks.

    Parameters
    ----------
    level : Correlation
        With every lag of a periodic lattice, or a correlogram: its own smallest momentum is used.

    Returns
    -------
    Estimate
        NaN with a flag where G(0) is not above G(k_min). Flagged where the lattice is short.

    Raises
    ------
    AnalysisError
        If G(0) is unknown because the mean of each sample was taken off, or there are no momenta.

    Notes
    -----
    .. math:: \xi_{2nd} = \frac{[G(0)/G(k_{min}) - 1]^{1/2}}{2 \sin(k_{min}/2)}

    averaged over the axes that are longest. Biased on few blocks: for a free field with L = 256,
    r = 0.0025 it implies a stiffness 1.0009, 1.0046, 1.0195, 1.0792 at b = 2, 4, 8, 16 instead of
    1, because k_min grows and block averages damp G(k_min).
    """
    size = max(lag.size for lag in level.lags)
    length = second_moment_lengths(level).at(0)
    flags = [level.flag] if level.flag else []
    if np.isnan(length.value) or np.isnan(length.error):
        flags.append("G(0) is not told from G(k_min): no length")
        return Estimate(np.nan, np.nan, length.n_samples, flag="; ".join(flags))
    if size < _LENGTHS * length.value:
        flags.append(f"biased: {size} lags along an axis are few for this length")
    return Estimate(length.value, length.error, length.n_samples, flag="; ".join(flags))


def second_moment_lengths(level: Correlation) -> Replicates:
    """Return the second-moment length with each group left out; see `second_moment_length`."""
    if not level.has_mean:
        raise AnalysisError(
            "the second moment needs G(0), and the mean of each sample was taken off; "
            "use mean='field' or mean='site'"
        )
    sizes = [lag.size for lag in level.lags]
    if max(sizes) < 3:
        raise AnalysisError(f"b = {level.scale}: {level.sites!r} has no momenta; use fewer levels")
    rows = level.rows * lag_window(level)
    flat = tuple(range(1, rows.ndim))
    zero = rows.sum(axis=flat)
    longest = [a for a, n in enumerate(sizes) if n == max(sizes)]
    k = 2 * np.pi / max(sizes)
    smallest = np.zeros(len(rows))
    for axis in longest:
        wave = np.cos(k * level.lags[axis])
        others = tuple(a for a in flat if a != axis + 1)
        smallest += rows.sum(axis=others) @ wave / len(longest)
    with np.errstate(invalid="ignore", divide="ignore"):
        lengths = np.sqrt(zero / smallest - 1) / (2 * np.sin(k / 2))
    return Replicates(lengths[:, None], level.weights).unbiased()
