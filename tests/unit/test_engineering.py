"""Engineered networks: densities and gradients, the sampler, checkpoints, bad input."""

from math import log, pi

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from nnrg.errors import AnalysisError, ArgumentError, FormatError, NonFiniteError
from nnrg.simulate._ball import draw_momenta, fly
from nnrg.simulate._engineered_target import ModeTarget, NetworkTarget, node_propagator
from nnrg.simulate._hamiltonian import Motion
from nnrg.simulate._trajectories import Trajectories, potential_scale_reduction
from nnrg.simulate.engineered import sample_engineered, sample_engineered_limit
from nnrg.simulate.engineered_network import EngineeredNetwork
from nnrg.theory.engineering import (
    bare_four_point,
    contamination,
    engineer,
    extrapolate_width,
    measure_engineered,
)

KINDS = pytest.mark.parametrize(
    ("dimension", "split"), [(1, 0.0), (1, 0.3), (1, 1.0), (2, 0.0), (2, 0.6)]
)


def small(dimension=1, split=0.0, coupling=3.0, **options):
    options = {"mass": 1.1, "cutoff": 3.0, "box": 3.0, "width": 5, **options}
    return engineer(
        options["mass"],
        coupling,
        options["cutoff"],
        options["box"],
        width=options["width"],
        dimension=dimension,
        split=split,
        normal_ordered=options.get("normal_ordered", True),
    )


# -- density ------------------------------------------------------------------------------------


@KINDS
def test_fields_are_sums_of_cosines(dimension, split, rng):
    network = small(dimension, split)
    a, b, c = network.draw_free(3, rng=1)
    x = rng.uniform(-1, 1, (4, dimension))
    found = network.fields(a, b, c, x)
    z = network.spectral(0.0, 1 - split)[0]
    for n in range(3):
        for k in range(4):
            known = 0.0
            for i in range(5):
                momentum = b[n, :, i]
                energy = momentum @ momentum + 1.1**2
                wave = np.cos(momentum @ x[k] + c[n, i])
                known += np.sqrt(2 * z / 5) * a[n, i] * wave / energy ** (split / 2)
            assert found[n, k] == pytest.approx(known, rel=1e-12)


@KINDS
def test_waves_at_the_nodes_are_those_of_the_fields(dimension, split):
    network = small(dimension, split)
    a, b, c = network.draw_free(3, rng=2)
    nodes, weights = network.quadrature()
    np.testing.assert_allclose(
        network.waves(a, b, c).field(), network.fields(a, b, c, nodes), atol=1e-13
    )
    assert weights.sum() == pytest.approx(3.0**dimension, rel=1e-12)


@pytest.mark.parametrize("dimension", [1, 2])
def test_nodes_integrate_the_fourth_power_to_rounding(dimension):
    network = small(dimension, cutoff=6.0)
    a, b, c = network.draw_free(4, rng=3)
    nodes, weights = network.quadrature()
    found = network.fields(a, b, c, nodes) ** 4 @ weights
    line, step = np.polynomial.legendre.leggauss(90)
    grid = np.stack(np.meshgrid(*(1.5 * line,) * dimension, indexing="ij"), axis=-1)
    many = 1.5 * step if dimension == 1 else 2.25 * np.outer(step, step).ravel()
    known = network.fields(a, b, c, grid.reshape(-1, dimension)) ** 4 @ many
    np.testing.assert_allclose(found, known, rtol=1e-11)


@KINDS
def test_gradient_is_that_of_the_log_density(dimension, split):
    network = small(dimension, split, coupling=5.0)
    parameters = network.draw_free(2, rng=4)
    gradient = network.gradient(*parameters)
    step = 1e-5
    for which, slope in enumerate(gradient):
        for at in np.ndindex(slope.shape[1:]):
            values = []
            for sign in (1, -1):
                moved = [p.copy() for p in parameters]
                moved[which][(slice(None), *at)] += sign * step
                values.append(network.log_density(*moved))
            numerical = (values[0] - values[1]) / (2 * step)
            np.testing.assert_allclose(slope[(slice(None), *at)], numerical, atol=2e-8, rtol=1e-7)


