"""Which axis of a weight is out, in or space, where its format does not say.

Frameworks differ: torch keeps matrices out x in and kernels out x in x taps, JAX and Keras in x out
and taps x in x out. What tells, strongest first: the length of the layer's bias, the name
(``kernel`` is the word of JAX and Keras), the shapes of what stands before and after in the file;
else torch's convention.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from math import prod

from nnrg.networks import _names as names
from nnrg.networks._source import TensorSpec

__all__ = ["CONVENTION", "Layouts"]

CONVENTION = {1: "O", 2: "OI", 3: "OIK", 4: "OIHW", 5: "OIDHW"}
"""Axes as torch keeps them, by their number."""

_CHANNELS_LAST = {3: "KIO", 4: "HWIO", 5: "DHWIO"}
# Lengths of kernels: where the first two axes are as long as one another and the last two are not,
# the first two are the taps.
_MOST_TAPS = 11
_ATTENTION = re.compile(r"att(?:ention|n)|(?:^|[._/])(?:query|key|value)(?:$|[._/])", re.IGNORECASE)


class Layouts:
    """The layouts of one network's matrices and kernels.

    Parameters
    ----------
    specs : mapping of str to TensorSpec
        All tensors: siblings are compared with each other.
    """

    def __init__(self, specs: Mapping[str, TensorSpec]) -> None:
        self._specs = specs
        self._square = self._by_other_biases()
        self._next: dict[str, TensorSpec] = {}
        self._order = self._by_order()

    def bias_of(self, spec: TensorSpec) -> int | None:
        """Return the length of the bias that goes with a weight, if there is one."""
        for name in names.bias_names(spec.name):
            bias = self._specs.get(name)
            if bias is not None and len(bias.shape) == 1 and name != spec.name:
                return bias.shape[0]
        return None

    def matrix(self, spec: TensorSpec) -> tuple[str, str]:
        """Return the layout of a matrix, and what it rests on."""
        bias = self.bias_of(spec)
        if bias is not None and spec.shape[0] != spec.shape[1] and bias in spec.shape:
            return ("OI" if bias == spec.shape[0] else "IO"), "bias"
        if names.is_channels_last(spec.name):
            return "IO", "name"
        if bias is not None and self._square:
            return self._square, "bias"
        if self._order and self._is_untold(spec):
            return self._order, "order"
        return "OI", "convention"

    def kernel(self, spec: TensorSpec) -> tuple[str, str]:
        """Return the layout of a convolution kernel, and what it rests on."""
        last = _CHANNELS_LAST[len(spec.shape)]
        convention = CONVENTION[len(spec.shape)]
        if names.is_channels_last(spec.name) and self._is_projection(spec):
            return "?" * len(spec.shape), "name"
        first, second, *_, end = spec.shape
        bias, source = self._outputs(spec)
        if bias is not None:
            if bias == first and bias != end:
                return convention, source
            if bias == second != first and (bias != end or names.is_torch(spec.name)):
                return "IO" + convention[2:], source
            if bias == end != first:
                # Where the second axis is as long, what comes first are taps if they are few.
                few = first <= _MOST_TAPS or names.is_channels_last(spec.name)
                return (last if few or bias != second else "IO" + convention[2:]), source
        # Taps are few, and no more than there are filters: (64, 1, 5, 5) is torch's all the same.
        if names.is_channels_last(spec.name) and end >= first:
            return last, "name"
        square = first == second <= _MOST_TAPS and spec.shape[-2] != end
        if len(spec.shape) == 4 and square and not names.is_torch(spec.name):
            return last, "shape"
        return convention, "convention"

    def has_outputs(self, spec: TensorSpec) -> bool:
        """Whether a bias, or the vector after a kernel, is as long as one of the axes."""
        bias, source = self._outputs(spec)
        # What stands before a vector along three axes may well be tokens.
        return bias in spec.shape and (source == "bias" or len(spec.shape) > 3)

    def _outputs(self, spec: TensorSpec) -> tuple[int | None, str]:
        """Return how many outputs a kernel has, where a vector tells, and which."""
        bias = self.bias_of(spec)
        if bias is None and self._is_untold(spec):
            after = self._after(spec)
            return (after.shape[0] if after is not None else None), "order"
        return bias, "bias"

    def _by_other_biases(self) -> str:
        """Return the layout of all matrices whose bias tells it: square ones are as the others."""
        seen = set()
        for spec in self._specs.values():
            if len(spec.shape) == 2 and spec.shape[0] != spec.shape[1] and not spec.layout:
                bias = self.bias_of(spec)
                if bias in spec.shape:
                    seen.add("OI" if bias == spec.shape[0] else "IO")
        return seen.pop() if len(seen) == 1 else ""

    def _by_order(self) -> str:
        """Return the layout of matrices that nothing else tells of, if all shapes agree on it.

        A vector after a matrix is its bias, and each matrix takes what the one before gives.
        """
        floats = [spec for spec in self._specs.values() if "float" in spec.dtype and spec.shape]
        given = [spec.name for spec in floats]
        if given == sorted(given):  # where layer 10 comes before layer 2
            floats.sort(key=lambda spec: names.natural_key(spec.name))
        self._next = {a.name: b for a, b in pairwise(floats)}
        votes = set()
        for spec in floats:
            if len(spec.shape) != 2 or not self._is_untold(spec):
                continue
            rows, columns = spec.shape
            after = self._after(spec)
            if after is not None and rows != columns and after.shape[0] in spec.shape:
                votes.add("IO" if after.shape[0] == columns else "OI")
            following = self._next.get(after.name if after is not None else spec.name)
            if following is not None and len(following.shape) == 2 and self._is_untold(following):
                onward, back = columns == following.shape[0], rows == following.shape[1]
                if onward != back:
                    votes.add("IO" if onward else "OI")
        return votes.pop() if len(votes) == 1 else ""

    def _after(self, spec: TensorSpec) -> TensorSpec | None:
        """Return the vector that follows in the file, unless its name says whose it is."""
        after = self._next.get(spec.name)
        return after if after is not None and len(after.shape) == 1 else None

    def _is_untold(self, spec: TensorSpec) -> bool:
        """Whether neither the format, nor a bias, nor a framework's word tells the axes."""
        return (
            not spec.layout
            and not (names.is_torch(spec.name) or names.is_channels_last(spec.name))
            and not names.is_embedding(spec.name)
            and self.bias_of(spec) is None
        )

    def _is_projection(self, spec: TensorSpec) -> bool:
        """Whether it is a projection of attention by heads, which has no taps."""
        return len(spec.shape) == 3 and (
            _ATTENTION.search(spec.name) is not None
            or any(
                len(bias.shape) == 2 and prod(bias.shape) == prod(spec.shape[1:])
                for bias in map(self._specs.get, names.bias_names(spec.name))
                if bias is not None
            )
        )
