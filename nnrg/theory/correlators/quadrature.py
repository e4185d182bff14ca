"""How Gaussian averages of products of activations are computed where no closed form exists."""

from __future__ import annotations

from dataclasses import dataclass

from nnrg._validate import as_count, as_real
from nnrg.errors import ArgumentError

__all__ = ["Quadrature"]


@dataclass(frozen=True, slots=True)
class Quadrature:
    """Accuracy and effort of the Gaussian averages behind a correlator.

    Parameters
    ----------
    tolerance : float
        Error at which a rule is refined no more, relative to Hoelder's bound of the average.
    max_nodes : int
        Largest number of nodes of a product rule. What has not converged by then keeps its
        error, which the correlator carries.
    shifts : int
        Independent random shifts of the quasi-random rule that is used in many dimensions; their
        spread is its error.
    seed : int
        Of the shifts: a correlator is the same number whenever it is computed.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Examples
    --------
    >>> from nnrg.theory.correlators import OneHiddenLayer, Quadrature
    >>> net = OneHiddenLayer("tanh", width=10, quadrature=Quadrature(tolerance=1e-6))
    >>> net.quadrature.tolerance
    1e-06
    """

    tolerance: float = 1e-10
    max_nodes: int = 2_000_000
    shifts: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < as_real("tolerance", self.tolerance) < 1:
            raise ArgumentError(
                f"tolerance must lie between 0 and 1, got {self.tolerance}; 1e-10 is the default"
            )
        as_count("max_nodes", self.max_nodes, 100, 10**8)
        as_count("shifts", self.shifts, 4, 1024)
        as_count("seed", self.seed, 0)
