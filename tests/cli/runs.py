"""A small run and its network, made once in a test session."""

from functools import cache

import numpy as np

import nnrg

SEED = 11


@cache
def weights():
    """A position table, biases, a pixel layer with correlated rows, two index matrices.

    In the order in which a safetensors file keeps them.
    """
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(24, 16, 16))
    smooth = rows + np.roll(rows, 1, axis=1) + np.roll(rows, 1, axis=2)
    walk = np.cumsum(rng.normal(size=(64, 12)), axis=0)
    return {
        "embeddings.position_embeddings.weight": walk.astype(np.float32),
        "fc1.bias": np.zeros(24, dtype=np.float32),
        "fc1.weight": smooth.reshape(24, 256).astype(np.float32),
        "fc2.weight": rng.normal(size=(64, 64)).astype(np.float32),
        "last.weight": rng.uniform(-1, 1, size=(64, 64)).astype(np.float32),
    }


SITES = {"fc1.weight": nnrg.Lattice((16, 16), axes=("row", "column"))}
NULLS = (nnrg.NullModel("permutation", 4),)


@cache
def run():
    """The flows of `weights`."""
    return nnrg.flow_network(nnrg.load(weights()), sites=SITES, nulls=NULLS, rng=SEED)


def write_model(path):
    """Write `weights` as a safetensors file."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights(), path)
    return path


def same(a, b):
    """Assert that two tables hold the same: every array, flag, attribute and series."""
    assert type(a) is type(b)
    assert a.names == b.names
    assert a.flags == b.flags
    assert dict(a.attrs) == dict(b.attrs)
    assert {k: type(v) for k, v in a.attrs.items()} == {k: type(v) for k, v in b.attrs.items()}
    for name in ("scales", "values", "replicates", "weights", "n_samples"):
        x, y = getattr(a, name), getattr(b, name)
        np.testing.assert_array_equal(x, y, strict=True)
        assert not y.flags.writeable
    for name in ("nulls", "series"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.keys() == y.keys()
        for key in x:
            np.testing.assert_array_equal(x[key], y[key], strict=True)


def same_run(a, b):
    """Assert that two runs hold the same numbers in the same order."""
    assert list(a) == list(b)
    assert dict(a.left_out) == dict(b.left_out)
    for name in a:
        same(a[name].cumulants, b[name].cumulants)
        same(a[name].couplings, b[name].couplings)
