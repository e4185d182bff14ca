"""The part of a Network that is about connections: populations, graph, similarity of units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from nnrg.graph.connection_graph import ConnectionGraph
    from nnrg.networks.network import Network
    from nnrg.networks.topology import Topology

__all__ = ["Connected"]

Joins = Iterable[Sequence[tuple[str, str | int]]]


class Connected:
    """Methods of `Network` that say what its tensors connect."""

    __slots__ = ()

    def topology(
        self,
        *,
        joins: Joins = (),
        heads: int | bool | None = None,
        flatten: str | None = None,
        assume_order: bool = True,
    ) -> Topology:
        """Return which ends of tensors are one population of neurons, and why.

        See `nnrg.networks.topology.populations`, which this calls.

        Examples
        --------
        >>> import nnrg, nnrg.data
        >>> net = nnrg.load(nnrg.data.default_network_path())
        >>> [(p.name, p.size) for p in net.topology().populations]
        [('encoder:in', 1024), ('encoder:out', 96), ('decoder:out', 1024)]
        """
        from nnrg.networks.topology import populations

        return populations(
            cast("Network", self),
            joins=joins,
            heads=heads,
            flatten=flatten,
            assume_order=assume_order,
        )

    def graph(
        self,
        populations: Topology | Sequence[str] | None = None,
        *,
        strength: str = "signed",
        combine: str = "norm",
        strongest: int | None = None,
        threshold: float | None = None,
        excluding: Iterable[str] | str = (),
        joins: Joins = (),
        heads: int | bool | None = None,
        flatten: str | None = None,
    ) -> ConnectionGraph:
        """Return the graph of all populations, joined by the weights between them.

        Parameters
        ----------
        populations : Topology or sequence of str, optional
            What `topology` returned, or the names of some populations: the graph of those alone.
        strength : {"signed", "absolute", "square"}
            Edges are w, its magnitude, or w^2, in the unit of the weights.
        combine : {"norm", "sum"}
            What taps of a kernel, gates of a cell and pixels of a channel become: their L2 norm,
            which has no sign, or their signed sum.
        strongest : int, optional
            Keep, of each neuron's edges towards each other population, this many strongest; an
            edge stays if either of its neurons keeps it, and so do ties.
        threshold : float, optional
            Keep edges of at least this strength.
        excluding : str or iterable of str
            Shell patterns of tensors to leave out, as those that a field is going to be made of:
            neighbourhoods must not be chosen by the numbers that are measured on them.
        joins, heads, flatten
            As in `topology`.

        Returns
        -------
        ConnectionGraph
            Undirected: a recurrent matrix enters as W + W^T. Tensors that join the same two
            populations (query and key, gate and up projection) are added up. `notes` say so.

        Raises
        ------
        AnalysisError
            If the graph would have more than 10 million edges (`strongest` keeps fewer), or no
            tensor joins the populations asked for.
        ArgumentError
            If an option is none of the above, or a pattern or name fits nothing.

        Examples
        --------
        >>> import nnrg, nnrg.data
        >>> net = nnrg.load(nnrg.data.default_network_path())
        >>> net.graph(strongest=4).populations
        (('encoder:in', 1024), ('encoder:out', 96))
        """
        from nnrg.networks._topology_graph import build_graph
        from nnrg.networks.topology import Topology

        given = isinstance(populations, Topology)
        topology = (
            populations
            if isinstance(populations, Topology)
            else self.topology(joins=joins, heads=heads, flatten=flatten)
        )
        return build_graph(
            cast("Network", self),
            topology,
            only=None if given else cast("Sequence[str] | None", populations),
            excluding=excluding,
            strength=strength,
            combine=combine,
            strongest=strongest,
            threshold=threshold,
        )

    def similarity_graph(
        self,
        population: str | tuple[str, str | int],
        *,
        excluding: Iterable[str] | str,
        weights: str = "both",
        neighbours: int = 10,
        measure: str = "cosine",
        absolute: bool = False,
        joined_by: str = "either",
        topology: Topology | None = None,
    ) -> ConnectionGraph:
        """Return the graph of units whose weights in other tensors are alike.

        Parameters
        ----------
        population : str, or pair of tensor and side
            Name of a population, or an end of a tensor: ``("fc2.weight", "in")``.
        excluding : str or iterable of str
            The tensor whose field will be measured on the graph, and whatever else to leave out:
            the graph must not be made of the numbers of the field. ``()`` to leave out nothing.
        weights : {"both", "incoming", "outgoing"}
            Which weights of a unit; every tensor has the same share.
        neighbours, measure, absolute, joined_by
            As in `nnrg.similarity_graph`.
        topology : Topology, optional
            Instead of this network's own.

        Raises
        ------
        AnalysisError
            If no other tensor touches the population.
        ArgumentError
            If there is no such population or tensor.

        Examples
        --------
        Rows of the first layer tell which hidden units are alike, to measure the second on them:

        >>> import numpy as np, nnrg
        >>> rng = np.random.default_rng(1)
        >>> first, second = rng.normal(size=(40, 9)), rng.normal(size=(5, 40))
        >>> net = nnrg.load({"fc1.weight": first, "fc2.weight": second})
        >>> net.similarity_graph("fc1:out", excluding="fc2.weight", neighbours=3).n_nodes
        40
        """
        from nnrg._validate import shown
        from nnrg.errors import ArgumentError
        from nnrg.networks._topology_graph import matching
        from nnrg.networks._unit_graphs import UnitGraphs

        net = cast("Network", self)
        known = self.topology() if topology is None else topology
        if isinstance(population, str):
            found = known.population(population)
        else:
            ends = known.of(*population)
            if len(ends) > 1:
                raise ArgumentError(
                    f"{shown(population)} is {len(ends)} populations; name one of "
                    f"{', '.join(p.name for p in ends[:6])}"
                )
            (found,) = ends
        graph, _ = UnitGraphs(net).graph(
            found,
            measured=sorted(matching(net, excluding, "excluding")),
            weights=weights,
            neighbours=neighbours,
            measure=measure,
            absolute=absolute,
            joined_by=joined_by,
        )
        return graph
