"""`nnrg theory synaptic`: records, optimisers and data, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cli.test_theory import run, theory
from safetensors.numpy import save_file

from nnrg import cli
from nnrg._theory_command.synaptic import synaptic
from nnrg.simulate.training import MLP, Adam, ConvNet, HeavyBall, Recording, train


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recorded training by the heavy ball, one by Adam, and their data."""
    folder = tmp_path_factory.mktemp("recorded")
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 1))
    save_file({"inputs": x, "targets": y}, folder / "data.safetensors")
    save_file({"inputs": x}, folder / "inputs.safetensors")
    save_file({"inputs": x, "targets": y + 1}, folder / "other.safetensors")
    classes = (y[:, 0] > 0).astype(np.float64)
    save_file({"inputs": x, "targets": classes}, folder / "classes.safetensors")
    whole = classes.astype(np.int64)
    save_file({"inputs": x, "targets": whole}, folder / "integers.safetensors")
    train(
        ConvNet((4,), (1, 2), 2), (x[:, None], whole), optimiser=HeavyBall(0.02, 0.9), steps=10,
        record=Recording(1, path=folder / "softmax.safetensors"), loss="cross_entropy", rng=2,
    )  # fmt: skip
    for name, optimiser in (("ball", HeavyBall(0.02, 0.9)), ("adam", Adam(0.01))):
        made = Recording(1, path=folder / f"{name}.safetensors")
        train(MLP((4, 5, 1)), (x, y), optimiser=optimiser, steps=40, record=made, n_seeds=2, rng=2)
    return folder


def test_a_record_is_read(recorded, tmp_path, capsys):
    body = run(
        capsys, "synaptic", "--record", recorded / "ball.safetensors", "--data",
        recorded / "data.safetensors", "--network", 1, "-o", tmp_path,
    )  # fmt: skip
    assert body["friction"]["gamma"] == pytest.approx(0.1 / np.sqrt(0.02))
    assert body["history"]["e_folds"] == pytest.approx(39 * 0.1)
    assert max(body["action"]["stationarity"]) < 1e-10
    assert max(body["continuity"]["relative_residual"]) < 1e-10
    assert len(body["modes"]["weights"]) == 3 and body["modes"]["hubble_times"][-1] > 3
    assert body["depth"]["scales"] == [1, 2] and len(body["sources"]["rows"]) == 8 * 4
    assert body["sources"]["static"] and body["sources"]["point_moves"]
    assert body["training"]["provenance"]["nnrg_version"]
    files = {p.name for p in tmp_path.iterdir()}
    figures = {f"synaptic{page}.{kind}" for page in ("", "-depth") for kind in ("pdf", "png")}
    assert files == {"synaptic.json", "synaptic.csv"} | figures
    assert json.loads((tmp_path / "synaptic.json").read_text()) == body


def test_what_a_record_does_not_have_is_said(recorded, capsys):
    assert theory("synaptic", "--record", recorded / "ball.safetensors") == 0
    assert "give --data FILE" in capsys.readouterr().out
    words = ["--record", recorded / "adam.safetensors", "--data", recorded / "data.safetensors"]
    body = run(capsys, "synaptic", *words)
    assert body["action"] is None and body["modes"] is None
    assert max(body["continuity"]["relative_residual"]) < 1e-10
    assert body["friction"]["spread"] > 1


@pytest.mark.parametrize("schedule", ["constant", "cosine:1e-4", "exponential:0.08", "step:0.1:20"])
def test_an_optimiser_has_a_history(schedule, capsys):
    words = ["--optimiser", "heavy-ball", "--schedule", schedule, "--steps", 60, "--dimension", 2]
    body = run(capsys, "synaptic", *words)
    first = body["friction"][0]
    assert first["gamma"] == pytest.approx(1.0) and first["hubble"] == pytest.approx(0.5)
    assert [one["discretisation"] for one in body["friction"]] == [
        "backward", "symmetric", "exponential",
    ]  # fmt: skip
    hubble = [row["hubble"] for row in body["history"]["rows"]]
    assert len(hubble) == 60
    assert hubble[-1] > 1.5 * hubble[0] or schedule == "constant"
    if schedule in ("constant", "step:0.1:20"):
        # Far from a change of the rate H is (1 - mu) / (d sqrt(eta)).
        known = {"constant": 0.01, "step:0.1:20": 0.0001}[schedule]
        assert hubble[-1] == pytest.approx(0.05 / np.sqrt(known), rel=1e-6)


