"""Results that are kept: one file for each run, reopened identically."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nnrg._netcdf import read, write
from nnrg.errors import FormatError
from nnrg.rg.action import Couplings
from nnrg.rg.cumulants import Cumulants, align

if TYPE_CHECKING:
    import xarray as xr

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

    def __str__(self) -> str:
        a = self.couplings.attrs
        order = "natural order" if self.natural else "index order, no natural neighbours"
        text = [
            f"{self.name}: {a['samples']} samples ({a['sample_is']}) on {a['lattice']} "
            f"({a['axes']}; {order})",
            f"{a['blocks']}, rescale {a['rescale']}, Delta {a['exponent_Delta']}; errors: jackknife "
            f"over {a['jackknife_groups']} {a['jackknife_over']}",
            "",
            "cumulants of the unrescaled block mean (* below the noise of Gaussian numbers):",
            self.cumulants.table(),
            "",
            "couplings of the rescaled block field, g_n sigma^n (dimensionless; r is phi2, u is phi4):",
            self.couplings.table(),
        ]
        if a["notes"]:
            text += ["", *(f"note: {line}" for line in str(a["notes"]).split("\n"))]
        return "\n".join(text)


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
        return max(self.measurements.values(), key=lambda m: (m.natural, m.couplings.scales.size))

    def report(self) -> str:
        """Return the tables of the leading field, a line for each other one, and what was left out."""
        text = [str(self.leading)]
        others = [m for m in self.measurements.values() if m is not self.leading]
        if others:
            rows = [
                ["field", "order", "samples", "scales", "z(kappa_2) by scale", "flags at b = 1"]
            ]
            for m in others:
                z = m.cumulants.z()[1:, m.cumulants.names.index("kappa_2")]
                rows.append(
                    [
                        m.name[:60],
                        "natural" if m.natural else "index",
                        str(m.couplings.attrs["samples"]),
                        str(m.couplings.scales.size),
                        " ".join(f"{x:+.1f}" for x in z),
                        m.couplings.flags[0][0][:60],
                    ]
                )
            text += ["", "other fields (z against permutation; |z| < 2: as random blocks):"]
            text.append(align(rows, left=(0, 5)))
        if self.left_out:
            text += ["", "left out:"]
            text += [f"  {name[:60]}: {reason[:140]}" for name, reason in self.left_out.items()]
        return "\n".join(text)

    def save(self, path: str | Path) -> None:
        """Write everything to one netCDF4 file, a group for each field.

        Raises
        ------
        SourceError
            If the file cannot be written.
        """
        import numpy as np
        import xarray as xr

        root = xr.Dataset(
            {
                "field": (("measurement",), np.array(list(self.measurements), dtype=object)),
                "left_out": (("tensor",), np.array(list(self.left_out), dtype=object)),
                "reason": (("tensor",), np.array(list(self.left_out.values()), dtype=object)),
            },
            attrs={**self.attrs, "nnrg_kind": self.kind},
        )
        groups = {"": root}
        for i, m in enumerate(self.measurements.values()):
            groups[f"field{i}/cumulants"] = m.cumulants.to_xarray()
            groups[f"field{i}/couplings"] = m.couplings.to_xarray()
        write(path, groups)


def open_results(path: str | Path) -> Run | Couplings | Cumulants:
    """Read back what `save` or ``nnrg flow`` wrote.

    Parameters
    ----------
    path : path of a results file, or of the folder that holds ``flow.nc``

    Returns
    -------
    Run, Couplings or Cumulants
        Equal to what was saved.

    Raises
    ------
    SourceError
        If there is no such file.
    FormatError
        If it is not a results file of this format.
    """
    source = Path(path)
    if source.is_dir():
        source = source / "flow.nc"
    groups = read(source)
    root = groups[""]
    kind = root.attrs.get("nnrg_kind")
    try:
        if kind == Couplings.kind:
            return Couplings.from_xarray(_clean(root))
        if kind == Cumulants.kind:
            return Cumulants.from_xarray(_clean(root))
        if kind == Run.kind:
            return _run(groups)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise FormatError(f"{source}: damaged results, {error} is missing or malformed") from None
    raise FormatError(f"{source}: results of unknown kind {kind!r}, written by a later version?")


def _clean(data: xr.Dataset) -> xr.Dataset:
    attrs = {k: v for k, v in data.attrs.items() if k != "nnrg_format"}
    return data.drop_attrs().assign_attrs(attrs)


def _run(groups: dict[str, xr.Dataset]) -> Run:
    root = _clean(groups[""])
    names = [str(n) for n in root["field"].values]
    return Run(
        measurements={
            name: Measurement(
                Cumulants.from_xarray(_clean(groups[f"field{i}/cumulants"])),
                Couplings.from_xarray(_clean(groups[f"field{i}/couplings"])),
            )
            for i, name in enumerate(names)
        },
        left_out={
            str(n): str(r)
            for n, r in zip(root["left_out"].values, root["reason"].values, strict=True)
        },
        attrs={k: v for k, v in root.attrs.items() if k != "nnrg_kind"},
    )
