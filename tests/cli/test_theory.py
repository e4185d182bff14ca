"""`nnrg theory`: what is written, printed and returned, and what is refused."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from nnrg import cli

NAMES = [
    "criticality", "loops", "recurrent", "correlators", "edgeworth", "engineering",
    "information-flow", "hamiltonian", "cosmology", "synaptic",
]  # fmt: skip


def theory(*words):
    return cli.main(["theory", *map(str, words), "--no-progress"])


def run(capsys, *words):
    """Return what is printed as JSON by a run that ends well."""
    assert theory(*words, "--json", "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


@pytest.fixture
def model(tmp_path):
    """Two layers at sigma_w = 1.4, sigma_b = 0.2, in the chaotic phase of tanh."""
    rng = np.random.default_rng(3)
    tensors = {}
    for i in range(2):
        tensors[f"{i}.weight"] = rng.normal(0, 1.4 / 14, (196, 196)).astype(np.float32)
        tensors[f"{i}.bias"] = rng.normal(0, 0.2, 196).astype(np.float32)
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture
def samples(tmp_path):
    path = tmp_path / "samples.npy"
    np.save(path, np.random.default_rng(4).normal(size=(4000, 1)))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_theory_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["theory", name, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: nnrg theory {name}")


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from nnrg.cli import main\n"
        "try: main(['theory', 'criticality', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"numpy", "numba", "scipy", "matplotlib", "pandas", "xarray"}


def test_every_option_has_help():
    top = cli.parser()._subparsers._group_actions[0].choices["theory"]
    for one in top._subparsers._group_actions[0].choices.values():
        assert one.description
        assert all(option.help for option in one._actions)


def test_the_architectures_and_activations_named_are_there():
    from nnrg._theory_command.words import ARCHITECTURES
    from nnrg.activation_functions import as_activation

    assert ARCHITECTURES == ("cos", "gauss", "relu", "erf", "tanh")
    for name in "tanh, erf, relu, leaky_relu:0.1, gelu, silu, sin, cos, linear".split(", "):
        as_activation(name)


def test_mean_field_is_printed_with_errors_and_assumptions(capsys):
    assert theory("criticality", "--sigma-w", 1.5, "--sigma-b", 0.3) == 0
    out = capsys.readouterr().out
    assert "chaotic" in out and "assumed: width infinite" in out
    assert "edge of chaos at sigma_b = 0.3: sigma_w = 1.39558" in out
    body = run(capsys, "criticality", "--sigma-w", 1.5, "--sigma-b", 0.3)
    found = body["mean_field"]
    # The fixed point solves its own equation: chi_1 = sigma_w^2 <phi'^2>.
    z, w = np.polynomial.hermite_e.hermegauss(120)
    q = found["q_star"]
    average = (w @ np.tanh(np.sqrt(q) * z) ** 2) / w.sum()
    assert q == pytest.approx(2.25 * average + 0.09, rel=1e-8)
    assert 0 < found["q_star_error"] < 1e-10 and found["phase"] == "chaotic"


def test_files_hold_what_is_printed(tmp_path, capsys):
    words = ["criticality", "--sigma-w", 1.2, "--sigma-b", 0.2, "--depth", 4, "--seed", 5]
    words += ["--simulate", 50, "--width", "8,16", "--maps", 2]
    body = run(capsys, *words, "-o", tmp_path / "out")
    files = {p.name for p in (tmp_path / "out").iterdir()}
    assert files == {f"criticality.{ending}" for ending in ("json", "csv", "pdf", "png")}
    assert json.loads((tmp_path / "out" / "criticality.json").read_text()) == body
    assert body["schema_version"] == 1 and body["provenance"]["seed"] == "5"
    assert [one["width"] for one in body["simulated"]] == [8, 16]
    assert len(body["trajectory"]["rows"]) == 5
    again = run(capsys, *words)
    for volatile in ("started", "finished", "command"):
        body["provenance"].pop(volatile), again["provenance"].pop(volatile)
    assert again == body
    with (tmp_path / "out" / "criticality.csv").open() as opened:
        assert len(list(csv.DictReader(opened))) == 5


def test_a_drawn_seed_is_recorded_and_gives_the_same_numbers(capsys):
    words = ["loops", "--simulate", 200, "--width", 16, "--depth", 3]
    first = run(capsys, *words)
    second = run(capsys, *words, "--seed", first["provenance"]["seed"])
    assert first["rows"] == second["rows"]
    assert run(capsys, *words)["rows"] != first["rows"]


def test_ensembles_start_where_theory_does(capsys):
    body = run(
        capsys, "criticality", "--sigma-w", 1.2, "--sigma-b", 0.2, "--depth", 3, "--simulate", 400,
        "--width", 256, "--seed", 2,
    )  # fmt: skip
    rows = {(r["hidden_layers"], r["quantity"]): r for r in body["simulated"][0]["rows"]}
    for t, row in enumerate(body["trajectory"]["rows"]):
        q, c = rows[t, "K(0,0)"], rows[t, "c(0,1)"]
        # Shifts of order 1/n are below 0.01; false alarms at 5 standard deviations: 1e-5.
        assert abs(q["value"] - row["q"]) < 5 * q["error"] + 0.01
        assert abs(c["value"] - (1 - row["one_minus_c"])) < 5 * c["error"] + 0.01


def test_the_edge_alone(tmp_path, capsys):
    assert theory("criticality", "-a", "gelu", "-o", tmp_path / "out") == 0
    out, err = capsys.readouterr()
    assert "edge of chaos of gelu" in out and "half-stable at sigma_w" in out
    assert err.startswith("nnrg: wrote ")
    body = run(capsys, "criticality", "--sigma-b", 0.3)
    assert body["critical_line"]["sigma_w"][0] == pytest.approx(1.3955839751549022, abs=1e-9)
    assert body["uniformity"]["crossing"] == pytest.approx([1.39594563, 0.30042442], abs=1e-7)


def test_a_network_is_placed_with_errors_and_sigmas(model, tmp_path, capsys):
    words = ["criticality", model, "-a", "tanh", "--draws", 6, "--seed", 1, "-o", tmp_path / "o"]
    assert theory(*words) == 0
    out, err = capsys.readouterr()
    assert "among random networks of tanh: 2 layers" in out and "flow with depth" in out
    assert "assumed: " in out and "criticality-blocks.pdf" in err
    assert {p.name for p in (tmp_path / "o").iterdir()} == {
        f"criticality{rest}"
        for rest in (".json", ".csv", ".pdf", ".png", "-blocks.pdf", "-blocks.png")
    }
    with (tmp_path / "o" / "criticality.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert [row["name"] for row in rows] == [f"{i}.weight" for i in range(2)]
    for row in rows:
        value, error = float(row["sigma_w"]), float(row["sigma_w_error"])
        # False alarms of both: 1e-6.
        assert abs(value - 1.4) < 5 * error and row["phase"] == "chaotic"
    body = run(capsys, *words[:8], "-t", "[1].weight")
    assert [row["name"] for row in body["rows"]] == ["1.weight"]


def test_loops_agree_with_their_simulation_and_say_so(tmp_path, capsys):
    words = ["loops", "--depth", 6, "--simulate", 1000, "--seed", 3, "-o", tmp_path / "o"]
    assert theory(*words, "--width", "32,128", "--dictionary") == 0
    out, err = capsys.readouterr()
    assert "at the edge of chaos, sigma_w = 1" in err
    assert "0.666667 t / n" in out and "O(N) vector model" in out and "assumed: " in out
    body = json.loads((tmp_path / "o" / "loops.json").read_text())
    measured = [r for r in body["rows"] if r["quantity"] == "relative_variance"]
    assert len(measured) == 2 * 5
    # Ten numbers, those of one width correlated; false alarms below 1e-5.
    assert all(abs(r["measured"] - r["total"]) < 5 * r["error"] for r in measured)
    body = run(capsys, "loops", "-a", "erf", "--sigma-b", 0.2, "--width", 64, "--depth", 4)
    edge = body["quenched_edge"][0]
    # A finite width makes a typical small difference grow less.
    assert edge["sigma_w"] > edge["infinite"]
    body = run(capsys, "loops", "-a", "relu", "--sigma-w", 1, "--sigma-b", 1, "--depth", 3)
    assert "quenched_edge" not in body


@pytest.mark.slow
def test_recurrent_gains(tmp_path, capsys):
    words = ["recurrent", "--sigma-w", "0.8,1.5", "--simulate", 3, "--duration", 10]
    words += ["--width", "16,24,32", "--seed", 1, "-o", tmp_path / "o"]
    assert theory(*words) == 0
    out, _ = capsys.readouterr()
    assert "silent" in out and "chaotic" in out and "Onset of chaos" in out
    body = json.loads((tmp_path / "o" / "recurrent.json").read_text())
    assert [f["lyapunov"]["value"] > 0 for f in body["fields"]] == [False, True]
    assert body["transition"]["sigma_w"]["value"] == pytest.approx(1, abs=1e-9)
    assert [one["sigma_w"] for one in body["simulated"]] == [0.8, 1.5]


def test_recurrent_networks_in_discrete_time(capsys):
    body = run(capsys, "recurrent", "--discrete", "--sigma-w", 1.3)
    assert body["fields"][0]["phase"] == "chaotic" and "transition" not in body


def test_correlators_of_an_architecture(tmp_path, capsys):
    words = ["correlators", "--architecture", "relu", "--width", "4,8,16", "--simulate", 4000]
    assert theory(*words, "--seed", 1, "-o", tmp_path / "o") == 0
    assert "measured" in capsys.readouterr().out
    body = json.loads((tmp_path / "o" / "correlators.json").read_text())["width_scaling"]
    # 15 / N times the square of <phi^2> = 1/2.
    np.testing.assert_allclose(body["predicted"], [3.75 / n for n in (4, 8, 16)])
    apart = np.subtract(body["measured"], body["predicted"]) / body["measured_errors"]
    # Fourth cumulants have heavy tails: 6 standard deviations are rarer than 1e-4.
    assert np.abs(apart).max() < 6
    body = run(capsys, "correlators", "--architecture", "cos")
    assert body["translation"]["is_invariant"] and not body["clusters"]["clusters"]
    body = run(capsys, "correlators", "--architecture", "gauss")
    assert not body["translation"]["is_invariant"]


def test_action_of_samples_and_of_architectures(samples, tmp_path, capsys):
    assert theory("edgeworth", samples, "-o", tmp_path / "o") == 0
    assert "assumed: samples are independent" in capsys.readouterr().out
    body = json.loads((tmp_path / "o" / "edgeworth.json").read_text())
    rows = {(r["coupling"], r["kind"]): r for r in body["rows"]}
    g2, g4 = (rows[name, "schwinger-dyson"] for name in ("g2", "g4"))
    # A free field of unit variance; false alarms below 1e-5.
    assert abs(g2["value"] - 1) < 5 * g2["error"] and abs(g4["value"]) < 5 * g4["error"]
    body = run(capsys, "edgeworth", "--architecture", "erf", "--width", 200, "--points", "0.5,2")
    assert body["n_modes"] == 2 and body["condition"] > 1 and body["recommended"] == "action"
    body = run(capsys, "edgeworth", "--architecture", "cos", "--simulate", 2000, "--width", 8)
    assert any(row["kind"] == "schwinger-dyson" for row in body["rows"])


@pytest.mark.slow
def test_engineered_networks(tmp_path, capsys):
    words = ["engineering", "--width", "16,32,64", "--simulate", 12, "--chains", 16]
    assert theory(*words, "--seed", 1, "-o", tmp_path / "o") == 0
    out, _ = capsys.readouterr()
    assert out.count("asked") >= 3 and "infinite width" in out
    body = json.loads((tmp_path / "o" / "engineering.json").read_text())
    limit = body["width_extrapolation"]["limit"]
    assert limit["error"] > 0 and len(body["actions"]) == 3
    assert (tmp_path / "o" / "engineering.pdf").is_file()


def test_flows_in_information_space_are_called_so(tmp_path, capsys):
    words = ["information-flow", "--inputs", 48, "--data", 20, "--seed", 1]
    assert theory(*words, "-o", tmp_path / "o") == 0
    out, _ = capsys.readouterr()
    assert "must not be overlaid with beta functions of block spins" in out
    body = json.loads((tmp_path / "o" / "information-flow.json").read_text())
    ridges = [row["ridge"] for row in body["rows"]]
    assert ridges == sorted(ridges) and ridges[0] == pytest.approx(0.01, rel=1e-6)
    body = run(capsys, "information-flow", "--flow", "sigma", "--architecture", "gauss")
    assert "information-space flow" in body["scale"]


def test_bad_input_is_one_line_and_a_code(model, samples, tmp_path, capsys):
    one = tmp_path / "one.npy"
    np.save(one, np.ones((500, 2)))
    few = tmp_path / "few.npy"
    np.save(few, np.random.default_rng(1).normal(size=(5, 1)))
    text = tmp_path / "text.npy"
    text.write_text("not an array")
    at = ("criticality", "--sigma-w")
    for code, match, words in (
        (2, "standard deviation of at least zero", (*at, -1)),
        (2, "standard deviation of at least zero", (*at, 1, "--sigma-b", -0.1)),
        (2, "finite real number", (*at, "nan")),
        (2, "activation must be one of", (*at, 1, "-a", "swish")),
        (2, "q0 must be above zero", (*at, 1, "--q0", -1)),
        (2, "depth must be an integer", (*at, 1, "--depth", 0)),
        (2, "from 2 to", (*at, 1, "--simulate", 20, "--width", 1)),
        (2, "at least 10", (*at, 1, "--simulate", 3)),
        (2, "2 to 60 points", (*at, 1, "--maps", 1)),
        (2, "non-negative integer", (*at, 1, "--seed", -1)),
        (2, "is a file", (*at, 1, "-o", model)),
        (2, "are of a MODEL", (*at, 1, "--chain", "a,b")),
        (5, "q diverges", (*at, 2, "-a", "relu", "--sigma-b", 1, "--simulate", 20)),
        (5, "no inputs have q", (*at, 0.1, "--sigma-b", 1, "--simulate", 20)),
        (5, "no critical point", ("criticality", "-a", "relu", "--sigma-b", 1)),
        (2, "need a network", ("criticality", "--simulate", 20)),
        (3, "no such file", ("criticality", tmp_path / "none.pt", "-a", "tanh")),
        (4, "no known format", ("criticality", text, "-a", "tanh")),
        (2, "give --activation", ("criticality", model)),
        (2, "are measured", ("criticality", model, "-a", "tanh", "--sigma-w", 1)),
        (2, "no trained tensor matches", ("criticality", model, "-a", "tanh", "-t", "x*")),
        (2, "from 2 to", ("loops", "--width", 1)),
        (2, "numbers by commas", ("loops", "--width", "a")),
        (2, "from 2 to", ("loops", "--depth", 1)),
        (2, "at least 200", ("loops", "--simulate", 5)),
        (5, "no critical point", ("loops", "-a", "relu", "--sigma-b", 1)),
        (5, "diverges", ("loops", "-a", "relu", "--sigma-w", 3, "--depth", 600)),
        (2, "noise must be", ("recurrent", "--noise", -1)),
        (5, "must stay finite", ("recurrent", "-a", "relu", "--sigma-w", 2)),
        (2, "expected 4 inputs", ("correlators", "--architecture", "cos", "--points", "1,2")),
        (2, "at least 2", ("correlators", "--architecture", "cos", "--width", 1)),
        (2, "uniform phase", ("correlators", "--architecture", "cos", "--sigma-b", 1)),
        (5, "at least 10 samples", ("correlators", "--architecture", "erf", "--simulate", 3)),
        (2, "one of them", ("edgeworth",)),
        (2, "say which with --tensor", ("edgeworth", model)),
        (2, "no array 'x'", ("edgeworth", model, "--tensor", "x")),
        (5, "singular", ("edgeworth", one)),
        (5, "need at least", ("edgeworth", few)),
        (3, "no such file", ("edgeworth", tmp_path / "none.npy")),
        (5, "singular", ("edgeworth", "--architecture", "cos", "--points", "1,1")),
        (2, "mass must be positive", ("engineering", "--mass", -1)),
        (2, "coupling must not be negative", ("engineering", "--coupling", -1)),
        (2, "at least 2", ("engineering", "--width", 1)),
        (2, "2 or more", ("information-flow", "--inputs", 1)),
        (2, "ridge must not be negative", ("information-flow", "--ridge", -1)),
        (5, "no scale to change", ("information-flow", "--flow", "sigma", "--sigma-w", 0)),
    ):
        assert theory(*words, "--quiet") == code, words
        printed = capsys.readouterr()
        assert printed.out == "", words
        lines = printed.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("nnrg: error: "), printed.err
        assert match in lines[0], lines[0]


@pytest.mark.parametrize("words", [[], ["dance"], ["correlators"], ["loops", "--order", "3"]])
def test_wrong_words_are_usage_errors(words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["theory", *words])
    assert stop.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.fixture
def trained(tmp_path):
    """Records of gradient descent on a circle, and of the heavy ball on data of a file."""
    from nnrg.simulate.training import MLP, GradientDescent, HeavyBall, Recording, train
    from nnrg.theory.cosmology import circle_data

    x = np.random.default_rng(1).normal(size=(8, 5))
    np.savez(tmp_path / "data.npz", inputs=x, targets=x.sum(axis=1))
    for name, n, data, optimiser in (
        ("circle", 2, circle_data(8), GradientDescent(0.01)),
        ("ball", 5, (x, x.sum(axis=1)), HeavyBall(1e-3, 0.9)),
    ):
        path = Recording(2, path=tmp_path / f"{name}.safetensors")
        train(MLP((n, 64, 1), sigma_b=0.5), data, optimiser=optimiser, steps=60, record=path,
              n_seeds=3, rng=1)  # fmt: skip
    return tmp_path


def test_training_as_a_universe(trained, tmp_path, capsys):
    words = ["cosmology", "--width", "64", "--seeds", 3, "--steps", 40, "--data-size", 8]
    words += ["--seed", 5, "--learning-rate", "1e-5,1e-4,1e-3"]
    assert theory(*words, "--records", tmp_path / "runs", "-o", tmp_path / "o") == 0
    out, err = capsys.readouterr()
    assert "width 64, depth 1, 8 data: holds at 3 of 3 rates" in out and "assumed: " in out
    files = {f"cosmology{rest}" for rest in (".json", ".csv", ".pdf", ".png", "-universe.pdf",
                                             "-universe.png")}  # fmt: skip
    assert {p.name for p in (tmp_path / "o").iterdir()} == files and "wrote" in err
    body = json.loads((tmp_path / "o" / "cosmology.json").read_text())
    with (tmp_path / "o" / "cosmology.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert [row["verdict"] for row in rows] == [row["verdict"] for row in body["rows"]]
    for row in body["rows"][:3]:
        assert row["hubble"] == pytest.approx(0.1 / 3 / row["learning_rate"] ** 0.5, rel=0.05)
    assert body["laws"][0]["exponent"]["value"] == pytest.approx(-0.5, abs=0.01)
    # The trainings that were kept are gone on with.
    times = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "runs").iterdir()}
    again = run(capsys, *words, "--records", tmp_path / "runs")
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "runs").iterdir()} == times
    assert len(times) == 3 and again["rows"] == body["rows"]


def test_recorded_training_as_a_universe(trained, capsys):
    body = run(capsys, "cosmology", "--record", trained / "circle.safetensors")
    verdicts = {(v["mode"], v["side"]): v["verdict"] for v in body["universe"]["verdicts"]}
    assert verdicts["0", "static"] == "holds" and verdicts["0", "redshifted"] == "fails"
    assert body["universe"]["match"] == "second_order" and len(body["spectrum"]["rows"]) == 8
    assert body["provenance_of_record"]["command"] == "train"
    data = ("--data", trained / "data.npz")
    body = run(capsys, "cosmology", "--record", trained / "ball.safetensors", *data)
    assert [fit["mode"] for fit in body["fits"]] == ["mean", "0", "1", "2"]
    top = body["fits"][1]["hubble"]
    assert top["value"] == pytest.approx(0.1 / 3 / 1e-3**0.5, rel=0.05)


def test_universes_that_cannot_be_are_one_line(trained, tmp_path, capsys):
    circle, ball = ("--record", trained / "circle.safetensors"), trained / "ball.safetensors"
    other = tmp_path / "other.npz"
    np.savez(other, inputs=np.ones((8, 5)), targets=np.ones(8))
    for code, match, words in (
        (2, "give --data", ("--record", ball)),
        (2, "inputs are not those of the record", ("--record", ball, "--data", other)),
        (2, "no array called inputs", ("--data", trained / "circle.safetensors")),
        (2, "--width is of networks", (*circle, "--width", 8)),
        (2, "is of HeavyBall", (*circle, "--match", "momentum")),
        (2, "tolerance must be positive, got 0.0\n", (*circle, "--tolerance", 0)),
        (3, "cannot read the record", ("--record", tmp_path / "none")),
        (4, "no record of training", ("--record", other)),
        (2, "mean or a number", ("--mode", "x")),
        (2, "numbers by commas", ("--width", "a")),
        (2, "--momentum is of", ("--match", "slow_roll", "--momentum", 0.5)),
        (2, "positive numbers", ("--learning-rate", -1)),
        (2, "activation must be", ("-a", "swish")),
        (2, "at least 2", ("--seeds", 1)),
        (5, "diverged at step", ("--learning-rate", 1e9, "--width", 4)),
    ):
        assert theory("cosmology", *words, "--quiet") == code, words
        printed = capsys.readouterr()
        assert printed.out == "" and len(printed.err.splitlines()) == 1, words
        assert match in printed.err, printed.err
