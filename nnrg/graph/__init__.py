"""Graphs of neurons: connection topology, its Laplacian, its contraction."""
