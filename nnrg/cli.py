"""The command line: parse, call the library, print. Data on stdout, progress and words on stderr.

Nothing heavy is imported before a command runs, so that ``nnrg --help`` is immediate.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nnrg._version import __version__
from nnrg.errors import ArgumentError, NNRGError

__all__ = ["main", "parser"]

EXIT_CODES = """exit codes:
  0 done   1 internal error   2 usage   3 input missing or unreadable
  4 file format bad or refused   5 analysis not possible on these numbers
  6 done, but a quality gate failed (--strict)   130 interrupted   141 output closed"""

STYLES = ("aps", "nature")


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command; also what shell completion is made from."""
    top = argparse.ArgumentParser(
        prog="nnrg",
        description="Renormalization-group flows of trained neural networks, with errors and nulls.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"nnrg {__version__}")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON object")
    shared.add_argument("-q", "--quiet", action="store_true", help="no words on stderr")
    shared.add_argument("--no-progress", action="store_true", help="no progress bar")
    shared.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--key", help="which nested dict of a .pt file holds the weights")
    model.add_argument("--allow-nonfinite", action="store_true", help="read NaN and infinity")
    model.add_argument(
        "--buffers", action="append", default=[], metavar="PATTERN", help="tensors not trained"
    )

    inspect = commands.add_parser(
        "inspect",
        parents=[shared, model],
        help="what is in a model's file, or how a results file was made",
        description="List the tensors of a model, what is left out and why; or the provenance of "
        "a results file.",
    )
    inspect.add_argument("model", metavar="MODEL", help="a model's file or folder, or results")
    inspect.add_argument("--all", action="store_true", help="every tensor, however many")
    inspect.set_defaults(run="nnrg._commands:inspect")

    flow = commands.add_parser(
        "flow",
        parents=[shared, model],
        help="the RG flow of a network, with errors, null model and figures",
        description="Measure the RG flow of every tensor of a network that has one. Without MODEL: "
        "the small trained network that ships with nnrg.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flow.add_argument("model", metavar="MODEL", nargs="*", help="a model's file or folder")
    flow.add_argument("-o", "--out", default="out", metavar="DIR", help="folder (default: out)")
    flow.add_argument(
        "-t",
        "--tensors",
        action="append",
        metavar="PATTERN",
        help="only tensors whose name matches (repeatable; default: all that have a flow)",
    )
    flow.add_argument(
        "--sites",
        action="append",
        default=[],
        metavar="[PATTERN=]LxM",
        help="lattice of an axis the file says nothing about, e.g. fc1.weight=28x28",
    )
    flow.add_argument("--blocks", default="2", metavar="B", help="block length: 2, or 2,1 by axis")
    flow.add_argument("--levels", type=int, metavar="N", help="number of scales, b = 1 included")
    flow.add_argument(
        "--rescale",
        default="variance",
        metavar="RULE",
        help="variance, clt, kinetic, or a number Delta (default: variance)",
    )
    flow.add_argument(
        "--order", type=int, default=6, choices=(2, 4, 6, 8), help="highest power of phi (6)"
    )
    flow.add_argument(
        "--draws", type=int, default=20, metavar="N", help="draws of the null model (20)"
    )
    flow.add_argument("--seed", type=int, help="seed of the null draws (default: drawn, recorded)")
    flow.add_argument("--style", choices=STYLES, default="aps", help="journal style of figures")
    flow.add_argument(
        "--figures",
        choices=("leading", "natural", "all", "none"),
        default="leading",
        help="which fields get a figure of their own: the leading one (default), those on a natural "
        "lattice, all, or none",
    )
    flow.add_argument(
        "--resume", action="store_true", help="take tensors finished by an interrupted run"
    )
    flow.add_argument("--strict", action="store_true", help="exit 6 if a fit is poor or refused")
    flow.set_defaults(run="nnrg._commands:flow")

    plot = commands.add_parser(
        "plot",
        parents=[shared],
        help="redraw the figures of a run from its results file alone",
        description="Redraw a figure from a results file, nothing else is read.",
    )
    plot.add_argument("results", metavar="RUN", help="a results file, or the folder of a run")
    plot.add_argument("-o", "--out", required=True, metavar="FIG", help="a .pdf, .svg or .png")
    plot.add_argument("-f", "--field", help="which field (default: the leading one)")
    plot.add_argument("--summary", action="store_true", help="all fields of the run in one figure")
    plot.add_argument("--style", choices=STYLES, default="aps", help="journal style")
    plot.set_defaults(run="nnrg._commands:plot")

    completion = commands.add_parser("completion", help="print a shell's completion script")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(run="nnrg._commands:completion", debug=False)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Words of the command line without the program's name.
    """
    arguments = parser().parse_args(argv)
    from importlib import import_module

    module, name = arguments.run.split(":")
    try:
        code = getattr(import_module(module), name)(arguments)
        sys.stdout.flush()
        return int(code)
    except NNRGError as error:
        if arguments.debug:
            raise
        line = " ".join(str(error).split())
        sys.stderr.write(f"nnrg: error: {line}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("nnrg: interrupted; what was finished is kept, go on with --resume\n")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if arguments.debug:
            raise
        sys.stderr.write(
            f"nnrg: internal error: {type(error).__name__}: {error}; "
            "this is a bug, run again with --debug and report it\n"
        )
        return 1


def parse_lengths(text: str) -> tuple[int, ...]:
    """Read ``28x28`` or ``2,1`` as integers."""
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise ArgumentError(f"expected lengths such as 28x28 or 2, got {text!r}") from None


def existing_folder(path: str) -> Path:
    """Return `path` as a folder that can be written to."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"{folder}: is a file; -o takes a folder")
    return folder
