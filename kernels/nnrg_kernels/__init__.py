"""Compiled loops of nnrg: arrays in, arrays out, no validation, nothing known of nnrg."""
