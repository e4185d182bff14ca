"""`nnrg compare`: what is written, printed and returned, and what is refused."""

import csv
import json
import os
from dataclasses import replace

import numpy as np
import pytest
from comparison_fields import chain, flows, measured

import nnrg
from nnrg import cli
from nnrg.comparison.file import open_comparison
from nnrg.results import Run

FILES = {f"comparison.{ending}" for ending in ("nc", "csv", "json", "tex", "pdf", "png")}


def save(folder, measurement, sha="", name="layer_1.weight"):
    """A folder as `nnrg flow` leaves it, with one field."""
    renamed = replace(
        measurement,
        couplings=replace(
            measurement.couplings, attrs={**measurement.couplings.attrs, "field": name}
        ),
        cumulants=replace(
            measurement.cumulants, attrs={**measurement.cumulants.attrs, "field": name}
        ),
    )
    run = Run({name: renamed}, {}, {"weights_sha256": sha or folder.name, "model": folder.name})
    run.save(folder / "flow.nc")
    return str(folder)


@pytest.fixture
def runs(tmp_path):
    return {name: save(tmp_path / name, m) for name, m in flows().items()}


def compare(*words):
    return cli.main(["compare", *map(str, words), "--quiet", "--no-figure"])


def refused(capsys, *words):
    """Exit code and the one line on stderr."""
    code = compare(*words)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("nnrg: error: "), captured.err
    return code, lines[0]


