"""From a chosen action to a density of network parameters."""

from __future__ import annotations

from nnrg.simulate.engineered_network import EngineeredNetwork

__all__ = ["engineer"]


def engineer(
    mass: float,
    coupling: float,
    cutoff: float,
    box: float,
    *,
    dimension: int = 1,
    width: int = 64,
    split: float = 0.0,
    normal_ordered: bool = False,
) -> EngineeredNetwork:
    r"""Return the density of parameters whose infinite-width limit is a phi^4 theory.

    Parameters
    ----------
    mass : float
        m > 0, in inverse units of length.
    coupling : float
        :math:`\lambda \ge 0` of :math:`\lambda \phi^4 / 4!`, in units of :math:`m^{4-d}`; zero for
        the free theory.
    cutoff : float
        Largest momentum, in inverse units of length.
    box : float
        Side of the interval or square about the origin in which the field interacts.
    dimension : int
        1 or 2.
    width : int
        Neurons, at least 2.
    split : float
        :math:`\alpha`: 0 for momenta drawn as the propagator and amplitudes of one size, 1 for
        momenta drawn evenly from the ball and amplitudes weighted by the propagator. The limit is
        the same; what the width adds is least for 0.
    normal_ordered : bool
        Whether to subtract the tadpoles, so that m is the mass at first order in the coupling
        whatever the cutoff. Couplings at two cutoffs are comparable only then, or at one measured
        mass.

    Returns
    -------
    EngineeredNetwork
        With ``log_density(a, b, c)``, ``gradient(a, b, c)``, ``fields(a, b, c, points)`` and
        ``two_point(r)``; its ``notes`` say where box or cutoff are too small.

    Raises
    ------
    ArgumentError
        If a value is out of range; a negative coupling, for which the density cannot be normalised.

    Notes
    -----
    See `EngineeredNetwork` for the density.

    Examples
    --------
    >>> network = engineer(1.0, 2.0, 4.0, 6.0, width=16)
    >>> a, b, c = network.draw_free(3, rng=1)
    >>> network.log_density(a, b, c).shape
    (3,)
    >>> print(round(float(engineer(1.0, 0.0, 1000.0, 6.0).two_point(1.0)), 4))  # exp(-1) / 2
    0.1839
    """
    return EngineeredNetwork(
        mass=mass,
        coupling=coupling,
        cutoff=cutoff,
        box=box,
        width=width,
        dimension=dimension,
        split=split,
        normal_ordered=normal_ordered,
    )
