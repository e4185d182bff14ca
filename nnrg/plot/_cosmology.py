"""Figures of training beside an expanding universe: trajectories, spectra, rates of modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.plot._cosmology_scan import edges
from nnrg.plot._theory_panels import legend, look, new_axes, points
from nnrg.stats._arrays import real_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnrg.theory.cosmology import PerturbationSpectrum, UniverseComparison

__all__ = ["perturbation_rates", "universe_spectrum", "universe_trajectory"]

Array = npt.NDArray[np.float64]

_MOST_POINTS = 24
_CURVE = 60
_STATIC: dict[str, Any] = {"color": "black", "ls": "-", "lw": 1.0, "marker": ""}
_REDSHIFTED: dict[str, Any] = {"color": "black", "ls": (0, (4, 2)), "lw": 1.0, "marker": ""}


def universe_trajectory(
    comparison: UniverseComparison, mode: str | int = "mean", *, ax: Axes | None = None
) -> Axes:
    """Plot a mode of the outputs against the Hubble time H t, beside Friedmann solutions.

    Parameters
    ----------
    comparison : UniverseComparison
    mode : "mean" or int
        The background, or a mode of the tangent kernel.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Points: training, over its start, with one standard deviation over seeds. Solid: momenta
        that stay. Dashed: momenta that redshift. Grey: discrete training with a constant kernel.

    Raises
    ------
    ArgumentError
        If the mode was not followed.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.cosmology import hubble_scan
    >>> scan = hubble_scan(learning_rates=[1e-3], n_seeds=3, rng=1)
    >>> ax = nnrg.plot.universe_trajectory(scan.universe, 0)
    >>> ax.get_xlabel()
    '$Ht$'
    """
    name = str(mode)
    if name not in comparison.names:
        raise ArgumentError(
            f"mode must be one of {', '.join(comparison.names)}, got {mode!r}; follow more with "
            "n_modes"
        )
    i = comparison.names.index(name)
    ax = new_axes(ax)
    time = comparison.hubble_times
    ax.axhline(0, color="0.7", lw=0.6)
    ax.plot(time, comparison.discrete[i], color="0.6", lw=2.2, marker="", label="discrete training")
    ax.plot(time, comparison.static[i], label="Friedmann, $k$ stays", **_STATIC)
    if comparison.moves[i]:
        ax.plot(time, comparison.redshifted[i], label="Friedmann, $k/a$", **_REDSHIFTED)
    shown = np.unique(np.linspace(0, len(time) - 1, _MOST_POINTS).round().astype(int))
    points(
        ax, time[shown], comparison.measured[i][shown], comparison.errors[i][shown], look(0),
        name="network",
    )  # fmt: skip
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4), useMathText=True)
    ax.set_xlabel("$Ht$")
    what = r"\bar f-\bar y" if name == "mean" else rf"\delta f_{{{name}}}"
    ax.set_ylabel(f"${what}$ / its start")
    legend(ax, 2)
    return ax


def universe_spectrum(
    comparison: UniverseComparison,
    hubble_times: Sequence[float] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot the spectrum of perturbations at some Hubble times, beside Friedmann solutions.

    Parameters
    ----------
    comparison : UniverseComparison
    hubble_times : sequence of float, optional
        One to three values of H t, the nearest recorded steps; by default after a tenth and four
        tenths of training.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Amplitude over that of the start against k^2 + m^2 in units of H^2. Points: training, one
        standard deviation over seeds; lines as in `universe_trajectory`.

    Raises
    ------
    ArgumentError
        If there are more than three times, or none.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.theory.cosmology import hubble_scan
    >>> scan = hubble_scan(learning_rates=[1e-3], n_seeds=3, rng=1)
    >>> ax = nnrg.plot.universe_spectrum(scan.universe)
    """
    if hubble_times is None:
        hubble_times = [share * float(comparison.hubble_times[-1]) for share in (0.1, 0.4)]
    times = real_array("hubble_times", hubble_times)
    if times.ndim != 1 or not 1 <= len(times) <= 3 or not np.isfinite(times).all():
        raise ArgumentError(f"hubble_times must be one to three numbers, got {hubble_times!r}")
    ax = new_axes(ax)
    modes = slice(1 if comparison.names[0] == "mean" else 0, None)
    frequencies = comparison.frequencies2[modes]
    grid = np.geomspace(frequencies.min(), frequencies.max(), _CURVE)
    ax.axhline(0, color="0.7", lw=0.6)
    for n, wanted in enumerate(times):
        at = int(np.abs(comparison.hubble_times - wanted).argmin())
        line = {"color": look(n)["color"], "marker": "", "lw": 1.0}
        for redshift, dashes in ((False, "-"), (True, (0, (4, 2)))):
            ends = [0.0, max(float(comparison.hubble_times[at]), 1e-9)]
            curve = comparison.solve(ends, grid, redshift=redshift)[:, -1]
            ax.plot(grid, curve, ls=dashes, **line)
        points(
            ax, frequencies, comparison.measured[modes, at], comparison.errors[modes, at], look(n),
            name=f"$Ht={_number(comparison.hubble_times[at])}$",
        )  # fmt: skip
    ax.plot([], [], label="$k$ stays", **_STATIC)
    ax.plot([], [], label="$k/a$", **_REDSHIFTED)
    ax.set_xscale("log")
    ax.set_xlabel(r"$(k^2+m^2)/H^2$ at the start")
    ax.set_ylabel(r"$\delta f_k$ / its start")
    legend(ax, 3)
    return ax


