"""What Keras means by its variables: their names, axes and gates. Keras itself is never needed.

Keras stores in x out where torch stores out x in: a dense kernel is ``"IO"``, a convolution
``"HWIO"``, its transpose ``"HWOI"``, a depthwise one ``"HWIM"`` (M numbers the outputs of each
input, output channel = in * multiplier + m). The gates of an LSTM are ``"ifco"``, those of a GRU
``"zrh"``. Files of Keras 3 number the variables of a layer; the numbers are turned into names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["axes_and_gates", "layer_classes", "named_variables"]

MAX_CONFIG = 4 * 2**20

_TAPS = {2: "", 3: "K", 4: "HW", 5: "DHW"}
_GATES = {4: "ifco", 3: "zrh"}
_ATTENTION = re.compile(r"(^|/)(query|key|value|attention_output)$")

# Layers of Keras 3 by their group's name, and their variables in order.
_NUMBERED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"separable_conv\dd", ("depthwise_kernel", "pointwise_kernel", "bias")),
    (r"depthwise_conv\dd", ("depthwise_kernel", "bias")),
    (r"dense|einsum_dense|conv\dd(_transpose)?", ("kernel", "bias")),
    (r"lstm|gru|simple_rnn|\w*_cell", ("kernel", "recurrent_kernel", "bias")),
    (r"layer_normalization|group_normalization", ("gamma", "beta")),
    (r"embedding", ("embeddings",)),
)
_INSIDE = {"vars", "cell", "forward_layer", "backward_layer"}


def layer_classes(config: str | bytes) -> dict[str, str]:
    """Return the class of each layer that a model's configuration names.

    Parameters
    ----------
    config : str or bytes
        JSON; read as data only, nothing in it is imported or called.

    Returns
    -------
    dict of str to str
        Empty where `config` is no JSON or larger than 4 MiB.
    """
    classes: dict[str, str] = {}
    try:
        stack = [json.loads(config)] if len(config) <= MAX_CONFIG else []
    except (ValueError, RecursionError):
        return classes
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            stack.extend(node.values())
            settings: Any = node.get("config")
            name = settings.get("name") if isinstance(settings, dict) else None
            if isinstance(name, str) and isinstance(node.get("class_name"), str):
                classes[name] = node["class_name"]
    return classes


def named_variables(layer: str, count: int) -> tuple[str, ...]:
    """Return the names of a Keras 3 layer's `count` numbered variables, as far as they are known.

    Examples
    --------
    >>> named_variables("layers/conv2d_1/vars", 2)
    ('kernel', 'bias')
    >>> named_variables("layers/batch_normalization/vars", 3)  # no scale, or no centre
    ('', 'moving_mean', 'moving_variance')
    """
    parts = [part for part in layer.split("/") if part not in _INSIDE]
    group = re.sub(r"_\d+$", "", parts[-1]) if parts else ""
    if group == "batch_normalization" and 2 <= count <= 4:
        first = {2: (), 3: ("",), 4: ("gamma", "beta")}[count]
        return (*first, "moving_mean", "moving_variance")
    for pattern, names in _NUMBERED:
        if re.fullmatch(pattern, group):
            whole = count <= len(names) and (count > 1 or len(names) <= 2)
            return names[:count] if whole else ("",) * count
    return ("",) * count


def axes_and_gates(
    name: str, shapes: Mapping[str, tuple[int, ...]], classes: Mapping[str, str]
) -> tuple[str, str]:
    """Return the layout and the gates of a variable, ``""`` where Keras does not fix them.

    Parameters
    ----------
    name : str
        Path of the variable, ``"conv2d_1/conv2d_1/kernel:0"``.
    shapes : mapping of str to tuple of int
        The shapes of all variables.
    classes : mapping of str to str
        From `layer_classes`.

    Examples
    --------
    >>> axes_and_gates("dense/kernel:0", {"dense/kernel:0": (64, 10)}, {})
    ('IO', '')
    """
    layer, _, last = name.rpartition("/")
    variable, _, _ = last.partition(":")
    axes = len(shapes[name])
    taps = _TAPS.get(axes)
    kind = next((classes[part] for part in layer.split("/")[::-1] if part in classes), "")
    gates = _gates(shapes.get(f"{layer}/recurrent_kernel{last[len(variable) :]}", ()))
    if variable == "bias":
        return ("", gates if axes == 1 else "")
    if variable in ("embeddings", "position_embeddings") and axes == 2:
        return ("VC" if variable == "embeddings" else "LC", "")
    if taps is None or (axes > 2 and _is_attention(layer, kind)):
        return ("", "")
    if variable == "depthwise_kernel" or (variable == "kernel" and "Depthwise" in kind):
        return (f"{taps}IM", "") if axes > 2 else ("", "")
    if variable == "pointwise_kernel":
        return (f"{taps}IO", "")
    if variable in ("kernel", "recurrent_kernel"):
        flipped = axes > 2 and (kind.endswith("Transpose") or "_transpose" in layer)
        return (f"{taps}OI" if flipped else f"{taps}IO", gates)
    return ("", "")


def _is_attention(layer: str, kind: str) -> bool:
    """Whether the axes of a kernel are heads and such, not taps."""
    return kind in ("EinsumDense", "MultiHeadAttention") or bool(
        _ATTENTION.search(layer) or "einsum_dense" in layer
    )


def _gates(recurrent: tuple[int, ...]) -> str:
    """Return the gates from the shape of a recurrent kernel, (..., units, gates * units)."""
    if len(recurrent) < 2 or not recurrent[-2] or recurrent[-1] % recurrent[-2]:
        return ""
    return _GATES.get(recurrent[-1] // recurrent[-2], "")
