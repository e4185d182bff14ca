"""The one frequency of a series: least squares over amplitudes and frequency."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["fit_frequency", "line_chance", "noise_chance"]

Floats = npt.NDArray[np.float64]
_ROUNDS = 40


def fit_frequency(
    times: Floats, series: npt.NDArray[np.complex128], begin: float | None = None
) -> tuple[float, float]:
    """Return omega of P cos(omega t) + Q sin(omega t), and the share of power left over.

    Parameters
    ----------
    times : array of shape (n_times,)
        Equally spaced if `begin` is not given.
    series : complex array of shape (n_times, n_components)
    begin : float, optional
        Where to begin; by default the peak of the spectrum.

    Returns
    -------
    omega, residual : float
        NaN where the series is zero.
    """
    y = np.concatenate([series.real, series.imag], axis=1)
    power = float(np.vdot(y, y))
    if power == 0:
        return float("nan"), float("nan")
    # Times about the middle, where amplitude and frequency are least correlated.
    t = times - times.mean()
    omega = _peak(times, series) if begin is None else begin
    limit = np.pi / np.ptp(times)
    share = 1.0
    for _ in range(_ROUNDS):
        cos, sin = np.cos(omega * t), np.sin(omega * t)
        design = np.stack([cos, sin], axis=1)
        amplitude, left = _project(design, y)
        share = float(np.vdot(left, left)) / power
        slope = (t * -sin)[:, None] * amplitude[0] + (t * cos)[:, None] * amplitude[1]
        slope = _project(design, slope)[1]
        curvature = float(np.vdot(slope, slope))
        if curvature == 0:
            break
        # Never further than half a line of the spectrum at once.
        change = float(np.clip(np.vdot(slope, left) / curvature, -limit, limit))
        omega += change
        if abs(change) <= 4e-16 * abs(omega):
            break
    return abs(omega), share


def _project(design: Floats, y: Floats) -> tuple[Floats, Floats]:
    amplitude: Floats = np.linalg.lstsq(design, y, rcond=None)[0].astype(np.float64)
    return amplitude, y - design @ amplitude


def _peak(times: Floats, series: npt.NDArray[np.complex128]) -> float:
    """Return the frequency of the largest line of both signs, between lines by a parabola."""
    n = len(times)
    window = np.hanning(n)[:, None]
    lines = np.abs(np.fft.fft(window * series, 4 * n, axis=0)) ** 2
    total = lines.sum(axis=1)
    half = 2 * n
    both = total[: half + 1].copy()
    both[1:half] += total[:half:-1]
    top = int(np.argmax(both))
    shift = 0.0
    if 0 < top < half:
        low, mid, high = np.log(both[top - 1 : top + 2] + 1e-300)
        bend = low - 2 * mid + high
        shift = 0.5 * (low - high) / bend if bend < 0 else 0.0
    return float(2 * np.pi * (top + shift) / (4 * n * (times[1] - times[0])))


def line_chance(times: Floats, series: npt.NDArray[np.complex128], omega: float) -> float:
    """Return the chance that white noise has as strong a line as is left without a frequency.

    Fisher's test of the largest line of the periodogram, on the safe side for several components.
    """
    y = np.concatenate([series.real, series.imag], axis=1)
    t = times - times.mean()
    y = _project(np.stack([np.cos(omega * t), np.sin(omega * t)], axis=1), y)[1]
    lines = (np.abs(np.fft.rfft(y, axis=0)) ** 2).sum(axis=1)[1:]
    return noise_chance(1 - float(lines.max() / lines.sum()), len(lines)) if lines.any() else 1.0


def noise_chance(left: float, lines: int, *, fitted: bool = False) -> float:
    """Return the chance that one of so many lines of white noise leaves so small a share.

    A frequency that was fitted has more than the lines to choose from: the upcrossings of the
    periodogram between them are counted (R. V. Baluev 2008), sqrt(pi z / 3) to a line.
    """
    z = -(lines - 1) * np.log(max(left, 1e-300))
    more = max(1.0, np.sqrt(np.pi * z / 3)) if fitted else 1.0
    return float(min(1.0, lines * more * np.exp(-z)))
