"""Scaling: RG maps, beta functions, fixed points, eigenvalues and exponents."""
