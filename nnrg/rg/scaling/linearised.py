"""The linearised RG matrix of a Monte Carlo RG, its eigenvalues and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.rg.cumulants import align
from nnrg.rg.scaling._rg_matrix import matched_eigenvalues, project_stretching
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import jackknife_covariance

__all__ = ["LinearisedRG", "condition_number"]

Array = npt.NDArray[np.float64]
Sector = Literal["even", "odd", "all"]

# A correlation matrix worse than this has lost six digits of what is solved with it.
_NOTICED = 1e6


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LinearisedRG:
    """T = <S'S'>_c^{-1} <S'S>_c for each step, and what follows from it.

    Attributes
    ----------
    names : tuple of str
        Operators, those of each sector in the order in which they are added.
    sectors : mapping from sector to indices into `names`
        ``"even"`` and ``"odd"`` under phi -> -phi, or ``"all"``.
    lengths : array of shape (n_levels,)
        Block length at each scale; step s leads from ``lengths[s - 1]`` to ``lengths[s]``.
    dimension : int
        Number of axes d.
    within, across : arrays of shapes (1 + G, n_levels, a, a) and (1 + G, n_levels - 1, a, a)
        Connected correlations at one scale, and of blocks with the sites they are made of: of all
        configurations first, then without each jackknife group.
    stretching : array of shape (1 + G, n_levels, a)
        <sum_x phi_x dS/dphi_x>, which tells the redundant direction.
    weights : array of shape (G,)
        Configurations of each group.
    projected : bool
        Whether the change of field amplitude is taken out by default.
    rule : str
        How blocks are made and rescaled.
    flags : tuple of str
        What is wrong with the whole.
    """

    names: tuple[str, ...]
    sectors: Mapping[Sector, tuple[int, ...]]
    lengths: Array
    dimension: int
    within: Array
    across: Array
    stretching: Array
    weights: Array
    projected: bool
    rule: str
    flags: tuple[str, ...]

    def __post_init__(self) -> None:
        for array in (self.lengths, self.within, self.across, self.stretching, self.weights):
            array.flags.writeable = False

    @property
    def n_steps(self) -> int:
        """Number of RG steps."""
        return self.lengths.size - 1

    def matrix(self, step: int, sector: Sector = "even", n_operators: int | None = None) -> Array:
        """Return T of one step in one sector, from the first `n_operators` of it (all: None)."""
        return np.asarray(self._matrices(step, self._chosen(sector, n_operators))[0])

    def matrix_errors(
        self, step: int, sector: Sector = "even", n_operators: int | None = None
    ) -> Array:
        """Return the standard error of each element of `matrix`."""
        matrices = self._matrices(step, self._chosen(sector, n_operators))
        flat = matrices.reshape(len(matrices), -1)
        square = np.diag(jackknife_covariance(flat[1:], flat[0], self.weights))
        return np.asarray(np.sqrt(square).reshape(matrices.shape[1:]))

    def condition(
        self, step: int, sector: Sector = "even", n_operators: int | None = None
    ) -> float:
        """Return the condition number of <S'S'>_c, each operator scaled to unit variance."""
        self._check_step(step)
        rows = self._chosen(sector, n_operators)
        return condition_number(self.within[0, step][np.ix_(rows, rows)])

    def exponents(
        self,
        step: int,
        sector: Sector = "even",
        n_operators: int | None = None,
        *,
        projected: bool | None = None,
    ) -> tuple[Estimate, ...]:
        """Return y = ln|eigenvalue| / ln b of one step, the most relevant first.

        Parameters
        ----------
        step : int
            1 for the first.
        sector : {"even", "odd", "all"}
        n_operators : int, optional
            How many of the sector's operators, the first ones; all by default.
        projected : bool, optional
            Whether the redundant direction, a mere change of the field's amplitude, is taken out.
            By default it is where the rescaling fixes the variance.

        Returns
        -------
        tuple of Estimate
            Dimensionless; one fewer than operators if one direction is taken out. Flagged where an
            eigenvalue is complex or negative or the operators nearly coincide.
        """
        values, y = self._eigenvalues(step, sector, n_operators, projected)
        errors = np.sqrt(np.diag(jackknife_covariance(y[1:], y[0], self.weights)))
        condition = self.condition(step, sector, n_operators)
        order = np.argsort(-y[0], kind="stable")
        return tuple(
            Estimate(
                float(y[0, i]),
                float(errors[i]),
                n_samples=float(self.weights.sum()),
                flag="; ".join([*self.flags, *_eigenvalue_flags(values[0, i], condition)]),
            )
            for i in order
        )

    def leading(
        self, step: int, sector: Sector = "even", n_operators: int | None = None
    ) -> Estimate:
        """Return the largest y of one step: y_t of the even sector, y_h of the odd one."""
        found = self.exponents(step, sector, n_operators)
        if not found:
            return Estimate(np.nan, np.nan, flag="redundant: no other direction is left")
        return found[0]

    def leading_replicates(
        self, step: int, sector: Sector = "even", n_operators: int | None = None
    ) -> Array:
        """Return `leading` of all configurations, then without each group; shape (1 + G,)."""
        y = self._eigenvalues(step, sector, n_operators, None)[1]
        if y.shape[1] == 0:
            return np.full(len(y), np.nan)
        return np.asarray(y[:, np.argmax(y[0])])

    def redundancy(self, step: int) -> Estimate:
        """Return y of the change of field amplitude, exactly 0 if the operators can express it.

        e' = <S'S'>_c^{-1} <sum phi dS'/dphi> and e alike without a prime; y is ln of the component
        of T e along e', in the metric <S'S'>_c, over ln b. Far from 0 the operators are too few to
        describe the action.
        """
        rows = self._chosen("all" if "all" in self.sectors else "even", None)
        fine = np.linalg.solve(
            self.within[:, step - 1][:, rows][:, :, rows],
            self.stretching[:, step - 1][:, rows][..., None],
        )
        target = self.stretching[:, step][:, rows]
        blocks = self.within[:, step][:, rows][:, :, rows]
        direction = np.linalg.solve(blocks, target[..., None])[..., 0]
        image = (self._matrices(step, rows) @ fine)[..., 0]
        ratio = np.einsum("gi,gi->g", target, image) / np.einsum("gi,gi->g", target, direction)
        y = np.log(np.abs(ratio)) / np.log(self.lengths[step] / self.lengths[step - 1])
        error = np.sqrt(jackknife_covariance(y[1:, None], y[:1], self.weights)[0, 0])
        return Estimate(float(y[0]), float(error), n_samples=float(self.weights.sum()))

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Return the leading y by step and by number of operators, one table a sector."""
        text = [
            f"Monte Carlo RG: {self.rule}; {int(self.weights.sum())} configurations in "
            f"{self.weights.size} jackknife groups, d = {self.dimension}"
        ]
        for sector, rows in self.sectors.items():
            names = [self.names[r] for r in rows]
            lines = [["step", "b", *(f"+{name}" for name in names), "condition"]]
            for step in range(1, self.n_steps + 1):
                cells = [str(self.leading(step, sector, n + 1)) for n in range(len(rows))]
                b = f"{self.lengths[step - 1]:g} -> {self.lengths[step]:g}"
                lines.append([str(step), b, *cells, f"{self.condition(step, sector):.3g}"])
            redundant = self.projected and sector != "odd"
            note = ", change of amplitude taken out" if redundant else ""
            text += [f"\nlargest y, {sector} operators added one by one{note}:", align(lines)]
        return "\n".join([*text, *(f"! {flag}" for flag in self.flags)])

    def _eigenvalues(
        self, step: int, sector: Sector, n_operators: int | None, projected: bool | None
    ) -> tuple[npt.NDArray[np.complex128], Array]:
        """Return eigenvalues and their y, of all configurations and without each group."""
        rows = self._chosen(sector, n_operators)
        take_out = self.projected if projected is None else projected
        take_out = take_out and sector != "odd"
        matrices = self._matrices(step, rows)
        if take_out:
            blocks = self.within[:, step][:, rows][:, :, rows]
            matrices = project_stretching(matrices, blocks, self.stretching[:, step][:, rows])
        values = matched_eigenvalues(matrices, drop=int(take_out))
        with np.errstate(divide="ignore"):
            y = np.log(np.abs(values)) / np.log(self.lengths[step] / self.lengths[step - 1])
        return values, np.asarray(y)

    def _chosen(self, sector: Sector, n_operators: int | None) -> list[int]:
        if sector not in self.sectors:
            raise ArgumentError(
                f"sector must be one of {', '.join(self.sectors)}, got {shown(sector)}"
            )
        rows = list(self.sectors[sector])
        if n_operators is None:
            return rows
        return rows[: as_count("n_operators", n_operators, 1, len(rows))]

    def _check_step(self, step: int) -> None:
        as_count("step", step, 1, self.n_steps, hint="the first step is 1")

    def _matrices(self, step: int, rows: list[int]) -> Array:
        self._check_step(step)
        blocks = self.within[:, step][:, rows][:, :, rows]
        return np.asarray(np.linalg.solve(blocks, self.across[:, step - 1][:, rows][:, :, rows]))


def condition_number(matrix: Array) -> float:
    """Return the condition number with each operator scaled to unit variance."""
    scale = np.sqrt(np.diag(matrix))
    return float(np.linalg.cond(matrix / scale / scale[:, None]))


def _eigenvalue_flags(value: complex, condition: float) -> list[str]:
    flags = []
    if value.imag:
        flags.append("complex: one of a pair, y of its modulus")
    elif value.real < 0:
        flags.append("negative eigenvalue: y of its modulus")
    if condition > _NOTICED:
        flags.append(f"near-coincident operators: condition number {condition:.1e}")
    return flags
