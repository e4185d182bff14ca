"""What comes out of a scan of Hubble rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.theory.cosmology._scan_rows import ScanPlace, ScanRow
from nnrg.theory.cosmology._universe_result import UniverseComparison
from nnrg.theory.cosmology.against_rate import HubbleLaw

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HubbleScan"]

_ROWS = 12
_AXES = ("width", "depth", "n_data")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HubbleScan:
    """Hubble rates of trained networks over learning rate, width, depth and number of data.

    Attributes
    ----------
    match, mode, activation, time_unit : str
    momentum, tolerance : float
        mu; and the deviation of H from the match below which the duality holds.
    rows : tuple of ScanRow
        One for each network and learning rate.
    laws : mapping of ScanPlace to HubbleLaw
        Power law of H in the learning rate, of the rows that have an H in all seeds.
    unfitted : mapping of ScanPlace to str
        Why a network has no law.
    universe : UniverseComparison
        Background and perturbations of the first network, at the middle one of the learning rates,
        or the nearest at which it does not diverge.
    n_samples : int
        Seeds of each row.
    assumptions : tuple of str
    provenance : mapping
    """

    match: str
    mode: str
    activation: str
    time_unit: str
    momentum: float
    tolerance: float
    rows: tuple[ScanRow, ...]
    laws: Mapping[ScanPlace, HubbleLaw]
    unfitted: Mapping[ScanPlace, str]
    universe: UniverseComparison
    n_samples: int
    assumptions: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def places(self) -> tuple[ScanPlace, ...]:
        """The networks, in the order in which they were asked for."""
        return tuple(dict.fromkeys(row.place for row in self.rows))

    def at(self, place: ScanPlace) -> tuple[ScanRow, ...]:
        """Return the rows of one network.

        Parameters
        ----------
        place : ScanPlace
        """
        return tuple(row for row in self.rows if row.place == place)

    def along(self, axis: str) -> tuple[ScanPlace, ...]:
        """Return the networks that differ from the first in one property, in its order.

        Parameters
        ----------
        axis : {"width", "depth", "n_data"}

        Raises
        ------
        ArgumentError
            If there is no such property.
        """
        if axis not in _AXES:
            raise ArgumentError(f"axis must be one of {', '.join(_AXES)}, got {shown(axis)}")
        base = self.places[0]
        same = [name for name in _AXES if name != axis]
        found = [p for p in self.places if all(getattr(p, n) == getattr(base, n) for n in same)]
        return tuple(sorted(found, key=lambda p: int(getattr(p, axis))))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each network and learning rate."""
        import pandas as pd

        table = []
        for row in self.rows:
            fit, place = row.fit, row.place
            line: dict[str, Any] = {
                "width": place.width,
                "depth": place.depth,
                "n_data": place.n_data,
                "learning_rate": row.learning_rate,
                "rate_times_eigenvalue": row.rate_times_eigenvalue,
                "predicted_hubble": row.predicted_hubble,
                "discrete_hubble": row.discrete_hubble,
                "kernel_drift": row.kernel_drift,
            }
            for name in _FITTED:
                found = None if fit is None else getattr(fit, name)
                line[name] = None if found is None else found.value
                line[f"{name}_error"] = None if found is None else found.error
            for name in ("deviation", "mass_ratio", "invariant_ratio"):
                line[name], line[f"{name}_error"] = (
                    getattr(getattr(row, name), part) for part in ("value", "error")
                )
            line |= {name: getattr(row, name) for name in _JUDGED}
            table.append(line)
        return pd.DataFrame(table)

    def __str__(self) -> str:
        momentum = f", momentum {self.momentum:g}" if self.match == "momentum" else ""
        lines = [
            f"Hubble rates of {self.activation} networks, {self.match} match{momentum}, mode "
            f"{self.mode}, {self.n_samples} seeds, time in {self.time_unit}; holds: H within "
            f"{self.tolerance:g} of the match in the root mean square over seeds",
        ]
        if len(self.places) == 1:
            lines += _every(self.rows)
        for place in self.places:
            rows = self.at(place)
            law = self.laws.get(place)
            holds = sum(row.verdict == "holds" for row in rows)
            said = f"{place}: holds at {holds} of {len(rows)} rates; "
            if law is None:
                said += f"no exponent: {self.unfitted[place]}"
            else:
                said += (
                    f"H ~ eta^x, x {law.exponent} (match {law.predicted_exponent:g}), chi2/dof "
                    f"{law.chi2_per_dof:.2g}, p {law.p:.2g}, eta {law.window[0]:.2g} to "
                    f"{law.window[1]:.2g}: {law.verdict}{law.widened}"
                )
            lines.append(said)
            if len(self.places) > 1:
                failing = max(rows, key=lambda row: (row.verdict == "fails", -row.learning_rate))
                if failing.verdict != "holds":
                    lines.append(
                        f"  eta {failing.learning_rate:.3g}: {failing.verdict}, H/match - 1 "
                        f"{failing.deviation}, {failing.beyond} of {self.n_samples} networks "
                        f"beyond: {failing.reason}"
                    )
        return "\n".join([*lines, "", str(self.universe)])


_FITTED = ("hubble", "mass2", "cosmological_constant", "invariant", "eigenvalue", "drift",
            "misalignment")  # fmt: skip

_JUDGED = ("beyond", "hubble_sigmas", "mass2_sigmas", "verdict", "reason")


def _every(rows: tuple[ScanRow, ...]) -> list[str]:
    lines = [
        f"{'eta':>9} {'eta theta':>9} {'H':>16} {'match':>9} {'sigmas':>7} {'H/match - 1':>13} "
        f"{'beyond':>6} {'m^2/H^2 : match':>16}  verdict"
    ]
    for row in rows[:_ROWS]:
        hubble = "-" if row.fit is None else str(row.fit.hubble)
        ending = f"{row.verdict}{': ' if row.reason else ''}{row.reason}"
        lines.append(
            f"{row.learning_rate:9.3g} {row.rate_times_eigenvalue:9.3g} {hubble:>16} "
            f"{row.predicted_hubble:9.4g} {row.hubble_sigmas:7.1f} {row.deviation!s:>13} "
            f"{row.beyond:6d} {row.invariant_ratio!s:>16}  {ending}"
        )
    if len(rows) > _ROWS:
        lines.append(f"  and {len(rows) - _ROWS} more: to_dataframe()")
    return lines
