"""Fields drawn from known actions, for tests and calibration.

`nnrg.simulate.gaussian` and `nnrg.simulate.chain` draw independent samples from the exact law;
`nnrg.simulate.phi4` is a Markov chain that converges to it. All return plain arrays, samples first.
"""
