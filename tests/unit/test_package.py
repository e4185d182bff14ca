"""The package as a whole: which way imports run, what is public, what a wheel holds."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
import zipfile
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import nnrg

ROOT = Path(__file__).parents[2]
SOURCES = {"nnrg": ROOT / "nnrg", "nnrg_kernels": ROOT / "kernels" / "nnrg_kernels"}

# The parts of the package and the modules, or packages, that each is made of.
PARTS: dict[str, set[str]] = {
    "command line": {
        "nnrg.__main__",
        "nnrg._commands",
        "nnrg._compare_command",
        "nnrg._drawings",
        "nnrg._flow_command",
        "nnrg._interrupts",
        "nnrg._json",
        "nnrg._theory_command",
        "nnrg._train_command",
        "nnrg.cli",
    },
    "pipeline": {
        "nnrg._neighbours",
        "nnrg._parts",
        "nnrg._selection",
        "nnrg._unit_rules",
        "nnrg.pipeline",
    },
    "comparison": {"nnrg.comparison"},
    "plot": {"nnrg.plot"},
    "results": {"nnrg._netcdf_reader", "nnrg._report", "nnrg._tables", "nnrg.results"},
    "theory": {"nnrg.theory"},
    "rg": {"nnrg.rg"},
    "networks": {"nnrg.networks"},
    "simulate": {"nnrg.simulate"},
    "fields": {"nnrg._field_values", "nnrg.fields"},
    "graph": {"nnrg.graph", "nnrg.lattice"},
    "stats": {"nnrg.stats"},
    "foundations": {
        "nnrg._files",
        "nnrg._netcdf",
        "nnrg._random",
        "nnrg._validate",
        "nnrg._version",
        "nnrg._workers",
        "nnrg.activation_functions",
        "nnrg.data",
        "nnrg.errors",
        "nnrg.progress",
        "nnrg.provenance",
    },
    "kernels": {"nnrg_kernels"},
}
_FIELDS = {"fields", "graph", "stats", "foundations", "kernels"}
_MEASURED = {"results", "rg", "networks", *_FIELDS}
MAY_IMPORT: dict[str, set[str]] = {
    "command line": {"comparison", "pipeline", "plot", "simulate", "theory", *_MEASURED},
    "pipeline": _MEASURED,
    "comparison": _MEASURED,
    "plot": {"comparison", "simulate", "theory", *_MEASURED},
    "theory": {"simulate", *_MEASURED} - {"results"},
    "results": _MEASURED - {"results"},
    "rg": {"networks", *_FIELDS},
    "networks": _FIELDS,
    "simulate": {"networks", *_FIELDS},
    "fields": {"graph", "stats", "foundations", "kernels"},
    "graph": {"stats", "foundations", "kernels"},
    "stats": {"foundations", "kernels"},
    "foundations": {"kernels"},
    "kernels": set(),
}


@cache
def modules() -> dict[str, Path]:
    """Every module of both packages, by dotted name."""
    found = {}
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = sorted(modules())
NESTED = [name for name in MODULES if name != "nnrg"]
IMPORTABLE = [name for name in MODULES if name != "nnrg.__main__"]  # which runs the command line
INHERIT = {"Couplings", "Cumulants"}  # whose attributes are those of Observables


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imported(name: str) -> set[str]:
    """Modules of ours that a module imports anywhere: at the top, in functions, for types."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in modules() else node.module)
    return {m for m in found if m.partition(".")[0] in SOURCES}


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def part_of(name: str) -> str:
    found = [part for part, homes in PARTS.items() if any(is_within(name, h) for h in homes)]
    assert found, f"{name} is in no part: add it to PARTS and so decide what it may import"
    return found[0]


@pytest.mark.parametrize("name", NESTED)
def test_imports_run_one_way(name: str) -> None:
    part = part_of(name)
    uses = {m: part_of(m) for m in imported(name) if m != "nnrg"}
    wrong = {m: p for m, p in uses.items() if p not in MAY_IMPORT[part] | {part}}
    assert not wrong, f"{name}, of {part}, must not import {wrong}"


def test_parts_do_not_import_each_other() -> None:
    rest = dict(MAY_IMPORT)
    while rest:
        free = [part for part, uses in rest.items() if not uses & set(rest)]
        assert free, f"these parts import each other: {sorted(rest)}"
        rest = {part: uses for part, uses in rest.items() if part not in free}


def test_every_part_exists() -> None:
    listed = {home for homes in PARTS.values() for home in homes}
    assert listed <= set(modules()), f"no such module: {sorted(listed - set(modules()))}"


@pytest.mark.parametrize("name", [m for m in MODULES if is_within(m, "nnrg_kernels")])
def test_kernels_need_numpy_and_numba_only(name: str) -> None:
    outside = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            outside |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            outside.add(node.module.partition(".")[0])
    assert outside - set(sys.stdlib_module_names) <= {"numpy", "numba", "llvmlite", "nnrg_kernels"}


@pytest.mark.parametrize("name", MODULES)
def test_imports_are_absolute_and_nothing_prints(name: str) -> None:
    for node in ast.walk(tree(name)):
        assert not (isinstance(node, ast.ImportFrom) and node.level), (name, node.lineno)
        prints = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
        assert not prints, (name, node.lineno)


