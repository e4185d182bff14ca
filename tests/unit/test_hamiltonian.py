"""Hamiltonian networks: what is refused and why, what results carry, how they print."""

import networkx as nx
import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.stats.multiple_testing import adjust_p_values, student_p_values
from nnrg.theory import hamiltonian
from nnrg.theory.hamiltonian import (
    CayleyStep,
    DiracLattice,
    FieldHistory,
    GaugeLinks,
    GaugeTensors,
    HamiltonianNet,
    KleinGordonLattice,
    brillouin_path,
    clifford_check,
    covariance_residual,
    fit_dispersion,
    majorana_matrices,
    measure_dispersion,
    mode_frequencies,
    read_network,
    read_weights,
    square_matrices,
    symplectic_check,
)
from nnrg.theory.hamiltonian._frequency import fit_frequency, noise_chance


def some_weights(n=32, seed=1):
    return np.random.default_rng(seed).normal(size=(n, n))


def test_every_public_name_is_there():
    for name in hamiltonian.__all__:
        assert getattr(hamiltonian, name) is not None
    assert dir(hamiltonian) == sorted(hamiltonian.__all__)
    with pytest.raises(AttributeError):
        hamiltonian.nothing  # noqa: B018


# Dynamics.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dt": 0.0, "steps": 5}, "dt must be above 0"),
        ({"dt": 0.1, "steps": 0}, "steps must be an integer"),
        ({"dt": 0.1, "steps": 5, "every": 6}, "every must be an integer from 1 to 5"),
        ({"dt": 0.1, "steps": 5, "scheme": "both"}, "scheme must be one of"),
    ],
)
def test_run_refuses(options, words):
    with pytest.raises(ArgumentError, match=words):
        HamiltonianNet.linear(np.eye(2)).run([1, 0], [0, 0], **options)


def test_weights_that_are_not_square_are_refused():
    for call in (HamiltonianNet.linear, lambda w: mode_frequencies(w, dt=0.1), read_weights):
        with pytest.raises(ArgumentError, match=r"square matrix, got shape \(20, 30\)"):
            call(np.ones((20, 30)))
    with pytest.raises(NonFiniteError):
        HamiltonianNet.linear([[1.0, np.nan], [0.0, 1.0]])
    with pytest.raises(ArgumentError, match="matrix of real numbers"):
        HamiltonianNet.linear([["a", "b"], ["c", "d"]])


def test_activations_must_fit():
    net = HamiltonianNet.linear(np.eye(3))
    with pytest.raises(ArgumentError, match=r"phi must have shape \(3,\), got \(2,\)"):
        net.run([1, 2], [0, 0, 0], dt=0.1, steps=3)
    with pytest.raises(NonFiniteError, match="beta holds NaN"):
        net.run([1, 2, 3], [0, np.inf, 0], dt=0.1, steps=3)


@pytest.mark.parametrize(
    ("matrix", "dt", "scheme", "words"),
    [
        (np.eye(2), 3.0, "alternate", "the largest stable one is 2"),
        (np.eye(2), 3.0, "simultaneous", "try scheme='alternate'"),
        (-np.eye(2), 0.5, "alternate", "no waves"),
    ],
)
def test_divergence_names_step_and_bound(matrix, dt, scheme, words):
    with pytest.raises(AnalysisError, match=rf"not finite at step \d+.*{words}"):
        HamiltonianNet.linear(matrix).run([1, 0], [0, 0], dt=dt, steps=10_000, scheme=scheme)
    curved = HamiltonianNet(lambda b: b, lambda x: x**3)
    with pytest.raises(AnalysisError, match="smaller dt"):
        curved.run([5.0], [0.0], dt=2.0, steps=100)


def test_energy_is_not_known_without_one():
    run = HamiltonianNet.linear([[1.0, 0.5], [0.0, 1.0]]).run([1, 0], [0, 0], dt=0.1, steps=3)
    assert np.isnan(run.energy).all() and np.isnan(run.drift)
    assert not run.phi.flags.writeable