def _number(value: float) -> str:
    """Return three digits for a formula."""
    digits, _, power = f"{value:.3g}".partition("e")
    return rf"{digits}\cdot 10^{{{int(power)}}}" if power else digits


def perturbation_rates(spectrum: PerturbationSpectrum, *, ax: Axes | None = None) -> Axes:
    r"""Plot by how much each mode of gradient descent decays faster than its eigenvalue.

    Parameters
    ----------
    spectrum : PerturbationSpectrum
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        :math:`s / \theta - 1` against :math:`\eta \theta`, with one standard deviation over seeds;
        slow roll is the line at zero. Open triangles at an edge: beyond it.

    Raises
    ------
    ArgumentError
        If no mode has a rate.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate.training import MLP, GradientDescent, train
    >>> from nnrg.theory.cosmology import circle_data, perturbation_spectrum
    >>> data = circle_data(8)
    >>> made = train(MLP((2, 128, 1), sigma_b=0.5), data, optimiser=GradientDescent(0.01),
    ...              steps=20, n_seeds=3, rng=1)
    >>> found = perturbation_spectrum(made, data.inputs, data.targets, window=(0, 20), n_modes=4)
    >>> ax = nnrg.plot.perturbation_rates(found)
    """
    theta, eta = spectrum.eigenvalues, spectrum.learning_rate
    with np.errstate(divide="ignore", invalid="ignore"):
        y = (spectrum.exact + spectrum.excess) / theta - 1
        error = spectrum.excess_errors / theta
    known = np.isfinite(y) & (theta > 0)
    if not known.any():
        raise ArgumentError("no mode of the spectrum has a rate; take a shorter window")
    ax = new_axes(ax)
    share = eta * theta[known]
    grid = np.geomspace(share.min() / 1.5, min(share.max() * 1.5, 0.95), 200)
    ax.axhline(0, color="0.5", ls=":", lw=1.0, label="slow roll")
    ax.plot(grid, -np.log1p(-grid) / grid - 1, label="discrete training", **_STATIC)
    below = grid[grid <= 0.5]
    ax.plot(below, (1 - np.sqrt(1 - 2 * below)) / below - 1, label="second order", **_REDSHIFTED)
    points(ax, share, y[known], error[known], look(0), name="network")
    ax.set_xscale("log")
    # Modes that hardly move have rates of large errors, which must not hide the others.
    top = float(-np.log1p(-grid[-1]) / grid[-1] - 1)
    clear = (error[known] < top) | (np.abs(y[known]) < top)
    low, high = min(float(y[known][clear].min(initial=0.0)), 0.0), top
    high = max(high, float(y[known][clear].max(initial=0.0)))
    room = 0.15 * (high - low)
    edges(ax, share, y[known], (low - room, high + room), look(0))
    ax.set_xlabel(r"$\eta\theta$")
    ax.set_ylabel(r"$s/\theta-1$")
    legend(ax, 2)
    return ax
