"""The renormalization group: blocks, flows, cumulants, couplings and null models."""