def test_results_print():
    net = HamiltonianNet.linear(np.eye(2))
    assert "modified energy" in str(net.run([1, 0], [0, 0], dt=0.1, steps=3))
    assert "det J = 1" in str(symplectic_check(net, [1, 0], [0, 0], dt=0.1))
    assert "growing" in str(mode_frequencies(np.eye(2), dt=0.1))
    with pytest.raises(ArgumentError, match="scheme"):
        symplectic_check(net, [1, 0], [0, 0], dt=0.1, scheme="no")


# Lattices.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shape": (2, 2, 2, 2)}, "one to three lengths"),
        ({"shape": 1}, "of at least 2"),
        ({"shape": "ab"}, "one to three lengths"),
        ({"shape": 8, "mass": -1.0}, "mass must be at least 0"),
        ({"shape": 8, "spacing": 0.0}, "spacing must be above 0"),
        ({"shape": 8, "dt": 1.0}, "beyond the stability limit 0.894427"),
        ({"shape": 8, "mass": 0.0, "dt": 1.0}, "beyond the stability limit 1 "),
        ({"shape": (1 << 20, 1 << 20)}, "sites; take fewer"),
    ],
)
def test_klein_gordon_refuses(options, words):
    with pytest.raises(ArgumentError, match=words):
        KleinGordonLattice(**options)


def test_odd_lattices_have_their_own_limit():
    assert KleinGordonLattice(3, mass=0.0).stability_limit == pytest.approx(2 / 3**0.5)


def test_lattice_fields_must_fit():
    lattice = KleinGordonLattice((4, 4))
    with pytest.raises(ArgumentError, match=r"shape \(4, 4\), got \(4, 5\)"):
        lattice.advance(np.ones((4, 5)), np.ones((4, 4)), 3)
    field = np.ones((4, 4))
    lattice.advance(field, field, 3)
    assert np.array_equal(field, np.ones((4, 4)))  # what was passed in is not overwritten


def test_dirac_refuses():
    lattice = DiracLattice(8, mass=0.1)
    with pytest.raises(ArgumentError, match="method must be one of"):
        lattice.advance(np.ones((2, 8)), 3, method="euler")
    with pytest.raises(ArgumentError, match=r"shape \(2, 8\)"):
        lattice.advance(np.ones(16), 3)
    with pytest.raises(
        ArgumentError, match=r"links must be GaugeLinks of \(8,\), got those of \(9,\)"
    ):
        lattice.weights(GaugeLinks.free(9))
    with pytest.raises(ArgumentError, match="dimension must be"):
        majorana_matrices(4)
    assert "corners are as light" in str(lattice.doublers())


def test_cayley_refuses_what_does_not_keep_the_norm():
    with pytest.raises(ArgumentError, match="Hermitian part"):
        CayleyStep(np.eye(3), 0.1)
    with pytest.raises(ArgumentError, match="must be square"):
        CayleyStep(np.ones((2, 3)), 0.1)
    with pytest.raises(ArgumentError, match="square matrix"):
        CayleyStep([1.0, 2.0], 0.1)
    step = CayleyStep(np.zeros((3, 3)), 0.1)
    with pytest.raises(ArgumentError, match=r"psi must have shape \(3,\)"):
        step(np.ones(4))


def test_cayley_steps_of_complex_spinors():
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    psi = np.array([1.0 + 2j, 3.0 - 1j])
    found = CayleyStep(turn, 0.3)(psi, 4)
    step = np.linalg.solve(np.eye(2) - 0.15 * turn, np.eye(2) + 0.15 * turn)
    np.testing.assert_allclose(found, np.linalg.matrix_power(step, 4) @ psi, atol=1e-14)


def test_clifford_check_refuses():
    with pytest.raises(ArgumentError, match="shape"):
        clifford_check(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ArgumentError, match="not all of them zero"):
        clifford_check(np.zeros((1, 2, 2)), np.zeros((2, 2)))
    assert "Clifford" in str(clifford_check(*majorana_matrices(2)))


# Links.


