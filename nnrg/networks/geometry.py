"""Where the numbers of a tensor live: from a weight tensor to a synaptic field.

| tensor | sites | samples | order of sites |
|---|---|---|---|
| rows of a matrix, lattice given | the lattice, on the in axis | out neurons | natural |
| matrix | product of out and in population | one | index |
| recurrent matrix | product of out and in population | gates | index |
| convolution kernel | its spatial axes | out x in channel pairs | natural |
| the same, too small to block | product of out and in channels | taps | index |
| position embedding | positions | channels | natural |
| bias | the population | one | index |

The index of a hidden neuron means nothing, so blocks along it are random neighbourhoods; such a
field says ``natural=False`` and its flow says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError, FormatError
from nnrg.fields import Lattice, SynapticField
from nnrg.networks._source import TensorSpec

__all__ = ["build_field", "lattice_from_hint", "oriented"]

Array = npt.NDArray[Any]

_SPATIAL = "DHWK"
# The order that axes are brought to, whatever the order in the file: out, in, space.
_AXES = "OVLIMCDHWKN"
# Fewest sites along some axis for a kernel's own lattice to give two scales.
_FEWEST_TAPS = 4


def oriented(values: Array, layout: str) -> tuple[Array, str]:
    """Return the tensor with its axes in the order out, in, space, whatever the file's order."""
    order = sorted(range(values.ndim), key=lambda a: _AXES.index(layout[a]))
    return np.transpose(values, order), "".join(layout[a] for a in order)


def build_field(
    values: Array,
    spec: TensorSpec,
    *,
    sites: Lattice | None = None,
    along: str | None = None,
) -> SynapticField:
    """Return a tensor as a synaptic field; see `Network.field`."""
    layout = spec.layout or _guess(values.ndim)
    if values.ndim == 0 or values.size < 2:
        raise AnalysisError(f"tensor {spec.name!r} is a single number: there are no sites")
    if "?" in layout:
        raise AnalysisError(
            f"what the axes of tensor {spec.name!r} {values.shape} are is not known; "
            "give the array itself to SynapticField, with its lattice"
        )
    if len(layout) != values.ndim:
        raise ArgumentError(
            f"tensor {spec.name!r} has {values.ndim} axes but layout {layout!r}; "
            "give the array itself to SynapticField"
        )
    if values.dtype.name.startswith("float8"):
        values = values.astype(np.float32)
    if sites is not None:
        return _on_lattice(values, layout, spec, sites, along)
    if along is not None:
        raise ArgumentError("along= says which axis a lattice lies on: give sites= too")
    values, layout = oriented(values, layout)
    if "N" in layout and values.ndim > 1:
        keep = [a for a, letter in enumerate(layout) if letter != "N"]
        values = values.reshape([values.shape[a] for a in keep])
        layout = "".join(layout[a] for a in keep)
    if spec.gates and layout[0] == "O" and values.shape[0] % len(spec.gates) == 0:
        return _gates(values, layout, spec)
    if "L" in layout and values.ndim == 2:
        moved = np.moveaxis(values, layout.index("L"), 1)
        return SynapticField(
            moved, Lattice(moved.shape[1], axes=("position",)), name=spec.name, sample="channel"
        )
    spatial = [a for a, letter in enumerate(layout) if letter in _SPATIAL and values.shape[a] > 1]
    if spatial:
        return _kernel(values, layout, spec, spatial)
    return _index(values, layout, spec)


def lattice_from_hint(hint: str, name: str) -> Lattice:
    """Read the lattice that a file names for a tensor: ``"32,32"``, rows and columns of pixels."""
    try:
        lengths = [int(part) for part in hint.split(",")]
        return Lattice(lengths, axes=("row", "column") if len(lengths) == 2 else None)
    except ValueError:
        raise FormatError(
            f"metadata of tensor {name!r} gives the lattice {hint[:40]!r}; expected lengths like "
            "'32,32'; give sites= yourself"
        ) from None


def _guess(ndim: int) -> str:
    return {1: "O", 2: "OI", 3: "OIK", 4: "OIHW", 5: "OIDHW"}.get(ndim, "")


