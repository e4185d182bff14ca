"""Activation and learning as Hamilton's equations, and their symplectic steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.hamiltonian._arguments import as_field, as_positive, as_square, is_symmetric

__all__ = ["HamiltonianNet", "HamiltonianRun", "as_scheme"]

Floats = npt.NDArray[np.float64]
Slope = Callable[[Floats], Floats]

_SCHEMES = ("alternate", "simultaneous")


@dataclass(frozen=True, slots=True)
class HamiltonianRun:
    """What `HamiltonianNet.run` recorded.

    Attributes
    ----------
    time : array of shape (n_records,)
        In the unit of `dt`.
    phi, beta : arrays of shape (n_records, n)
        Activations and biases.
    energy : array of shape (n_records,)
        H; NaN where the net does not know its energies.
    modified_energy : array of shape (n_records,)
        What the alternating steps conserve: exactly if H is quadratic and symmetric, to second
        order in `dt` otherwise.
    scheme : str
    dt : float
    """

    time: Floats
    phi: Floats
    beta: Floats
    energy: Floats
    modified_energy: Floats
    scheme: str
    dt: float

    def __post_init__(self) -> None:
        for array in (self.time, self.phi, self.beta, self.energy, self.modified_energy):
            array.flags.writeable = False

    @property
    def drift(self) -> float:
        """Largest relative change of the modified energy; NaN where it is not known."""
        first = self.modified_energy[0]
        return float(np.abs(self.modified_energy / first - 1).max()) if first else float("nan")

    def __str__(self) -> str:
        last = len(self.time) - 1
        return "\n".join(
            [
                f"{self.phi.shape[1]} neurons, {self.scheme} steps of {self.dt:g} to "
                f"t = {self.time[last]:g}",
                f"energy           {self.energy[0]:.12g} -> {self.energy[last]:.12g}",
                f"modified energy  {self.modified_energy[0]:.12g} -> "
                f"{self.modified_energy[last]:.12g}, largest relative change {self.drift:.2g}",
            ]
        )


@dataclass(frozen=True, slots=True)
class HamiltonianNet:
    r"""Neurons :math:`\phi_i`, their biases :math:`\beta_i`, and :math:`H = T(\beta) + V(\phi)`.

    Parameters
    ----------
    activation_slope : callable
        :math:`\partial T / \partial \beta`, arrays of shape (n,) to (n,).
    learning_slope : callable
        :math:`\partial V / \partial \phi`, likewise.
    kinetic, potential : callable, optional
        T and V, arrays of shape (n,) to a number; without them no energy is known.
    matrix : array of shape (n, n), optional
        M of a linear net, which `linear` fills in: for the message where it diverges.

    Raises
    ------
    ArgumentError
        If a slope or energy is no function.

    Notes
    -----
    One step is an activation of the neurons, which are not trained, and a step of learning of the
    biases, which are:

    .. math:: \phi' = \phi + \Delta t\, \partial_\beta T(\beta), \qquad
              \beta' = \beta - \Delta t\, \partial_\phi V(\phi') ,

    symplectic Euler. With :math:`T = \beta^2 / 2` the second is gradient descent at rate 1 on the
    loss :math:`V(\phi'(\beta))` through the activation just made, for :math:`\partial \phi' /
    \partial \beta = \Delta t`. Of the total derivative of H it is the part through the neurons
    (V. Vanchurin, arXiv:2411.08138, takes the total derivative of the loss); the explicit part
    :math:`\partial_\beta T` would be weight decay, a friction, and has no place in Hamilton's
    equations.

    Updating both at once from the old values ("simultaneous") is not symplectic: a mode of
    frequency omega grows by :math:`\sqrt{1 + \omega^2 \Delta t^2}` a step.

    Examples
    --------
    >>> import numpy as np
    >>> net = HamiltonianNet.linear([[2.0, -1.0], [-1.0, 2.0]])
    >>> run = net.run([1.0, 0.0], [0.0, 0.0], dt=0.1, steps=1000)
    >>> run.drift < 1e-12, bool(abs(run.energy / run.energy[0] - 1).max() > 0.01)
    (True, True)
    """

    activation_slope: Slope
    learning_slope: Slope
    kinetic: Callable[[Floats], float] | None = None
    potential: Callable[[Floats], float] | None = None
    matrix: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("activation_slope", "learning_slope", "kinetic", "potential"):
            given = getattr(self, name)
            if not callable(given) and not (given is None and name in ("kinetic", "potential")):
                raise ArgumentError(f"{name} must be a function of an array, got {shown(given)}")

    @classmethod
    def linear(cls, weights: npt.ArrayLike, source: npt.ArrayLike | None = None) -> HamiltonianNet:
        r"""Return the net of :math:`\beta^2/2 + \phi^T M \phi / 2 - J \phi`.

        Parameters
        ----------
        weights : array_like of shape (n, n)
            M. Learning pulls with :math:`-M \phi`, be M symmetric or not; only a symmetric one
            belongs to an energy, so that V is left out otherwise.
        source : array_like of shape (n,), optional
            J, zero if left out.

        Raises
        ------
        ArgumentError
            If `weights` is not square or `source` does not fit.
        NonFiniteError
            If a number is not finite.
        """
        m = as_square("weights", weights)
        j = np.zeros(len(m)) if source is None else as_field("source", source, (len(m),))
        symmetric = is_symmetric(m)

        def potential(phi: Floats) -> float:
            return float(0.5 * phi @ (m @ phi) - j @ phi)

        return cls(
            lambda beta: beta,
            lambda phi: m @ phi - j,
            lambda beta: float(0.5 * beta @ beta),
            potential if symmetric else None,
            m,
        )

    def step(
        self, phi: Floats, beta: Floats, dt: float, scheme: str = "alternate"
    ) -> tuple[Floats, Floats]:
        """Return activations and biases after one step of "alternate" or "simultaneous" update."""
        new = phi + dt * self.activation_slope(beta)
        return new, beta - dt * self.learning_slope(phi if scheme == "simultaneous" else new)

    def energy(self, phi: Floats, beta: Floats) -> float:
        """Return H; NaN where the net does not know its energies."""
        if self.kinetic is None or self.potential is None:
            return float("nan")
        return self.kinetic(beta) + self.potential(phi)

    def modified_energy(self, phi: Floats, beta: Floats, dt: float) -> float:
        r"""Return :math:`H + \frac{\Delta t}{2} \partial_\beta T \cdot \partial_\phi V`.

        Exactly conserved by alternating steps of a quadratic H with T = beta^2 / 2, up to terms of
        order :math:`\Delta t^2` by those of another.
        """
        half = 0.5 * dt * float(self.activation_slope(beta) @ self.learning_slope(phi))
        return self.energy(phi, beta) + half

    def run(
        self,
        phi: npt.ArrayLike,
        beta: npt.ArrayLike,
        *,
        dt: float,
        steps: int,
        every: int = 1,
        scheme: str = "alternate",
    ) -> HamiltonianRun:
        """Take steps from given activations and biases, and record every so many.

        Parameters
        ----------
        phi, beta : array_like of shape (n,)
        dt : float
            Step of time, above zero.
        steps, every : int
        scheme : {"alternate", "simultaneous"}

        Returns
        -------
        HamiltonianRun

        Raises
        ------
        ArgumentError
            If shapes, `dt`, `steps` or `scheme` are none of those above.
        AnalysisError
            If the numbers leave double precision, naming the step and, for a linear net, the
            stability bound.
        """
        scheme = as_scheme(scheme)
        dt, steps = as_positive("dt", dt), as_count("steps", steps)
        every = as_count("every", every, 1, steps)
        n = np.size(phi) if self.matrix is None else len(self.matrix)
        x, p = as_field("phi", phi, (n,)), as_field("beta", beta, (n,))
        slopes = np.shape(self.activation_slope(p)), np.shape(self.learning_slope(x))
        if slopes != ((n,), (n,)):
            raise ArgumentError(f"both slopes must return shape {(n,)}, got {slopes}")
        records: list[tuple[float, Floats, Floats, float, float]] = []

        def record(number: int) -> None:
            numbers = self.energy(x, p), self.modified_energy(x, p, dt)
            records.append((number * dt, x, p, *numbers))

        record(0)
        with np.errstate(over="ignore", invalid="ignore"):
            for number in range(1, steps + 1):
                x, p = self.step(x, p, dt, scheme)
                if not (np.isfinite(x).all() and np.isfinite(p).all()):
                    raise AnalysisError(self._diverged(number, dt, scheme))
                if number % every == 0:
                    record(number)
        time, x_all, p_all, energy, modified = (np.array(c) for c in zip(*records, strict=True))
        return HamiltonianRun(time, x_all, p_all, energy, modified, scheme, dt)

    def _diverged(self, number: int, dt: float, scheme: str) -> str:
        text = f"activations are not finite at step {number} of dt = {dt:g}"
        if scheme == "simultaneous":
            return f"{text}: simultaneous updates grow at any dt; try scheme='alternate'"
        if self.matrix is None:
            return f"{text}; try a smaller dt"
        values = np.linalg.eigvals(self.matrix)
        if np.abs(values.imag).max() > 1e-12 * np.abs(values).max() or values.real.min() < 0:
            return f"{text}: the weights have eigenvalues that are not real and positive: no waves"
        return f"{text}: the largest stable one is {2 / np.sqrt(values.real.max()):.6g}"


def as_scheme(scheme: object) -> str:
    """Return the name of a scheme of steps."""
    if scheme not in _SCHEMES:
        raise ArgumentError(f"scheme must be one of {_SCHEMES}, got {shown(scheme)}")
    return str(scheme)
