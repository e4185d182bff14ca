"""Independent estimates of couplings, for comparison with the Schwinger-Dyson equations."""
