"""Ends of tensors, and which of them are the same neurons: a union of ends with its evidence."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from nnrg.networks.roles import AXES, TensorRole

__all__ = ["End", "Joiner", "Segment", "side_of"]

# The multiplier M of a depthwise kernel counts its copies of a channel.
_NEURONS = "OIVLC"
# The end that a signal leaves by: an embedding goes from tokens to channels.
_OUT = "OC"


@dataclass(frozen=True, slots=True)
class End:
    """One end of a tensor: the part of an axis that one population of neurons lies along.

    Attributes
    ----------
    tensor : str
    axis : int
        Axis of the tensor as stored.
    start, stop : int
        Entries of the axis.
    copies : int
        Entries that belong to one neuron: gates of a cell, pixels of a channel.
    copies_first : bool
        Whether entry i is neuron ``i % units`` (gates; pixels of channels-last) or
        ``i // copies`` (pixels of channels-first).
    side : str
        ``"out"``, ``"in"`` or ``"unit"`` (one number a neuron).
    """

    tensor: str
    axis: int
    start: int
    stop: int
    copies: int = 1
    copies_first: bool = True
    side: str = "unit"

    @property
    def units(self) -> int:
        """Number of neurons."""
        return (self.stop - self.start) // self.copies


@dataclass(eq=False, slots=True)
class Segment:
    """An end while ends are being joined; `group` is shared by all that are joined."""

    end: End
    group: Group


@dataclass(eq=False, slots=True)
class Group:
    """Ends that are the same neurons, why, and what they are called."""

    members: list[Segment] = field(default_factory=list)
    evidence: dict[str, None] = field(default_factory=dict)
    name: str = ""


class Joiner:
    """All ends of a network, at first each a population of its own.

    Parameters
    ----------
    roles : mapping of str to TensorRole
        Of trained tensors, in the order of the file.

    Attributes
    ----------
    notes : list of str
        What could not be joined, and why.
    """

    def __init__(self, roles: Mapping[str, TensorRole]) -> None:
        self.roles = roles
        self.notes: list[str] = []
        self._segments: dict[tuple[str, int], list[Segment]] = {}
        for name, role in roles.items():
            layout = role.spec.layout
            if len(layout) != len(role.spec.shape) or "?" in layout:
                self.notes.append(f"{name}: what its axes are is not known, it joins nothing")
                continue
            for axis, letter in enumerate(layout):
                if letter in _NEURONS:
                    side = side_of(role, letter)
                    self._add(End(name, axis, 0, role.spec.shape[axis], side=side))

    def _add(self, end: End) -> None:
        segment = Segment(end, Group())
        segment.group.members.append(segment)
        self._segments.setdefault((end.tensor, end.axis), []).append(segment)

    def segments(self, tensor: str, side: str) -> list[Segment]:
        """Return the segments of a tensor's end on one side; a vector has but one side."""
        found = []
        for axis in range(len(self.roles[tensor].spec.shape)):
            for segment in self._segments.get((tensor, axis), ()):
                if segment.end.side in (side, "unit"):
                    found.append(segment)
        return found

    def axis(self, tensor: str, axis: int) -> list[Segment]:
        """Return the segments along an axis."""
        return self._segments.get((tensor, axis), [])

    def split(self, segment: Segment, sizes: Iterable[int]) -> list[Segment]:
        """Cut an end that is not joined yet into parts of these sizes."""
        end = segment.end
        along = self._segments[(end.tensor, end.axis)]
        parts, start = [], end.start
        for size in sizes:
            parts.append(Segment(replace(end, start=start, stop=start + size), Group()))
            parts[-1].group.members.append(parts[-1])
            start += size
        place = along.index(segment)
        along[place : place + 1] = parts
        return parts

    def repeat(self, segment: Segment, copies: int, *, first: bool) -> None:
        """Say that several entries of an end belong to one neuron."""
        segment.end = replace(segment.end, copies=copies, copies_first=first)

    def make_depthwise(self, tensor: str) -> None:
        """Say that a kernel filters each channel by itself: it joins a channel with no other."""
        (leave,) = self.segments(tensor, "out")
        for entry in self.segments(tensor, "in"):
            if entry is not leave:
                del self._segments[(tensor, entry.end.axis)]
        leave.end = replace(leave.end, side="unit")

    def join(self, one: Segment, other: Segment, evidence: str, name: str = "") -> bool:
        """Make two ends one population, if they have as many neurons; return whether."""
        if one.end.units != other.end.units:
            return False
        kept, gone = one.group, other.group
        if kept is not gone:
            for segment in gone.members:
                segment.group = kept
            kept.members += gone.members
            kept.evidence.update(gone.evidence)
            kept.name = kept.name or gone.name
        kept.evidence[evidence] = None
        kept.name = name or kept.name
        return True

    def fed(self, segment: Segment, by: Container[str]) -> bool:
        """Whether the signal of one of these tensors is known to enter the neurons of an end."""
        return any(s.end.side == "out" and s.end.tensor in by for s in segment.group.members)

    def groups(self) -> list[Group]:
        """Return the populations as the file's weights meet them, from in to out; then others."""
        found: dict[int, Group] = {}
        for sides in (("in", "out"), ("unit",)):
            for name in self.roles:
                for side in sides:
                    for segment in self.segments(name, side):
                        if segment.end.side == side:
                            found.setdefault(id(segment.group), segment.group)
        return list(found.values())


def side_of(role: TensorRole, letter: str) -> str:
    """Return whether an axis is where signals leave a tensor, enter it, or neither."""
    if sum(c in _NEURONS for c in role.spec.layout) == 1:
        return "unit"
    return "out" if letter in _OUT else "in"


def default_name(role: TensorRole, end: End) -> str:
    """Return what the neurons of an end are called for want of a better name."""
    letter = role.spec.layout[end.axis]
    word = {"C": "channel", "V": "token", "L": "position"}.get(letter) or AXES[letter]
    return f"{role.layer}:{word}"
