"""Fields and graphs that rules for neighbourhoods are tried on."""

import networkx as nx
import numpy as np

import nnrg
from nnrg.graph.connection_graph import ConnectionGraph


def field_on(sites, n_samples=20, seed=1, **options):
    values = np.random.default_rng(seed).normal(size=(n_samples, *sites.shape))
    return nnrg.SynapticField(values, sites, **options)


def weighted(graph, seed=1, **options):
    """Give every edge a weight of its own, so that no two are equal."""
    rng = np.random.default_rng(seed)
    for u, v in graph.edges:
        graph[u][v]["weight"] = float(rng.uniform(0.5, 1.5))
    out = ConnectionGraph.from_networkx(graph)
    return ConnectionGraph.from_sparse(out.to_sparse(), **options)


def geometric(n=100, seed=3, **options):
    return weighted(nx.random_geometric_graph(n, 0.2, seed=seed), **options)


def blocks_as_sets(hierarchy, level, names):
    labels = hierarchy.labels[level]
    return {frozenset(names[labels == one].tolist()) for one in np.unique(labels)}