def test_links_refuse():
    with pytest.raises(ArgumentError, match="modulus 1"):
        GaugeLinks(np.full((1, 4), 2.0))
    with pytest.raises(ArgumentError, match="d axes of space"):
        GaugeLinks(np.ones((2, 4)))
    with pytest.raises(ArgumentError, match=r"time must have shape \(4,\)"):
        GaugeLinks(np.ones((1, 4)), np.ones(5))
    with pytest.raises(ArgumentError, match="needs two axes"):
        GaugeLinks.uniform_flux((4, 4, 4), 1)
    with pytest.raises(ArgumentError, match="labelling must be one of"):
        GaugeLinks.free(4).tensors("mine")
    with pytest.raises(ArgumentError, match="labelling must be one of"):
        GaugeLinks.from_tensors(GaugeTensors(np.ones(4), np.ones((1, 4)), "mine"))
    with pytest.raises(ArgumentError, match="multiple of 4 rows"):
        covariance_residual(lambda links: np.eye(5), GaugeLinks.free(4), np.zeros(4))
    assert "arXiv" in str(GaugeLinks.free(4).tensors("paper"))


# Dispersion.


def history(n=64, noise=0.0):
    t = 0.1 * np.arange(n)
    wave = np.cos(2 * np.pi * np.arange(8) / 8)
    values = np.cos(3 * t)[:, None, None] * wave
    rng = np.random.default_rng(1)
    return FieldHistory(values + noise * rng.normal(size=values.shape), 0.1)


def test_dispersion_refuses():
    with pytest.raises(ArgumentError, match="must hold at least 64 records"):
        measure_dispersion(history(60))
    with pytest.raises(ArgumentError, match="numbers of waves"):
        measure_dispersion(history(), [[9]])
    with pytest.raises(ArgumentError, match="integers of shape"):
        measure_dispersion(history(), [[0.5]])
    with pytest.raises(ArgumentError, match="history must have numbers of shape"):
        measure_dispersion(FieldHistory(np.ones((64, 8)), 0.1))
    with pytest.raises(NonFiniteError):
        measure_dispersion(FieldHistory(np.full((64, 1, 8), np.nan), 0.1))


def test_modes_that_tell_nothing_are_flagged():
    found = measure_dispersion(history(), [1])
    assert found.flags == ("",) and found.omega[0] == pytest.approx(3, abs=1e-10)
    quiet = measure_dispersion(FieldHistory(np.zeros((64, 1, 8)), 0.1), [1])
    assert quiet.flags == ("the mode is not excited",)
    assert (
        measure_dispersion(FieldHistory(np.ones((64, 1, 8)), 0.1), [0]).flags[0].startswith("few")
    )
    t = 0.1 * np.arange(200)
    two = (np.cos(3 * t) + np.cos(5 * t))[:, None, None] * np.ones(8)
    assert "one frequency" in measure_dispersion(FieldHistory(two, 0.1), [0]).flags[0]


def test_fit_needs_modes():
    with pytest.raises(AnalysisError, match="modes without a flag"):
        fit_dispersion(measure_dispersion(history(), [1]))


def test_dispersion_prints_and_tabulates():
    found = measure_dispersion(history(noise=0.01), [1, 2], expected=lambda k: 3 + 0 * k[0])
    frame = found.to_dataframe()
    assert frame.columns.tolist()[:4] == ["k:0", "omega", "omega_error", "expected"]
    assert abs(frame["omega"][0] - 3) < 6 * frame["omega_error"][0] < 0.1
    assert "2 modes over 64 times" in str(found)


# Reading.


@pytest.mark.parametrize(
    ("matrix", "options", "error", "words"),
    [
        (some_weights(8), {}, AnalysisError, "24 of them at least"),
        (np.ones((32, 32)), {}, AnalysisError, "all weights are equal"),
        (some_weights(33), {"components": 2}, AnalysisError, "whole sites"),
        (some_weights(), {"draws": 1}, ArgumentError, "draws must be"),
        (some_weights(), {"levels": 9}, ArgumentError, "levels must be"),
        (some_weights(), {"factor": 1}, ArgumentError, "factor must be"),
        (some_weights() * np.nan, {}, NonFiniteError, "NaN"),
    ],
)
def test_read_weights_refuses(matrix, options, error, words):
    with pytest.raises(error, match=words):
        read_weights(matrix, **options)


