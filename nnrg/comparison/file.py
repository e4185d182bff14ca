"""Comparisons in files, from which their figure can be drawn again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from nnrg._netcdf import Group, Variable, write
from nnrg._netcdf_reader import Arrays, read
from nnrg.comparison.difference import Difference
from nnrg.comparison.distance import Distance
from nnrg.comparison.result import Comparison, Curves
from nnrg.errors import FormatError
from nnrg.networks._label import file_label, label
from nnrg.stats.estimate import Estimate

__all__ = ["open_comparison", "save_comparison"]

T = TypeVar("T")

_DISTANCE = ("first", "second", "p", "rms", "kind", "scales", "numbers", "relation", "adjusted")
_SQUARE = ("value", "error", "n_samples", "null", "null_error", "flag")


def save_comparison(comparison: Comparison, path: str | Path) -> None:
    """Write a comparison to one netCDF4 file.

    Raises
    ------
    SourceError
        If the file cannot be written.
    """
    c = comparison
    groups = {
        "": Group(
            {},
            {
                "nnrg_kind": c.kind,
                "at": c.at,
                "level": c.level,
                "null": c.null,
                "settings": json.dumps(dict(c.settings)),
                "notes": "\n".join(c.notes),
                "flows": len(c.curves),
            },
        ),
        "differences": _columns({f.name: [getattr(r, f.name) for r in c.rows] for f in _ROW}),
        "distances": _columns(
            {
                **{name: [getattr(d, name) for d in c.distances] for name in _DISTANCE},
                **{
                    f"square_{name}": [_square(d)[i] for d in c.distances]
                    for i, name in enumerate(_SQUARE)
                },
            }
        ),
    }
    for i, curve in enumerate(c.curves):
        groups[f"flow{i}"] = _curve_group(curve)
    write(path, groups)


def open_comparison(path: str | Path) -> Comparison:
    """Read back what `Comparison.save` or ``nnrg compare`` wrote.

    Parameters
    ----------
    path : path of the file, or of the folder that holds ``comparison.nc``

    Returns
    -------
    Comparison

    Raises
    ------
    SourceError
        If there is no such file.
    FormatError
        If it is not a comparison.
    """
    source = Path(path)
    if source.is_dir():
        source = source / "comparison.nc"
    groups = read(source)
    kind = groups[""].attrs.get("nnrg_kind")
    if kind != Comparison.kind:
        raise FormatError(
            f"{file_label(source)}: holds {label(kind, 40)!r}, not a comparison; "
            "nnrg compare RUN RUN -o DIR writes one"
        )
    try:
        return _comparison(groups)
    except (KeyError, ValueError, TypeError) as error:
        raise FormatError(
            f"{file_label(source)}: damaged comparison, missing or malformed: {label(error, 120)}; "
            "make it again with nnrg compare"
        ) from None


_ROW = fields(Difference)
_TEXTS = {"first", "second", "kind", "quantity", "flag", "relation", "square_flag"}


def _columns(columns: Mapping[str, list[Any]]) -> Group:
    arrays = {
        name: np.array(column, dtype=object if name in _TEXTS else np.float64)
        for name, column in columns.items()
    }
    return Group({name: Variable(("row",), array) for name, array in arrays.items()})


def _square(distance: Distance) -> tuple[float | str, ...]:
    e = distance.square
    null = e.null if isinstance(e.null, Estimate) else Estimate(np.nan, np.nan)
    return e.value, e.error, e.n_samples, null.value, null.error, e.flag


def _curve_group(curve: Curves) -> Group:
    two = ("scale", "quantity")
    variables = {
        "quantity": Variable(("quantity",), np.array(curve.quantities, dtype=object)),
        "positions": Variable(("scale",), curve.positions),
        "block_lengths": Variable(("scale",), curve.block_lengths),
        "flags": Variable(two, np.array(curve.flags, dtype=object).reshape(curve.values.shape)),
    }
    for name in ("values", "errors", "null_mean", "null_spread"):
        variables[name] = Variable(two, getattr(curve, name))
    attrs = {"name": curve.name, "field": curve.field, "sites": curve.sites}
    return Group(variables, {**attrs, "samples": curve.samples})


def _comparison(groups: Mapping[str, Arrays]) -> Comparison:
    root = groups[""].attrs
    settings = json.loads(_as(str, root["settings"]))
    if not isinstance(settings, dict) or not all(isinstance(v, str) for v in settings.values()):
        raise ValueError("settings")
    rows = _records(groups["differences"], [f.name for f in _ROW])
    notes = _as(str, root["notes"])
    return Comparison(
        at=_as(str, root["at"]),
        level=_as(float, root["level"]),
        null=_as(str, root["null"]),
        settings=settings,
        curves=tuple(_curve(groups[f"flow{i}"]) for i in range(_as(int, root["flows"]))),
        rows=tuple(Difference(**row) for row in rows),
        distances=tuple(_distances(groups["distances"])),
        notes=tuple(notes.split("\n")) if notes else (),
    )


def _as(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{label(value, 40)} is no {kind.__name__}")
    return value


def _records(group: Arrays, names: list[str]) -> list[dict[str, Any]]:
    columns = []
    for name in names:
        array = group.arrays[name]
        if array.ndim != 1 or array.dtype.kind != ("O" if name in _TEXTS else "f"):
            raise ValueError(f"column {name}")
        columns.append([str(x) for x in array] if name in _TEXTS else array.tolist())
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _distances(group: Arrays) -> list[Distance]:
    out = []
    for row in _records(group, [*_DISTANCE, *(f"square_{name}" for name in _SQUARE)]):
        value, error, count, null, null_error, flag = (row.pop(f"square_{n}") for n in _SQUARE)
        against = None if np.isnan(null) else Estimate(null, null_error)
        square = Estimate(value, error, n_samples=count, null=against, flag=flag)
        row["scales"], row["numbers"] = int(row["scales"]), int(row["numbers"])
        out.append(Distance(square=square, **row))
    return out


def _curve(group: Arrays) -> Curves:
    names = tuple(str(n) for n in group.arrays["quantity"])
    positions = group.arrays["positions"]
    shape = (positions.size, len(names))
    tables = {
        key: _numbers(group, key, shape) for key in ("values", "errors", "null_mean", "null_spread")
    }
    flags = group.arrays["flags"]
    if flags.shape != shape or flags.dtype.kind != "O":
        raise ValueError("flags")
    return Curves(
        name=_as(str, group.attrs["name"]),
        field=_as(str, group.attrs["field"]),
        samples=_as(int, group.attrs["samples"]),
        sites=_as(str, group.attrs["sites"]),
        positions=_numbers(group, "positions", shape[:1]),
        block_lengths=_numbers(group, "block_lengths", shape[:1]),
        quantities=names,
        flags=tuple(tuple(str(f) for f in row) for row in flags),
        **tables,
    )


def _numbers(group: Arrays, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    array = group.arrays[name]
    if array.dtype.kind != "f" or array.shape != shape:
        raise ValueError(f"numbers of {name}")
    return array.astype(np.float64)
