"""Flows side by side at equal scale: differences in sigmas, and a distance between two flows."""