def test_fields_of_several_samples_are_refused():
    lattice = nnrg.Lattice((32, 32))
    field = nnrg.SynapticField(np.stack([some_weights()] * 3), lattice, name="gates")
    with pytest.raises(ArgumentError, match="3 samples"):
        read_weights(field)
    single = nnrg.SynapticField(some_weights(), lattice, name="one")
    same = read_weights(single, draws=4, rng=1).values
    np.testing.assert_array_equal(same, read_weights(some_weights(), draws=4, rng=1).values)


def test_seed_decides_the_nulls():
    first, again, other = (read_weights(some_weights(), draws=4, rng=s) for s in (1, 1, 2))
    for null in first.nulls:
        np.testing.assert_array_equal(first.nulls[null], again.nulls[null])
        assert not np.allclose(first.nulls[null][:, 1, 0], other.nulls[null][:, 1, 0])


def test_remainders_are_left_out_with_a_note():
    reading = read_weights(some_weights(37), draws=4, rng=1)
    assert reading.scales == (1, 2) and reading.n_neurons == (37, 18)
    assert any("left out: 1 at b = 2" in note for note in reading.notes)


def test_mean_is_flagged_where_it_is_left_in():
    shifted = some_weights() + 1
    assert "demean=True" in read_weights(shifted, demean=False, draws=4, rng=1).flags[0]
    taken = read_weights(shifted, draws=4, rng=1)
    assert 0.3 < taken.mean_share < 0.7
    np.testing.assert_allclose(
        taken.values[0], read_weights(some_weights(), draws=4, rng=1).values[0], rtol=1e-9
    )


def test_transposition_turns_the_antisymmetric_part_only():
    one, other = (read_weights(w, draws=4, rng=1) for w in (some_weights(), some_weights().T))
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9)


def test_reading_prints_tabulates_and_answers():
    reading = read_weights(some_weights(), draws=4, rng=1)
    frame = reading.to_dataframe()
    assert len(frame) == len(reading.scales) * len(reading.quantities) * 4
    assert set(frame["null"]) == {"independent", "signs", "relabelled", "unaligned"}
    text = str(reading)
    assert len(text.splitlines()) < 40 and "same" in text
    assert reading.estimate("symmetric").n_samples == 32
    for bad in (("mass", 1, "independent"), ("symmetric", 3, "independent"), ("symmetric", 1, "x")):
        with pytest.raises(ArgumentError, match="is not one of"):
            reading.estimate(*bad)


def test_graph_of_a_ring_finds_what_the_order_hides():
    n = 64
    lattice = KleinGordonLattice(n, mass=0.5, dt=0.1).weights().toarray()
    order = np.random.default_rng(3).permutation(n)
    hidden = lattice[np.ix_(order, order)]
    ring = ConnectionGraph.from_networkx(nx.cycle_graph(n)).permuted(order)
    plain = read_weights(hidden, demean=False, draws=8, rng=1)
    guided = read_weights(hidden, graph=ring, demean=False, draws=8, rng=1)
    assert plain.estimate("klein_gordon").value < 0.9
    assert guided.estimate("klein_gordon").value == pytest.approx(1, abs=1e-12)
    assert guided.estimate("stiffness").value == pytest.approx(1, abs=1e-12)
    assert np.isnan(guided.estimate("dirac").value)
    assert guided.z("klein_gordon", 1, "relabelled") > 10
    with pytest.raises(ArgumentError, match="ConnectionGraph of 32 nodes"):
        read_weights(some_weights(), graph=ring)
    with pytest.raises(ArgumentError, match="those of a line"):
        read_weights(hidden, graph=ring, components=2)


def test_graph_of_the_same_numbers_is_refused():
    net = recurrent_network()
    population = "rnn.l0:hidden"
    names = ["rnn.weight_hh_l0"]
    ring = ConnectionGraph.from_networkx(nx.cycle_graph(32))
    reading = read_network(net, names, graphs={population: ring}, draws=4, rng=1)
    assert np.isnan(reading.readings[0].estimate("dirac").value)
    (source,) = square_matrices(net, names)[0][0].sources
    same = ConnectionGraph.from_sparse(ring.to_sparse(), sources=[source])
    refused = read_network(net, names, graphs={population: same}, draws=4, rng=1).refused
    assert len(refused) == 3 and all("which is what is measured" in r.reason for r in refused)


