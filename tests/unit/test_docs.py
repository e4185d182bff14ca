"""README and docs stay true: every command they show parses, every target and link exists."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

import nnrg
from nnrg import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *SITE]
IDS = [str(p.relative_to(ROOT)) for p in PAGES]

FENCE = re.compile(r"^```+(.*?)\n(.*?)^```+\s*$", re.MULTILINE | re.DOTALL)
SHELL = {"bash", "sh", "shell", "console"}


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _reference() -> ModuleType:
    return _module("_cli_reference")


def shell_lines(page: Path) -> list[str]:
    """Lines that a reader would type, from shell blocks and from executed ``%%bash`` cells."""
    lines: list[str] = []
    for info, body in FENCE.findall(page.read_text(encoding="utf-8")):
        cell = body.lstrip()
        if info.strip() in SHELL or cell.startswith("%%bash"):
            lines += [x.strip() for x in cell.replace("\\\n", " ").splitlines()]
    return lines


def commands(page: Path, program: str) -> list[list[str]]:
    """The words after a program, wherever it is called in the shell lines of a page."""
    found = []
    for line in shell_lines(page):
        for part in re.split(r"[|;&]\s|\s[|;&]", line):
            words = shlex.split(part, comments=True)
            if words and words[0] == program:
                until = next((i for i, w in enumerate(words) if re.match(r"\d?>", w)), len(words))
                found.append(words[1:until])
    return found


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_shown_can_be_typed(page: Path) -> None:
    for words in commands(page, "nnrg"):
        if words and words[0] not in ("--help", "--version"):
            cli.parser().parse_args(words)


def test_every_command_is_shown() -> None:
    shown = {words[0] for page in PAGES for words in commands(page, "nnrg") if words}
    missing = set(_reference().subcommands()) - shown
    assert not missing, f"no page shows nnrg {', '.join(sorted(missing))}"


def test_command_reference_holds_every_word_of_the_parser() -> None:
    module = _reference()
    text = module.commands()
    for name, sub in module.subcommands().items():
        section = text.partition(f"## nnrg {name}\n")[2].partition("\n## nnrg ")[0]
        assert section, f"nnrg {name} has no section"
        for action in sub._actions:
            if isinstance(action, argparse._HelpAction):
                continue
            for word in action.option_strings or [str(action.metavar or action.dest)]:
                known = action.choices and not action.option_strings
                assert known or word in section, f"nnrg {name}: {word} is not described"
            assert action.help != argparse.SUPPRESS
    assert "%COMMANDS%" in (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")


def test_known_answers_are_those_of_the_tests_of_physics() -> None:
    module = _module("_checks")
    entries = json.loads(module.CHECKS.read_text(encoding="utf-8"))
    recording = set()
    for path in sorted((ROOT / "tests" / "physics").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                if "checked" in {a.arg for a in node.args.args}:
                    recording.add(f"{path.relative_to(ROOT).as_posix()}::{node.name}")
    # Both ways: nothing on the page that no test asserts, no test that the page was made without.
    assert {e["test"].partition("[")[0] for e in entries} == recording
    page = module.known_answers()
    for entry in entries:
        assert f"## {entry['topic']}\n" in page
        assert f"| {entry['quantity']} |" in page
        assert "|" not in entry["quantity"] + entry["topic"] + entry["source"]
    # Each is an assertion of a test, the widest of which allow 4.5 errors.
    assert all(abs(module.pull(e)) < 4.5 for e in entries if e["error"] is not None)
    marked = (DOCS / "explanation" / "checked.md").read_text(encoding="utf-8")
    assert "%KNOWN_ANSWERS%" in marked


def test_exit_codes_are_those_of_the_errors() -> None:
    page = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    raised = {getattr(nnrg.errors, name).exit_code for name in nnrg.errors.__all__}
    assert listed == raised | {0, 6, 130, 141}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = {w for line in commands(page, "make") for w in line}
    named |= set(re.findall(r"`make ([a-z-]+)`", text))
    assert named <= targets, f"no such target: {sorted(named - targets)}"


def test_readme_names_the_commands_that_the_checks_run() -> None:
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    wanted = set(re.findall(r"^make ([a-z-]+)", run, re.MULTILINE))
    assert wanted
    assert wanted <= {w for words in commands(ROOT / "README.md", "make") for w in words}


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as MyST and GitHub make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", t.lower()).strip().replace(" ", "-") for t in titles}


def target_of(page: Path, link: str) -> Path:
    """The file that a link in a page means; a document may be named without its ending."""
    base = DOCS if link.startswith("/") else page.parent
    path = base / link.lstrip("/")
    return path if path.suffix else path.with_suffix(".md")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for entry in block.splitlines():
            if entry.strip() and not entry.startswith(":"):
                assert target_of(page, entry.strip()).is_file(), f"toctree: {entry}"
    prose = FENCE.sub("", text)
    for link in re.findall(r"\{doc\}`(?:[^`<]*<)?([^`>]+)>?`", prose):
        assert target_of(page, link).is_file(), f"no document {link}"
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"no file {link}"
        assert not anchor or anchor in anchors(target), f"no heading {link}"


def test_every_page_is_in_a_toctree() -> None:
    listed = {DOCS / "index.md"}
    for page in SITE:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            entries = (e.strip() for e in block.splitlines() if e.strip() and e[0] != ":")
            listed |= {target_of(page, entry).resolve() for entry in entries}
    assert {p.resolve() for p in SITE} == {p.resolve() for p in listed}


def test_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = [
        body
        for info, body in FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        if info.strip() == "python"
    ]
    assert blocks
    space: dict[str, object] = {}
    for body in blocks:
        exec(compile(body, "README.md", "exec"), space)
    assert "chi2/dof" in capsys.readouterr().out


def test_version_is_the_same_everywhere() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{nnrg.__version__}]" in changes
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(nnrg.__version__)}$", citation, re.MULTILINE)


def test_reference_describes_every_public_name() -> None:
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    missing = [n for n in nnrg.__all__ if n != "__version__" and f"nnrg.{n}" not in page]
    assert not missing, f"reference/api.md leaves out {missing}"
