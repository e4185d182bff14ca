"""The words of ``nnrg theory``: one command for each theory, its options, its defaults."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nnrg._theory_command import dynamics_words

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

__all__ = ["ARCHITECTURES", "add_theory"]

ARCHITECTURES = ("cos", "gauss", "relu", "erf", "tanh")

_DESCRIPTION = """\
Predict what random networks do, and put it beside simulations and measured networks. Numbers carry
their errors, and say what was assumed. With -o DIR: NAME.json, NAME.csv, NAME.pdf and NAME.png."""

_HELP = {
    "criticality": "mean field, edge of chaos, depth scales; with MODEL: where its layers lie",
    "loops": "corrections of order 1/width, beside a simulation if asked for",
    "recurrent": "dynamical mean-field theory: correlation in time, Lyapunov exponent",
    "correlators": "connected correlators of networks with one hidden layer against width",
    "edgeworth": "the action out of connected correlators, of samples or an architecture",
    "engineering": "networks made to have a phi^4 action: sampled, and the action measured",
    "information-flow": "flows in information space: changing sigma, modes of a kernel",
}


def add_theory(
    commands: _SubParsersAction[ArgumentParser],
    shared: ArgumentParser,
    model: ArgumentParser,
    epilog: str,
) -> None:
    """Add ``theory`` and its names to the commands."""
    theory = commands.add_parser(
        "theory",
        help="predictions for random networks, beside simulations and measured networks",
        description=_DESCRIPTION,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = theory.add_subparsers(
        dest="theory", metavar="NAME", required=True, help="which theory; each explains itself"
    )
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("-o", "--out", metavar="DIR", help="folder for tables and figures")
    output.add_argument("--seed", type=int, help="seed (default: drawn, recorded)")
    output.add_argument(
        "--style", choices=("aps", "nature"), default="aps", help="journal style of figures"
    )
    read = ("criticality", "edgeworth", *dynamics_words.READS_MODEL)
    options = {**_OPTIONS, **dynamics_words.OPTIONS}
    for name, words in {**_HELP, **dynamics_words.HELP}.items():
        parents = [shared, output, *([model] if name in read else [])]
        one = names.add_parser(
            name, parents=parents, help=words, description=words[0].upper() + words[1:] + "."
        )
        options[name](one)
        one.set_defaults(run="nnrg._theory_command.run:theory")


def _network(
    one: ArgumentParser, *, sigma_w: str, many: bool = False, default: str = "tanh"
) -> None:
    one.add_argument(
        "-a",
        "--activation",
        metavar="NAME",
        help=f"tanh, erf, relu, leaky_relu:0.1, gelu, silu, sin, cos, linear (default: {default})",
    )
    number = "W,.." if many else "W"
    one.add_argument("--sigma-w", type=str if many else float, metavar=number, help=sigma_w)
    one.add_argument(
        "--sigma-b", type=float, metavar="B", help="standard deviation of biases (default: 0)"
    )


def _criticality(one: ArgumentParser) -> None:
    one.add_argument(
        "model", metavar="MODEL", nargs="?", help="a model's file or folder, to be placed"
    )
    _network(
        one,
        sigma_w="sqrt(fan_in) times that of weights (default: the whole critical line)",
        default="tanh; of a MODEL you must say it",
    )
    one.add_argument("--q0", type=float, metavar="Q", help="variance in the first layer (1)")
    one.add_argument("--depth", type=int, default=20, metavar="T", help="layers followed (20)")
    one.add_argument(
        "--width",
        default="64,256",
        metavar="N,..",
        help="widths of the networks simulated (64,256)",
    )
    one.add_argument(
        "--simulate", type=int, default=0, metavar="R", help="random networks of each width (0)"
    )
    one.add_argument(
        "--maps", type=int, default=0, metavar="M", help="draw maps of depth scales, M x M points"
    )
    one.add_argument(
        "-t",
        "--tensors",
        action="append",
        metavar="PATTERN",
        help="of MODEL: only weights whose name matches (repeatable)",
    )
    one.add_argument(
        "--chain",
        metavar="NAMES",
        help="of MODEL: dense weights that follow one another, by commas, for the flow with depth",
    )
    one.add_argument(
        "--draws", type=int, default=48, metavar="N", help="of MODEL: draws of each null (48)"
    )


def _loops(one: ArgumentParser) -> None:
    _network(one, sigma_w="sqrt(fan_in) times that of weights (default: at the edge of chaos)")
    one.add_argument(
        "--width", default="16,64,256", metavar="N,..", help="neurons of all layers (16,64,256)"
    )
    one.add_argument("--depth", type=int, default=16, metavar="T", help="layers (16)")
    one.add_argument("--q0", type=float, metavar="Q", help="variance in the first layer")
    one.add_argument(
        "--order", type=int, choices=(1, 2), default=2, help="highest power of 1/width (2)"
    )
    one.add_argument(
        "--simulate", type=int, default=0, metavar="R", help="random networks of each width (0)"
    )
    one.add_argument(
        "--dictionary", action="store_true", help="also print the O(N) model's dictionary"
    )


def _recurrent(one: ArgumentParser) -> None:
    _network(one, sigma_w="gains, by commas (default: 1.5)", many=True)
    one.add_argument("--decay", type=float, default=1.0, metavar="G", help="gamma (1)")
    one.add_argument("--noise", type=float, default=0.0, metavar="D", help="white noise (0)")
    one.add_argument("--discrete", action="store_true", help="discrete time")
    one.add_argument(
        "--width",
        default="64,128,256",
        metavar="N,..",
        help="widths simulated; three or more give a limit (64,128,256)",
    )
    one.add_argument(
        "--simulate", type=int, default=0, metavar="R", help="networks of each width and gain (0)"
    )
    one.add_argument(
        "--duration", type=float, default=100.0, metavar="T", help="time measured (100)"
    )


def _one_hidden_layer(one: ArgumentParser, required: bool) -> None:
    one.add_argument(
        "--architecture", choices=ARCHITECTURES, required=required, help="with one hidden layer"
    )
    one.add_argument("--sigma-w", type=float, default=1.0, metavar="W", help="hidden weights (1)")
    one.add_argument(
        "--sigma-b", type=float, metavar="B", help="hidden biases (default: 0; gauss: 1)"
    )


def _correlators(one: ArgumentParser) -> None:
    _one_hidden_layer(one, required=True)
    one.add_argument("--width", default="8,16,32,64", metavar="N,..", help="widths (8,16,32,64)")
    one.add_argument("--order", type=int, choices=(2, 4, 6), default=4, help="of correlators (4)")
    one.add_argument(
        "--points", metavar="X,..", help="inputs, as many as the order (default: all 1)"
    )
    one.add_argument(
        "--simulate", type=int, default=0, metavar="R", help="networks of each width (0)"
    )


def _edgeworth(one: ArgumentParser) -> None:
    one.add_argument(
        "model",
        metavar="SAMPLES",
        nargs="?",
        help="a file with an array: a sample of the field in each row",
    )
    one.add_argument("--tensor", metavar="NAME", help="of SAMPLES: which array (default: the only)")
    _one_hidden_layer(one, required=False)
    one.add_argument("--width", type=int, default=32, metavar="N", help="of --architecture (32)")
    one.add_argument("--points", default="1", metavar="X,..", help="of --architecture: inputs (1)")
    one.add_argument(
        "--simulate", type=int, default=0, metavar="R", help="of --architecture: networks drawn (0)"
    )
    one.add_argument(
        "--order", type=int, choices=(1, 2, 3), default=2, help="power of the expansion (2)"
    )
    one.add_argument(
        "--nugget", type=float, default=0.0, metavar="V", help="added to the two-point function (0)"
    )
    one.add_argument("--modes", type=int, metavar="M", help="modes of it that are kept (all)")


def _engineering(one: ArgumentParser) -> None:
    one.add_argument("--mass", type=float, default=1.0, metavar="M", help="of the field (1)")
    one.add_argument("--coupling", type=float, default=1.0, metavar="L", help="lambda (1)")
    one.add_argument("--cutoff", type=float, default=4.0, metavar="K", help="largest momentum (4)")
    one.add_argument("--box", type=float, default=3.0, metavar="X", help="side that interacts (3)")
    one.add_argument("--dimension", type=int, choices=(1, 2), default=1, help="of space (1)")
    one.add_argument("--width", default="32,64,128", metavar="N,..", help="widths (32,64,128)")
    one.add_argument(
        "--simulate", type=int, default=300, metavar="R", help="samples of each chain (300)"
    )
    one.add_argument("--chains", type=int, default=32, metavar="C", help="Markov chains (32)")


def _information_flow(one: ArgumentParser) -> None:
    one.add_argument(
        "--flow",
        choices=("modes", "sigma"),
        default="modes",
        help="integrate out modes of a kernel (default), or change sigma_w",
    )
    _network(
        one,
        sigma_w="of the kernel's layers, or of --architecture (1)",
        default="erf; others without a closed form take a quadrature for every pair of inputs",
    )
    one.add_argument("--depth", type=int, default=2, metavar="T", help="hidden layers (2)")
    one.add_argument("--dimension", type=int, default=2, metavar="D", help="of the inputs (2)")
    one.add_argument("--inputs", type=int, default=256, metavar="M", help="number of inputs (256)")
    one.add_argument("--ridge", type=float, default=0.01, metavar="V", help="noise variance (0.01)")
    one.add_argument("--data", type=int, default=100, metavar="P", help="training points (100)")
    one.add_argument(
        "--architecture", choices=("cos", "gauss"), default="cos", help="of --flow sigma (cos)"
    )
    one.add_argument("--width", type=int, default=64, metavar="N", help="of --architecture (64)")
    one.add_argument(
        "--simulate", type=int, default=0, metavar="R", help="of --flow sigma: networks drawn (0)"
    )


_OPTIONS = {
    "criticality": _criticality,
    "loops": _loops,
    "recurrent": _recurrent,
    "correlators": _correlators,
    "edgeworth": _edgeworth,
    "engineering": _engineering,
    "information-flow": _information_flow,
}
