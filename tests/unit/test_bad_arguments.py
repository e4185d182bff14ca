"""What a user tries first and gets wrong: an error that says what to try, never a traceback."""

import numpy as np
import pytest

import nnrg
from nnrg.errors import ArgumentError

RNG = np.random.default_rng(5)
NET = nnrg.load({"fc.weight": RNG.normal(size=(20, 64)), "fc.bias": RNG.normal(size=20)})
FLOW = nnrg.renormalize(
    nnrg.SynapticField(RNG.normal(size=(12, 16, 16)), nnrg.Lattice((16, 16))), levels=2
)
RUN = nnrg.flow_network(NET, sites=nnrg.Lattice((8, 8)), levels=2, nulls=(), rng=1)
COUPLINGS = RUN["fc.weight"].couplings

CALLS = {
    "a shape in place of a lattice": (lambda: NET.field("fc.weight", (8, 8)), "nnrg.Lattice"),
    "a tensor that is no name": (lambda: NET.field(["fc.weight"]), "no tensor is called"),
    "rows that are none": (lambda: NET.chunks("fc.weight", 2.5), "rows must be an integer"),
    "a dict in place of a network": (lambda: nnrg.flow_network({"w": np.eye(4)}), "nnrg.load"),
    "shapes for sites": (lambda: nnrg.flow_network(NET, sites={"fc.weight": (8, 8)}), "Lattice"),
    "one shape for sites": (lambda: nnrg.flow_network(NET, sites=(8, 8)), "Lattice"),
    "a lattice that does not fit the tensor it is for": (
        lambda: nnrg.flow_network(NET, sites={"fc.weight": nnrg.Lattice((7, 8))}),
        "no axis of tensor 'fc.weight' has the 56 sites .* axes of 64, 20;",
    ),
    "a lattice that fits no tensor": (
        lambda: nnrg.flow_network(NET, sites=nnrg.Lattice((7, 8))),
        "no axis of any tensor measured has the 56 sites",
    ),
    "a lattice for a pattern that fits none of its tensors": (
        lambda: nnrg.flow_network(NET, sites={"fc.*": nnrg.Lattice((7, 8))}),
        "no axis of any tensor measured has the 56 sites",
    ),
    "tensors that are no names": (lambda: nnrg.flow_network(NET, tensors=3), "tensors must be a"),
    "units": (lambda: nnrg.flow_network(NET, units=np.ones(2)), "units must be one of"),
    "gauge": (lambda: nnrg.flow_network(NET, gauge=["relu"]), "activation must be one of"),
    "keep": (lambda: nnrg.flow_network(NET, keep=3), "expected the path"),
    "a name in place of a basis": (lambda: nnrg.fit_couplings(FLOW, basis="phi4"), "Basis.scalar"),
    "the same of a run": (lambda: nnrg.flow_network(NET, basis=("phi2",)), "Basis.scalar"),
    "nulls": (lambda: nnrg.fit_couplings(FLOW, nulls=np.array("phase")), "nulls must be names"),
    "order": (lambda: FLOW.cumulants(order=np.float32(4)), "order must be an integer from 2 to 8"),
    "blocks": (lambda: nnrg.GridBlocks(np.array("a")), "a block length must be an integer"),
    "key": (lambda: nnrg.load({"w": np.eye(4)}, key=3), "key must be a dotted name"),
    "buffers": (lambda: nnrg.load({"w": np.eye(4)}, buffers=None), "buffers must be a name or"),
    "trained": (lambda: nnrg.load({"w": np.eye(4)}, trained=[3]), "trained must be a name or"),
    "results": (lambda: nnrg.open_results(3), "expected the path of a file"),
    "a flow drawn": (lambda: nnrg.plot.couplings(FLOW), "nnrg.fit_couplings"),
    "a run drawn as a field": (lambda: nnrg.plot.figure(RUN), r"run\[name\]"),
    "couplings drawn as a field": (lambda: nnrg.plot.column(COUPLINGS), r"run\[name\]"),
    "couplings drawn as cumulants": (lambda: nnrg.plot.variance(COUPLINGS), "flow.cumulants"),
    "a field drawn as a table": (lambda: nnrg.plot.z_scores(RUN["fc.weight"]), "got"),
    "a field drawn as a run": (lambda: nnrg.plot.summary(COUPLINGS), "a Run: nnrg.flow_network"),
    "operators": (lambda: nnrg.plot.couplings(COUPLINGS, operators=3), "operators must be a name"),
    "an operator not fitted": (
        lambda: nnrg.plot.couplings(COUPLINGS, operators="phi5"),
        "no operator 'phi5'; there are phi, phi2",
    ),
    "axes": (lambda: nnrg.plot.couplings(COUPLINGS, ax=3), "ax must be matplotlib Axes"),
    "style": (lambda: nnrg.plot.summary(RUN, style_name=[]), "style must be one of"),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_named_error_says_what_to_try(what):
    call, words = CALLS[what]
    with pytest.raises(ArgumentError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
