"""Results that are kept: one file for each run, reopened identically."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnrg._files import as_path
from nnrg._netcdf import Group, Variable, write
from nnrg._netcdf_reader import Arrays, read
from nnrg._tables import from_arrays
from nnrg.errors import AnalysisError, ArgumentError, FormatError
from nnrg.networks._label import file_label, label
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants

if TYPE_CHECKING:
    from nnrg.rg.two_point.nonlocality import Nonlocality

__all__ = ["Measurement", "Run", "open_results"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """The flow of one field: its cumulants and its couplings, from the same null draws."""

    cumulants: Cumulants
    couplings: Couplings

    @property
    def name(self) -> str:
        """The field."""
        return str(self.couplings.attrs["field"])

    @property
    def natural(self) -> bool:
        """Whether the order of the sites means something."""
        return bool(self.couplings.attrs["natural_order"])

    @property
    def order(self) -> str:
        """What makes sites neighbours, in a word.

        ``"natural"``, ``"index"``, ``"graph"``, or ``"chosen"`` for blocks without a graph.
        """
        attrs = self.couplings.attrs
        if self.natural:
            return "natural"
        if attrs.get("sites_kind", "lattice") == "lattice":
            return "index"
        unit = str(attrs.get("edge_unit", ""))
        return "graph" if any(c.isdigit() for c in unit) else "chosen"

    def __str__(self) -> str:
        from nnrg._report import measurement_report

        return measurement_report(self.cumulants, self.couplings)


@dataclass(frozen=True, slots=True)
class Run:
    """The measurements of one network, what was left out and why, and how it was all made.

    Attributes
    ----------
    measurements : mapping from tensor name to Measurement
    left_out : mapping from tensor name to reason
    attrs : mapping
        Provenance: versions, command, seed, sha256 of the weight file, times.
    """

    kind: ClassVar[str] = "run"

    measurements: Mapping[str, Measurement]
    left_out: Mapping[str, str] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Measurement:
        if name not in self.measurements:
            there = ", ".join(label(n, 60) for n in list(self)[:6])
            more = ", ..." if len(self) > 6 else ""
            raise ArgumentError(
                f"no field {label(name)!r} in these results; there are {there}{more}"
            )
        return self.measurements[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.measurements)

    def __len__(self) -> int:
        return len(self.measurements)

    def __repr__(self) -> str:
        model = self.attrs.get("model", "network")
        return f"Run({model}: {len(self)} flows, {len(self.left_out)} tensors left out)"

    @property
    def leading(self) -> Measurement:
        """The measurement to look at first: on a natural lattice, with the most scales."""
        if not self.measurements:
            raise AnalysisError("these results hold no flow; measure a network that has one")
        return max(
            self.measurements.values(),
            key=lambda m: (
                m.natural,
                m.couplings.scales.size,
                int(m.couplings.attrs["samples"]) * float(m.couplings.series["sites"][0]),
            ),
        )

    def report(self) -> str:
        """Return the leading field's tables, a line for each other one, and what was left out."""
        from nnrg._report import run_report

        return run_report(self)

    def save(self, path: str | Path) -> None:
        """Write everything to one netCDF4 file, a group for each field.

        Raises
        ------
        SourceError
            If the file cannot be written.
        """
        words = {
            "field": ("measurement", list(self.measurements)),
            "left_out": ("tensor", list(self.left_out)),
            "reason": ("tensor", list(self.left_out.values())),
        }
        root = {
            name: Variable((dim,), np.array(column, dtype=object))
            for name, (dim, column) in words.items()
        }
        groups = {"": Group(root, {**self.attrs, "nnrg_kind": self.kind})}
        for i, m in enumerate(self.measurements.values()):
            groups[f"field{i}/cumulants"] = m.cumulants.to_group()
            groups[f"field{i}/couplings"] = m.couplings.to_group()
        write(path, groups)


def open_results(path: str | Path) -> Run | Couplings | Cumulants | Nonlocality:
    """Read back what `save` or ``nnrg flow`` wrote.

    Parameters
    ----------
    path : path of a results file, or of the folder that holds ``flow.nc``

    Returns
    -------
    Run, Couplings, Cumulants or Nonlocality
        Equal to what was saved.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    SourceError
        If there is no such file.
    FormatError
        If it is not a results file of this format.
    """
    source = as_path(path)
    if source.is_dir():
        source = source / "flow.nc"
    groups = read(source)
    kind = groups[""].attrs.get("nnrg_kind")
    try:
        if kind == Couplings.kind:
            return from_arrays(Couplings, groups[""])
        if kind == Cumulants.kind:
            return from_arrays(Cumulants, groups[""])
        if kind == "nonlocality":
            from nnrg.rg.two_point.nonlocality import Nonlocality

            return from_arrays(Nonlocality, groups[""])
        if kind == Run.kind:
            return _run(groups)
    except (KeyError, ValueError) as error:
        reason = label(error.args[0], 120) if error.args else type(error).__name__
        raise FormatError(
            f"{file_label(source)}: damaged results, missing or malformed: {reason}; "
            "make the file again with nnrg flow"
        ) from None
    raise FormatError(
        f"{file_label(source)}: results of unknown kind {label(kind, 40)!r}; "
        "a later version of nnrg may have written them"
    )


def _run(groups: Mapping[str, Arrays]) -> Run:
    root = groups[""]
    words = {}
    for name in ("field", "left_out", "reason"):
        column = root.arrays[name]
        if column.dtype.kind != "O" or column.ndim != 1:
            raise ValueError(f"words of {name}")
        words[name] = [str(word) for word in column]
    if len(set(words["field"])) < len(words["field"]):
        raise ValueError("a field twice")
    return Run(
        measurements={
            name: Measurement(
                from_arrays(Cumulants, groups[f"field{i}/cumulants"]),
                from_arrays(Couplings, groups[f"field{i}/couplings"]),
            )
            for i, name in enumerate(words["field"])
        },
        left_out=dict(zip(words["left_out"], words["reason"], strict=True)),
        attrs={key: value for key, value in root.attrs.items() if key != "nnrg_kind"},
    )
