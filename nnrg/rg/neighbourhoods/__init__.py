"""Neighbourhoods of neurons that have no natural order: which units form a block, and why."""
