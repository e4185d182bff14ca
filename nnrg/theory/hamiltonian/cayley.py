"""Cayley steps of any antisymmetric weights: the norm is kept, whatever the step of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.theory.hamiltonian._arguments import as_positive

__all__ = ["CayleyStep"]


@dataclass(frozen=True, slots=True, init=False)
class CayleyStep:
    r"""Steps :math:`(1 - \tfrac{\Delta t}{2} A)^{-1} (1 + \tfrac{\Delta t}{2} A)` of any A.

    Parameters
    ----------
    generator : dense or SciPy sparse matrix of shape (n, n)
        Real antisymmetric or anti-Hermitian, so that a step keeps the norm.
    dt : float
    self_coupling : array_like of shape (n_sites,) or of the lattice's shape, optional
        Phases :math:`U_0 = e^{i \Delta t A_0}` of each neuron's coupling to itself, the link of
        time of `GaugeLinks`: a step ends with their conjugates. For spinors of several components
        to a site those are taken component first.

    Raises
    ------
    ArgumentError
        If A is not square, or not anti-Hermitian to rounding, or a self-coupling is no phase.

    Notes
    -----
    With :math:`U_0(x) \to e^{i \alpha_t(x)} U_0(x) e^{-i \alpha_{t + 1}(x)}` and the links of A
    turned with :math:`\alpha_t`, a step of the turned field is the turned step, also where the
    phase changes with time: :math:`i(\partial_t + i A_0)\psi`, in steps.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.hamiltonian.dirac import DiracLattice
    >>> step = CayleyStep(DiracLattice(16, mass=0.5).weights(), 0.1)
    >>> psi = step(np.random.default_rng(1).normal(size=32), 1000)
    >>> psi.shape
    (32,)
    """

    dt: float
    _solve: Any
    _forward: Any
    _turn: npt.NDArray[np.complex128] | None

    def __init__(
        self, generator: object, dt: float, self_coupling: npt.ArrayLike | None = None
    ) -> None:
        from scipy.sparse import eye_array
        from scipy.sparse.linalg import splu

        dt = as_positive("dt", dt)
        a = _anti_hermitian(generator)
        turn = None if self_coupling is None else _turn(self_coupling, a.shape[0])
        one = eye_array(a.shape[0], format="csc")
        object.__setattr__(self, "dt", dt)
        object.__setattr__(self, "_solve", splu((one - 0.5 * dt * a).tocsc()))
        object.__setattr__(self, "_forward", (one + 0.5 * dt * a).tocsr())
        object.__setattr__(self, "_turn", turn)

    def __call__(self, psi: npt.NDArray[Any], steps: int = 1) -> npt.NDArray[Any]:
        """Return a flat spinor after so many steps.

        Raises
        ------
        ArgumentError
            If the spinor does not fit.
        NonFiniteError
            If a number is not finite.
        """
        out = np.asarray(psi)
        if out.shape != (self._forward.shape[0],) or out.dtype.kind not in "fciub":
            raise ArgumentError(
                f"psi must have shape {(self._forward.shape[0],)} and hold numbers, got "
                f"{out.shape} of {out.dtype}"
            )
        if not np.isfinite(out).all():
            raise NonFiniteError("psi holds NaN or infinite numbers")
        kind = self._forward.dtype
        out = out.astype(np.result_type(kind, out.dtype))
        for _ in range(as_count("steps", steps)):
            right = self._forward @ out
            if np.iscomplexobj(right) and kind.kind == "f":
                out = self._solve.solve(right.real) + 1j * self._solve.solve(right.imag)
            else:
                out = self._solve.solve(right)
            if self._turn is not None:
                out = self._turn * out
        return out


def _anti_hermitian(generator: object) -> Any:
    """Return a generator that keeps the norm as a sparse matrix of floats."""
    from scipy.sparse import csc_array, issparse

    given: Any = generator
    if not issparse(generator):
        given = np.asarray(generator)
        if given.ndim != 2 or given.dtype.kind not in "fciub":
            raise ArgumentError(f"generator must be a square matrix, got {shown(generator)}")
    if given.shape[0] != given.shape[1] or not given.shape[0]:
        raise ArgumentError(f"generator must be square, got shape {given.shape}")
    a = csc_array(given)
    a = a.astype(np.result_type(a.dtype, np.float64))
    largest, off = abs(a).max(), abs(a + a.conj().T).max()
    if not np.isfinite(largest):
        raise NonFiniteError("generator holds NaN or infinite numbers")
    if off > 1e-12 * largest:
        raise ArgumentError(
            "generator must be real antisymmetric or anti-Hermitian, or the norm is not kept; "
            f"its Hermitian part reaches {off:.2g} beside {largest:.2g}; take (A - A^H) / 2"
        )
    return a


def _turn(self_coupling: npt.ArrayLike, n: int) -> npt.NDArray[np.complex128]:
    given = np.asarray(self_coupling)
    phases = given.ravel()
    numbers = phases.dtype.kind in "fciub" and phases.size > 0
    if not numbers or n % phases.size or not np.all(np.abs(np.abs(phases) - 1) < 1e-12):
        raise ArgumentError(
            f"self_coupling must be phases of modulus 1, one for each site of {n} components in "
            f"all, got {shown(self_coupling)}; try GaugeLinks.from_potential(...).time"
        )
    return np.conj(np.tile(phases.astype(np.complex128), n // phases.size))
