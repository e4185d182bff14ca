"""Mean-field theory of deep networks: where signals survive, the edge of chaos, and how fast."""

from nnrg.theory.criticality.approach import Approach, PowerLaw, approach_to_criticality
from nnrg.theory.criticality.critical_line import CriticalLine, critical_line
from nnrg.theory.criticality.fixed_points import FixedPoint
from nnrg.theory.criticality.half_stable import HalfStablePoint, half_stable_points
from nnrg.theory.criticality.lyapunov import Lyapunov
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.criticality.phase_diagram import PhaseDiagram, phase_diagram
from nnrg.theory.criticality.trajectory import Trajectory
from nnrg.theory.criticality.uniformity import UniformityLine, uniformity_line

__all__ = [
    "Approach",
    "CriticalLine",
    "FixedPoint",
    "HalfStablePoint",
    "Lyapunov",
    "MeanField",
    "PhaseDiagram",
    "PowerLaw",
    "Trajectory",
    "UniformityLine",
    "approach_to_criticality",
    "critical_line",
    "half_stable_points",
    "phase_diagram",
    "uniformity_line",
]
