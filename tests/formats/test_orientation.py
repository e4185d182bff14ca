"""One network in the habits of several frameworks gives one and the same fields."""

from __future__ import annotations

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError

RNG = np.random.default_rng(12)
DENSE = [RNG.normal(size=shape) for shape in ((12, 20), (7, 12), (3, 7))]  # out x in
BIASES = [RNG.normal(size=w.shape[0]) for w in DENSE]
KERNELS = [RNG.normal(size=shape) for shape in ((8, 3, 5, 5), (16, 8, 5, 5))]  # out x in x taps
KERNEL_BIASES = [RNG.normal(size=k.shape[0]) for k in KERNELS]


def turned(weights):
    return [np.ascontiguousarray(w.T) for w in weights]


def channels_last(kernels):
    return [np.ascontiguousarray(np.moveaxis(k, (0, 1), (-1, -2))) for k in kernels]


def pairs(weights, biases):
    return list(zip(weights, biases, strict=True))


def flat(weights, biases):
    return [array for pair in pairs(weights, biases) for array in pair]


def flax(stem, kernels, biases=None):
    layers = {f"{stem}_{i}": {"kernel": k} for i, k in enumerate(kernels)}
    for i, bias in enumerate(biases or ()):
        layers[f"{stem}_{i}"]["bias"] = bias
    return {"params": layers}


MATRICES = {
    "torch": {f"{i}.weight": w for i, w in enumerate(DENSE)},
    "flax": flax("Dense", turned(DENSE), BIASES),
    "flax without biases": flax("Dense", turned(DENSE)),
    "haiku": {
        f"linear_{i}": {"w": w, "b": b} for i, (w, b) in enumerate(pairs(turned(DENSE), BIASES))
    },
    "tf1": {
        f"fc{i}/{word}": array
        for i, pair in enumerate(pairs(turned(DENSE), BIASES))
        for word, array in zip(("weights", "biases"), pair, strict=True)
    },
    "list of in x out": turned(DENSE),
    "list of out x in": DENSE,
    "stax": pairs(turned(DENSE), BIASES),
    "get_weights": flat(turned(DENSE), BIASES),
    "get_weights, transposed": flat(DENSE, BIASES),
    "sklearn": {"coefs_": turned(DENSE), "intercepts_": BIASES},
    "numbered": {f"w{i}": w for i, w in enumerate(turned(DENSE))},
}


@pytest.mark.parametrize("habit", MATRICES)
def test_matrices(habit):
    net = nnrg.load(MATRICES[habit])
    fields = [net.field(name) for name in net.tensors if len(net.specs[name].shape) == 2]
    assert len(fields) == len(DENSE)
    for field, weights in zip(fields, DENSE, strict=True):
        assert field.lattice.axes == ("out", "in")
        np.testing.assert_array_equal(field.values[0], weights)


KERNEL_HABITS = {
    "torch": {f"c{i}.weight": k for i, k in enumerate(KERNELS)},
    "flax": flax("Conv", channels_last(KERNELS), KERNEL_BIASES),
    "flax without biases": flax("Conv", channels_last(KERNELS)),
    "haiku": {
        f"conv{i}": {"w": k, "b": b}
        for i, (k, b) in enumerate(pairs(channels_last(KERNELS), KERNEL_BIASES))
    },
    "haiku without biases": {f"conv{i}": {"w": k} for i, k in enumerate(channels_last(KERNELS))},
    "get_weights": flat(channels_last(KERNELS), KERNEL_BIASES),
    "plain arrays, torch's axes": flat(KERNELS, KERNEL_BIASES),
}


@pytest.mark.parametrize("habit", KERNEL_HABITS)
def test_kernels(habit):
    net = nnrg.load(KERNEL_HABITS[habit])
    fields = [net.field(name) for name in net.tensors if len(net.specs[name].shape) == 4]
    assert len(fields) == len(KERNELS)
    for field, kernel in zip(fields, KERNELS, strict=True):
        assert field.sites.shape == (5, 5) and field.natural
        np.testing.assert_array_equal(field.values, kernel.reshape(-1, 5, 5))


def test_kernels_along_one_axis():
    kernel = RNG.normal(size=(32, 16, 9))
    net = nnrg.load({"Conv_0": {"kernel": np.moveaxis(kernel, (0, 1), (2, 1))}})
    np.testing.assert_array_equal(net.field("Conv_0.kernel").values, kernel.reshape(-1, 9))


