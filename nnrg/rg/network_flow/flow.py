"""NetworkFlow: all tensors of a network, its biases and its graph, scale by scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._files import as_path, write_tensors
from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks._label import label
from nnrg.networks.geometry import oriented
from nnrg.networks.network import Network
from nnrg.networks.topology import Topology
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy
from nnrg.rg.network_flow import coarse
from nnrg.rg.network_flow._table import flow_table
from nnrg.rg.network_flow.measured import MeasuredTensor
from nnrg.rg.network_flow.partitions import Partition, choosers
from nnrg.rg.observables import Observables
from nnrg.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Half", "NetworkFlow"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """Blocks of all populations, and what chose them.

    Attributes
    ----------
    partitions : mapping of str to Partition
        By population.
    chosen_by : frozenset of str
        Tensors whose numbers chose; they are blocked in this half, and not measured.
    graph : Observables or None
        Heat capacity of the graph of blocks, of the tensors that had no part in choosing them; None
        where there is no graph.
    """

    partitions: Mapping[str, Partition]
    chosen_by: frozenset[str]
    graph: Observables | None

    @property
    def hierarchies(self) -> dict[str, Hierarchy]:
        """Nested blocks of each population."""
        return {name: p.hierarchy for name, p in self.partitions.items()}


@dataclass(frozen=True, slots=True, eq=False)
class NetworkFlow:
    """A network at every scale; made by `renormalize_network`.

    ``print(flow)`` is a table of what was measured, one row a tensor and scale.

    Attributes
    ----------
    net : Network
        What is coarse-grained, in canonical gauge if one was asked for.
    topology : Topology
        Its populations.
    levels : int
        Number of scales. A population with fewer levels stays at its coarsest.
    halves : tuple of Half
        One, or two whose blocks were chosen by different tensors.
    tensors : mapping of str to MeasuredTensor
        What was measured, in the order of the file, each in the half that it did not choose in.
    not_measured : mapping of str to str
        Tensors without numbers, and why.
    excluded : frozenset of str
        Tensors that are blocked and nothing else: in no graph, measured nowhere.
    notes : tuple of str
    """

    net: Network
    topology: Topology
    levels: int
    halves: tuple[Half, ...]
    tensors: Mapping[str, MeasuredTensor]
    not_measured: Mapping[str, str]
    excluded: frozenset[str]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"NetworkFlow({self.net.name}: {self.levels} scales, {len(self.tensors)} tensors "
            f"measured, {len(self.not_measured)} not, {len(self.halves)} choices of blocks)"
        )

    def __str__(self) -> str:
        return flow_table(self)

    def __len__(self) -> int:
        return self.levels

    def at(self, level: int, *, half: int = 0) -> Mapping[str, Floats]:
        """Return the tensors of the coarse network: block means, float64, unit of the weights.

        Parameters
        ----------
        level : int
            0 is the network as given.
        half : int
            Whose blocks, where there are two choices.
        """
        level, blocks = self._where(level, half)
        ends = coarse.ends_of(self.topology)
        arrays = {
            name: coarse.blocked(self.net.tensors[name], ends.get(name, ()), blocks, level)
            for name in self.net.specs
        }
        for array in arrays.values():
            array.flags.writeable = False
        return MappingProxyType(arrays)

    def network(self, level: int, *, half: int = 0) -> Network:
        """Return the coarse network in memory: it can be saved, and analysed again.

        Means over blocks as `at` gives them, float32 unless the tensor is float64; buffers are left
        out. What its units do on inputs is another question: a mean over units in front of an
        activation is no mean of what they do.
        """
        level, blocks = self._where(level, half)
        return coarse.coarse_network(self.net, coarse.ends_of(self.topology), blocks, level)

    def topology_at(self, level: int, *, half: int = 0) -> Topology:
        """Return the populations of blocks of `network`; shapes alone do not always tell them."""
        level, blocks = self._where(level, half)
        return coarse.coarse_topology(self.topology, blocks, level)

    def graph(self, level: int, *, half: int = 0, measured: bool = False) -> ConnectionGraph:
        """Return the graph of all blocks: weights between two of them added up, signs kept.

        P^T A P with A the graph of the units, in which taps, gates and pixels are added up too:
        only sums commute with blocking. It is made of the coarse tensors, times the sizes of both
        blocks, so that a network whose units have too many edges still has graphs of blocks.

        Parameters
        ----------
        level : int
            0 is the network as given.
        half : int
            Whose blocks, where there are two choices.
        measured : bool
            Whether only of tensors that had no part in the choice of the blocks: the graph whose
            heat capacity is measured.

        Raises
        ------
        AnalysisError
            If it would have more than 10 million edges, or no tensor connects two populations.
        """
        level, blocks = self._where(level, half)
        apart = self.excluded
        if measured:
            own = self.halves[half]
            apart |= choosers(self.net, own.partitions, own.chosen_by)
        return coarse.coarse_graph(self.net, self.topology, blocks, level, apart)

    def save_network(self, path: str | Path, level: int, *, half: int = 0) -> None:
        """Write the coarse network as safetensors, matrices out x in, which `nnrg.load` reads.

        Raises
        ------
        ArgumentError
            If the name does not end in .safetensors.
        SourceError
            If the file cannot be written.
        """
        target = as_path(path)
        if target.suffix != ".safetensors":
            raise ArgumentError(
                f"{label(target, 200)}: the name of a network must end in .safetensors"
            )
        net = self.network(level, half=half)
        arrays = {}
        for name, spec in net.specs.items():
            values = net.tensors[name]
            known = len(spec.layout) == values.ndim and "?" not in spec.layout
            turned = oriented(values, spec.layout)[0] if known else values
            arrays[name] = np.ascontiguousarray(turned)
        write_tensors(target, arrays, dict(net.metadata))

    def tensor(self, name: str) -> MeasuredTensor:
        """Return what was measured of one tensor.

        Raises
        ------
        ArgumentError
            If it was not measured; the message says why.
        """
        if name in self.tensors:
            return self.tensors[name]
        if name in self.not_measured:
            raise ArgumentError(f"{name!r} is not measured: {self.not_measured[name]}")
        raise ArgumentError(
            f"no tensor {shown(name)}; there are {', '.join(list(self.tensors)[:6])}"
        )

    def estimate(self, name: str, quantity: str, level: int) -> Estimate:
        """Return one number with its error, null value and flag."""
        tensor = self.tensor(name)
        holder = tensor.holder(quantity)
        level = as_count("level", level, 0, len(tensor.flow) - 1)
        return holder.estimate(quantity, float(holder.scales[level]))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each tensor, scale and quantity.

        Columns: tensor, half, level, scale, rows, columns, quantity, value, error, n_samples, null,
        null_mean, null_spread, z, flag; one row for each null model.
        """
        import pandas as pd

        rows = []
        for name, tensor in self.tensors.items():
            for holder in (tensor.cumulants, tensor.spectrum):
                if holder is not None:
                    shapes = [means.shape[1:] for means in tensor.flow.means]
                    rows += _rows(name, tensor.half, shapes, holder)
        for number, half in enumerate(self.halves):
            if half.graph is not None:
                counts = half.graph.series["blocks"]
                rows += _rows("graph", number, [(int(n),) for n in counts], half.graph)
        return pd.DataFrame(rows)

    def _where(self, level: int, half: int) -> tuple[int, dict[str, Hierarchy]]:
        level = as_count("level", level, 0, self.levels - 1, hint="0 is the network as given")
        half = as_count("half", half, 0, len(self.halves) - 1)
        return level, self.halves[half].hierarchies


def _rows(
    name: str, half: int, shapes: list[tuple[int, ...]], numbers: Observables
) -> list[dict[str, object]]:
    errors = numbers.errors()
    nulls = {n: (numbers.null_mean(n), numbers.null_spread(n), numbers.z(n)) for n in numbers.nulls}
    nothing = np.full(numbers.values.shape, np.nan)
    return [
        {
            "tensor": name,
            "half": half,
            "level": level,
            "scale": float(b),
            "rows": shapes[level][0],
            "columns": shapes[level][1] if len(shapes[level]) > 1 else 1,
            "quantity": quantity,
            "value": numbers.values[level, i],
            "error": errors[level, i],
            "n_samples": int(numbers.n_samples[level]),
            "null": null,
            "null_mean": mean[level, i],
            "null_spread": spread[level, i],
            "z": z[level, i],
            "flag": numbers.flags[level][i],
        }
        for null, (mean, spread, z) in (nulls or {"": (nothing,) * 3}).items()
        for level, b in enumerate(numbers.scales)
        for i, quantity in enumerate(numbers.names)
    ]