@KINDS
def test_log_density_of_the_free_network_is_normalised(dimension, split):
    network = small(dimension, split, coupling=0.0)
    a, b, c = network.draw_free(3, rng=5)
    radius = np.sqrt((b**2).sum(axis=1))

    def weight(p):
        return (p * p + 1.1**2) ** (split - 1)

    measure = (lambda p: 2.0) if dimension == 1 else (lambda p: 2 * pi * p)
    volume = quad(lambda p: measure(p) * weight(p), 0, 3)[0]
    known = stats.norm.logpdf(a).sum(axis=1) + np.log(weight(radius) / volume).sum(axis=1)
    np.testing.assert_allclose(network.log_density(a, b, c), known - 5 * log(2 * pi), rtol=1e-11)


def test_interaction_changes_the_log_density_by_its_integral():
    free, interacting = small(coupling=0.0), small(coupling=3.0)
    a, b, c = free.draw_free(3, rng=6)
    nodes, weights = free.quadrature()
    phi = free.fields(a, b, c, nodes)
    g = float(free.two_point(0.0))
    action = (3 / 24 * phi**4 - 3 / 4 * g * phi**2) @ weights
    change = interacting.log_density(a, b, c) - free.log_density(a, b, c)
    np.testing.assert_allclose(change, -action, rtol=1e-11)


def test_log_density_is_minus_infinity_outside_the_ball():
    network = small()
    a, b, c = network.draw_free(2, rng=7)
    b[1, 0, 2] = 3.001
    found = network.log_density(a, b, c)
    assert np.isfinite(found[0]) and found[1] == -np.inf


@KINDS
def test_momenta_have_their_density(dimension, split):
    """By Kolmogorov and Smirnov; false alarm once in 10^4 for each of five."""
    b = draw_momenta(np.random.default_rng(8), (4000, dimension, 5), 1.1, 3.0, split)
    radius = np.sqrt((b**2).sum(axis=1)).ravel()
    grid = np.linspace(0, 3, 3001)
    density = grid ** (dimension - 1) * (grid**2 + 1.1**2) ** (split - 1)
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    test = stats.kstest(radius, lambda r: np.interp(r, grid, cumulative / cumulative[-1]))
    assert test.pvalue > 1e-4 and radius.max() <= 3.0
    assert abs(np.sign(b[:, 0]).mean()) < 4.5 / np.sqrt(20_000)


# -- motion -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("time", [0.1, 1.0, 40.0])
def test_flight_in_the_ball_is_reversible_and_composes(dimension, time, rng):
    start = 0.6 * rng.uniform(-1, 1, (3, dimension, 300))
    velocity = rng.normal(size=start.shape)
    there, turned = fly(start, velocity, time, 1.0)
    assert (there**2).sum(axis=1).max() <= 1 + 1e-12
    np.testing.assert_allclose((turned**2).sum(axis=1), (velocity**2).sum(axis=1), rtol=1e-12)
    back, again = fly(there, -turned, time, 1.0)
    np.testing.assert_allclose(back, start, atol=1e-10)
    np.testing.assert_allclose(again, -velocity, atol=1e-9)
    place, heading = start, velocity
    for _ in range(16):
        place, heading = fly(place, heading, time / 16, 1.0)
    np.testing.assert_allclose(place, there, atol=1e-10)


TARGETS = [NetworkTarget(small()), NetworkTarget(small(2)), ModeTarget(small())]


