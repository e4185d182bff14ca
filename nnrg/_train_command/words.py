"""The words of ``nnrg train``: the network, what it learns, and how."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nnrg._theory_command.learning_rate import LEARNING_RATE, SCHEDULE

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

__all__ = ["add_train"]

_DESCRIPTION = """\
Train independent starts of a small network, and record weights, outputs and costs as they change.
Written to DIR: training.safetensors (the record), training.json, .csv, .pdf and .png, and
data.safetensors (inputs and targets, where they are drawn here). A record that is there already is
gone on with, and refused if it is of another run."""


def add_train(
    commands: _SubParsersAction[ArgumentParser], shared: ArgumentParser, epilog: str
) -> None:
    """Add ``train`` to the commands."""
    train = commands.add_parser(
        "train",
        parents=[shared],
        help="train a small network and record its weights, for theories of training",
        description=_DESCRIPTION,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument(
        "-o", "--out", default="training", metavar="DIR", help="folder (default: training)"
    )
    _add_model(train)
    _add_data(train)
    _add_optimiser(train)
    train.add_argument("--steps", type=int, default=1000, metavar="T", help="steps (1000)")
    train.add_argument("--seeds", type=int, default=4, metavar="S", help="independent starts (4)")
    train.add_argument(
        "--record",
        metavar="WHEN",
        help="every so many steps: 10; at equal ratios: log:50; or these: 0,5,100 (default: about "
        "a hundred)",
    )
    train.add_argument("--no-outputs", action="store_true", help="record no outputs")
    train.add_argument(
        "--dtype", choices=("float64", "float32"), default="float64", help="of weights (float64)"
    )
    train.add_argument(
        "--seed",
        type=int,
        help="of data and starts (default: drawn; that of a record gone on with)",
    )
    train.add_argument(
        "--style", choices=("aps", "nature"), default="aps", help="journal style of the figure"
    )
    train.add_argument(
        "--strict", action="store_true", help="exit 6 if training diverged or may be unstable"
    )
    train.set_defaults(run="nnrg._train_command.run:train_command")


def _add_model(train: ArgumentParser) -> None:
    train.add_argument(
        "--model",
        choices=("perceptron", "mlp", "conv", "recurrent"),
        default="mlp",
        help="perceptron: one layer; conv: on a periodic lattice; recurrent: Elman (mlp)",
    )
    train.add_argument(
        "--widths",
        metavar="N,..",
        help="neurons of each hidden layer; channels of each convolution; neurons of a recurrent "
        "net (32)",
    )
    train.add_argument("-a", "--activation", metavar="NAME", help="of hidden layers (tanh)")
    train.add_argument(
        "--output-activation",
        metavar="NAME",
        help="of the last layer of a perceptron or MLP (linear)",
    )
    train.add_argument("--no-bias", action="store_true", help="no biases in an MLP")
    train.add_argument("--kernel-size", type=int, metavar="K", help="of conv, odd (3)")
    train.add_argument(
        "--sigma-w",
        type=float,
        default=1.0,
        metavar="W",
        help="start: weights times sqrt fan-in (1)",
    )
    train.add_argument("--sigma-b", type=float, default=0.0, metavar="B", help="start: biases (0)")


def _add_data(train: ArgumentParser) -> None:
    train.add_argument(
        "--data", metavar="FILE", help="arrays called inputs and targets, .npz or .safetensors"
    )
    train.add_argument(
        "--covariance",
        metavar="KIND",
        help="data drawn: exponential:XI, power:A, white, patches:N (exponential:4)",
    )
    train.add_argument("--samples", type=int, metavar="P", help="inputs drawn (256)")
    train.add_argument(
        "--sites", metavar="N", help="of the ring they live on (32); of a lattice, for conv: NxN"
    )
    train.add_argument(
        "--teacher",
        metavar="NAME",
        help="targets of drawn inputs: those of a random perceptron with this activation (linear)",
    )
    train.add_argument("--outputs", type=int, metavar="M", help="of the teacher (1)")
    train.add_argument(
        "--noise", type=float, metavar="S", help="standard deviation added to its targets (0)"
    )
    train.add_argument(
        "--loss", choices=("mse", "cross_entropy"), default="mse", help="cost function (mse)"
    )


def _add_optimiser(train: ArgumentParser) -> None:
    train.add_argument(
        "--optimiser",
        choices=("gradient-descent", "heavy-ball", "nesterov", "adam"),
        default="heavy-ball",
        help="makes the steps (heavy-ball)",
    )
    train.add_argument(
        "--learning-rate",
        type=float,
        default=LEARNING_RATE,
        metavar="E",
        help=f"at the start ({LEARNING_RATE})",
    )
    train.add_argument("--momentum", type=float, metavar="M", help="heavy-ball, nesterov (0.9)")
    train.add_argument("--schedule", metavar="HOW", help=SCHEDULE)
    train.add_argument("--batch", type=int, metavar="B", help="samples of a step (default: all)")