def test_everything_is_written_and_the_table_printed(runs, tmp_path, capsys):
    words = [*runs.values(), "-o", str(tmp_path / "out"), "--style", "nature"]
    assert cli.main(["compare", *words]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES
    printed, said = capsys.readouterr()
    assert said.startswith("nnrg: wrote ") and said.count("comparison.") == len(FILES)
    same = nnrg.compare({name: nnrg.open_results(path) for name, path in runs.items()})
    assert printed == f"{same}\n"
    assert len(printed.splitlines()) <= 40
    assert "3 flows at equal b / width" in printed and "tiny - other" in printed
    read = open_comparison(tmp_path / "out")
    assert str(read) == str(same) and read.to_dict() == same.to_dict()


def test_json_and_csv_hold_every_difference(runs, tmp_path, capsys):
    assert compare(runs["tiny"], runs["other"], "-o", tmp_path / "out", "--json") == 0
    out = capsys.readouterr().out
    body = json.loads(out)
    file = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert body == file and body["schema_version"] == 1
    result = open_comparison(tmp_path / "out")
    with (tmp_path / "out" / "comparison.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    frame = result.to_dataframe()
    assert len(rows) == len(frame) == len(result.rows) == len(body["differences"])
    for row, record, one in zip(rows, body["differences"], result.rows, strict=True):
        assert row["quantity"] == record["quantity"] == one.quantity
        if np.isnan(one.z):
            assert row["z"] == "" and record["z"] is None
        else:
            assert float(row["z"]) == record["z"] == one.z


def test_tex_is_escaped_and_its_rows_are_whole(tmp_path):
    awkward = {"a_b & 50%": flows()["tiny"], "$x^2$ {c}": flows()["other"]}
    result = nnrg.compare(awkward)
    result.to_latex(tmp_path / "t.tex")
    text = (tmp_path / "t.tex").read_text()
    assert r"a\_b \& 50\%" in text and r"\$x\textasciicircum{}2\$ \{c\}" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    for columns, body in zip((7, 10), text.split(r"\midrule")[1:], strict=True):
        lines = [x for x in body.split(r"\bottomrule")[0].splitlines() if x]
        assert lines
        for line in lines:
            assert line.replace(r"\&", "").count("&") == columns - 1 and line.endswith(r"\\")
    assert text.count("{") == text.count("}")


def test_labels_and_fields(runs, tmp_path, capsys):
    first, second = runs["tiny"], runs["other"]
    words = [f"A={first}", f"B={second}/flow.nc", "--field", "layer_1.weight"]
    assert compare(*words, "--at", "blocks", "-o", tmp_path / "out") == 0
    assert "A - B" in capsys.readouterr().out
    assert open_comparison(tmp_path / "out").at == "blocks"
    # Runs of one name stay apart.
    twin = save(tmp_path / "elsewhere" / "tiny", flows()["full"])
    assert compare(first, twin, "-o", tmp_path / "out2") == 0
    assert open_comparison(tmp_path / "out2").names == ("tiny", "tiny-2")


def test_two_fields_of_one_run(tmp_path, capsys):
    rng = np.random.default_rng(2)
    parts = {n: measured(chain(64, 0.4, rng)) for n in ("q", "k")}
    Run(parts, {}, {"weights_sha256": "x"}).save(tmp_path / "net" / "flow.nc")
    words = [tmp_path / "net", "--field", "q", "--field", "k", "-o", tmp_path / "out"]
    assert compare(*words) == 0
    assert "correlated replicates" in capsys.readouterr().out


def test_each_run_has_names_of_its_own(tmp_path, capsys):
    rng = np.random.default_rng(3)
    for net, names in (("a", ("q", "k")), ("b", ("w", "v"))):
        parts = {n: measured(chain(64, 0.4, rng)) for n in names}
        Run(parts, {}, {"weights_sha256": net}).save(tmp_path / net / "flow.nc")
    words = [tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out"]
    assert compare(*words, "--field", "a=k", "--field", "b=v", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    runs = {n: nnrg.open_results(tmp_path / n) for n in ("a", "b")}
    wanted = nnrg.compare(runs, field={"a": "k", "b": "v"})
    assert found["differences"] == wanted.to_dict()["differences"]
    # What is asked of one run is not asked of the others.
    assert compare(*words, "--field", "q", "--field", "b=v", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    wanted = nnrg.compare(runs, field={"a": "q", "b": "v"})
    assert found["differences"] == wanted.to_dict()["differences"]
    code, line = refused(capsys, *words, "--field", "c=v")
    assert code == 2 and "no run is called 'c'; there are a, b" in line


def test_bad_input_is_one_line_and_a_code(runs, tmp_path, capsys):
    out = ["-o", tmp_path / "out"]
    tiny, other = runs["tiny"], runs["other"]
    code, line = refused(capsys, tiny, *out)
    assert code == 2 and "two runs or more" in line
    code, line = refused(capsys, tiny, tmp_path / "missing", *out)
    assert code == 3 and "no such results file" in line
    wrong = tmp_path / "model.nc"
    wrong.write_bytes(b"not a results file")
    code, line = refused(capsys, tiny, wrong, *out)
    assert code == 4 and "not a netCDF4 file" in line
    code, line = refused(capsys, tiny, other, "--field", "nothing", *out)
    assert code == 2 and "no field 'nothing'" in line
    code, line = refused(capsys, f"a={tiny}", f"a={other}", *out)
    assert code == 2 and "called 'a'" in line
    code, line = refused(capsys, tiny, tiny, *out)
    assert code == 2 and "hold the same numbers" in line
    code, line = refused(capsys, tiny, other, "--null", "phase", *out)
    assert code == 2 and "no null model 'phase'" in line
    (tmp_path / "file").write_text("")
    code, line = refused(capsys, tiny, other, "-o", tmp_path / "file")
    assert code == 2 and "is a file" in line
    flows()["tiny"].couplings.save(tmp_path / "table.nc")
    code, line = refused(capsys, tiny, tmp_path / "table.nc", *out)
    assert code == 4 and "one table, not a run" in line


def test_a_folder_that_cannot_be_written_to(runs, tmp_path, capsys):
    blocked = tmp_path / "file" / "below"
    (tmp_path / "file").write_text("")
    code, line = refused(capsys, runs["tiny"], runs["other"], "-o", blocked)
    assert code == 3 and "cannot be written to" in line


def test_other_settings_and_no_common_scale(tmp_path, runs, capsys):
    rng = np.random.default_rng(4)
    wide = save(tmp_path / "wide", measured(chain(32, 0.2, rng), order=6))
    nulls = [
        save(tmp_path / n, measured(chain(32, 0.2, rng, length=w)))
        for n, w in (("x", 32), ("y", 48))
    ]
    code, line = refused(capsys, wide, nulls[0], "-o", tmp_path / "out")
    assert code == 2 and "basis differs" in line
    code, line = refused(capsys, *nulls, "-o", tmp_path / "out")
    assert code == 5 and "no common scale" in line and "interpolate" in line
    assert compare(*nulls, "--interpolate", "-o", tmp_path / "out") == 0


def test_a_run_that_holds_no_flow(tmp_path, runs, capsys):
    # What nnrg flow leaves of a network whose fields are all constant.
    Run({}, {"w": "constant"}, {}).save(tmp_path / "none" / "flow.nc")
    code, line = refused(capsys, runs["tiny"], tmp_path / "none", "-o", tmp_path / "out")
    assert code == 5 and "hold no flow" in line


def test_damaged_comparisons_are_named(runs, tmp_path):
    assert compare(runs["tiny"], runs["other"], "-o", tmp_path / "out") == 0
    with pytest.raises(nnrg.errors.FormatError, match="holds 'run', not a comparison"):
        open_comparison(f"{runs['tiny']}/flow.nc")
    with pytest.raises(nnrg.errors.SourceError, match="no such results file"):
        open_comparison(tmp_path / "gone")
    path = tmp_path / "out" / "comparison.nc"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.replace(path, tmp_path / "old.nc")
    path.write_bytes(data)
    with pytest.raises(nnrg.errors.FormatError, match="changed, damaged or cut off"):
        open_comparison(path)


def test_the_figure_is_redrawn_from_the_saved_comparison(runs, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["compare", *runs.values(), "-o", str(out), "--quiet"]) == 0
    for source in (out, out / "comparison.nc"):
        assert cli.main(["plot", str(source), "-o", str(tmp_path / "again.png")]) == 0
        assert (tmp_path / "again.png").read_bytes() == (out / "comparison.png").read_bytes()
    capsys.readouterr()
    words = ["plot", str(out), "-o", str(tmp_path / "again.png"), "--summary"]
    assert cli.main(words) == 2 and "one figure" in capsys.readouterr().err