@pytest.mark.parametrize("target", TARGETS, ids=["line", "square", "modes"])
def test_trajectories_are_reversible_and_their_energy_error_is_of_second_order(target):
    rng = np.random.default_rng(9)
    q = target.draw(rng, 6)
    old = Motion(q, rng.standard_normal(q.shape), *target.evaluate(q))
    there = old.follow(target, 0.05, 40)
    again = there.back().follow(target, 0.05, 40)
    np.testing.assert_allclose(again.q, old.q, atol=1e-9)
    np.testing.assert_allclose(-again.p, old.p, atol=1e-9)
    # Where momenta are reflected the error is of first order: begin far from the surface.
    if isinstance(target, NetworkTarget):
        q = q * np.array([1.0, *(0.1,) * (q.shape[1] - 2), 1.0])[:, None]
        old = Motion(q, old.p, *target.evaluate(q))
    errors = [
        np.abs(old.follow(target, step, round(0.6 / step)).energy(target) - old.energy(target))
        for step in (0.02, 0.01)
    ]
    assert errors[1].mean() / errors[0].mean() == pytest.approx(0.25, abs=0.06)


def test_modes_make_up_the_propagator():
    network = small(2, cutoff=2.5, box=2.0)
    basis = ModeTarget(network).basis
    np.testing.assert_allclose(basis.T @ basis, node_propagator(network), atol=1e-11)
    assert len(basis) < basis.shape[1]


# -- sampling -----------------------------------------------------------------------------------


def draw(n=8, **options):
    options = {"n_chains": 20, "burn_in": 12, "rng": 1, **options}
    return sample_engineered(small(), n, **options)


def test_samples_do_not_depend_on_the_number_of_workers():
    one = draw()
    assert one.parameters.shape == (8, 20, 3, 5)
    np.testing.assert_array_equal(draw(n_workers=3).parameters, one.parameters)
    assert not np.array_equal(draw(rng=2).parameters, one.parameters)
    np.testing.assert_array_equal(draw(4, stride=2).parameters, one.parameters[1::2])
    assert one.seed == ("1",)


def test_chains_of_different_groups_differ():
    found = draw()
    assert np.unique(found.amplitudes[:, :, 0]).size > 8 * 10


def stop_after(count):
    def tell(done, total):
        if done == count:
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize("sampler", [sample_engineered, sample_engineered_limit])
def test_an_interrupted_run_goes_on_with_the_same_numbers(sampler, tmp_path):
    path = tmp_path / "chain.npz"

    def values(n=8, **options):
        found = sampler(small(), n, n_chains=20, burn_in=12, **options)
        return found.node_fields()

    whole = values(rng=1)
    with pytest.raises(KeyboardInterrupt):
        values(rng=1, checkpoint=path, progress=stop_after(3))
    told = []
    again = values(rng=1, checkpoint=path, progress=lambda *state: told.append(state))
    np.testing.assert_array_equal(again, whole)
    assert told == [(n, 8) for n in range(4, 9)]
    np.testing.assert_array_equal(values(10, checkpoint=path), values(10, rng=1))
    with pytest.raises(ArgumentError, match="another run: seed"):
        values(rng=2, checkpoint=path)


def test_a_checkpoint_of_another_density_is_refused(tmp_path):
    path = tmp_path / "chain.npz"
    assert draw(checkpoint=path).seed == ("1",)
    assert draw(checkpoint=path, rng=None).seed == ()
    with pytest.raises(ArgumentError, match="another run: network"):
        sample_engineered(small(coupling=4.0), 8, n_chains=20, burn_in=12, rng=1, checkpoint=path)
    path.write_bytes(b"x" * 100)
    with pytest.raises(FormatError, match="no checkpoint"):
        draw(checkpoint=path)


def test_diagnostics_of_a_good_run():
    found = sample_engineered(small(width=8), 120, n_chains=16, burn_in=60, rng=3)
    trajectories = found.trajectories
    assert not found.flag
    assert trajectories.reversal < 1e-10
    assert 0.6 < trajectories.acceptance.value < 0.98
    assert abs(trajectories.energy_test.z) < 4.5  # false alarm once in 150 thousand
    assert all(ratio < 1.05 for ratio in trajectories.reductions().values())
    assert all(time.tau.value < 4 for time in trajectories.times().values())
    text = str(found)
    assert "R-hat" in text and "<exp(-dH)>" in text and len(text.splitlines()) < 12