def test_data_have_vertices_and_light_cones(tmp_path, capsys):
    words = ["--covariance", "exponential:2", "--sites", 16, "--samples", 400, "--seed", 3]
    body = run(capsys, "synaptic", *words, "-o", tmp_path)
    plain, staggered = body["expansions"]
    # k_0 is the structure factor at k = 0, the sum over u of exp(-|u| / 2) as the ring has it.
    q = np.exp(-1 / 2)
    k0 = (1 + q) / (1 - q) * (1 - q**16) / (1 + q**16)
    found = plain["mass2"]
    # False alarms at 4 errors: 6e-5, the seed is fixed.
    assert abs(found["value"] - k0) < 4 * found["error"]
    assert plain["stiffness"][0]["value"] < 0 and staggered["staggered"]
    assert (
        abs(body["lorentz"]["speed_spread"]["value"]) < 4 * body["lorentz"]["speed_spread"]["error"]
    )
    assert "decoupled dimers" in body["toys"][1]
    assert (tmp_path / "synaptic.pdf").stat().st_size > 1000
    again = run(capsys, "synaptic", *words)
    assert again["expansions"] == body["expansions"]


def test_data_of_a_file(recorded, capsys):
    words = ["--data", recorded / "data.safetensors", "--sites", "2,2", "--activation", "tanh"]
    body = run(capsys, "synaptic", *words)
    assert [row["order"] for row in body["vertices"]["rows"]] == [1, 2, 3, 4]
    assert "30 samples" in body["data"]


@pytest.mark.parametrize("targets", ["classes", "integers"])
def test_classes_of_a_file(targets, recorded, capsys):
    """Softmax of two classes at zero weights: V_2 = <x x> / 4, along one output."""
    words = ["--data", recorded / f"{targets}.safetensors", "--loss", "cross_entropy", "--reach", 1]
    body = run(capsys, "synaptic", *words)
    x = np.random.default_rng(1).normal(size=(30, 4))
    middle = next(row for row in body["expansions"][0]["rows"] if row["u0"] == 0)
    assert middle["kernel"] == pytest.approx((x**2).mean() / 4)


def test_a_record_of_a_softmax_on_a_lattice_is_read_with_flat_data_and_classes(recorded, capsys):
    words = ["--record", recorded / "softmax.safetensors", "--data"]
    for name in ("classes", "integers"):
        body = run(capsys, "synaptic", *words, recorded / f"{name}.safetensors")
        assert max(body["action"]["stationarity"]) < 1e-10


def test_white_data_are_independent(capsys):
    """<x_i x_j> = delta_ij with the mode k = 0 like any other: k_0 = 1, no stiffness."""
    words = ["--covariance", "white", "--sites", 4, "--samples", 4000, "--seed", 1]
    body = run(capsys, "synaptic", *words)
    plain = body["expansions"][0]
    # False alarms at 4 errors: 6e-5 each, the seed is fixed.
    assert abs(plain["mass2"]["value"] - 1) < 4 * plain["mass2"]["error"]
    assert abs(plain["stiffness"][0]["value"]) < 4 * plain["stiffness"][0]["error"] < 0.2


