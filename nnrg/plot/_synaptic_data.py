"""Figures of what data make of the action of weights: kernels, light cones, dispersion, sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.plot._theory_panels import legend, look, new_axes, points
from nnrg.theory.synaptic.expansion import KernelExpansion
from nnrg.theory.synaptic.lorentz import LorentzReport
from nnrg.theory.synaptic.rings import RingToy
from nnrg.theory.synaptic.source_histories import SourceHistory
from nnrg.theory.synaptic.two_layers import TwoLayerToy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["data_kernel", "light_cones", "source_strengths", "toy_dispersion"]

Array = npt.NDArray[np.float64]

_FINE = 201


def data_kernel(expansion: KernelExpansion, *, ax: Axes | None = None) -> Axes:
    """Plot the quadratic kernel against momentum, and what is left of it after two gradients.

    Parameters
    ----------
    expansion : KernelExpansion
        The kernel of all displacements within reach, with one standard deviation, and k_0 + Z k^2.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate.gaussian import ar1
    >>> from nnrg.theory.synaptic import gradient_expansion, perceptron_vertices
    >>> data = perceptron_vertices(ar1(32, 500, rho=0.5, rng=1), activation="linear", order=2)
    >>> ax = nnrg.plot.data_kernel(gradient_expansion(data))
    """
    ax = new_axes(ax)
    k = expansion.momenta() * expansion.spacing
    exact, cut = expansion.exact(), expansion.truncated()
    values, errors = exact.values, exact.errors()
    ax.plot(k, values, color="black", marker="", lw=1.1, label=r"$\hat K(k)$ within reach")
    ax.fill_between(k, values - errors, values + errors, color="0.8", lw=0)
    seen = look(1)["color"]
    ax.plot(k, cut.values, color=seen, marker="", ls=(0, (3, 2)), label=r"$k_0+Zk^2$")
    spread = cut.errors()
    ax.fill_between(k, cut.values - spread, cut.values + spread, color=seen, alpha=0.25, lw=0)
    ax.axhline(0, color="0.5", lw=0.7, zorder=0)
    high, low = float((values + errors).max()), float((values - errors).min())
    room = 0.6 * max(high, -low, high - low)
    ax.set_ylim(min(low, -room) - 0.1 * room, max(high, 0.0) + 0.3 * room)
    ax.set_xlim(0, np.pi)
    ax.set_xticks([0, np.pi / 2, np.pi], ["0", r"$\pi/2$", r"$\pi$"])
    ax.set_xlabel(r"$k\epsilon$")
    field = "staggered field" if expansion.staggered else "field"
    ax.set_ylabel(rf"kernel of the {field}")
    legend(ax, 2)
    return ax


def light_cones(report: LorentzReport, *, ax: Axes | None = None) -> Axes:
    r"""Plot the squared speed of signals at each site, and the stiffness of each axis.

    Parameters
    ----------
    report : LorentzReport
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        K(x) with one standard deviation; bands are Z of each axis, zero that of an output index.
        One light cone would have all on one line.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate.gaussian import ar1
    >>> from nnrg.theory.synaptic import lorentz_report, perceptron_vertices
    >>> data = perceptron_vertices(ar1(32, 500, rho=-0.5, rng=1), activation="linear", order=2)
    >>> ax = nnrg.plot.light_cones(lorentz_report(data, hubble=0.1, duration=10.0))
    """
    ax = new_axes(ax)
    local = report.local_stiffness
    site = np.arange(local.values.size)
    points(ax, site, local.values, local.errors(), look(0), name=r"$K(x)=c^2(x)$")
    stiffness, errors = report.stiffness.values, report.stiffness.errors()
    for a, (z, e) in enumerate(zip(stiffness, errors, strict=True)):
        colour = look(a + 1)["color"]
        ax.axhline(z, color=colour, lw=1, ls=(0, (4, 2)), label=rf"$Z_{a + 1}$")
        ax.axhspan(z - e, z + e, color=colour, alpha=0.25, lw=0)
    none = report.output_stiffness is not None
    ax.axhline(0, color="0.5", lw=0.8, ls=":", label="output index" if none else None)
    ax.set_xlabel("site $x$")
    ax.set_ylabel("stiffness")
    legend(ax, 2)
    return ax


def toy_dispersion(*toys: RingToy | TwoLayerToy, ax: Axes | None = None) -> Axes:
    r"""Plot the branches of local toy rings of synapses, and the spectrum of their Hessians.

    Parameters
    ----------
    *toys : RingToy or TwoLayerToy
        Lines are the branches of the means over sites. Points are eigenvalues of the Hessian of
        the data as they are, in the order of the branches, with one standard deviation.
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        If there is no toy.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate.gaussian import ar1
    >>> from nnrg.theory.synaptic import ring_toy
    >>> x = ar1(16, 500, rho=-0.5, rng=1)
    >>> ax = nnrg.plot.toy_dispersion(ring_toy(x), ring_toy(x, synapses="independent"))
    """
    if not toys:
        raise ArgumentError("a toy is needed, got none")
    ax = new_axes(ax)
    k = np.linspace(0, np.pi, _FINE)
    for i, toy in enumerate(toys):
        seen = look(i)
        spacing = toy.spacing if isinstance(toy, RingToy) else 1.0
        bands = toy.dispersion(k / spacing).values.reshape(toy.n_bands, -1)
        for band in bands:
            ax.plot(k, band, color=seen["color"], marker="", lw=1)
        at = toy.momenta()
        known = toy.dispersion(at).values
        found = toy.curvatures()
        # Both k and -k: folded into half of the zone.
        folded = np.tile(np.minimum(at, 2 * np.pi / spacing - at) * spacing, toy.n_bands)
        order = np.argsort(known, kind="stable")
        points(ax, folded[order], found.values, found.errors(), seen, name=_named(toy))
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    ax.set_xlim(-0.03 * np.pi, 1.03 * np.pi)
    ax.set_xticks([0, np.pi / 2, np.pi], ["0", r"$\pi/2$", r"$\pi$"])
    ax.set_xlabel(r"$k\epsilon$")
    ax.set_ylabel(r"$\omega^2(k)$")
    legend(ax, 2)
    return ax


def _named(toy: RingToy | TwoLayerToy) -> str:
    if isinstance(toy, TwoLayerToy):
        return "two layers"
    return toy.synapses + (" (staggered)" if toy.staggered else "")


def source_strengths(history: SourceHistory, *, ax: Axes | None = None) -> Axes:
    """Plot the vertices along a field as training goes on.

    Parameters
    ----------
    history : SourceHistory
    ax : Axes, optional
        Drawn into; by default those of a new figure.

    Returns
    -------
    Axes
        Each order with one standard deviation of the data sample. Dashed, where the point of the
        expansion moves: about that of the first stage, what data and step size alone make; of the
        same data its errors are those of the first point, times eta / eta_0.
    """
    ax = new_axes(ax)
    values = np.array([stage.values for stage in history.stages])
    errors = np.array([stage.errors() for stage in history.stages])
    for n in range(history.order):
        seen = look(n)
        ax.plot(history.times, values[:, n], color=seen["color"], marker="", lw=0.7)
        points(ax, history.times, values[:, n], errors[:, n], seen, name=rf"$V_{n + 1}$")
        if history.point_moves:
            fixed = np.array([stage.values[n] for stage in history.at_first_point])
            spread = np.array([stage.errors()[n] for stage in history.at_first_point])
            ax.errorbar(
                history.times, fixed, None if history.same_data else spread,
                color=seen["color"], marker="", lw=0.8, ls=(0, (4, 2)),
            )  # fmt: skip
    if history.point_moves:
        ax.plot([], [], color="black", marker="", lw=0.8, ls=(0, (4, 2)), label="first point")
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    ax.set_xlabel("time of the stage")
    ax.set_ylabel(r"$V_n[\phi,\ldots,\phi]$, $|\phi|=1$")
    legend(ax, 5)
    return ax