def recurrent_network():
    rng = np.random.default_rng(4)
    return nnrg.load(
        {
            "fc1.weight": rng.normal(size=(32, 32)),
            "fc2.weight": rng.normal(size=(10, 32)),
            "rnn.weight_hh_l0": rng.normal(size=(96, 32)),
            "rnn.weight_ih_l0": rng.normal(size=(96, 8)),
        }
    )


def test_only_matrices_of_one_population_are_read():
    net = recurrent_network()
    found, refused = square_matrices(net)
    assert len(found) == 3 and {m.population for m in found} == {"rnn.l0:hidden"}
    stored = np.asarray(net.tensors["rnn.weight_hh_l0"])
    for gate, matrix in enumerate(found):
        assert np.array_equal(matrix.values, stored[32 * gate : 32 * gate + 32])
    reasons = {r.name: r.reason for r in refused}
    assert "two populations in orders of their own" in reasons["fc1.weight"]
    assert "rectangular" in reasons["fc2.weight"]
    reading = read_network(net, draws=4, rng=1)
    assert len(reading.readings) == 3 and "refused fc1.weight" in str(reading)
    assert set(reading.to_dataframe()["name"]) == {m.name for m in found}


def test_caller_may_know_better():
    joins = [(("fc1.weight", "out"), ("fc1.weight", "in"))]
    net = nnrg.load({"fc1.weight": some_weights()})
    with pytest.raises(AnalysisError, match="two populations"):
        read_network(net, rng=1)
    assert [m.name for m in square_matrices(net, joins=joins)[0]] == ["fc1.weight"]


def test_query_and_key_make_one_matrix_of_the_stream():
    rng = np.random.default_rng(5)
    names = [f"encoder.layer.0.attention.self.{w}.weight" for w in ("query", "key", "value")]
    arrays = {name: rng.normal(size=(24, 32)) for name in names}
    arrays["encoder.layer.0.attention.output.dense.weight"] = rng.normal(size=(32, 24))
    net = nnrg.load(arrays)
    (product,), refused = square_matrices(net)
    assert product.name == "encoder.layer.0.attention.self.[query^T key]"
    assert set(product.tensors) == set(names[:2])
    expected = arrays[names[0]].T @ arrays[names[1]]
    np.testing.assert_allclose(product.values, expected, rtol=1e-12)
    assert len(refused) == 2
    heads, _ = square_matrices(net, heads=4)
    assert len(heads) == 4
    np.testing.assert_allclose(sum(h.values for h in heads), expected, rtol=1e-9)


def test_network_reading_refuses_other_things():
    with pytest.raises(ArgumentError, match="expected a Network"):
        read_network(some_weights())
    with pytest.raises(ArgumentError, match="no trained tensor"):
        read_network(recurrent_network(), ["nothing"])


