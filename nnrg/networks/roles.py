"""What each tensor of a network is: its role, its axes, and the neuron populations it connects.

Everything is told from names, shapes and types; nothing is read. Where they do not tell, the
convention of torch is taken: matrices out x in, convolutions out x in x taps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from nnrg.errors import ArgumentError
from nnrg.networks import _names as names
from nnrg.networks._label import label
from nnrg.networks._layouts import CONVENTION, Layouts
from nnrg.networks._source import TensorSpec

__all__ = ["AXES", "TensorRole", "assign_roles"]

AXES = {
    "O": "out",
    "I": "in",
    "H": "tap row",
    "W": "tap column",
    "D": "tap depth",
    "K": "tap",
    "L": "position",
    "V": "token",
    "C": "channel",
    "N": "1",
    "M": "multiplier",
}
"""What a letter of a layout means; other letters are axes that nothing is known of."""

_OF_LAYER = frozenset("OIHWDKLVC")
_FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
_GATES = {4: "ifgo", 3: "rzn"}


@dataclass(frozen=True, slots=True)
class TensorRole:
    """The part that one tensor plays in its network.

    Attributes
    ----------
    kind : str
        ``"weight"`` (dense matrix), ``"conv"``, ``"recurrent"``, ``"embedding"``, ``"position
        embedding"``, ``"normalisation"``, ``"bias"``, ``"vector"`` (one number a channel, of
        unknown use), ``"scalar"``, ``"buffer"`` or ``"optimiser state"``.
    spec : TensorSpec
        The tensor with its layout and gates filled in.
    layer : str
        The layer that it belongs to.
    populations : tuple of str
        For each axis, the neurons or taps along it: ``"lstm.l0:out"``, ``"conv1:tap"``, or
        ``"axis 0"`` where nothing is known.
    layout_from : str
        What the layout rests on: ``"format"``, ``"bias"`` (its length, or that of the others'),
        ``"name"``, ``"order"`` (shapes of what stands before and after), ``"shape"`` or
        ``"convention"``.
    reason : str
        Why the tensor is left out; empty for trained tensors.
    """

    kind: str
    spec: TensorSpec
    layer: str
    populations: tuple[str, ...]
    layout_from: str
    reason: str = ""

    @property
    def trained(self) -> bool:
        """Whether the tensor holds trained numbers."""
        return not self.reason

    @property
    def assumed(self) -> bool:
        """Whether the axes of a matrix or kernel are torch's for want of anything that tells."""
        return (
            self.layout_from == "convention"
            and self.kind in ("weight", "conv")
            and "?" not in self.spec.layout
            and not names.is_torch(self.spec.name)
        )


def assign_roles(
    specs: Mapping[str, TensorSpec],
    *,
    buffers: Iterable[str] = (),
    trained: Iterable[str] = (),
) -> dict[str, TensorRole]:
    """Tell the role of each tensor.

    Parameters
    ----------
    specs : mapping of str to TensorSpec
        All tensors of one network; siblings are compared with each other.
    buffers, trained : iterable of str
        Shell patterns of names that are fixed, or trained, whatever is told from the names.

    Returns
    -------
    dict of str to TensorRole
        In the order of `specs`.

    Raises
    ------
    ArgumentError
        A pattern matches no tensor, or a tensor matches patterns of both kinds.

    Examples
    --------
    >>> spec = TensorSpec("fc.weight", (10, 64), "float32")
    >>> role = assign_roles({"fc.weight": spec})["fc.weight"]
    >>> role.kind, role.spec.layout, role.populations
    ('weight', 'OI', ('fc:out', 'fc:in'))
    """
    fixed = _matching(specs, buffers, "buffers")
    free = _matching(specs, trained, "trained")
    if fixed & free:
        both = label(sorted(fixed & free)[0])
        raise ArgumentError(f"{both!r} matches both buffers= and trained=; keep one of them")
    layouts = Layouts(specs)
    plain = {name for name in specs if not names.is_average(name)}
    roles = {}
    for name, spec in specs.items():
        reason, kind = _left_out(spec, plain)
        if name in fixed:
            reason, kind = "marked as fixed by buffers=", "buffer"
        elif name in free:
            reason = ""
        known, described, source = _describe(spec, specs, layouts)
        roles[name] = TensorRole(
            kind if reason else known,
            described,
            names.layer_name(name),
            _populations(described, known),
            source,
            reason,
        )
    return roles


def _matching(specs: Mapping[str, TensorSpec], patterns: Iterable[str], what: str) -> set[str]:
    found: set[str] = set()
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        hits = {name for name in specs if fnmatchcase(name, pattern)}
        if not hits:
            raise ArgumentError(
                f"{what}: no tensor matches {label(pattern)!r}; `nnrg inspect` lists the names"
            )
        found |= hits
    return found


def _left_out(spec: TensorSpec, plain: set[str]) -> tuple[str, str]:
    """Return why a tensor is not trained, empty if it is, and its kind."""
    name = spec.name
    if names.OPTIMISER.search(name):
        return "state of the optimiser, not of the network", "optimiser state"
    for pattern, reason in names.FIXED:
        if pattern.search(name):
            return reason, "buffer"
    if len(spec.shape) == 4 and spec.shape[:2] == (1, 1) and names.is_bias(name):
        return "causal mask of attention, not trained", "buffer"
    if names.is_average(name) and names.unaveraged(name) in plain:
        return "average of the weights over training (EMA), a second copy", "buffer"
    if spec.dtype.startswith("complex"):
        return f"complex numbers ({spec.dtype}), analyse real and imaginary part apart", "buffer"
    if "float" not in spec.dtype:
        return f"{spec.dtype} numbers: indices, masks, or weights to be dequantised first", "buffer"
    if spec.dtype not in _FLOATS:
        return f"{spec.dtype} numbers: convert to one of {', '.join(_FLOATS)}", "buffer"
    return "", ""


def _describe(
    spec: TensorSpec, specs: Mapping[str, TensorSpec], layouts: Layouts
) -> tuple[str, TensorSpec, str]:
    """Return the kind, the spec with layout and gates, and what the layout rests on."""
    name, axes = spec.name, len(spec.shape)
    kind, layout, gates = "weight", CONVENTION.get(axes, "?" * axes), spec.gates
    source = "convention"
    recurrent, row = names.recurrent_kind(name), sum(n > 1 for n in spec.shape) <= 1
    bias = layouts.bias_of(spec) if axes > 1 else None
    if recurrent and axes <= 2:
        kind = "bias" if names.is_bias(name) else "recurrent"
        gates = gates or _gates(spec, specs, recurrent)
    elif gates:
        kind = "bias" if axes == 1 or names.is_bias(name) else "recurrent"
    elif axes == 0 or (spec.size == 1 and axes == 1 and not names.is_bias(name)):
        kind, layout = "scalar", "N" * axes
    elif axes == 1:
        if names.is_normalisation(name) or _has_statistics(name, specs):
            kind, layout = "normalisation", "C"
        else:
            kind = "bias" if names.is_bias(name) or spec.layout == "O" else "vector"
            layout = "O" if kind == "bias" else "C"
    elif bias is None and names.is_embedding(name) and axes <= 3:
        kind = "position embedding" if names.is_position(name) else "embedding"
        table = "LC" if kind == "position embedding" or axes == 3 else "VC"
        layout, source = (
            ("N" * (axes - 2) + table if spec.shape[: axes - 2] in ((), (1,)) else "?" * axes),
            "name",
        )
    elif names.is_bias(name) and (row or "bias" in name.lower()):  # B may well be a matrix
        kind, layout = "bias", (_along(spec.shape, "O") if row else "?" * axes)
    elif axes == 2:
        layout, source = layouts.matrix(spec)
    elif "expert" in name.lower() or axes > 5:
        layout = "?" * axes
    elif spec.shape[0] == 1 and not _is_kernel(spec, layouts, row):
        # Tokens and scales that are added to, or multiply, activations: no kernel.
        kind, layout = ("vector", _along(spec.shape, "C")) if row else ("weight", "?" * axes)
    else:
        layout, source = layouts.kernel(spec)
        kind = "weight" if "?" in layout else "conv"
    if spec.layout:
        layout, source = spec.layout, "format"
    return kind, replace(spec, layout=layout, gates=gates), source


def _is_kernel(spec: TensorSpec, layouts: Layouts, row: bool) -> bool:
    """Whether what is one long along its first axis is a kernel all the same."""
    if names.is_torch(spec.name) or names.is_channels_last(spec.name):
        return True
    if row:
        return False
    *taps, into, out = spec.shape
    one_tap = len(taps) == 2 and max(taps) == 1 and into != out
    return one_tap or layouts.has_outputs(spec)


def _along(shape: Sequence[int], letter: str) -> str:
    """Return the layout of numbers along one axis, the longest."""
    at = max(range(len(shape)), key=lambda axis: shape[axis])
    return "N" * at + letter + "N" * (len(shape) - at - 1)


def _gates(spec: TensorSpec, specs: Mapping[str, TensorSpec], recurrent: str) -> str:
    """Return the gates packed along the first axis: its length over that of the hidden state."""
    state = specs.get(spec.name.replace(f"_{recurrent}", "_hr"))
    hidden = state.shape[-1] if state is not None and state.shape else 0
    if not hidden:
        weight = spec.name
        for bias_word, weight_word in (("bias", "weight"), ("b_", "w_")):
            if names.is_bias(spec.name):
                weight = weight.replace(bias_word, weight_word)
        state = specs.get(weight.replace(f"_{recurrent}", "_hh"))
        hidden = state.shape[-1] if state is not None and len(state.shape) == 2 else 0
    if recurrent == "hr" or not hidden or spec.shape[0] % hidden:
        return ""
    return _GATES.get(spec.shape[0] // hidden, "")


def _has_statistics(name: str, specs: Mapping[str, TensorSpec]) -> bool:
    """Whether running statistics stand beside `name`, as in a batch normalisation."""
    stem = name[: max(name.rfind("."), name.rfind("/")) + 1]
    return any(stem + word in specs for word in ("running_mean", "moving_mean", "moving_mean:0"))


def _populations(spec: TensorSpec, kind: str) -> tuple[str, ...]:
    layer = names.layer_name(spec.name)
    letters: Sequence[str] = spec.layout if len(spec.layout) == len(spec.shape) else ()
    if not letters:
        return tuple(f"axis {axis}" for axis in range(len(spec.shape)))
    if kind == "recurrent" and names.recurrent_kind(spec.name) == "hh":
        letters = "O" * len(letters)  # both axes are the layer's own hidden state
    return tuple(
        f"{layer}:{AXES[letter]}" if letter in _OF_LAYER else AXES.get(letter, f"axis {axis}")
        for axis, letter in enumerate(letters)
    )
