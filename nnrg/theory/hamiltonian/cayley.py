"""Cayley steps of any antisymmetric weights: the norm is kept, whatever the step of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
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

    Raises
    ------
    ArgumentError
        If A is not square, or not anti-Hermitian to rounding.

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

    def __init__(self, generator: object, dt: float) -> None:
        from scipy.sparse import csc_array, eye_array, issparse
        from scipy.sparse.linalg import splu

        dt = as_positive("dt", dt)
        if not issparse(generator) and np.ndim(generator) != 2:  # type: ignore[arg-type]
            raise ArgumentError(f"generator must be a square matrix, got {shown(generator)}")
        a = csc_array(generator)
        if a.shape[0] != a.shape[1]:
            raise ArgumentError(f"generator must be square, got shape {a.shape}")
        largest, off = abs(a).max(), abs(a + a.conj().T).max()
        if not np.isfinite(largest) or off > 1e-12 * largest:
            raise ArgumentError(
                "generator must be real antisymmetric or anti-Hermitian, or the norm is not kept; "
                f"its Hermitian part reaches {off:.2g} beside {largest:.2g}; take (A - A^T) / 2"
            )
        one = eye_array(a.shape[0], format="csc")
        object.__setattr__(self, "dt", dt)
        object.__setattr__(self, "_solve", splu(csc_array(one - 0.5 * dt * a)))
        object.__setattr__(self, "_forward", csc_array(one + 0.5 * dt * a).tocsr())

    def __call__(self, psi: npt.NDArray[Any], steps: int = 1) -> npt.NDArray[Any]:
        """Return a flat spinor after so many steps."""
        kind = self._forward.dtype
        out = np.asarray(psi).astype(np.result_type(kind, np.asarray(psi).dtype))
        if out.shape != (self._forward.shape[0],):
            raise ArgumentError(f"psi must have shape {(self._forward.shape[0],)}, got {out.shape}")
        for _ in range(as_count("steps", steps)):
            right = self._forward @ out
            if np.iscomplexobj(right) and kind.kind == "f":
                out = self._solve.solve(right.real) + 1j * self._solve.solve(right.imag)
            else:
                out = self._solve.solve(right)
        return out
