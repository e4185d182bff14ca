"""`nnrg flow` and `nnrg plot`: what is written, printed and returned."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cli.runs import SEED, run, same_run, write_model
from safetensors.numpy import save_file

import nnrg
from nnrg import cli
from nnrg._parts import Parts

OPTIONS = ["--seed", str(SEED), "--draws", "4", "--sites", "fc1.weight=16x16"]
OPTIONS += ["--nulls", "permutation"]


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model.safetensors")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder that `nnrg flow` has written, with all its figures."""
    folder = tmp_path_factory.mktemp("finished")
    model = write_model(folder / "model.safetensors")
    code = cli.main(["flow", str(model), "-o", str(folder / "out"), *OPTIONS, "--figures", "all"])
    assert code == 0
    return folder / "out"


def flow(model, folder, *words):
    return cli.main(["flow", str(model), "-o", str(folder), *OPTIONS, "--figures", "none", *words])


def shell(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "nnrg", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )


# -- what is written -----------------------------------------------------------------------------


def test_the_command_measures_what_the_library_does(finished):
    again = nnrg.open_results(finished)
    same_run(again, run())
    assert again.attrs["command"].startswith("nnrg flow ")
    assert again.attrs["weights_bytes"] == os.path.getsize(finished.parent / "model.safetensors")


def test_figures_are_redrawn_from_the_results_alone(finished, tmp_path):
    leading = nnrg.open_results(finished).leading.name
    drawn = {f"flow-{name}": ["--field", name] for name in run() if name != leading}
    drawn |= {"flow": [], "summary": ["--summary"]}
    for stem, words in drawn.items():
        for ending in ("pdf", "png"):
            again = tmp_path / f"{stem}.{ending}"
            assert cli.main(["plot", str(finished), *words, "-o", str(again)]) == 0
            assert again.read_bytes() == (finished / again.name).read_bytes(), again.name
    written = {f"{stem}.{ending}" for stem in drawn for ending in ("pdf", "png")}
    assert set(os.listdir(finished)) == {"flow.nc", *written}


def test_a_panel_is_drawn_at_the_width_of_a_column(finished, tmp_path, capsys):
    target = tmp_path / "a.svg"
    words = ["--panel", "ratios", "--style", "nature", "-o", str(target), "--json"]
    assert cli.main(["plot", str(finished / "flow.nc"), *words]) == 0
    assert json.loads(capsys.readouterr().out)["figure"] == str(target)
    assert 'width="252.28' in target.read_text()[:2000]  # points: 89 mm


def test_results_in_the_folder_are_replaced_whole(model, tmp_path, capsys):
    out = tmp_path / "out"
    assert flow(model, out, "-t", "fc2.weight", "--sites", "fc2*=64") == 2
    assert flow(model, out) == 0
    assert flow(model, out, "--levels", "3") == 0
    assert nnrg.open_results(out).attrs["levels"] == "3"
    assert os.listdir(out) == ["flow.nc"]


def test_words_choose_the_operators_and_standardise_the_sites(model, tmp_path):
    assert flow(model, tmp_path, "--shells", "1", "--quartic", "2", "--standardise") == 0
    again = nnrg.open_results(tmp_path)
    for name in again:
        couplings = again[name].couplings
        assert couplings.names[-3:] in (("J:2", "U:1", "U:2"), ("J:1.414", "U:1", "U:1.414"))
        assert "each site standardised over the samples" in str(couplings.attrs["notes"])


def test_several_models_have_folders_of_their_own(tmp_path, capsys):
    models = [write_model(tmp_path / side / "m.safetensors") for side in ("a", "b")]
    words = ["-o", str(tmp_path / "out"), *OPTIONS, "--figures", "none", "--json"]
    assert cli.main(["flow", *map(str, models), *words]) == 0
    found = json.loads(capsys.readouterr().out)["runs"]
    folders = [tmp_path / "out" / name for name in ("m.safetensors", "m.safetensors-2")]
    assert [r["folder"] for r in found] == [str(f) for f in folders]
    for folder in folders:
        same_run(nnrg.open_results(folder), run())


