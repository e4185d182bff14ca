"""Fits of the propagator: mass, stiffness, long-range exponent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.two_point._windows import handling
from nnrg.rg.two_point.spectrum import Spectrum
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates

__all__ = ["DETECTED", "fit_propagator", "logarithm", "scan_propagator"]

Array = npt.NDArray[np.float64]

_TERMS = ("r", "Z", "A", "c4")
# Where an exponent is free the search begins at each of these.
_EXPONENTS = (0.5, 1.0, 1.5)
# Numbers below so many of their errors have no logarithm to speak of.
DETECTED = 4.0


def fit_propagator(
    spectrum: Spectrum,
    *,
    terms: Sequence[str] = ("r", "Z", "c4"),
    sigma: float | None = None,
    k_max: float | None = None,
) -> FitResult:
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
    FitResult
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
    kept = (spectrum.square <= top**2) & (spectrum.values.values > DETECTED * errors)
    if not kept.any():
        raise AnalysisError(
            f"b = {spectrum.scale}: no bin of G(k) up to khat = {top:g} is {DETECTED:g} errors "
            "above zero; use more samples"
        )
    data = logarithm(spectrum.values, kept)
    square = spectrum.square[kept]
    powers = _powers(spectrum.nodes, names)
    free = "A" in names and fixed is None

    def model(_: Array, *x: float) -> Array:
        inverse = powers @ x[: len(names)]
        if "A" in names:
            exponent = x[-1] if fixed is None else fixed
            inverse = inverse + x[names.index("A")] * spectrum.nodes ** (exponent / 2)
        return np.asarray(np.log(spectrum.averaged(1 / inverse))[kept])

    fits: list[FitResult] = []
    exponents = _EXPONENTS if free else (fixed or 1.0,)
    for exponent in exponents:
        try:
            start = _start(np.exp(data.values), square, names, exponent, model, free)
            fits.append(
                correlated_fit(
                    model,
                    np.sqrt(square),
                    data,
                    start=start,
                    names=(*names, "sigma") if free else names,
                    covariance=handling(data),
                )
            )
        except AnalysisError:
            if exponent == exponents[-1] and not fits:
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


def _start(
    g: Array,
    square: Array,
    names: Sequence[str],
    exponent: float,
    model: Callable[..., Array],
    free: bool,
) -> list[float]:
    """Return coefficients from 1/G at the centre of each bin, with relative weights.

    Without negative ones where with them 1/G is not positive throughout.
    """
    columns = _powers(square, names)
    if "A" in names:
        columns[:, list(names).index("A")] = square ** (exponent / 2)
    relative, ones = columns * g[:, None], np.ones(g.size)
    from scipy.optimize import nnls

    for solve in (partial(np.linalg.lstsq, rcond=None), nnls):
        start = [*solve(relative, ones)[0].tolist(), *([exponent] if free else [])]
        with np.errstate(invalid="ignore", divide="ignore"):
            if np.isfinite(model(square, *start)).all():
                return start
    raise AnalysisError(
        f"no 1/G of {', '.join(names)} is positive at all momenta; fit other terms or fewer bins"
    )


def logarithm(values: Replicates, kept: npt.NDArray[np.bool_]) -> Replicates:
    """Return ln of the numbers that are kept, without the bias of the logarithm."""
    relative = values.errors()[kept] / values.values[kept]
    return values.map(lambda y: np.log(y[kept]) + relative**2 / 2)


def scan_propagator(
    spectrum: Spectrum, *, terms: Sequence[str] = ("r", "Z", "c4"), sigma: float | None = None
) -> tuple[FitResult, ...]:
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