def test_an_upsampling_layer_of_torch_whose_taps_are_as_many_as_its_filters():
    net = nnrg.load({"up.weight": np.ones((64, 3, 3, 3)), "up.bias": np.ones(3)})
    assert net.roles["up.weight"].spec.layout == "IOHW"


# Shape of a kernel and length of its bias: the layout that fits both.
BY_BIAS = {
    ((3, 64, 64), 64): "KIO",  # as many in as out; OIK would have 3 outputs
    ((64, 64, 3), 64): "OIK",
    ((16, 8, 8), 8): "IOK",
    ((8, 8, 3, 5), 8): "OIHW",
    ((64, 3, 7, 7), 64): "OIHW",
    ((3, 3, 16, 32), 32): "HWIO",
    ((1, 1, 64, 128), 128): "HWIO",
    ((1, 1, 64, 64), 64): "HWIO",
    ((1, 64, 128), 128): "KIO",
    ((1, 16, 5, 5), 1): "OIHW",
}


@pytest.mark.parametrize(("shape", "bias"), BY_BIAS)
def test_no_kernel_contradicts_its_bias(shape, bias):
    arrays = [np.ones(shape), np.ones(bias)]
    role = nnrg.load({"conv": {"w": arrays[0], "b": arrays[1]}}).roles["conv.w"]
    assert (role.kind, role.spec.layout) == ("conv", BY_BIAS[shape, bias])
    assert role.layout_from == "bias"
    if len(shape) > 3:  # a vector that follows is the bias
        net = nnrg.load([*arrays, np.ones((10, 512)), np.ones(10)])
        role = next(iter(net.roles.values()))
        assert (role.kind, role.spec.layout) == ("conv", BY_BIAS[shape, bias])
        assert role.layout_from == "order"


def test_taps_as_many_as_filters_and_outputs_keep_the_convention():
    net = nnrg.load({"conv.weight": np.ones((7, 3, 7, 7)), "conv.bias": np.ones(7)})
    assert net.roles["conv.weight"].spec.layout == "OIHW"


def test_a_bias_that_tells_the_axes_is_told_of():
    net = nnrg.load({"conv.kernel": np.ones((64, 3, 7, 7)), "conv.bias": np.ones(64)})
    assert net.roles["conv.kernel"].layout_from == "bias" and "nothing tells" not in str(net)


def test_one_by_one_kernels_are_no_tokens():
    net = nnrg.load(
        {
            "w": np.ones((1, 1, 64, 128)),
            "latents": np.ones((1, 32, 64)),
            "after": np.ones(64),
            "gain": {"scale": np.ones((1, 64, 1, 1)), "bias": np.ones(64)},
            "table": np.ones((1, 1, 64, 64)),
            "last": np.ones(3),
        }
    )
    rows = {name: (role.kind, role.spec.layout) for name, role in net.roles.items()}
    assert rows["w"] == ("conv", "HWIO")
    assert rows["latents"][1] == "???" and rows["table"][1] == "????"
    assert rows["gain.scale"] == ("vector", "NCNN")


def test_a_blurring_kernel_of_torch_keeps_its_axes():
    net = nnrg.load({"blur.kernel": np.ones((64, 1, 5, 5))})
    assert net.roles["blur.kernel"].spec.layout == "OIHW"


def test_shapes_that_disagree_leave_the_convention():
    net = nnrg.load({"w0": np.ones((20, 12)), "w1": np.ones((12, 7)), "w2": np.ones((3, 12))})
    assert {role.layout_from for role in net.roles.values()} == {"convention"}


def test_heads_and_tokens_are_no_taps():
    net = nnrg.load(
        {
            "attention": {"query": {"kernel": np.ones((64, 4, 16)), "bias": np.ones((4, 16))}},
            "cls_token": np.ones((1, 1, 64)),
            "scale": np.ones((1, 64, 1, 1)),
            "conv.bias": np.ones((1, 64, 1, 1)),
            "query_tokens": np.ones((1, 32, 64)),
            "fc.weight": np.ones((4, 64)),
        }
    )
    rows = {name: (net.roles[name].kind, net.roles[name].spec.layout) for name in net.specs}
    assert rows["cls_token"] == ("vector", "NNC")
    assert rows["scale"] == ("vector", "NCNN") and rows["conv.bias"] == ("bias", "NONN")
    for name in ("attention.query.kernel", "attention.query.bias", "query_tokens"):
        with pytest.raises(AnalysisError, match="not known"):
            net.field(name)