def test_a_model_named_by_dots_stays_inside_the_folder(tmp_path, capsys, monkeypatch):
    write_model(tmp_path / "a" / "model.safetensors")
    (tmp_path / "a" / "x").mkdir()
    monkeypatch.chdir(tmp_path / "a" / "x")
    out = tmp_path / "out"
    assert cli.main(["flow", "..", "../.", "-o", str(out), *OPTIONS, "--figures", "none"]) == 0
    assert sorted(os.listdir(out)) == ["a", "a-2"]


# -- what is printed -----------------------------------------------------------------------------


def test_data_go_to_stdout_and_words_to_stderr(model, tmp_path):
    words = ["flow", model, "-o", tmp_path / "out", *OPTIONS, "--figures", "none"]
    done = shell(*words)
    assert done.returncode == 0
    assert (
        "embeddings.position_embeddings.weight: 12 samples" in done.stdout
        and "wrote" not in done.stdout
    )
    assert done.stderr.splitlines() == [f"nnrg: wrote {tmp_path / 'out' / 'flow.nc'}"]
    assert shell(*words, "--quiet").stderr == ""


def test_the_report_says_what_it_shows(finished, capsys):
    text = nnrg.open_results(finished).report()
    assert max(map(len, text.split("\n"))) <= 200
    for words in (
        "kappa_2 differs from 4 draws of permutation at b = 4, 8, 16, 32, not at b = 2",
        "dimensionless",
        "other fields (3):",
        "left out (1 tensors):",
        "fc1.bias: one vector in index order",
    ):
        assert words in text, words


def _walk(item):
    if isinstance(item, dict):
        yield item
        item = list(item.values())
    if isinstance(item, list):
        for part in item:
            yield from _walk(part)


def test_json_is_one_object_with_an_error_to_every_value(model, tmp_path, capsys):
    assert flow(model, tmp_path / "out", "--json") == 0
    captured = capsys.readouterr()
    assert "NaN" not in captured.out and "Infinity" not in captured.out
    found = json.loads(captured.out)
    assert found["schema_version"] == 1
    (only,) = found["runs"]
    assert list(only["fields"]) == list(run())
    assert only["provenance"]["seed"] == str(SEED)
    assert list(only["left_out"]) == ["fc1.bias"]
    records = [x for x in _walk(found) if "value" in x]
    assert records
    for record in records:
        assert {"error", "n_samples", "null", "z", "flag", "scale"} <= record.keys()
        assert record["value"] is None or record["error"] is not None or record["flag"]
    field = only["fields"]["fc2.weight"]
    g = run()["fc2.weight"].couplings
    assert [r["value"] for r in field["couplings"]] == [
        None if np.isnan(v) else v for v in g.values.ravel()
    ]


