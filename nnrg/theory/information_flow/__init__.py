"""Flows in the space of information: of the weights' scale, of kernel modes, and along depth.

None of them is a blocking of sites: see `nnrg.theory.information_flow.scales`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnrg.theory.information_flow._data_scaling_result import DataScaling as DataScaling
    from nnrg.theory.information_flow._sigma_result import SigmaFlow as SigmaFlow
    from nnrg.theory.information_flow.depth import DepthRelativeEntropy as DepthRelativeEntropy
    from nnrg.theory.information_flow.depth import depth_relative_entropy as depth_relative_entropy
    from nnrg.theory.information_flow.eigenmodes import feature_modes as feature_modes
    from nnrg.theory.information_flow.eigenmodes import gaussian_modes as gaussian_modes
    from nnrg.theory.information_flow.eigenmodes import kernel_modes as kernel_modes
    from nnrg.theory.information_flow.kernels import NetworkKernel as NetworkKernel
    from nnrg.theory.information_flow.learning_curve import data_exponent as data_exponent
    from nnrg.theory.information_flow.learning_curve import data_scaling as data_scaling
    from nnrg.theory.information_flow.modes import KernelModes as KernelModes
    from nnrg.theory.information_flow.momentum import MomentumFlow as MomentumFlow
    from nnrg.theory.information_flow.momentum import momentum_flow as momentum_flow
    from nnrg.theory.information_flow.replacement import RidgeTest as RidgeTest
    from nnrg.theory.information_flow.replacement import ridge_test as ridge_test
    from nnrg.theory.information_flow.sigma import sigma_flow as sigma_flow
    from nnrg.theory.information_flow.wilsonian import WilsonianFlow as WilsonianFlow
    from nnrg.theory.information_flow.wilsonian import wilsonian_flow as wilsonian_flow

_HOMES = {
    "DataScaling": "_data_scaling_result",
    "DepthRelativeEntropy": "depth",
    "KernelModes": "modes",
    "MomentumFlow": "momentum",
    "NetworkKernel": "kernels",
    "RidgeTest": "replacement",
    "SigmaFlow": "_sigma_result",
    "WilsonianFlow": "wilsonian",
    "data_exponent": "learning_curve",
    "data_scaling": "learning_curve",
    "depth_relative_entropy": "depth",
    "feature_modes": "eigenmodes",
    "gaussian_modes": "eigenmodes",
    "kernel_modes": "eigenmodes",
    "momentum_flow": "momentum",
    "ridge_test": "replacement",
    "sigma_flow": "sigma",
    "wilsonian_flow": "wilsonian",
}

__all__ = [
    "DataScaling",
    "DepthRelativeEntropy",
    "KernelModes",
    "MomentumFlow",
    "NetworkKernel",
    "RidgeTest",
    "SigmaFlow",
    "WilsonianFlow",
    "data_exponent",
    "data_scaling",
    "depth_relative_entropy",
    "feature_modes",
    "gaussian_modes",
    "kernel_modes",
    "momentum_flow",
    "ridge_test",
    "sigma_flow",
    "wilsonian_flow",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nnrg.theory.information_flow' has no attribute {name!r}")
    value = getattr(import_module(f"nnrg.theory.information_flow.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
