"""How the Schwinger-Dyson equations of the fields respond to the waves of a finite width."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.simulate.engineered_network import EngineeredNetwork
from nnrg.theory.engineering._sums import propagator_matrix

__all__ = ["Connected"]

Floats = npt.NDArray[np.float64]


class Connected:
    """Half of E D_vv Y[v v] - D_G Y[G] for the operators phi^2 / 2 and phi^4 / 24.

    The notation is that of `nnrg.theory.engineering.bare_interaction.contamination`.
    """

    def __init__(self, network: EngineeredNetwork) -> None:
        self._weights = network.quadrature()[1]
        self._matrix = propagator_matrix(network)
        self._squares = self._matrix**2 / np.multiply.outer(self._weights, self._weights)
        self._tadpole = network.tadpole
        self._mass, self._coupling = network.counterterm, network.coupling

    def lack(self, phi: Floats, waves: Floats) -> Floats:
        """Return it for fields (S, K) and waves (S, n, K), shape (S, 2)."""
        one, zero = np.ones_like(phi), np.zeros_like(phi)
        s = tuple(
            self._mass * a + self._coupling * b
            for a, b in (
                (phi, phi**3 / 6),
                (one, phi**2 / 2),
                (zero, phi),
                (zero, one),
            )
        )
        # Derivatives, first to fourth, of the two operators.
        operators = ((phi, one, zero, zero), (phi**3 / 6, phi**2 / 2, phi, one))
        powers = [waves]
        for _ in range(3):
            powers.append(powers[-1] * waves)
        joint = [self._along(powers, s, o).mean(axis=1) for o in operators]
        apart = [self._contracted(s, o) for o in operators]
        return 0.5 * (np.stack(joint, axis=1) - np.stack(apart, axis=1))

    def _along(self, powers: list[Floats], s: tuple[Floats, ...], o: tuple[Floats, ...]) -> Floats:
        """Return D_vv Y[v v], shape (S, n)."""

        def integral(f: Floats, power: int) -> Floats:
            return np.asarray((powers[power - 1] @ (self._weights * f)[..., None])[..., 0])

        s1, s2, s3 = (integral(s[k], k + 1) for k in range(3))
        o1, o2, o3, o4 = (integral(o[k], k + 1) for k in range(4))
        value = o2 - o1 * s1
        slope = o3 - o2 * s1 - o1 * s2
        bend = o4 - o3 * s1 - 2 * o2 * s2 - o1 * s3
        return np.asarray(bend - 2 * slope * s1 + value * (s1**2 - s2))

    def _contracted(self, s: tuple[Floats, ...], o: tuple[Floats, ...]) -> Floats:
        """Return D_G Y[G], shape (S,)."""
        w, g0 = self._weights, self._tadpole
        gs, go = s[0] @ self._matrix, o[0] @ self._matrix  # with both weights in them
        value = g0 * (o[1] @ w) - (go * s[0]).sum(axis=1)
        slope = g0 * w * o[2] - o[1] * gs - s[1] * go
        kick = (slope * (gs / w)).sum(axis=1)
        bend = (
            g0**2 * (o[3] @ w)
            - g0 * (o[2] * gs).sum(axis=1)
            - g0 * (s[2] * go).sum(axis=1)
            - 2 * ((o[1] @ self._squares) * s[1]).sum(axis=1)
        )
        trace = (gs * s[0]).sum(axis=1) - g0 * (s[1] @ w)
        return np.asarray(bend - 2 * kick + value * trace)