def test_chains_that_disagree_are_told():
    rng = np.random.default_rng(4)
    series = rng.normal(size=(8, 100))
    assert potential_scale_reduction(series) < 1.05
    assert potential_scale_reduction(series + 2 * np.arange(8)[:, None]) > 2
    drift = series + np.linspace(0, 3, 100)
    assert potential_scale_reduction(drift) > 1.2
    assert np.isnan(potential_scale_reduction(series[:, :3]))


def test_runs_that_cannot_be_trusted_are_flagged():
    rng = np.random.default_rng(5)
    shape = (50, 8)
    series = rng.normal(size=(8, 50))
    apart = series + 9 * np.arange(8)[:, None]

    def flag(**changes):
        good = {
            "energy_errors": 0.01 * rng.normal(size=shape),
            "accepted": np.ones(shape),
            "steps": np.array([0.3]),
            "reversal": 1e-14,
            "burn_in": 10,
            "stride": 1,
            "observables": {"int phi^2": series},
        }
        return Trajectories(**{**good, **changes}).flag

    assert flag() == ""
    assert "chains disagree" in flag(observables={"int phi^2": apart})
    assert "momenta have not mixed" in flag(momenta=apart)
    assert "not 1" in flag(energy_errors=1 + 0.01 * rng.normal(size=shape))
    assert "acceptance 0.00" in flag(accepted=np.zeros(shape))
    assert "not reversible" in flag(reversal=1e-3)


def test_fields_of_a_sample_as_a_synaptic_field():
    found = draw()
    field = found.synaptic_field()
    assert field.values.shape == (160, 3)  # spacing pi / 3 in a box of 3
    again = found.fields(np.array([[-pi / 3], [0.0], [pi / 3]]))
    np.testing.assert_allclose(field.values, again.reshape(-1, 3), rtol=1e-12)
    np.testing.assert_allclose(
        found.fields(small().quadrature()[0]), found.node_fields(), atol=1e-13
    )
    with pytest.raises(ArgumentError, match="spacing"):
        found.synaptic_field(4.0)


# -- measurements -------------------------------------------------------------------------------


def test_measurements_print_on_one_screen_and_as_tables():
    actions = [
        measure_engineered(sample_engineered(small(width=n), 20, n_chains=16, burn_in=20, rng=n))
        for n in (8, 16, 32)
    ]
    frame = actions[0].to_dataframe()
    assert list(frame["quantity"])[:2] == ["mass shift", "coupling"] and len(frame) == 4
    assert frame["asked"][1] == 3.0 and (frame["error"] > 0).all()
    assert "asked" in str(actions[0]) and len(str(actions[0]).splitlines()) < 16
    assert actions[0].two_point.values.shape == actions[0].distance.shape
    assert actions[0].distance[-1] <= 3.0
    found = extrapolate_width(actions)
    assert found.widths == (8, 16, 32) and found.asked == 3.0
    assert len(found.to_dataframe()) == 4 and "infinite width" in str(found)
    with pytest.raises(ArgumentError, match="different widths"):
        extrapolate_width([actions[0], actions[0]])
    with pytest.raises(ArgumentError, match="quantity"):
        extrapolate_width(actions, "charge")
    with pytest.raises(AnalysisError, match="two or more"):
        extrapolate_width(actions[:1])


def test_measurement_of_the_limit_has_no_width():
    limit = sample_engineered_limit(small(), 20, n_chains=16, burn_in=20, rng=1)
    action = measure_engineered(limit)
    assert action.width == np.inf and action.coupling_of_parameters is None
    assert action.added_by_width is None and "infinite width" in str(action)
    with pytest.raises(AnalysisError, match="finite"):
        extrapolate_width([action, action])
    predicted = contamination(limit, n_waves=4, rng=1)
    half = predicted.at_width(10)
    np.testing.assert_allclose(half.shifts.values, predicted.shifts.values / 2)
    assert "first order in 1/N" in str(predicted)


