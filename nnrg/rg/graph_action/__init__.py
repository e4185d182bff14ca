"""The effective action of a field on a graph: operators by hop distance, and their equations."""
