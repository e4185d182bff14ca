"""The two-point function at every scale, its range, and the report of nonlocality."""