def test_few_chains_are_cut_into_groups():
    found = measure_engineered(sample_engineered(small(), 40, n_chains=3, burn_in=20, rng=1))
    assert found.coupling.n_samples == 18
    with pytest.raises(AnalysisError, match="chain"):
        measure_engineered(sample_engineered(small(), 4, n_chains=2, burn_in=20, rng=1))


# -- bad input ----------------------------------------------------------------------------------


def test_a_negative_coupling_is_refused_because_nothing_bounds_it():
    with pytest.raises(ArgumentError, match="could not be normalised"):
        engineer(1.0, -0.1, 4.0, 6.0)
    # Along one amplitude the interaction grows as its fourth power, the prior as its square.
    network = small(coupling=1.0, normal_ordered=False)
    a, b, c = network.draw_free(1, rng=1)
    one = a * np.array([1.0, 0, 0, 0, 0])
    action = [network.interaction(network.waves(t * one, b, c).field())[0][0] for t in (1, 10)]
    assert action[1] / action[0] == pytest.approx(1e4, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((0.0, 1.0, 4.0, 6.0), {}, "mass must be positive"),
        ((1.0, np.nan, 4.0, 6.0), {}, "coupling must be a finite"),
        ((1.0, 1.0, -4.0, 6.0), {}, "cutoff must be positive"),
        ((1.0, 1.0, 4.0, np.inf), {}, "box must be a finite"),
        ((1.0, 1.0, 4.0, 0.5), {}, "half a wave"),
        ((1.0, 1.0, 4.0, 6.0), {"width": 1}, "width must be an integer of at least 2"),
        ((1.0, 1.0, 4.0, 6.0), {"dimension": 3}, "dimension must be"),
        ((1.0, 1.0, 4.0, 6.0), {"split": 1.2}, "split must be from 0"),
        ((1.0, 1.0, 4.0, 6.0), {"normal_ordered": "no"}, "normal_ordered must be"),
    ],
)
def test_densities_out_of_range_are_refused(arguments, options, match):
    with pytest.raises(ArgumentError, match=match):
        engineer(*arguments, **options)


def test_cutoffs_and_boxes_that_are_too_small_are_noted():
    assert engineer(1.0, 1.0, 4.0, 6.0).notes == ()
    (note,) = engineer(1.0, 1.0, 1.0, 6.0).notes
    assert "no waves propagate" in note
    (note,) = engineer(1.0, 1.0, 4.0, 1.0).notes
    assert "no bulk" in note and "no bulk" in str(engineer(1.0, 1.0, 4.0, 1.0))


def test_parameters_and_samples_of_the_wrong_kind_are_refused():
    network = small()
    a, b, c = network.draw_free(2, rng=1)
    with pytest.raises(ArgumentError, match=r"b must have shape \(n, 1, 5\)"):
        network.log_density(a, b[:, 0], c)
    with pytest.raises(ArgumentError, match="c must have shape"):
        network.gradient(a, b, c[:1])
    with pytest.raises(NonFiniteError, match="a holds"):
        network.log_density(a * np.nan, b, c)
    with pytest.raises(ArgumentError, match="points must have shape"):
        network.fields(a, b, c, [0.0, 1.0])
    with pytest.raises(ArgumentError, match="last axis"):
        bare_four_point(network, [0.0, 1.0], [0.0], [0.0], [0.0])
    with pytest.raises(ArgumentError, match="EngineeredNetwork"):
        sample_engineered("network")
    with pytest.raises(ArgumentError, match="expected a sample"):
        measure_engineered(network)
    with pytest.raises(ArgumentError, match="limit of infinite width"):
        contamination(network)
    for options in ({"n_chains": 1}, {"burn_in": 2}, {"stride": 0}, {"n_workers": 0}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            sample_engineered(network, 8, **options)


def test_boxes_with_too_many_nodes_for_a_matrix_are_refused():
    network = EngineeredNetwork(mass=1.0, coupling=1.0, cutoff=20.0, box=6.0, width=4, dimension=2)
    with pytest.raises(AnalysisError, match="lower cutoff"):
        sample_engineered_limit(network, 4, rng=1)
