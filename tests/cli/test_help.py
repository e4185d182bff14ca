"""Start-up, help, completion: nothing heavy is imported, every command explains itself."""

import subprocess
import sys

import pytest

import nnrg
from nnrg import cli

COMMANDS = ["inspect", "flow", "plot", "compare", "theory", "train", "completion"]
HEAVY = [
    "numpy",
    "numba",
    "scipy",
    "matplotlib",
    "h5py",
    "h5netcdf",
    "xarray",
    "pandas",
    "networkx",
    "ml_dtypes",
    "shtab",
    "safetensors",
    "logging",
]


def run(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "nnrg", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from nnrg.cli import main\n"
        "try: main(['flow', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "nnrg" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, option, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, option])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: nnrg {command}")


def test_the_top_lists_every_command_and_exit_code(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    for word in [*COMMANDS, "130", "141", "--strict"]:
        assert word in out


def test_every_option_has_help():
    for action in cli.parser()._subparsers._group_actions[0].choices.values():
        assert action.description
        for option in action._actions:
            assert option.help or option.dest == "shell"


def test_styles_and_panels_of_the_parser_are_those_of_the_figures():
    from nnrg import plot

    assert tuple(plot.STYLES) == cli.STYLES
    assert tuple(plot.PANELS) == cli.PANELS


def test_python_m_is_the_command():
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"nnrg {nnrg.__version__}\n", "")


@pytest.mark.parametrize("words", [[], ["flow", "--blok"], ["plot", "x.nc"], ["dance"]])
def test_wrong_words_are_usage_errors(words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nnrg" in captured.err and "Traceback" not in captured.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    out = capsys.readouterr().out
    for word in COMMANDS if shell == "tcsh" else [*COMMANDS, "--resume", "nature"]:
        assert word in out


def test_completion_is_sound_bash(capsys):
    cli.main(["completion", "bash"])
    script = capsys.readouterr().out
    done = subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
