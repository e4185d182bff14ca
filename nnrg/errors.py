"""Exceptions of nnrg.

`NNRGError` and its subclasses are the only exceptions that bad input raises. Every message says
what was expected, what was got, and what to try. ``exit_code`` is what the command line returns.
"""

from __future__ import annotations

__all__ = [
    "AnalysisError",
    "ArgumentError",
    "FormatError",
    "NNRGError",
    "NonFiniteError",
    "RepeatedSamplesError",
    "SourceError",
]


class NNRGError(Exception):
    """Base of every error that input can cause."""

    exit_code = 1


class ArgumentError(NNRGError, ValueError):
    """An argument of a function or of the command line is not usable."""

    exit_code = 2


class SourceError(NNRGError, OSError):
    """A file is missing, unreadable, or not a regular file."""

    exit_code = 3


class FormatError(NNRGError, ValueError):
    """A file is not what it says it is, or holds what we refuse to read."""

    exit_code = 4


class AnalysisError(NNRGError, ValueError):
    """The numbers do not allow the analysis asked for: too few scales, a constant field."""

    exit_code = 5


class NonFiniteError(AnalysisError):
    """A field holds NaN or infinity."""


class RepeatedSamplesError(AnalysisError):
    """The samples of a field repeat one another, all of them: they are one sample."""
