"""A comparison as text: for a screen, for a paper, for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from math import isfinite, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg._files import written_whole
from nnrg.comparison.difference import Difference
from nnrg.networks._label import label
from nnrg.rg.cumulants import align
from nnrg.stats.estimate import Estimate, format_value_error

if TYPE_CHECKING:
    from nnrg.comparison.distance import Distance
    from nnrg.comparison.result import Comparison

__all__ = ["as_csv", "as_json", "as_latex", "screen", "write_text"]

_MEASURE = {"relative": "b / width", "blocks": "blocks left", "scale": "b"}
_MOST_FLOWS, _MOST_PAIRS, _MOST_ROWS, _MOST_NOTES = 8, 10, 12, 4
_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _number(value: float, error: float) -> str:
    if isnan(value):
        return "-"
    return format_value_error(value, error)


def _null(d: Distance) -> tuple[float, float]:
    null = d.square.null
    return (null.value, null.error) if isinstance(null, Estimate) else (nan, nan)


def _p(p: float) -> str:
    return "-" if isnan(p) else f"{p:.2g}"


def screen(comparison: Comparison) -> str:
    """Return what is most telling, on one screen."""
    c = comparison
    shared = "; ".join(f"{k} {label(v, 60)}" for k, v in c.settings.items() if k != "null models")
    text = [
        f"{len(c.curves)} flows at equal {_MEASURE[c.at]}; {shared}",
        *_flow_lines(c),
        "",
        "distance of two flows, noise taken off (1 / D^2: weights that tell them apart):",
        _distance_table(c.distances),
        "",
        *_row_lines(c),
    ]
    if c.notes:
        text += ["", *(f"note: {label(note, 200)}" for note in c.notes[:_MOST_NOTES])]
        if len(c.notes) > _MOST_NOTES:
            text.append(f"note: and {len(c.notes) - _MOST_NOTES} more")
    return "\n".join(text)


def _flow_lines(c: Comparison) -> list[str]:
    rows = [
        [
            f"  {label(f.name, 40)}",
            f"{label(f.field, 40)}",
            f"{f.samples} samples",
            label(f.sites, 40),
        ]
        for f in c.curves[:_MOST_FLOWS]
    ]
    more = [f"  and {len(c.curves) - _MOST_FLOWS} more"] if len(c.curves) > _MOST_FLOWS else []
    return [align(rows, left=(0, 1, 3)), *more]


def _distance_table(distances: Sequence[Distance]) -> str:
    """Return the distances, the largest in their errors first where there are many."""
    shown = sorted(distances, key=_order)[:_MOST_PAIRS]
    keep = [d for d in distances if d in shown]
    rows = [["  pair", "D^2", "null", "rms sigmas", "p", "Holm", "made of"]]
    for d in keep:
        rows.append(
            [
                f"  {label(d.first, 30)} - {label(d.second, 30)}",
                _number(d.square.value, d.square.error),
                _number(*_null(d)),
                "-" if isnan(d.rms) else f"{d.rms:.2f}",
                _p(d.p),
                _p(d.adjusted),
                f"{d.numbers} {d.kind} at {d.scales} scales" if d.scales else d.square.flag,
            ]
        )
    text = align(rows, left=(0, 6))
    if len(distances) > len(keep):
        text += f"\n  and {len(distances) - len(keep)} nearer pairs"
    return text


def _order(d: Distance) -> float:
    return d.p if isfinite(d.p) else 2.0


def _row_lines(c: Comparison) -> list[str]:
    """Return the largest differences, and how many there are."""
    tested = [r for r in c.rows if isfinite(r.p)]
    below = [r for r in tested if r.holm <= c.level]
    found = [r for r in tested if r.fdr <= c.level]
    beyond = [r for r in c.rows if isfinite(r.excess_p) and r.excess_holm <= c.level]
    head = (
        f"{len(tested)} differences tested: {len(below)} below {c.level:g} by Holm's method, "
        f"{len(found)} by Benjamini and Hochberg's"
    )
    if c.null:
        head += f"; {len(beyond)} beyond their own nulls ({c.null})"
    first = sorted(tested, key=lambda r: (r.p, -abs(r.z)))[:_MOST_ROWS]
    if not first:
        return [head]
    rows = [
        ["  quantity", _MEASURE[c.at], "pair", "first", "second", "z", "Holm", "z beyond nulls", ""]
    ]
    for r in first:
        rows.append(
            [
                f"  {label(r.quantity, 24)}",
                f"{r.scale:.4g}" if isfinite(r.scale) else "",
                f"{label(r.first, 20)} - {label(r.second, 20)}",
                _number(r.value_first, r.error_first),
                _number(r.value_second, r.error_second),
                f"{r.z:+.1f}",
                _p(r.holm),
                "" if isnan(r.excess_z) else f"{r.excess_z:+.1f}",
                "!" if r.flag else "",
            ]
        )
    return [head + "; largest first:", align(rows, left=(0, 2, 8)), "  !: flagged"]


def as_csv(comparison: Comparison) -> str:
    """Return the rows as comma-separated values with a heading; nothing stands for NaN."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    names = [f.name for f in fields(Difference)]
    table.writerow(names)
    for row in comparison.rows:
        cells = [getattr(row, name) for name in names]
        table.writerow(["" if isinstance(x, float) and isnan(x) else x for x in cells])
    return out.getvalue()


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return everything as plain Python; None for what is not finite."""
    c = comparison
    body = {
        "at": c.at,
        "level": c.level,
        "null": c.null,
        "settings": dict(c.settings),
        "notes": list(c.notes),
        "flows": [asdict(one) for one in c.curves],
        "distances": [asdict(one) for one in c.distances],
        "differences": [asdict(one) for one in c.rows],
    }
    plain = _plain(body)
    assert isinstance(plain, dict)
    return plain


def _plain(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: _plain(value) for key, value in item.items()}
    if isinstance(item, np.ndarray | np.generic):
        item = item.tolist()
    if isinstance(item, list | tuple):
        return [_plain(value) for value in item]
    return None if isinstance(item, float) and not isfinite(item) else item


def tex(text: str) -> str:
    """Return text with the characters that TeX reads as commands escaped."""
    return "".join(_TEX.get(c, c) for c in label(text, 80))


def as_latex(comparison: Comparison) -> str:
    """Return the distances and the differences as two tables."""
    c = comparison
    lines = [
        "% needs \\usepackage{booktabs}; the second table may be cut to what a paper shows",
        r"\begin{tabular}{llccccc}",
        r"\toprule",
        r"flow & flow & $D^2$ & null & $p$ & Holm & scales \\",
        r"\midrule",
    ]
    for d in c.distances:
        cells = [
            tex(d.first),
            tex(d.second),
            _tex_number(d.square.value, d.square.error),
            _tex_number(*_null(d)),
            _tex_p(d.p),
            _tex_p(d.adjusted),
            str(d.scales),
        ]
        lines.append(" & ".join(cells) + r" \\")
    what = {"relative": r"$b/\mathrm{width}$", "blocks": "blocks", "scale": "$b$"}[c.at]
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\begin{tabular}{llllccrccr}",
        r"\toprule",
        f"quantity & {what} & flow & flow & value & value & $z$ & $p$ & Holm & "
        r"$z$ beyond nulls \\",
        r"\midrule",
    ]
    for r in c.rows:
        if not isfinite(r.z):
            continue
        cells = [
            tex(r.quantity),
            f"{r.scale:.4g}" if isfinite(r.scale) else "",
            tex(r.first),
            tex(r.second),
            _tex_number(r.value_first, r.error_first),
            _tex_number(r.value_second, r.error_second),
            f"${r.z:+.1f}$",
            _tex_p(r.p),
            _tex_p(r.holm),
            "--" if isnan(r.excess_z) else f"${r.excess_z:+.1f}$",
        ]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _tex_number(value: float, error: float) -> str:
    if isnan(value):
        return "--"
    body, power = (*format_value_error(value, error).split("e"), "")[:2]
    return f"${body}$" if not power else rf"${body} \times 10^{{{int(power)}}}$"


def _tex_p(p: float) -> str:
    if isnan(p):
        return "--"
    body, power = (*f"{p:.2g}".split("e"), "")[:2]
    return f"${body}$" if not power else rf"${body} \times 10^{{{int(power)}}}$"


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises
    ------
    SourceError
        If it cannot be written.
    """
    with written_whole(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