# What is refused, in a line, wherever it is given.


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: HamiltonianNet.linear(1j * np.eye(2)), "got complex ones"),
        (lambda: KleinGordonLattice(8).advance(1j * np.ones(8), np.ones(8), 3), "complex ones"),
        (lambda: HamiltonianNet(3, np.sinh), "activation_slope must be a function"),
        (lambda: KleinGordonLattice(8, mass=1e200), "mass must be at most"),
        (lambda: DiracLattice(8, spacing=1e-200), "spacing must be at least"),
        (lambda: DiracLattice((8, 8)).frequency(np.ones((3, 5))), r"k must have shape \(2, ...\)"),
        (lambda: DiracLattice(8).frequency("a"), "k must be an array of real numbers"),
        (lambda: KleinGordonLattice(8).frequency([np.nan]), "k holds NaN"),
        (lambda: CayleyStep([["a"]], 0.1), "generator must be a square matrix"),
        (lambda: CayleyStep(np.zeros((0, 0)), 0.1), "generator must be square"),
        (lambda: CayleyStep(np.full((2, 2), np.nan), 0.1), "generator holds NaN"),
        (lambda: CayleyStep(np.zeros((2, 2)), 0.1)(["a", "b"]), "hold numbers"),
        (lambda: CayleyStep(np.zeros((2, 2)), 0.1)([0.0, np.nan]), "psi holds NaN"),
        (lambda: CayleyStep(np.zeros((4, 4)), 0.1, [1, 1j, 1]), "one for each site of 4"),
        (lambda: CayleyStep(np.zeros((4, 4)), 0.1, [2.0]), "phases of modulus 1"),
        (lambda: clifford_check("a", np.eye(2)), "alpha must be an array of real numbers"),
        (lambda: clifford_check(np.eye(2)[None], np.full((2, 2), np.nan)), "must be finite"),
        (lambda: clifford_check(np.zeros((0, 2, 2)), np.eye(2)), "alpha must have shape"),
        (lambda: DiracLattice(8).weights(3), "links must be GaugeLinks"),
        (lambda: KleinGordonLattice(8).weights(GaugeLinks.free(9)), "got those of"),
        (lambda: covariance_residual(3, GaugeLinks.free(4), np.zeros(4)), "build must make"),
        (lambda: FieldHistory("a", 0.1), "values must be an array"),
        (lambda: FieldHistory(np.ones((64, 1, 8)), 0.0), "interval must be above 0"),
        (lambda: measure_dispersion(3), "must be a FieldHistory"),
        (lambda: measure_dispersion(history(), expected=lambda k: np.ones(3)), "for each of"),
        (lambda: fit_dispersion(3), "expected a Dispersion"),
        (lambda: fit_dispersion(some_waves(), relation="maxwell"), "relation must be one of"),
        (lambda: fit_dispersion(some_waves(), relation="klein_gordon"), "has a step of time"),
        (lambda: KleinGordonLattice(64).evolve(*np.ones((2, 64)), records=1 << 26), "records of"),
        (lambda: outer_net().run([1.0, 2.0], [1.0, 0.0], dt=0.1, steps=2), "must return shape"),
        (lambda: read_weights(some_weights(), order=np.zeros(32, int)), "each of 0 to 31 once"),
        (lambda: read_network(recurrent_network(), neighbours="near"), "neighbours must be one"),
        (lambda: read_network(recurrent_network(), colour=3), "options must be among"),
        (lambda: read_network(recurrent_network(), graphs=3), "graphs must be by name"),
        (lambda: brillouin_path((8, 6)), "equal even lengths"),
        (lambda: brillouin_path(9), "equal even lengths"),
        (lambda: read_network(recurrent_network(), "rnn.weight_hh_l0"), "must be a list of"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises((ArgumentError, NonFiniteError), match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def outer_net():
    return HamiltonianNet(lambda beta: np.outer(beta, beta), np.sinh)


def some_waves():
    start = np.random.default_rng(1).normal(size=(2, 16))
    return measure_dispersion(KleinGordonLattice(16, dt=0.2).evolve(*start, records=100))


def test_rounding_does_not_make_weights_asymmetric():
    a = np.random.default_rng(6).normal(size=(20, 20))
    m = a @ np.diag(np.arange(1.0, 21)) @ a.T
    assert np.abs(m - m.T).max() > 0
    assert mode_frequencies(m, dt=0.01).growth_rate == 0
    run = HamiltonianNet.linear(m).run(np.ones(20), np.ones(20), dt=0.01, steps=200)
    assert run.drift < 1e-10


def test_a_massless_lattice_has_no_growing_mode():
    found = mode_frequencies(KleinGordonLattice(12, mass=0.0).weights().toarray(), dt=0.1)
    assert found.growth_rate == 0 and ", 0 growing" in str(found)


def test_a_symmetric_mass_matrix_is_no_dirac():
    alpha = np.array([[[0.0, 1.0], [1.0, 0.0]]])
    assert clifford_check(alpha, np.diag([1.0, -1.0])).squares == 1


def test_frequencies_beyond_the_records_are_flagged():
    lattice = KleinGordonLattice(16, mass=1.0, dt=0.1)
    start = np.random.default_rng(2).normal(size=(2, 16))
    slow = lattice.evolve(*start, records=100, every=20)
    found = measure_dispersion(slow, expected=lattice.frequency)
    beyond = found.expected > np.pi / 2
    assert beyond.any() and not beyond.all()
    assert [f.startswith("faster than") for f in found.flags] == beyond.tolist()
    assert found.largest_deviation < 1e-10


def test_noise_is_no_second_frequency_and_no_first():
    """Fisher's test at a chance of 1e-5, of 35 modes."""
    lattice = KleinGordonLattice(64, mass=1.0, dt=0.2)
    rng = np.random.default_rng(3)
    values = lattice.evolve(*rng.normal(size=(2, 64)), records=300).values
    noisy = measure_dispersion(FieldHistory(values + 0.3 * rng.normal(size=values.shape), 0.2))
    assert noisy.residual.mean() > 0.05 and noisy.good.all()
    alone = measure_dispersion(FieldHistory(rng.normal(size=values.shape), 0.2), [3, 9])
    assert set(alone.flags) == {"no frequency stands out of the noise"}


def test_reciprocity_is_a_correlation():
    """A diagonal of one sign leaves a mean off it that is no reciprocity."""
    rng = np.random.default_rng(4)
    w = 3 * np.eye(64) + 0.02 * rng.normal(size=(64, 64))
    found = read_weights(w, draws=4, levels=0, rng=1, spectrum=False).estimate("reciprocity")
    off = ~np.eye(64, dtype=bool)
    expected = np.corrcoef(w[off], w.T[off])[0, 1]
    assert found.value == pytest.approx(expected, rel=1e-9) and abs(expected) < 0.1


def test_a_diagonal_alone_is_no_wave():
    w = 3 * np.eye(64) + 0.02 * np.random.default_rng(4).normal(size=(64, 64))
    reading = read_weights(w, draws=32, levels=0, rng=1, spectrum=False)
    assert reading.estimate("klein_gordon").value > 0.9
    assert reading.estimate("kinetic").value < 0.01
    distance = reading.estimate("klein_gordon_distance").value
    assert distance == pytest.approx(np.sqrt(1 - reading.estimate("klein_gordon").value))
    assert reading.z("klein_gordon_distance") == pytest.approx(-reading.z("klein_gordon"))


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_of_the_weights_do_not_matter(unit):
    one, other = (read_weights(some_weights() * u, draws=4, rng=1) for u in (1.0, unit))
    for q, name in enumerate(one.quantities):
        factor = unit if name in ("on_site", "stiffness") else 1.0
        np.testing.assert_allclose(other.values[:, q], one.values[:, q] * factor, rtol=1e-9)
        near = {"atol": 1e-12 * factor, "rtol": 1e-6}
        np.testing.assert_allclose(other.errors[:, q], one.errors[:, q] * factor, **near)


def test_signs_keep_rows_and_columns_of_unequal_size():
    rng = np.random.default_rng(5)
    w = rng.normal(size=(48, 48)) * np.exp(rng.normal(size=48))
    reading = read_weights(w, draws=4, levels=0, rng=1)
    for quantity in ("diagonal", "variance"):
        assert np.isnan(reading.z(quantity, 1, "signs"))
    assert np.isfinite(reading.z("reciprocity", 1, "signs"))


def test_readings_of_a_network_are_judged_together_and_say_where_from():
    net = recurrent_network()
    reading = read_network(net, draws=8, levels=0, rng=1)
    together = reading.chances("reciprocity", "signs")
    single = [student_p_values(r.z("reciprocity", 1, "signs"), 8) for r in reading.readings]
    np.testing.assert_allclose(together, adjust_p_values(single, "holm"))
    assert np.isnan(reading.chances("symmetric", "independent", 16)).all()
    assert reading.attrs["sha256"] == net.sha256() and reading.attrs["seed"]
    assert "assumed:" in str(reading)


def hidden_line(n=64):
    """First differences and hops of a line, its neurons mixed, their places in other weights."""
    at = np.arange(n)
    order = np.random.default_rng(7).permutation(n)
    difference = np.eye(n, k=1) - np.eye(n, k=-1)
    hop = np.eye(n, k=1) + np.eye(n, k=-1)
    incoming = np.exp(-0.5 * ((at[:, None] - np.arange(0, n, 4)) / 4) ** 2)
    noise = 0.2 * np.random.default_rng(8).normal(size=(n, n))
    weights = (difference + 0.5 * hop + noise)[np.ix_(order, order)]
    net = nnrg.load({"rnn.weight_hh_l0": weights, "rnn.weight_ih_l0": incoming[order]})
    return net, order


def test_other_weights_tell_which_neurons_are_neighbours():
    net, order = hidden_line()
    common = {"names": ["rnn.weight_hh_l0"], "draws": 16, "rng": 1, "levels": 1}
    (plain,) = read_network(net, **common).readings
    (line,) = read_network(net, neighbours="seriation", **common).readings
    (graph,) = read_network(net, neighbours="similarity", **common).readings
    assert plain.estimate("dirac").value < 0.05 and plain.estimate("kinetic").value < 0.05
    assert line.estimate("dirac").value > 0.4 and line.z("dirac", 1, "relabelled") > 10
    assert line.estimate("kinetic").value > 0.1 and line.z("kinetic", 1, "relabelled") > 6
    assert graph.z("kinetic", 1, "relabelled") > 6 and np.isnan(graph.estimate("dirac").value)
    assert any("slowest mode of the graph" in note for note in line.notes)
    values = np.asarray(net.tensors["rnn.weight_hh_l0"])
    known = read_weights(values, order=np.argsort(order), draws=16, rng=1, levels=1)
    # 126 of the differences, and half of 0.04 n^2 of the noise.
    assert known.estimate("dirac").value == pytest.approx(126 / (126 + 0.02 * 64**2), abs=0.05)


def test_names_on_screen_tell_matrices_apart():
    reading = read_network(recurrent_network(), draws=4, levels=0, rng=1)
    assert reading.short_names == ("…weight_hh_l0[r]", "…weight_hh_l0[z]", "…weight_hh_l0[n]")
    assert "…weight_hh_l0[z]" in str(reading)


def test_without_other_weights_there_are_no_neighbours():
    net = nnrg.load({"rnn.weight_hh_l0": some_weights()})
    found = read_network(net, neighbours="similarity", draws=4, rng=1)
    assert not found.readings and len(found.refused) == 1


def test_arrays_of_others_stay_writeable():
    values = np.ones((64, 1, 8))
    record = FieldHistory(values, 0.1)
    assert values.flags.writeable and not record.values.flags.writeable


def test_the_chance_of_a_frequency_in_noise_counts_those_between_lines():
    """Of 300 series of noise a tenth at most is called as rare: 0.15 is three errors off."""
    rng, times = np.random.default_rng(5), np.arange(64.0)
    noise = rng.normal(size=(300, 64, 1)) + 0j
    chances = [noise_chance(fit_frequency(times, y)[1], 32, fitted=True) for y in noise]
    assert 0.04 < np.mean(np.array(chances) < 0.1) < 0.15


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda h: measure_dispersion(h, expected=3), "a function of momenta"),
        (lambda h: measure_dispersion(h, expected=lambda k: "a"), "what expected returns"),
        (lambda h: brillouin_path(8).between(0), "points must be"),
        (lambda h: GaugeLinks.free(4).electric_plaquettes(GaugeLinks.free(5)), "links must be"),
        (lambda h: GaugeLinks.from_tensors(h), "must be GaugeTensors"),
        (lambda h: symplectic_check(h, [1.0], [1.0], dt=0.1), "must be a HamiltonianNet"),
        (lambda h: read_network(recurrent(), joins=3), "joins must be"),
        (lambda h: read_network(recurrent(), graphs={"fc": None}), "rnn.l0:hidden"),
    ],
)
def test_what_is_no_formula_and_no_path_is_named(call, match):
    history = KleinGordonLattice(8).evolve(np.ones(8), np.ones(8), records=100)
    with pytest.raises(ArgumentError, match=match):
        call(history)


def recurrent():
    return nnrg.load({"rnn.weight_hh_l0": some_weights(), "rnn.weight_ih_l0": np.ones((32, 2))})


@pytest.mark.parametrize("unit", [1e200, 1e-200])
def test_units_of_a_field_do_not_matter(unit):
    history = KleinGordonLattice(8, dt=0.2).evolve(*np.eye(8)[:2], records=100)
    found = measure_dispersion(FieldHistory(unit * history.values, history.interval))
    np.testing.assert_allclose(found.omega, measure_dispersion(history).omega, rtol=1e-9)