def test_what_does_not_exist_is_left_out_and_assumptions_are_said(recorded, capsys):
    body = run(capsys, "synaptic", "--optimiser", "heavy-ball", "--momentum", 0)
    assert [one["discretisation"] for one in body["friction"]] == ["backward", "symmetric"]
    body = run(capsys, "synaptic", "--data", recorded / "inputs.safetensors")
    assert "no targets: y = 0" in body["vertices"]["assumptions"]
    body = run(capsys, "synaptic", "--covariance", "white", "--sites", 5, "--samples", 50)
    assert [one["staggered"] for one in body["expansions"]] == [False]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "nothing to read"),
        (
            ["--record", "{}/ball.safetensors", "--data", "{}/other.safetensors"],
            "targets must be those of the record",
        ),
        (["--optimiser", "heavy-ball", "--schedule", "exponential:1", "--steps", "0"], "--steps"),
        (["--covariance", "white", "--sites", "5", "--staggered"], "even length"),
        (["--covariance", "patches:2.5"], "an integer after patches:"),
        (["--network", "1"], "of --record"),
        (["--record", "{}/none.safetensors"], "cannot read"),
        (["--record", "{}/data.safetensors"], "no record of training"),
        (["--record", "{}/ball.safetensors", "--network", "2"], "--network: expected 0 to 1"),
        (["--record", "{}/ball.safetensors", "--optimiser", "nesterov"], "does not go with"),
        (["--record", "{}/ball.safetensors", "--data", "{}/inputs.safetensors"], "called targets"),
        (["--optimiser", "adam"], "give --record"),
        (["--optimiser", "heavy-ball", "--sites", "4"], "--sites does not go with --optimiser"),
        (["--optimiser", "gradient-descent", "--momentum", "0.5"], "no --momentum"),
        (
            ["--optimiser", "heavy-ball", "--schedule", "exponential"],
            "--schedule: expected constant",
        ),
        (["--optimiser", "heavy-ball", "--learning-rate", "-1"], "positive"),
        (["--data", "{}/data.safetensors", "--covariance", "white"], "to be drawn"),
        (["--data", "{}/data.safetensors", "--sites", "3"], "axes of 4 sites"),
        (["--data", "{}/ball.safetensors"], "no array called inputs"),
        (["--covariance", "white", "--loss", "cross_entropy"], "targets are needed"),
        (["--covariance", "gaussian:2"], "--covariance: expected"),
        (["--covariance", "exponential:x"], "a number after the colon"),
        (["--covariance", "patches:8", "--periodic"], "open squares"),
    ],
)
def test_bad_words_are_one_line(words, match, recorded, capsys):
    code = {"cannot read": 3, "no record of training": 4}.get(match, 2)
    assert theory("synaptic", *[w.format(recorded) for w in words]) == code
    printed = capsys.readouterr()
    assert printed.out == "" and match in printed.err and printed.err.count("\n") == 1


def test_bad_input_is_told_before_anything_heavy_is_imported(recorded):
    words = [
        ["--covariance", "gaussian:2"],
        ["--covariance", "white", "--loss", "cross_entropy"],
        ["--covariance", "white", "--samples", "50", "--learning-rate", "-1"],
        ["--optimiser", "heavy-ball", "--momentum", "2"],
        ["--record", f"{recorded}/none.safetensors"],
        ["--record", f"{recorded}/ball.safetensors", "--data", f"{recorded}/other.safetensors"],
        ["--flow", "--covariance", "white", "--sites", "5"],
    ]
    code = (
        "import sys\n"
        "from nnrg.cli import main\n"
        f"codes = [main(['theory', 'synaptic', *one]) for one in {words!r}]\n"
        "print(*codes)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    codes, loaded = (line.split() for line in done.stdout.splitlines())
    assert codes == ["2", "2", "2", "2", "3", "2", "2"] and done.stderr.count("\n") == 7
    assert not set(loaded) & {"matplotlib", "nnrg.plot", "nnrg.comparison", "nnrg.rg.flow"}
    assert not set(loaded) & {"numba", "pandas"}


def test_the_note_of_the_figure_says_where_theory_does_not_hold(recorded):
    words = ["--record", f"{recorded}/ball.safetensors", "--data", f"{recorded}/data.safetensors"]
    found = synaptic(cli.parser().parse_args(["theory", "synaptic", *words]))
    flags = found.record["modes"]["flags"]
    assert any("not quadratic" in flag for flag in flags)
    assert all(flag in found.notes[""] for flag in flags)
    assert "left out" in found.notes[""]


def test_words_are_explained(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["theory", "synaptic", "--help"])
    assert stop.value.code == 0 and "--covariance KIND" in capsys.readouterr().out
