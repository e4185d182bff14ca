"""The network that ships: what its files hold, where they come from, that they can be remade."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from nnrg.data import default_network_path, initial_network_path

SCRIPT = Path(__file__).parents[2] / "studies" / "train_patches.py"
SHAPES = {"encoder.weight": (96, 1024), "encoder.bias": (96,), "decoder.bias": (1024,)}
BOTH = pytest.mark.parametrize("path", [default_network_path(), initial_network_path()])


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("train_patches", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def metadata(path):
    with safe_open(path, framework="numpy") as file:
        return file.metadata()


def block_variance(rows, b):
    """Variance of the mean over b x b pixels."""
    fields = rows.reshape(-1, 32, 32).astype(float)
    return fields.reshape(-1, 32 // b, b, 32 // b, b).mean((2, 4)).var()


@BOTH
def test_tensors_have_their_shapes_and_are_finite(path):
    weights = load_file(path)
    assert {name: value.shape for name, value in weights.items()} == SHAPES
    assert all(value.dtype == np.float32 for value in weights.values())
    assert all(np.isfinite(value).all() for value in weights.values())


def test_both_files_together_stay_below_a_megabyte():
    assert default_network_path().stat().st_size + initial_network_path().stat().st_size < 10**6


@BOTH
def test_metadata_say_where_the_weights_come_from(path):
    found = metadata(path)
    assert (found["format"], found["seed"]) == ("pt", "1")
    assert SCRIPT.is_file() and found["script"] == "studies/train_patches.py"
    assert "CC BY 2.0" in found["licence"]
    assert json.loads(found["settings"])["steps"] == 12_000
    assert set(json.loads(found["versions"])) == {"numpy", "pillow"}
    assert len(found["date"].split("-")) == 3


@BOTH
def test_lattice_hint_covers_the_last_axis(path):
    found = metadata(path)
    for name in ("encoder.weight", "decoder.bias"):
        lattice = [int(length) for length in found[f"nnrg.lattice.{name}"].split(",")]
        assert math.prod(lattice) == SHAPES[name][-1]


def test_the_two_files_are_two_states_of_one_run():
    trained, initial = metadata(default_network_path()), metadata(initial_network_path())
    assert (trained.pop("state"), initial.pop("state")) == ("trained", "initial")
    assert trained == initial


def test_data_digests_are_those_of_the_installed_photographs(study):
    recorded = json.loads(metadata(default_network_path())["data_sha256"])
    assert recorded == study.photographs()[1]


def test_training_beats_the_best_linear_denoiser():
    mse = json.loads(metadata(default_network_path())["report"])["held_out_mse"]
    assert mse["trained"] < mse["wiener"] < mse["zero"] < mse["initial"]


def test_initial_weights_are_the_draw_of_the_recorded_seed(study):
    children = np.random.SeedSequence(1).spawn(4)
    drawn = study.initialise(study.Settings(), np.random.default_rng(children[0]))
    shipped = load_file(initial_network_path())
    for name, value in drawn.items():
        np.testing.assert_array_equal(shipped[name], value)


def test_initial_block_variance_is_that_of_independent_pixels():
    rows = load_file(initial_network_path())["encoder.weight"]
    for b in (1, 2, 4, 8, 16):
        n_blocks = rows.size / b**2
        expected = 1 / (1024 * b**2)
        assert abs(block_variance(rows, b) - expected) < 4 * expected * math.sqrt(2 / n_blocks)


def test_trained_rows_are_fields_on_the_pixel_lattice():
    rows = load_file(default_network_path())["encoder.weight"]
    rng = np.random.default_rng(0)
    for b in (2, 4, 8, 16):
        permuted = [block_variance(rows[:, rng.permutation(1024)], b) for _ in range(20)]
        assert block_variance(rows, b) > np.mean(permuted) + 20 * np.std(permuted)
    # Equal variance at b = 1 is what makes the initial network a fair null model.
    assert block_variance(rows, 1) == pytest.approx(1 / 1024, rel=0.1)


def test_gradient_is_the_derivative_of_the_loss(study):
    rng = np.random.default_rng(2)
    sparsity, n = 0.25, 4
    weights = {
        "encoder.weight": rng.normal(size=(5, 9)),
        "encoder.bias": rng.normal(size=5),
        "decoder.bias": rng.normal(size=9),
    }
    clean = rng.normal(size=(n, 9))
    noisy = clean + rng.normal(size=(n, 9))

    def loss(changed):
        hidden, output = study.forward(changed, noisy)
        return ((output - clean) ** 2).sum() / (2 * n) + sparsity * hidden.sum() / n

    for name, gradient in study.gradients(weights, clean, noisy, sparsity).items():
        direction = rng.normal(size=gradient.shape)
        up, down = ({**weights, name: weights[name] + s * 1e-6 * direction} for s in (1, -1))
        slope = (loss(up) - loss(down)) / 2e-6
        assert slope == pytest.approx((gradient * direction).sum(), rel=1e-7)


def test_patches_are_drawn_under_all_symmetries_of_the_square(study):
    i, j = np.mgrid[:40, :50]
    ramp = np.array([i + 100 * j], np.float32)
    patches = study.draw_patches(ramp, 200, np.random.default_rng(3)).reshape(-1, 32, 32)
    slopes = {(float(p[1, 0] - p[0, 0]), float(p[0, 1] - p[0, 0])) for p in patches}
    assert slopes == {
        pair
        for s in (1, -1)
        for t in (100, -100)
        for pair in ((s * 1.0, t * 1.0), (t * 1.0, s * 1.0))
    }
    np.testing.assert_allclose(patches.mean((1, 2)), 0, atol=1e-3)


@pytest.mark.parametrize("exponent", [2.0, 2.5])
def test_spectrum_finds_the_exponent_of_a_power_law_field(study, exponent):
    rng = np.random.default_rng(4)
    axis = np.fft.fftfreq(1024)
    k = np.hypot(axis[:, None], axis)
    k[0, 0] = np.inf
    noise = np.fft.fft2(rng.standard_normal(k.shape))
    field = np.fft.ifft2(noise * k ** (-exponent / 2)).real[:427, :640]
    found = study.spectrum((field / field.std())[None])
    assert 0.02 < found["error"] < 0.08
    assert abs(found["exponent"] - exponent) < 3 * found["error"]


def test_quick_run_gives_the_same_bytes_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    outputs = []
    for name in ("first", "second"):
        command = [
            sys.executable,
            str(SCRIPT),
            "--quick",
            "--seed",
            "5",
            "-o",
            str(tmp_path / name),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        outputs.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()})
    assert outputs[0] == outputs[1]
    assert set(outputs[0]) == {
        "filters.png",
        "patches.safetensors",
        "patches_init.safetensors",
        "report.json",
    }
    assert json.loads(done.stdout) == json.loads(outputs[1]["report.json"])
    weights = load_file(tmp_path / "second" / "patches.safetensors")
    assert {name: value.shape for name, value in weights.items()} == SHAPES
