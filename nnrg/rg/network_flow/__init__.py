"""A whole network coarse-grained as one object: its tensors, its graph, and its depth."""
