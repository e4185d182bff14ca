"""Recurrent networks as field theories: dynamical mean-field theory, and what sharing weights does.

`rnn_dmft` and `rnn_dmft_discrete` solve for the stationary correlation function and the largest
Lyapunov exponent, `two_time_correlation` follows it from the initial state, `chaos_transition`
finds the onset of chaos, `compare_recurrent` measures the same in an ensemble. `shared_weight_*`
are the corrections of linear networks that feed-forward ones do not have.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.recurrent.comparison import RecurrentComparison as RecurrentComparison
    from nnrg.theory.recurrent.comparison import compare_recurrent as compare_recurrent
    from nnrg.theory.recurrent.continuous import RecurrentMeanField as RecurrentMeanField
    from nnrg.theory.recurrent.continuous import rnn_dmft as rnn_dmft
    from nnrg.theory.recurrent.discrete import (
        DiscreteRecurrentMeanField as DiscreteRecurrentMeanField,
    )
    from nnrg.theory.recurrent.discrete import rnn_dmft_discrete as rnn_dmft_discrete
    from nnrg.theory.recurrent.feed_forward import ContinuousFeedForward as ContinuousFeedForward
    from nnrg.theory.recurrent.feed_forward import (
        continuous_feed_forward as continuous_feed_forward,
    )
    from nnrg.theory.recurrent.potential import NewtonianPotential as NewtonianPotential
    from nnrg.theory.recurrent.potential import newtonian_potential as newtonian_potential
    from nnrg.theory.recurrent.shared_weights import SharedWeightGrowth as SharedWeightGrowth
    from nnrg.theory.recurrent.shared_weights import shared_weight_growth as shared_weight_growth
    from nnrg.theory.recurrent.shared_weights import shared_weight_moments as shared_weight_moments
    from nnrg.theory.recurrent.sharing_scale import SharedWeightScale as SharedWeightScale
    from nnrg.theory.recurrent.sharing_scale import shared_weight_scale as shared_weight_scale
    from nnrg.theory.recurrent.transition import ChaosTransition as ChaosTransition
    from nnrg.theory.recurrent.transition import chaos_transition as chaos_transition
    from nnrg.theory.recurrent.two_time import TwoTimeCorrelation as TwoTimeCorrelation
    from nnrg.theory.recurrent.two_time import two_time_correlation as two_time_correlation

_HOMES = {
    "ChaosTransition": "transition",
    "ContinuousFeedForward": "feed_forward",
    "DiscreteRecurrentMeanField": "discrete",
    "NewtonianPotential": "potential",
    "RecurrentComparison": "comparison",
    "RecurrentMeanField": "continuous",
    "SharedWeightGrowth": "shared_weights",
    "SharedWeightScale": "sharing_scale",
    "TwoTimeCorrelation": "two_time",
    "chaos_transition": "transition",
    "compare_recurrent": "comparison",
    "continuous_feed_forward": "feed_forward",
    "newtonian_potential": "potential",
    "rnn_dmft": "continuous",
    "rnn_dmft_discrete": "discrete",
    "shared_weight_growth": "shared_weights",
    "shared_weight_moments": "shared_weights",
    "shared_weight_scale": "sharing_scale",
    "two_time_correlation": "two_time",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.recurrent' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.recurrent.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