def _on_lattice(
    values: Array, layout: str, spec: TensorSpec, sites: Lattice, along: str | None
) -> SynapticField:
    """Put the sites of one axis, or of all, on a lattice; what is left are samples."""
    turned, axes = oriented(values, layout)
    if along is not None and along not in ("in", "out"):
        raise ArgumentError(f"along must be 'in' or 'out', got {along!r}")
    if along is None and turned.shape == sites.shape:
        return SynapticField(turned, sites, name=spec.name, sample="matrix")
    squeezed = tuple(n for a, n in zip(axes, turned.shape, strict=True) if a in _SPATIAL and n > 1)
    if along is None and squeezed == sites.shape:
        return SynapticField(
            turned.reshape(-1, *sites.shape), sites, name=spec.name, sample="channel pair"
        )
    wanted = {"in": "IC", "out": "OVL", None: "ICOVL"}[along]
    for letter in wanted:
        a = axes.find(letter)
        if a >= 0 and turned.shape[a] == sites.n_sites:
            moved = np.moveaxis(turned, a, -1)
            sample = "in neuron" if letter in "OVL" else "out neuron"
            return SynapticField(
                moved.reshape(-1, *sites.shape),
                sites,
                name=spec.name,
                sample="layer" if turned.ndim == 1 else sample,
            )
    shape = " x ".join(f"{n} ({a})" for n, a in zip(turned.shape, axes, strict=True))
    raise ArgumentError(
        f"no axis of tensor {spec.name!r}, {shape}, has the {sites.n_sites} sites of {sites!r}; "
        "give a lattice whose lengths multiply to one of them"
    )


def _gates(values: Array, layout: str, spec: TensorSpec) -> SynapticField:
    n = len(spec.gates)
    parts = values.reshape(n, values.shape[0] // n, *values.shape[1:])
    lattice = _product(parts.shape[1:], layout)
    return SynapticField(
        parts,
        lattice,
        name=spec.name,
        sample=f"gate ({', '.join(spec.gates)})",
        natural=False,
        independent=False,
    )


def _kernel(values: Array, layout: str, spec: TensorSpec, spatial: list[int]) -> SynapticField:
    moved = np.moveaxis(values, spatial, range(-len(spatial), 0))
    lengths = moved.shape[moved.ndim - len(spatial) :]
    if min(lengths) >= _FEWEST_TAPS:
        names = {"H": "row", "W": "column", "D": "depth", "K": "tap"}
        lattice = Lattice(
            lengths,
            axes=[names[layout[a]] for a in spatial] if len(spatial) > 1 else ["tap"],
        )
        return SynapticField(
            moved.reshape(-1, *lengths), lattice, name=spec.name, sample="channel pair"
        )
    channels = [a for a in range(values.ndim) if a not in spatial and values.shape[a] > 1]
    if not channels:
        return SynapticField(moved.reshape(-1, *lengths), Lattice(lengths), name=spec.name)
    order = [*spatial, *sorted(channels, key=lambda a: "OIM".find(layout[a]))]
    rest = [a for a in range(values.ndim) if a not in order]
    turned = np.transpose(values, [*order, *rest])
    shape = [values.shape[a] for a in order[len(spatial) :]]
    return SynapticField(
        turned.reshape(-1, *shape),
        _product(shape, "".join(layout[a] for a in order[len(spatial) :])),
        name=spec.name,
        sample="tap",
        natural=False,
        independent=False,
        notes=(
            f"kernel of {' x '.join(map(str, lengths))} is too small to block: taps are samples",
        ),
    )


def _index(values: Array, layout: str, spec: TensorSpec) -> SynapticField:
    keep = [a for a, n in enumerate(values.shape) if n > 1]
    shape = [values.shape[a] for a in keep]
    return SynapticField(
        values.reshape(1, *shape),
        _product(shape, "".join(layout[a] for a in keep)),
        name=spec.name,
        sample="matrix" if len(shape) > 1 else "layer",
        natural=False,
    )


def _product(shape: Any, letters: str) -> Lattice:
    """Return the lattice on a product of populations, each with its own axis."""
    names = {"O": "out", "I": "in", "V": "vocabulary", "L": "position", "C": "channel", "M": "out"}
    return Lattice(
        shape,
        axes=[names.get(letter, letter) for letter in letters],
        populations=[(a,) for a in range(len(shape))],
    )
