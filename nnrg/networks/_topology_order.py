"""What the order and the shapes of layers suggest: each join says that it was assumed."""

from __future__ import annotations

import re

from nnrg.networks import _names as names
from nnrg.networks._topology_ends import Joiner, Segment

__all__ = ["file_order", "join_norms_and_slopes", "join_order", "join_residual_blocks"]

_RESIDUAL = re.compile(r"(?P<stage>.*layer\d+)[._](?P<number>\d+)[._](?P<part>conv\d+|downsample)")
_NUMBER = re.compile(r"(?P<stem>.*?)(?P<number>\d+)$")
_ASSUMED = "assumed from order"
# Layers back that a branch or a shortcut may start from.
_NEAR = 8
_BESIDE = ("normalisation", "vector")


def file_order(joiner: Joiner) -> tuple[list[str], str]:
    """Return the tensors in the order of their layers, and what the order rests on.

    A writer that sorts names puts layer 10 before layer 2: then numbers are read as numbers.
    """
    given = list(joiner.roles)
    if len(given) > 2 and given == sorted(given):
        return sorted(given, key=names.natural_key), "assumed from names in order"
    return given, _ASSUMED


def join_residual_blocks(joiner: Joiner) -> None:
    """Join entry and exit of the blocks of a residual convolutional network, by their names."""
    blocks: dict[tuple[str, str], dict[str, str]] = {}
    for name, role in joiner.roles.items():
        match = _RESIDUAL.match(role.layer)
        if match and role.kind == "conv":
            blocks.setdefault((match["stage"], match["number"]), {})[match["part"]] = name
    for parts in blocks.values():
        convs = sorted(p for p in parts if p.startswith("conv"))
        if len(convs) < 2:
            continue
        entry = joiner.segments(parts[convs[0]], "in")[0]
        leave = joiner.segments(parts[convs[-1]], "out")[0]
        around = parts.get("downsample")
        if around is None:
            joiner.join(entry, leave, "names: identity around a residual block")
            continue
        joiner.join(entry, joiner.segments(around, "in")[0], "names: shortcut of a residual block")
        joiner.join(leave, joiner.segments(around, "out")[0], "names: shortcut of a residual block")


def join_norms_and_slopes(joiner: Joiner, order: list[str], why: str) -> None:
    """Join vectors and normalisations that stand alone with a layer near them."""
    heads: dict[str, str] = {}
    for name in order:
        role = joiner.roles[name]
        if joiner.segments(name, "in") and _matrix(joiner, name):
            heads.setdefault(_number_key(role.layer), name)
    last: Segment | None = None
    waiting: list[Segment] = []
    for name in order:
        role = joiner.roles[name]
        if _matrix(joiner, name):
            (entry, *_), (last, *others) = _entry_and_leave(joiner, name)
            for segment in waiting:
                joiner.join(entry, segment, why)
            waiting, last = [], None if others else last
            continue
        # A bias without its weight is nobody's: it stays alone.
        for segment in joiner.segments(name, "unit") if role.kind in _BESIDE else ():
            if len({s.end.tensor for s in segment.group.members}) > 1 and _placed(joiner, segment):
                continue
            twin = heads.get(_number_key(role.layer))
            by_name = twin is not None and joiner.join(
                joiner.segments(twin, "out")[0], segment, "names: number of its layer"
            )
            if not by_name and (last is None or not joiner.join(last, segment, why)):
                waiting.append(segment)


def _number_key(layer: str) -> str:
    """Return what ``conv3``, ``conv3_BN`` and ``bn3`` of one parent have in common."""
    parent, _, leaf = layer.rpartition(".")
    number = re.fullmatch(r"[A-Za-z]+(\d+)(?:_?(?:bn|norm))?", leaf, re.IGNORECASE)
    return f"{parent}.{number[1]}" if number else layer


def _placed(joiner: Joiner, segment: Segment) -> bool:
    return any(_matrix(joiner, s.end.tensor) for s in segment.group.members)


def _matrix(joiner: Joiner, name: str) -> bool:
    return joiner.roles[name].kind in ("weight", "conv", "recurrent", "embedding") and bool(
        joiner.segments(name, "out")
    )


def _entry_and_leave(joiner: Joiner, name: str) -> tuple[list[Segment], list[Segment]]:
    leave = joiner.segments(name, "out")
    return joiner.segments(name, "in") or leave, leave