@pytest.mark.parametrize("name", IMPORTABLE)
def test_all_is_valid(name: str) -> None:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [])
    assert len(set(public)) == len(public)
    missing = [x for x in public if not hasattr(module, x)]
    assert not missing, f"{name}.__all__ names {missing}, which the module has not"


PACKAGES = sorted({name.rpartition(".")[0] for name in MODULES} - {""})


@pytest.mark.parametrize("name", PACKAGES)
def test_no_lazy_name_is_that_of_a_module(name: str) -> None:
    """Importing the module would put it in the place of the function."""
    homes = getattr(importlib.import_module(name), "_HOMES", {})
    inside = {m.removeprefix(f"{name}.").partition(".")[0] for m in MODULES if is_within(m, name)}
    assert not set(homes) & inside


def test_lazy_names_are_the_public_names() -> None:
    lazy = {*nnrg._HOMES, *nnrg._MODULES, "__version__"}
    assert lazy == set(nnrg.__all__)
    assert dir(nnrg) == sorted(nnrg.__all__)
    typed = {
        alias.asname
        for node in ast.walk(tree("nnrg"))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert typed == {*nnrg._HOMES, *nnrg._MODULES}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nnrg.nothing


def modules_after(code: str) -> set[str]:
    """Top-level modules in memory after a fresh interpreter has run `code`."""
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


HEAVY = {"numpy", "numba", "matplotlib", "xarray", "scipy", "pandas", "networkx", "h5py", "onnx"}


@pytest.mark.parametrize(
    "code", ["import nnrg", "import nnrg.cli; nnrg.cli.parser().format_help()"]
)
def test_import_is_light(code: str) -> None:
    assert not modules_after(code) & HEAVY


def test_plotting_chooses_no_backend_and_keeps_the_settings() -> None:
    code = """
import matplotlib
import numpy as np
import nnrg
rc = matplotlib.rcParams
def settings():  # past the mapping's own lookup, which would choose a backend
    return {key: dict.__getitem__(rc, key) for key in dict.keys(rc)}
before = settings()
values = np.random.default_rng(1).normal(size=(10, 8, 8))
flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice((8, 8))), levels=2)
ax = nnrg.plot.variance(flow.cumulants(order=4, nulls=()))
assert ax.lines
assert settings() == before
"""
    assert "matplotlib.pyplot" not in modules_after(code)


def public_objects(name: str) -> dict[str, Any]:
    """Functions and classes in ``__all__`` of the module that defines them."""
    module = importlib.import_module(name)
    values = {public: getattr(module, public) for public in getattr(module, "__all__", [])}
    return {
        public: value
        for public, value in values.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == name
    }


def sections(text: str) -> dict[str, list[str]]:
    """Sections of a numpydoc docstring: title to its unindented lines."""
    lines = text.splitlines()
    found: dict[str, list[str]] = {}
    title = "Summary"
    for line, below in pairwise([*lines, ""]):
        if line and below and set(below) == {"-"}:
            title = line
            found[title] = []
        elif line and not line.startswith((" ", "-")):
            found.setdefault(title, []).append(line)
    return found


def parameters(value: Any) -> set[str]:
    if inspect.isclass(value) and issubclass(value, BaseException):
        return set(inspect.signature(value.__init__).parameters)
    return set(inspect.signature(value).parameters)


def documented_parameters(text: str) -> set[str]:
    entries = (line.partition(" :")[0].split(",") for line in sections(text).get("Parameters", []))
    return {name.strip(" *") for names in entries for name in names}


@pytest.mark.parametrize("name", IMPORTABLE)
def test_public_objects_are_documented(name: str) -> None:
    assert ast.get_docstring(tree(name)), f"{name} has no docstring"
    for public, value in public_objects(name).items():
        text = inspect.getdoc(value) or ""
        private = any(part.startswith("_") for part in name.split("."))
        assert text or private, f"{name}.{public} has no docstring"
        wrong = documented_parameters(text) - parameters(value)
        assert not wrong, f"{name}.{public} documents {sorted(wrong)}, which it does not take"


@pytest.mark.parametrize("public", sorted(nnrg._HOMES))
def test_top_level_names_are_documented_in_full(public: str) -> None:
    value = getattr(nnrg, public)
    text = inspect.getdoc(value) or ""
    titles = set(sections(text))
    takes = parameters(value)
    if inspect.isfunction(value):
        assert documented_parameters(text) == takes
        assert titles >= {"Summary", "Parameters", "Returns", "Raises"}
    else:
        assert titles & {"Parameters", "Attributes"} or public in INHERIT, public
        assert documented_parameters(text) <= takes


def test_wheel_holds_every_module_and_data_file(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "-o",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        meta = {name.partition("/")[2] for name in archive.namelist() if ".dist-info/" in name}
        (entry,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        assert "nnrg = nnrg.cli:main" in archive.read(entry).decode()
    expected = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in SOURCES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == expected
    assert {"nnrg/py.typed", "nnrg_kernels/py.typed"} <= held
    assert any(name.endswith("LICENSE") for name in meta)