def test_inspect_prints_how_results_were_made(finished, capsys):
    assert cli.main(["inspect", str(finished)]) == 0
    out = capsys.readouterr().out
    for word in ("command", "seed", "weights_sha256", "weights_bytes", "numpy_version", "threads"):
        assert f"\n{word} " in out, word
    assert "fc2.weight" in out
    assert cli.main(["inspect", str(finished / "flow.nc"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fields"] == list(run())
    assert found["provenance"]["weights_sha256"] == run_digest(finished)


def run_digest(finished):
    import hashlib

    return hashlib.sha256((finished.parent / "model.safetensors").read_bytes()).hexdigest()


def test_inspect_prints_a_model(model, capsys):
    assert cli.main(["inspect", str(model)]) == 0
    assert "fc1.weight" in capsys.readouterr().out
    assert cli.main(["inspect", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema_version"] == 1


def test_a_terminal_sees_progress_and_a_file_does_not(capsys):
    from io import StringIO

    from nnrg.progress import Progress

    class Terminal(StringIO):
        def isatty(self):
            return True

    for stream, shown in ((Terminal(), True), (StringIO(), False)):
        progress = Progress(stream=stream)
        progress("w (1 of 2)", 1, 4)
        progress("w (1 of 2)", 4, 4)
        progress.close()
        assert ("4/4" in stream.getvalue()) == shown
        assert stream.getvalue().endswith("\r\x1b[K") == shown
    off = Terminal()
    Progress(enabled=False, stream=off)("w", 1, 1)
    assert off.getvalue() == ""


# -- exit codes ----------------------------------------------------------------------------------


def refused(capsys, code, words, *expected):
    assert cli.main([str(w) for w in words]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("nnrg: error: ")
    for word in expected:
        assert word in line, line


def test_code_2_words_that_cannot_be_used(model, tmp_path, capsys):
    out = ["-o", tmp_path / "out"]
    flow = ["flow", model, *out]
    (tmp_path / "file").write_text("")
    refused(capsys, 2, [*flow, "--sites", "28by28"], "28by28", "28x28")
    refused(capsys, 2, [*flow, "--sites", "conv*=4x4"], "'conv*'")
    refused(capsys, 2, [*flow, "--sites", "fc2.weight=5x5", "-t", "fc2.weight"], "25 sites")
    refused(capsys, 2, [*flow, "--tensors", "conv*"], "'conv*'", "embeddings")
    refused(capsys, 2, [*flow, "--blocks", "two"], "--blocks")
    refused(capsys, 2, [*flow, "--blocks", "0"])
    refused(capsys, 2, [*flow, "--rescale", "up"], "variance")
    refused(capsys, 2, [*flow, "--levels", "0"], "levels")
    refused(capsys, 2, [*flow, "--draws", "2"], "from 3")
    refused(capsys, 2, [*flow, "--seed", "-4"], "-4")
    refused(capsys, 2, ["flow", model, "-o", tmp_path / "file"], "is a file")


def test_code_3_what_is_missing_or_cannot_be_written(model, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refused(capsys, 3, ["flow", tmp_path / "absent.pt", "-o", tmp_path / "out"], "absent.pt")
    refused(capsys, 3, ["inspect", tmp_path / "absent.pt"], "absent.pt")
    refused(capsys, 3, ["plot", tmp_path / "absent.nc", "-o", "a.png"], "absent.nc")
    refused(capsys, 3, ["flow", model, "-o", tmp_path / "file" / "x"], "cannot be written")


def test_code_4_files_of_no_known_format(finished, tmp_path, capsys):
    text = tmp_path / "notes.txt"
    text.write_text("these are not weights\n" * 40)
    refused(capsys, 4, ["flow", text, "-o", tmp_path / "out"], "notes.txt")
    refused(capsys, 4, ["inspect", text], "notes.txt")
    refused(capsys, 4, ["plot", text, "-o", tmp_path / "a.png"], "notes.txt")
    run().leading.couplings.save(tmp_path / "one.nc")
    refused(capsys, 4, ["plot", tmp_path / "one.nc", "-o", tmp_path / "a.png"], "one table")
    refused(capsys, 2, ["plot", finished, "-f", "fc9", "-o", tmp_path / "a.png"], "fc2.weight")
    refused(capsys, 2, ["plot", finished, "-o", tmp_path / "a.gif"], ".pdf, .svg or .png")


def test_code_5_numbers_that_allow_no_analysis(tmp_path, capsys):
    path = tmp_path / "zero.safetensors"
    save_file({"w.weight": np.zeros((64, 64), np.float32)}, path)
    refused(capsys, 5, ["flow", path, "-o", tmp_path / "out"], "constant")
    bad = np.ones((64, 64), np.float32)
    bad[0, 0] = np.nan
    save_file({"w.weight": bad}, path)
    refused(capsys, 5, ["flow", path, "-o", tmp_path / "out"], "--allow-nonfinite")


def test_code_6_a_gate_that_failed(model, tmp_path, capsys):
    base = ["flow", str(model), "-o", str(tmp_path / "out"), "-t", "last.weight", "--draws", "4"]
    base += ["--blocks", "index"]
    assert cli.main([*base, "--seed", "1", "--figures", "none"]) == 0
    assert cli.main([*base, "--seed", "1", "--figures", "none", "--strict"]) == 6
    assert "quality gate" in capsys.readouterr().err


def test_code_1_is_one_line_too(monkeypatch, capsys, model):
    import nnrg._commands

    def fail(arguments):
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(nnrg._commands, "inspect", fail)
    assert cli.main(["inspect", str(model)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "internal error: ZeroDivisionError: a b" in line
    with pytest.raises(ZeroDivisionError):
        cli.main(["inspect", str(model), "--debug"])


def test_code_141_when_nobody_reads_any_more(tmp_path):
    path = tmp_path / "many.safetensors"
    save_file({f"layer{i}.weight": np.ones((8, 8), np.float32) for i in range(3000)}, path)
    process = subprocess.Popen(
        [sys.executable, "-m", "nnrg", "inspect", str(path), "--all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (141, b"")
    process.stderr.close()


def test_names_that_a_terminal_cannot_show_are_escaped(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"poids_é.weight": np.random.default_rng(1).normal(size=(64, 64))}, path)
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = shell("inspect", path, env=env)
    assert done.returncode == 0
    assert "poids_\\xe9.weight" in done.stdout


# -- interrupted and resumed ---------------------------------------------------------------------


def test_code_130_and_the_rest_later(tmp_path):
    rng = np.random.default_rng(3)
    path = tmp_path / "m.safetensors"
    weights = {"a.weight": rng.normal(size=(64, 64)).astype(np.float32)}
    weights["b.weight"] = rng.normal(size=(2048, 2048)).astype(np.float32)
    save_file(weights, path)
    options = ["--figures", "none", "--nulls", "permutation", "-t", "a*"]
    # Where kernels are compiled already, the small tensor is done long before the large one.
    assert cli.main(["flow", str(path), "-o", str(tmp_path / "a"), *options, "--draws", "4"]) == 0
    words = ["flow", path, "-o", tmp_path / "out", *options, "-t", "b*"]
    driver = (
        "import sys\n"
        "from nnrg import cli, progress\n"
        "class Told(progress.Progress):\n"
        "    def __call__(self, label, done, total):\n"
        "        sys.stdout.write(label + '\\n'); sys.stdout.flush()\n"
        "progress.Progress = Told\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", driver, *map(str, words), "--draws", "100"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not process.stdout.readline().startswith("b.weight"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-2:] == [
        "nnrg: 1 finished tensors are kept: --resume goes on from there",
        "nnrg: interrupted",
    ]
    assert not (tmp_path / "out" / "flow.nc").exists()
    parts = tmp_path / "out" / ".nnrg-parts"
    (part,) = parts.glob("*.nc")
    kept = nnrg.open_results(part)
    seed = Parts(parts, {k: v for k, v in kept.attrs.items() if k not in ("seed", "tensor")}).seed()
    assert str(seed) == kept.attrs["seed"]


def test_an_interrupt_that_a_callback_loses_is_an_interrupt(capsys, monkeypatch):
    import ctypes

    from nnrg import _commands

    def compiler(arguments):
        @ctypes.CFUNCTYPE(None)
        def callback():
            raise KeyboardInterrupt

        callback()  # called from C, which no exception can pass
        raise RuntimeError("no compiled object yet")

    monkeypatch.setattr(_commands, "inspect", compiler)
    assert cli.main(["inspect", "m.safetensors"]) == 130
    assert capsys.readouterr().err == "nnrg: interrupted\n"


def test_resume_takes_what_is_finished(model, tmp_path, capsys, monkeypatch):
    from nnrg import _flow_command
    from nnrg.pipeline import _work

    seen = []
    real = _work.measure

    def interrupted(flow, **options):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(flow.field.name)
        return real(flow, **options)

    out = tmp_path / "out"
    words = ["flow", str(model), "-o", str(out), *OPTIONS[2:], "--figures", "none"]
    with monkeypatch.context() as patch:
        patch.setattr(_work, "measure", interrupted)
        assert cli.main(words) == 130
    (out / ".nnrg-parts" / "mine.txt").write_text("not ours to remove")
    started = time.monotonic()
    assert cli.main([*words, "--resume"]) == 0
    assert time.monotonic() - started < 60
    done = nnrg.open_results(out)
    assert seen == ["embeddings.position_embeddings.weight", "fc1.weight"]
    assert os.listdir(out / _flow_command._PARTS) == ["mine.txt"]
    seeded = tmp_path / "seeded"
    again = [*words[:3], str(seeded), *words[4:], "--seed", done.attrs["seed"]]
    assert cli.main(again) == 0
    same_run(done, nnrg.open_results(seeded))
