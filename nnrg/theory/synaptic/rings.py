"""A local toy network: one layer whose synapses form a ring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._arguments import as_word
from nnrg.theory.synaptic._samples import averages, data_arrays, finite

__all__ = ["RingToy", "ring_toy"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RingToy:
    r"""One linear layer, each output wired to two neighbouring inputs of a ring of N.

    Attributes
    ----------
    synapses : {"shared", "independent"}
        ``"shared"``: y_i = w_i x_i + w_{i+1} x_{i+1}, N synapses. ``"independent"``: y_i =
        w_{2i} x_i + w_{2i+1} x_{i+1}, 2N synapses.
    moments : Replicates of 3 N numbers
        <x_i^2>, <x_i x_{i+1}>, and the source J_i of shared synapses.
    staggered : bool
        Whether the field is (-1)^i w_i.
    spacing : float
    """

    synapses: Literal["shared", "independent"]
    moments: Replicates
    staggered: bool
    spacing: float

    @property
    def n_inputs(self) -> int:
        """Number N of inputs."""
        return self.moments.values.size // 3

    def stiffness(self) -> Replicates:
        """Return K_i = -c_i of shared synapses, c_i if staggered, times epsilon^2; N numbers."""
        self._shared("the stiffness")
        n, sign = self.n_inputs, 1.0 if self.staggered else -1.0
        return self.moments.map(lambda row: sign * self.spacing**2 * row[n : 2 * n])

    def mass2(self) -> Replicates:
        """Return M_i = a_i + c_i + c_{i-1} of shared synapses, a_i - c_i - c_{i-1} if staggered."""
        self._shared("the mass")
        n, sign = self.n_inputs, -1.0 if self.staggered else 1.0

        def mass(row: Array) -> Array:
            c = row[n : 2 * n]
            return 2 * row[:n] + sign * (c + np.roll(c, 1))

        return self.moments.map(mass)

    def source(self) -> Replicates:
        """Return J_i of shared synapses, (-1)^i J_i if staggered."""
        self._shared("the source")
        n = self.n_inputs
        sign = 1.0 - 2 * (np.arange(n) % 2) if self.staggered else np.ones(n)
        return self.moments.map(lambda row: sign * row[2 * n :])

    def hessian(self) -> Array:
        """Return V_2 of all synapses: a ring of bonds if shared, else dimers of no bond between."""
        return self._hessian(self.moments.values)

    def _hessian(self, row: Array) -> Array:
        n = self.n_inputs
        square, c = row[:n], row[n : 2 * n]
        if self.propagates:
            out = np.diag(2 * square)
            at = np.arange(n)
            sign = -1.0 if self.staggered else 1.0
            np.add.at(out, (at, (at + 1) % n), sign * c)
            np.add.at(out, ((at + 1) % n, at), sign * c)
            return out
        out = np.zeros((2 * n, 2 * n))
        i = np.arange(n)
        out[2 * i, 2 * i] = square
        out[2 * i + 1, 2 * i + 1] = np.roll(square, -1)
        out[2 * i, 2 * i + 1] = out[2 * i + 1, 2 * i] = c
        return out

    @property
    def n_bands(self) -> int:
        """Number of branches of the dispersion: one field, or two of each cell."""
        return 1 if self.propagates else 2

    def dispersion(self, k: npt.ArrayLike) -> Replicates:
        r"""Return omega^2(k) of the means over sites, one band after the other.

        M + 2 K (1 - cos k epsilon) / epsilon^2 of shared synapses. Of independent ones <x^2> - |c|
        and <x^2> + |c| at every k: flat bands, nothing propagates.

        Parameters
        ----------
        k : array of shape (n,)

        Returns
        -------
        Replicates of n_bands n numbers
        """
        momentum = np.atleast_1d(finite("k", k))
        n = self.n_inputs
        if not self.propagates:
            flat = np.ones(momentum.size)

            def bands(row: Array) -> Array:
                square, c = row[:n].mean(), abs(row[n : 2 * n].mean())
                return np.concatenate([(square - c) * flat, (square + c) * flat])

            return self.moments.map(bands)
        steps = 2 * (1 - np.cos(momentum * self.spacing))
        sign = -1.0 if self.staggered else 1.0

        def band(row: Array) -> Array:
            square, c = 2 * row[:n].mean(), sign * row[n : 2 * n].mean()
            return np.asarray(square + 2 * c - c * steps)

        return self.moments.map(band)

    def curvatures(self) -> Replicates:
        """Return the eigenvalues of the Hessian of the data as they are, ascending."""
        return self.moments.map(lambda row: np.linalg.eigvalsh(self._hessian(row)))

    def momenta(self) -> Array:
        """Return k of the ring, 2 pi j / (N epsilon) for j = 0 .. N - 1."""
        return np.asarray(2 * np.pi * np.arange(self.n_inputs) / (self.n_inputs * self.spacing))

    @property
    def propagates(self) -> bool:
        """Whether a change of one synapse reaches more than its partner."""
        return self.synapses == "shared"

    def _shared(self, what: str) -> None:
        if self.synapses != "shared":
            raise ArgumentError(
                f"{what} of one field needs shared synapses; independent ones are decoupled dimers"
            )

    def __str__(self) -> str:
        n = self.n_inputs
        head = f"ring of {n} inputs, {self.synapses} synapses"
        if not self.propagates:
            values = self.curvatures().values
            return (
                f"{head}: {n} decoupled dimers, no propagation; curvatures {values[0]:.5g} .. "
                f"{values[-1]:.5g}"
            )
        mass, z = _mean(self.mass2()), _mean(self.stiffness())
        kind = "staggered" if self.staggered else "as it is"
        return f"{head}, field {kind}: M {mass}, K {z}, omega^2 = M + 2 K (1 - cos k)"


def ring_toy(
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike | None = None,
    *,
    synapses: Literal["shared", "independent"] = "shared",
    staggered: bool = False,
    spacing: float = 1.0,
) -> RingToy:
    r"""Return the local free field of one linear layer on a ring.

    Parameters
    ----------
    inputs : array of shape (P, N)
        N of 3 or more.
    targets : array of shape (P, N), optional
        Zero if left out.
    synapses : {"shared", "independent"}
    staggered : bool
        Take (-1)^i w_i as the field; N even.
    spacing : float

    Returns
    -------
    RingToy

    Raises
    ------
    ArgumentError
        If shapes do not fit, or a ring of odd length is to be staggered.

    Notes
    -----
    C = sum_i [a_i w_i^2 / 2 + c_i w_i w_{i+1} - J_i w_i] with a_i = 2 <x_i^2>, c_i = <x_i x_{i+1}>:
    stiffness -c_i and mass a_i + c_i + c_{i-1}, massless if and only if neighbours are perfectly
    (anti)correlated. arXiv:2503.08827 has such a ring; which of the two readings was not found.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.rings import ring_toy
    >>> wave = np.cos(np.pi * np.arange(8)) * np.array([[1.0], [-1.0], [1.0], [-1.0]])
    >>> toy = ring_toy(wave)
    >>> set(toy.mass2().values.tolist()), set(toy.stiffness().values.tolist())
    ({0.0}, {1.0})
    """
    x, _ = data_arrays(inputs, None)
    n = x.shape[1]
    y = np.zeros_like(x) if targets is None else finite("targets", targets)
    epsilon = as_real("spacing", spacing)
    if n < 3 or y.shape != x.shape:
        raise ArgumentError(
            f"inputs and targets must have one shape (P, N) with N of 3 or more, got {x.shape} and "
            f"{y.shape}"
        )
    as_word("synapses", synapses, ("shared", "independent"))
    if not epsilon > 0:
        raise ArgumentError(f"spacing must be above zero, got {epsilon:g}")
    if staggered and (n % 2 or synapses == "independent"):
        raise ArgumentError(f"only a ring of even length, shared, can be staggered, got {n} inputs")
    rows = [x * x, x * np.roll(x, -1, axis=1), x * (y + np.roll(y, 1, axis=1))]
    return RingToy(
        synapses=synapses,
        moments=averages(np.hstack(rows)),
        staggered=staggered,
        spacing=epsilon,
    )


def _mean(found: Replicates) -> Estimate:
    return found.map(lambda row: row.mean()).estimate()
