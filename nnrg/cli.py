"""The command line: parse, call the library, print. Data on stdout, progress and words on stderr.

Nothing heavy is imported before a command runs, so that ``nnrg --help`` is immediate.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from nnrg._interrupts import interruptible
from nnrg._theory_command.words import add_theory
from nnrg._train_command.words import add_train
from nnrg._unit_rules import UNIT_RULES
from nnrg._version import __version__
from nnrg.errors import NNRGError

__all__ = ["main", "parser"]

EXIT_CODES = """exit codes:
  0 done   1 internal error   2 usage   3 input missing or unreadable, output not writable
  4 file format bad or refused   5 analysis not possible on these numbers
  6 done, but a quality gate failed (--strict)   130 interrupted   141 output closed"""

STYLES = ("aps", "nature")
PANELS = ("variance", "correlation", "ratios", "couplings", "z")


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command; also what shell completion is made from."""
    top = argparse.ArgumentParser(
        prog="nnrg",
        description="Renormalization-group flows of trained neural networks, with errors and "
        "null models.",
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
        description=_FLOW_DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_flow(flow)

    plot = commands.add_parser(
        "plot",
        parents=[shared],
        help="redraw the figures of a run from its results file alone",
        description="Redraw a figure from a results file; nothing else is read.",
    )
    plot.add_argument("results", metavar="RUN", help="a results file, or the folder of a run")
    plot.add_argument("-o", "--out", required=True, metavar="FIG", help="a .pdf, .svg or .png")
    plot.add_argument("-f", "--field", help="which field (default: the leading one)")
    what = plot.add_mutually_exclusive_group()
    what.add_argument("--summary", action="store_true", help="all fields of the run in one figure")
    what.add_argument("--panel", choices=PANELS, help="one panel, at the width of a column")
    plot.add_argument("--style", choices=STYLES, default="aps", help="journal style (aps)")
    plot.set_defaults(run="nnrg._commands:plot")

    compare = commands.add_parser(
        "compare",
        parents=[shared],
        help="several runs side by side at equal scale, with a distance between any two",
        description=_COMPARE_DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_compare(compare)
    add_theory(commands, shared, model, EXIT_CODES)
    add_train(commands, shared, EXIT_CODES)

    completion = commands.add_parser(
        "completion",
        help="print a shell's completion script",
        description='Print a completion script: eval "$(nnrg completion bash)" turns it on.',
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(run="nnrg._commands:completion", debug=False)
    return top


_FLOW_DESCRIPTION = """\
Measure the RG flow of every tensor of a network that has one. Without MODEL: the small trained
network that ships with nnrg. Written to DIR: flow.nc (all results), flow.pdf and flow.png.
Several MODELs: a folder in DIR for each."""


def _add_flow(flow: argparse.ArgumentParser) -> None:
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
    flow.add_argument(
        "--gauge",
        metavar="ACTIVATION",
        help="fix scales and signs of hidden units that do not matter first: relu, tanh, ...",
    )
    flow.add_argument(
        "--standardise",
        action="store_true",
        help="take out mean and standard deviation of each site over the samples first",
    )
    flow.add_argument(
        "--blocks",
        metavar="B",
        help="block length for all tensors: 2, or 2,1 by axis; or what makes blocks of units that "
        f"have no natural order: {', '.join(UNIT_RULES)} (default: matching, and 2 on lattices)",
    )
    flow.add_argument(
        "--scheme",
        choices=("grid", "momentum", "components", "decimation"),
        default="grid",
        help="how blocks are made: means of neighbours (default), momentum shells, principal "
        "components, every b-th site",
    )
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
        "--shells",
        type=int,
        default=0,
        metavar="N",
        help="quadratic couplings J(r) at the N shortest distances beyond the nearest (0)",
    )
    flow.add_argument(
        "--quartic",
        type=int,
        default=0,
        metavar="N",
        help="quartic couplings U(r) at the N shortest distances, nearest neighbours first (0)",
    )
    flow.add_argument(
        "--nulls",
        metavar="NAMES",
        help="permutation, shuffle, rows, columns, phase, rotation, gaussian, configuration, "
        "independent, by commas (default: permutation; on graphs also the last three)",
    )
    flow.add_argument(
        "--initial",
        metavar="FILE",
        help="the same network before training, as one more null model",
    )
    flow.add_argument(
        "--draws",
        type=int,
        default=20,
        metavar="N",
        help="draws of each null model, 3 or more, or 0 for none (20)",
    )
    flow.add_argument("--seed", type=int, help="seed of the null draws (default: drawn, recorded)")
    flow.add_argument("--style", choices=STYLES, default="aps", help="journal style of figures")
    flow.add_argument(
        "--figures",
        choices=("leading", "natural", "all", "none"),
        default="leading",
        help="which fields get a figure of their own: the leading one (default), those on a "
        "natural lattice, all, or none",
    )
    flow.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that measure a tensor each at the same time (default: cores, at most 2)",
    )
    flow.add_argument(
        "--resume", action="store_true", help="take tensors finished by an interrupted run"
    )
    flow.add_argument("--strict", action="store_true", help="exit 6 if a fit is poor or refused")
    flow.set_defaults(run="nnrg._flow_command:flow")


_COMPARE_DESCRIPTION = """\
Compare the flows of two or more runs at equal scale: differences in standard errors, adjusted for
all that is compared, and a distance between any two flows. Written to DIR: comparison.nc, .csv,
.json, .tex, .pdf and .png."""


def _add_compare(compare: argparse.ArgumentParser) -> None:
    compare.add_argument(
        "run_paths",
        metavar="RUN",
        nargs="+",
        help="a results file, or the folder of a run; NAME=RUN calls it NAME",
    )
    compare.add_argument(
        "-o", "--out", default="comparison", metavar="DIR", help="folder (default: comparison)"
    )
    compare.add_argument(
        "-f",
        "--field",
        action="append",
        metavar="NAME",
        help="which field of each run, or RUN=NAME of one (repeatable; default: the leading one)",
    )
    compare.add_argument(
        "--at",
        choices=("relative", "blocks", "scale"),
        default="relative",
        help="what is equal: b over the width (default), the number of blocks left, or b",
    )
    compare.add_argument(
        "--interpolate", action="store_true", help="read flows between their scales too"
    )
    compare.add_argument(
        "--tolerance",
        type=float,
        default=0.1,
        metavar="X",
        help="how far equal scales may lie apart in ln b (0.1)",
    )
    compare.add_argument(
        "--null", metavar="NAME", help="null model of each flow (default: permutation)"
    )
    compare.add_argument(
        "--level",
        type=float,
        default=0.05,
        metavar="P",
        help="chance of one false claim among all differences (0.05)",
    )
    compare.add_argument("--style", choices=STYLES, default="aps", help="journal style of figures")
    compare.add_argument("--no-figure", action="store_true", help="write tables alone")
    compare.set_defaults(run="nnrg._compare_command:compare")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Words of the command line without the program's name.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # Names come from files: what a terminal's encoding cannot show is escaped.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in words
    try:
        arguments = parser().parse_args(words)
        arguments.words = words
        return _run(arguments)
    except NNRGError as error:
        if debug:
            raise
        line = " ".join(str(error).split())
        sys.stderr.write(f"nnrg: error: {line}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("nnrg: interrupted\n")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if debug:
            raise
        line = " ".join(str(error).split())
        sys.stderr.write(
            f"nnrg: internal error: {type(error).__name__}: {line}; "
            "this is a bug, run again with --debug and report it\n"
        )
        return 1


def _run(arguments: argparse.Namespace) -> int:
    from importlib import import_module

    module, name = arguments.run.split(":")
    with interruptible():
        code = int(getattr(import_module(module), name)(arguments))
    sys.stdout.flush()
    return code
