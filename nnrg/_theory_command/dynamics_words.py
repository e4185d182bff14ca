"""The words of those theories of ``nnrg theory`` that take training or time as dynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnrg._theory_command.learning_rate import LEARNING_RATE, SCHEDULE

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

__all__ = ["HELP", "OPTIONS", "READS_MODEL"]

HELP: dict[str, str] = {
    "cosmology": "training as a universe: Hubble rates of networks, or of a recorded training",
    "hamiltonian": "waves of Klein-Gordon and Dirac lattices; with MODEL: its square weights read",
    "synaptic": "weights as fields: a record of training, an optimiser, or what data make of them",
}


def _cosmology(one: ArgumentParser) -> None:
    one.add_argument(
        "--record", metavar="FILE", help="a recorded training to read (default: train networks)"
    )
    one.add_argument(
        "--data",
        metavar="FILE",
        help="arrays called inputs and targets (default: points on a circle)",
    )
    one.add_argument(
        "--match",
        choices=("slow_roll", "second_order", "momentum"),
        help="momentum trains with the heavy ball, others by gradient descent (momentum)",
    )
    one.add_argument("--width", metavar="N,..", help="neurons of hidden layers (128)")
    one.add_argument("--depth", metavar="L,..", help="hidden layers (1)")
    one.add_argument("--data-size", metavar="P,..", help="data used, the first so many (16)")
    one.add_argument(
        "--learning-rate", metavar="E,..", help="learning rates (five over two decades)"
    )
    one.add_argument("-a", "--activation", metavar="NAME", help="of hidden layers (tanh)")
    one.add_argument("--sigma-w", type=float, metavar="W", help="weights times sqrt(fan_in) (1)")
    one.add_argument("--sigma-b", type=float, metavar="B", help="biases at the start (0.5)")
    one.add_argument("--momentum", type=float, metavar="M", help="of the heavy ball (0.9)")
    one.add_argument("--seeds", type=int, metavar="S", help="independent starts of each kind (8)")
    one.add_argument("--steps", type=int, metavar="T", help="of each training")
    one.add_argument(
        "--mode", default="0", metavar="K", help="mean, or a mode of the tangent kernel (0)"
    )
    one.add_argument(
        "--tolerance", type=float, default=0.05, metavar="X", help="where the duality holds (0.05)"
    )
    one.add_argument(
        "--records",
        metavar="DIR",
        help="keep trainings there, and go on with a run that was stopped; give its --seed",
    )


def _hamiltonian(one: ArgumentParser) -> None:
    one.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="a model's file or folder, or a recorded training, to be read",
    )
    one.add_argument(
        "--network", type=int, metavar="N", help="of a recorded training: which of its seeds (0)"
    )
    one.add_argument(
        "--lattice", type=str.lower, choices=("kg", "dirac"), help="Klein-Gordon (default) or Dirac"
    )
    one.add_argument("--size", metavar="N,..", help="sites of one to three equal axes (64)")
    one.add_argument("--mass", type=float, metavar="M", help="of the field (0.5)")
    one.add_argument("--spacing", type=float, metavar="A", help="of the lattice (1)")
    one.add_argument("--dt", type=float, metavar="T", help="step of time (0.1)")
    one.add_argument("--wilson", type=float, metavar="R", help="of dirac: the Wilson term (0)")
    one.add_argument(
        "--steps", choices=("cayley", "exponential"), help="of dirac: kind of steps (cayley)"
    )
    one.add_argument("--records", type=int, metavar="N", help="times that are measured (512)")
    one.add_argument("--noise", type=float, metavar="S", help="added to each record (0)")
    one.add_argument(
        "-t",
        "--tensors",
        action="append",
        metavar="PATTERN",
        help="of MODEL: only weights whose name matches (repeatable)",
    )
    one.add_argument(
        "--neighbours",
        choices=("file", "similarity", "seriation"),
        help="of MODEL: which neurons make a block: by the file (default), or other weights",
    )
    one.add_argument("--heads", type=int, metavar="H", help="of MODEL: heads of its attention")
    one.add_argument("--levels", type=int, metavar="L", help="of MODEL: times blocks are joined")
    one.add_argument(
        "--draws", type=int, metavar="N", help="of MODEL: draws of each null model (48)"
    )


def _synaptic(one: ArgumentParser) -> None:
    one.add_argument("--record", metavar="FILE", help="a recorded training to read")
    one.add_argument("--network", type=int, metavar="N", help="of --record: which of its seeds (0)")
    one.add_argument(
        "--data",
        metavar="FILE",
        help="arrays called inputs and targets: what --record was trained on, or data to be read",
    )
    one.add_argument(
        "--covariance", metavar="KIND", help="data drawn: exponential:XI, power:A, white, patches:N"
    )
    one.add_argument("--samples", type=int, metavar="P", help="of --covariance (2000)")
    one.add_argument("--sites", metavar="N,..", help="axes of the inputs (a ring of 32, a chain)")
    one.add_argument("--periodic", action="store_true", help="of --data: the axes close")
    one.add_argument("--reach", type=int, metavar="R", help="largest displacement, in sites")
    one.add_argument(
        "--staggered", action="store_true", help="the field is (-1)^x w, and that alone is read"
    )
    one.add_argument("-a", "--activation", metavar="NAME", help="of the perceptron (linear)")
    one.add_argument(
        "--loss", choices=("mse", "cross_entropy"), help="of --data, targets are classes (mse)"
    )
    one.add_argument(
        "--optimiser",
        choices=("gradient-descent", "heavy-ball", "nesterov", "adam"),
        help="its friction and Hubble rate; of data heavy-ball if not said",
    )
    one.add_argument(
        "--learning-rate", type=float, metavar="E", help=f"at the start ({LEARNING_RATE})"
    )
    one.add_argument("--momentum", type=float, metavar="M", help="mu (0.9)")
    one.add_argument("--schedule", metavar="HOW", help=SCHEDULE)
    one.add_argument("--steps", type=int, metavar="T", help="of training (400)")
    one.add_argument(
        "--dimension", type=int, default=1, metavar="D", help="index directions of the field (1)"
    )
    one.add_argument(
        "--flow",
        action="store_true",
        help="the vertices coarse-grained, beside the flow of weights really trained on the data",
    )


OPTIONS: dict[str, Callable[[ArgumentParser], None]] = {
    "cosmology": _cosmology,
    "hamiltonian": _hamiltonian,
    "synaptic": _synaptic,
}

# Those with an optional MODEL, and so with what is said of reading one.
READS_MODEL: tuple[str, ...] = ("hamiltonian",)