def join_order(
    joiner: Joiner, order: list[str], known: set[str], flatten: str | None, why: str
) -> None:
    """Join the input of each layer with the output of the layer before, where sizes agree."""
    before: list[str] = []
    earlier: set[str] = set()
    for name in order:
        role = joiner.roles[name]
        earlier.add(name)
        if not _matrix(joiner, name):
            continue
        if name in known or role.kind == "embedding":
            before.append(name)
            continue
        if role.kind == "recurrent" and names.recurrent_kind(name) != "ih":
            continue
        _enter(joiner, name, before, earlier - {name}, flatten, why)
        before.append(name)


def _enter(
    joiner: Joiner,
    name: str,
    before: list[str],
    earlier: set[str],
    flatten: str | None,
    why: str,
) -> None:
    entries, leaves = _entry_and_leave(joiner, name)
    entry = entries[0]
    if len(entries) > 1 or not before or joiner.fed(entry, earlier):
        return
    last = joiner.segments(before[-1], "out")[0]
    if _depthwise(joiner, name, last):
        joiner.make_depthwise(name)
        joiner.join(last, leaves[0], f"{why}: depthwise")
        return
    if joiner.join(last, entry, why):
        return
    branch = _branch(joiner, name, before)
    if branch is not None and joiner.join(branch, entry, "assumed from names: branches"):
        return
    if _shortcut(joiner, name, before):
        return
    copies, rest = divmod(entry.end.units, last.end.units)
    spec = joiner.roles[before[-1]].spec
    if "M" in spec.layout and not rest and copies == spec.shape[spec.layout.index("M")]:
        joiner.repeat(entry, copies, first=False)
        joiner.join(last, entry, f"{why}: {copies} copies of each channel")
        return
    if copies < 2 or rest or joiner.roles[before[-1]].kind != "conv":
        joiner.notes.append(
            f"{name}: its {entry.end.units} inputs are not the {last.end.units} outputs of "
            f"{before[-1]}; say what they are with joins="
        )
        return
    first = _pixels_first(joiner, name, before[-1], flatten)
    if first is None:
        joiner.notes.append(
            f"{name}: its {entry.end.units} inputs may be the {last.end.units} channels of "
            f"{before[-1]} at {copies} pixels; the order is not known, say flatten="
            "'channels first' or 'channels last'"
        )
        return
    joiner.repeat(entry, copies, first=first)
    joiner.join(last, entry, f"{why}: {copies} pixels of each channel")


def _pixels_first(joiner: Joiner, name: str, last: str, flatten: str | None) -> bool | None:
    if flatten is not None:
        return flatten == "channels last"
    layouts = joiner.roles[last].spec.layout, joiner.roles[name].spec.layout
    # Only a format that keeps channels last says that they are.
    return True if layouts[0].endswith("IO") and layouts[1] == "IO" else None


def _depthwise(joiner: Joiner, name: str, last: Segment) -> bool:
    """Whether a kernel filters each channel of the layer before by itself."""
    spec = joiner.roles[name].spec
    if joiner.roles[name].kind != "conv":
        return False
    if "O" not in spec.layout:
        return spec.shape[spec.layout.index("I")] == last.end.units
    leaves, into = (spec.shape[spec.layout.index(letter)] for letter in "OI")
    return into == 1 < leaves == last.end.units


def _branch(joiner: Joiner, name: str, before: list[str]) -> Segment | None:
    """Return what a sibling reads: ``dense6_1`` and ``dense6_2`` are heads on one layer."""
    mine = _NUMBER.match(joiner.roles[name].layer)
    for other in reversed(before[-_NEAR:]):
        theirs = _NUMBER.match(joiner.roles[other].layer)
        if mine and theirs and mine["stem"] == theirs["stem"] and mine["stem"].endswith("_"):
            return joiner.segments(other, "in")[0]
    return None


def _shortcut(joiner: Joiner, name: str, before: list[str]) -> bool:
    """Join a 1 x 1 kernel that leads around the layers before it, by shapes."""
    spec = joiner.roles[name].spec
    taps = [n for n, letter in zip(spec.shape, spec.layout, strict=True) if letter in "DHWK"]
    entry, leave = joiner.segments(name, "in")[0], joiner.segments(name, "out")[0]
    last = joiner.segments(before[-1], "out")[0]
    if not taps or max(taps) > 1 or leave.end.units != last.end.units:
        return False
    for other in reversed(before[-_NEAR:]):
        start = (joiner.segments(other, "in") or joiner.segments(other, "out"))[0]
        if start.end.units == entry.end.units:
            why = "assumed from shapes: 1 x 1 shortcut around layers"
            joiner.join(start, entry, why)
            return joiner.join(last, leave, why)
    return False
