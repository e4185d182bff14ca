"""The header of a record: that of a safetensors file, which lists every tensor of every step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnrg._validate import shown
from nnrg.errors import ArgumentError, FormatError, SourceError
from nnrg.simulate.training._layout import Layout

__all__ = ["read_header", "write_header"]

_KEY = "nnrg.training"
# No reader takes more; and what an entry takes at least.
_LONGEST, _SHORTEST_ENTRY = 100_000_000, 68
# Sizes beyond are no file's.
_LARGEST = 1 << 48
_KINDS = {
    "model": dict,
    "optimiser": dict,
    "provenance": dict,
    "diverged": dict,
    "stability": dict,
    "flags": list,
    "seed": list,
    "steps": int,
    "n_seeds": int,
    "outputs": bool,
    "rates_sha256": dict,
}
_TYPES = {"float64": "F64", "float32": "F32", "uint64": "U64", "uint8": "U8"}


def write_header(
    layout: Layout, steps: Sequence[int], configuration: Mapping[str, object]
) -> bytes:
    """Return the first bytes of a file of frames.

    Raises
    ------
    ArgumentError
        If there are more frames than a header can list.
    """
    too_long = ArgumentError(
        f"{len(steps)} frames of {len(layout.entries)} tensors are more than the header of a "
        "safetensors file can list; record fewer steps, or give no path"
    )
    if len(steps) * len(layout.entries) * _SHORTEST_ENTRY > _LONGEST:
        raise too_long
    metadata = {"__metadata__": {_KEY: json.dumps(configuration)}}
    entries = {**metadata, **_entries(layout, steps)}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _LONGEST:
        raise too_long
    return len(text).to_bytes(8, "little") + text


def _entries(layout: Layout, steps: Sequence[int]) -> dict[str, object]:
    entries: dict[str, object] = {}
    at = 0
    for step in steps:
        for name, dtype, shape in layout.entries:
            size = math.prod(shape) * np.dtype(dtype).itemsize
            entries[f"{step}/{name}"] = {
                "dtype": _TYPES[dtype],
                "shape": list(shape),
                "data_offsets": [at, at + size],
            }
            at += size
    return entries


def read_header(path: Path) -> tuple[dict[str, Any], Layout, tuple[int, ...], int]:
    """Return configuration, layout, steps asked for, and where the first frame begins.

    Raises
    ------
    SourceError
        If the file cannot be read.
    FormatError
        If it is no record of training, or its header is damaged.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _LONGEST:
                raise ValueError(f"a header of {length} bytes")
            text = file.read(length)
            if len(text) < length:
                raise ValueError("its header is cut off")
        header = json.loads(text)
        configuration = json.loads(header.pop("__metadata__")[_KEY])
        layout, steps = _frames_of(header)
        _check(configuration)
    except OSError as error:
        raise SourceError(f"cannot read the record {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"{path} is no record of training, or is damaged ({shown(str(error))}); delete it to "
            "start afresh, or give another name"
        ) from None
    return configuration, layout, steps, 8 + length


def _frames_of(header: dict[str, Any]) -> tuple[Layout, tuple[int, ...]]:
    """Return the layout of frames and their steps; ValueError if a header lists anything else."""
    frames: dict[int, list[tuple[str, str, tuple[int, ...]]]] = {}
    kinds = {short: name for name, short in _TYPES.items()}
    for key, entry in header.items():
        step, _, name = key.partition("/")
        shape = tuple(entry["shape"])
        if not all(isinstance(n, int) and 0 <= n < _LARGEST for n in shape):
            raise ValueError(f"{shown(name)} has the shape {shown(shape)}")
        frames.setdefault(int(step), []).append((name, kinds[entry["dtype"]], shape))
    layouts = {tuple(entries) for entries in frames.values()}
    if len(layouts) != 1:
        raise ValueError("its steps differ")
    layout, steps = Layout(layouts.pop()), tuple(frames)
    names = {name for name, _, _ in layout.entries}
    missing = {"losses", "learning_rate", "checksum"} - names
    if missing or not any(name.startswith("weights/") for name in names):
        raise ValueError(f"its frames hold no {min(missing, default='weights')}")
    if steps[0] < 0 or list(steps) != sorted(steps) or _entries(layout, steps) != header:
        raise ValueError("its frames are not one after the other")
    return layout, steps


def _check(configuration: Any) -> None:
    """Raise ValueError if the configuration is none that a run writes."""
    if not isinstance(configuration, dict):
        raise ValueError("its configuration is none")
    for name, kind in _KINDS.items():
        if not isinstance(configuration.get(name, kind()), kind):
            raise ValueError(f"its {name} is {shown(configuration[name])}")
    if not all(count.isdecimal() for count in configuration.get("rates_sha256", {})):
        raise ValueError("its learning rates are not told by their number")
    words = [*configuration.get("flags", []), *configuration.get("seed", [])]
    if not all(isinstance(word, str) for word in words):
        raise ValueError("its flags or its seed are no words")
    if "seed" in configuration and not (
        configuration["seed"] and all(word.isdecimal() for word in configuration["seed"])
    ):
        raise ValueError(f"its seed is {shown(configuration['seed'])}")
    if "diverged" in configuration and "message" not in configuration["diverged"]:
        raise ValueError("it does not say where it diverged")
