"""Naive twins of the graph kernels: dense matrices, sorted lists and sets.

Also the graphs that their tests share, as (indptr, indices, weights).
"""

import numpy as np
import scipy.sparse


def as_arrays(dense, index=np.int64):
    """CSR of a dense symmetric matrix."""
    rows, columns = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(dense)))])
    return indptr.astype(np.int64), columns.astype(index), dense[rows, columns]


def random_graph(rng, n, edges, dtype=np.float64, index=np.int64, weights=None):
    """Edges between random ends; `weights` takes the generator and a number of edges."""
    ends = rng.integers(0, n, (edges, 2))
    low, high = np.unique(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1), axis=0).T
    w = (rng.normal(size=low.size) if weights is None else weights(rng, low.size)).astype(dtype)
    both = np.concatenate([low, high]), np.concatenate([high, low])
    order = np.lexsort(both[::-1])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(both[0], minlength=n))])
    return indptr.astype(np.int64), both[1][order].astype(index), np.concatenate([w, w])[order]


def as_sparse(graph):
    indptr, indices, weights = graph
    n = indptr.size - 1
    return scipy.sparse.csr_array((weights.astype(np.float64), indices, indptr), (n, n))


def permuted(graph, order):
    """Node k of the result is node order[k] of the graph."""
    indptr, indices, weights = graph
    place = np.argsort(order)
    rows = [slice(indptr[node], indptr[node + 1]) for node in order]
    new = [place[indices[row]] for row in rows]
    sort = [np.argsort(columns) for columns in new]
    sizes = np.cumsum([0, *(columns.size for columns in new)])
    columns = [c[s] for c, s in zip(new, sort, strict=True)]
    values = [weights[row][s] for row, s in zip(rows, sort, strict=True)]
    empty = indices[:0], weights[:0]
    return (
        sizes.astype(np.int64),
        np.concatenate([empty[0], *columns]).astype(indices.dtype),
        np.concatenate([empty[1], *values]),
    )


def edges_of(graph):
    """Lower end, higher end and weight of each edge, in that order."""
    indptr, indices, weights = graph
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    upper = rows < indices
    return rows[upper], indices[upper], weights[upper]


def contract(graph, labels, n_blocks):
    """Dense P^T A P without its diagonal, and half of the diagonal."""
    n = labels.size
    dense = np.zeros((n, n))
    low, high, weights = edges_of(graph)
    dense[low, high] = weights
    p = np.eye(n_blocks)[labels]
    once = p.T @ dense @ p
    whole = once + once.T
    np.fill_diagonal(whole, 0.0)
    return whole, np.diag(once).copy()


def match_heaviest(graph, floor=-np.inf):
    edges = sorted(zip(*edges_of(graph), strict=True), key=lambda e: (-e[2], e[0], e[1]))
    mate = np.arange(graph[0].size - 1)
    for low, high, weight in edges:
        if weight > floor and mate[low] == low and mate[high] == high:
            mate[low], mate[high] = high, low
    return mate


def match_two_hop(graph, mate, floor=-np.inf):
    indptr, indices, weights = graph
    around = {}
    for node in np.flatnonzero(mate == np.arange(mate.size)):
        row = range(indptr[node], indptr[node + 1])
        near = sorted((-weights[e], indices[e]) for e in row if weights[e] > floor)
        if near:
            around.setdefault(near[0][1], []).append((near[0][0], node))
    result = mate.copy()
    for lone in around.values():
        nodes = [node for _, node in sorted(lone)]
        for one, other in zip(nodes[::2], nodes[1::2], strict=False):
            result[one], result[other] = other, one
    return result


def components(graph):
    indptr, indices, _ = graph
    labels = np.full(indptr.size - 1, -1)
    count = 0
    for node in range(labels.size):
        if labels[node] < 0:
            todo = [node]
            while todo:
                here = todo.pop()
                if labels[here] < 0:
                    labels[here] = count
                    todo.extend(indices[indptr[here] : indptr[here + 1]])
            count += 1
    return labels


def hops(graph, longest):
    """Dense matrix of distances in hops; 0 where there is none up to `longest`."""
    joined = (as_sparse(graph).toarray() != 0).astype(np.float32)
    distance = np.zeros(joined.shape, int)
    reached = np.eye(len(joined), dtype=bool)
    for r in range(1, longest + 1):
        nearer = reached
        reached = reached | (reached @ joined > 0)
        distance[reached & ~nearer] = r
    return distance
