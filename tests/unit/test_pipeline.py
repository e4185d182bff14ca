"""From a network to its flows: what is measured, what is left out and why, in which streams."""

import subprocess
import sys

import numpy as np
import pytest
from cli.runs import NULLS, SEED, SITES, run, same, same_run, weights, write_model

import nnrg
from nnrg import _parts
from nnrg._selection import check_sites, field_of, is_natural
from nnrg._workers import Worker, Workers
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.pipeline import _work, estimate_seconds
from nnrg.rg.nulls import DefaultNulls


def flows(tensors=("*",), *, source=None, **options):
    options = {"sites": SITES, "nulls": NULLS, "rng": SEED, **options}
    return nnrg.flow_network(nnrg.load(source or weights()), tensors=tensors, **options)


def test_the_order_is_that_of_the_file_and_biases_are_left_out():
    assert list(run()) == [n for n in weights() if n != "fc1.bias"]
    assert list(run().left_out) == ["fc1.bias"]


@pytest.mark.parametrize("name", ["fc1.weight", "last.weight"])
def test_numbers_do_not_depend_on_what_else_is_measured(name):
    sites = SITES if name in SITES else None
    alone = flows((name,), sites=sites)
    assert list(alone) == [name]
    same(alone[name].cumulants, run()[name].cumulants)
    same(alone[name].couplings, run()[name].couplings)


def test_tensors_have_streams_of_their_own():
    x = weights()["fc2.weight"]
    both = flows(source={"a": x, "b": x.copy()}, sites=None, units="index")
    a, b = (both[n].cumulants for n in both)
    np.testing.assert_array_equal(a.values, b.values)
    assert np.all(a.nulls["permutation"][:, 1:, 1] != b.nulls["permutation"][:, 1:, 1])


def test_another_seed_draws_other_nulls():
    again = flows(("fc2.weight",), sites=None, rng=SEED + 1)["fc2.weight"].cumulants
    ours = run()["fc2.weight"].cumulants
    np.testing.assert_array_equal(again.values, ours.values)
    assert np.all(again.nulls["permutation"][:, 1:, 1] != ours.nulls["permutation"][:, 1:, 1])


def test_fields_on_natural_lattices_are_measured_first():
    order = []
    backwards = dict(reversed(weights().items()))
    result = flows(source=backwards, progress=lambda name, *_: order.append(name.split()[0]))
    assert list(result) == [n for n in backwards if n != "fc1.bias"]
    assert list(dict.fromkeys(order)) == [
        "fc1.weight",
        "embeddings.position_embeddings.weight",
        "last.weight",
        "fc2.weight",
    ]


def test_a_constant_tensor_is_left_out_with_its_reason():
    zeros = {"w": weights()["fc2.weight"], "zero.weight": np.zeros((64, 64), np.float32)}
    result = flows(source=zeros, sites=None)
    assert list(result) == ["w"]
    assert "constant" in result.left_out["zero.weight"]


def test_a_tensor_asked_for_by_name_must_be_measurable():
    zeros = {"w": weights()["fc2.weight"], "zero.weight": np.zeros((64, 64), np.float32)}
    with pytest.raises(AnalysisError, match="constant"):
        flows(("zero.weight",), source=zeros, sites=None)
    assert list(flows(("[wz]*",), source=zeros, sites=None)) == ["w"]


def test_a_name_with_brackets_is_taken_as_it_is():
    x = weights()["fc2.weight"]
    assert list(flows(("a[0]",), source={"a[0]": x, "a0": 2 * x}, sites=None)) == ["a[0]"]


def test_every_pattern_must_match():
    with pytest.raises(ArgumentError, match=r"'conv\*'; there are embeddings"):
        flows(("fc1*", "conv*"))
    with pytest.raises(ArgumentError, match=r"lattice for 'conv\*'"):
        flows(sites={**SITES, "conv*": nnrg.Lattice(4)})


def test_a_buffer_asked_for_is_refused_with_its_reason():
    net = nnrg.load(weights(), buffers=["fc2*"])
    with pytest.raises(ArgumentError, match=r"fc2\.weight' is left out"):
        nnrg.flow_network(net, tensors=["fc2.weight"])


def test_one_lattice_for_all_is_used_where_it_fits():
    result = flows(sites=SITES["fc1.weight"])
    assert result["fc1.weight"].couplings.attrs["lattice"].startswith("Lattice(16 x 16")
    assert not result["fc2.weight"].natural
    same_run(
        nnrg.Run({"fc1.weight": result["fc1.weight"]}),
        nnrg.Run({"fc1.weight": run()["fc1.weight"]}),
    )


@pytest.mark.parametrize("taps", [(8, 8), (3, 3)])
def test_a_lattice_of_taps_is_used_however_it_is_given(taps):
    lattice = nnrg.Lattice(taps, periodic=True)
    net = nnrg.load({"conv.weight": np.ones((16, 4, *taps)), "fc.weight": np.ones((5, 16))})
    for sites in (lattice, {"conv.*": lattice}, {"conv.weight": lattice}):
        check_sites(sites, ["conv.weight"], net)
        assert field_of(net, "conv.weight", sites, by_name=False).sites == lattice
        assert is_natural(net, "conv.weight", sites)
    # As many sites as there are taps, but another shape.
    other, own = nnrg.Lattice(taps[0] ** 2), net.field("conv.weight").sites
    assert field_of(net, "conv.weight", {"*": other}, by_name=False).sites == own


def test_a_lattice_named_for_a_tensor_must_fit():
    with pytest.raises(ArgumentError, match="no axis of tensor"):
        flows(("fc2.weight",), sites={"fc2.weight": nnrg.Lattice((5, 5))})


def test_vectors_in_index_order_are_measured_when_named():
    source = {"b": np.random.default_rng(3).normal(size=256), "w": weights()["fc2.weight"]}
    assert list(flows(source=source, sites=None)) == ["w"]
    assert list(flows(("b",), source=source, sites=None)) == ["b"]


def test_nothing_to_measure_says_why():
    with pytest.raises(AnalysisError, match=r"no tensor has a flow.*constant"):
        flows(source={"zero.weight": np.zeros((64, 64))}, sites=None)
    with pytest.raises(ArgumentError, match="fewer levels"):
        flows(levels=40)


def test_nonfinite_numbers_are_an_error_or_left_out():
    bad = weights()["fc2.weight"].copy()
    bad[3, 4] = np.nan
    source = {"w": weights()["fc2.weight"], "bad.weight": bad}
    with pytest.raises(NonFiniteError, match="allow_nonfinite"):
        flows(source=source, sites=None)
    net = nnrg.load(source, allow_nonfinite=True)
    result = nnrg.flow_network(net, nulls=(), rng=1)
    assert list(result) == ["w"]
    assert "NaN" in result.left_out["bad.weight"]


# -- interrupted runs --------------------------------------------------------------------------


class _Interrupt:
    """Progress that is interrupted at the n-th tensor, as by Ctrl-C."""

    def __init__(self, at):
        self.at = at
        self.seen = []

    def __call__(self, name, done, of):
        if name not in self.seen:
            self.seen.append(name)
        if len(self.seen) == self.at:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        flows(keep=tmp_path, progress=_Interrupt(3), rng=None)
    assert len(list(tmp_path.glob("*.nc"))) == 2
    watch = _Interrupt(99)
    resumed = flows(keep=tmp_path, progress=watch, rng=None)
    assert [s.split()[0] for s in watch.seen] == ["fc2.weight", "last.weight"]
    same_run(resumed, flows(rng=int(resumed.attrs["seed"])))


def test_parts_of_other_settings_are_not_taken(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        flows(keep=tmp_path, progress=_Interrupt(3))
    for options in ({"rng": SEED + 1}, {"levels": 3}, {"rescale": 0.5}):
        watch = _Interrupt(99)
        flows(keep=tmp_path, progress=watch, **options)
        assert len(watch.seen) == 4


def test_a_damaged_part_is_measured_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        flows(keep=tmp_path, progress=_Interrupt(3))
    for part in tmp_path.glob("*.nc"):
        part.write_bytes(part.read_bytes()[:2000])
    same_run(flows(keep=tmp_path), run())


def test_short_runs_write_no_parts_and_long_ones_do(tmp_path, monkeypatch):
    flows(keep=tmp_path / "short")
    assert not (tmp_path / "short").exists()
    monkeypatch.setattr(_parts, "PATIENCE", 0.0)
    flows(keep=tmp_path / "long")
    assert len(list((tmp_path / "long").glob("*.nc"))) == 4


def test_no_field_outlives_its_measurement(monkeypatch, tmp_path):
    import gc
    import weakref

    fields = []
    real = _work.renormalize

    def watched(field, *args, **options):
        gc.collect()
        assert all(old() is None for old in fields)
        fields.append(weakref.ref(field.values.base))
        return real(field, *args, **options)

    monkeypatch.setattr(_work, "renormalize", watched)
    net = nnrg.load(write_model(tmp_path / "model.safetensors"))
    nnrg.flow_network(net, sites=SITES, nulls=NULLS, rng=SEED)
    assert len(fields) == 4


# -- null models of many fields ------------------------------------------------------------------


def layered():
    rng = np.random.default_rng(5)
    return nnrg.load(
        {f"fc{i}.weight": rng.normal(size=s) for i, s in enumerate(((40, 32), (48, 40), (24, 48)))}
    )


def null_names(run):
    return {name: list(one.couplings.nulls) for name, one in run.measurements.items()}


@pytest.mark.parametrize(
    ("tensors", "full"),
    [
        (("*",), ["fc1.weight"]),
        (("*", "fc2.weight"), ["fc1.weight", "fc2.weight"]),
        (("fc0.weight",), ["fc0.weight"]),
        (("fc[02].weight",), ["fc0.weight"]),
    ],
)
def test_the_largest_fields_and_those_asked_for_have_all_null_models(monkeypatch, tensors, full):
    """Of as many numbers as may be drawn; the others have the permutation, and say so."""
    monkeypatch.setattr(_work, "_FURTHER_NUMBERS", 48 * 40 * 3 * 3)
    brief = nnrg.flow_network(layered(), tensors=tensors, nulls=DefaultNulls(3), rng=1)
    monkeypatch.undo()
    whole = nnrg.flow_network(layered(), tensors=tensors, nulls=DefaultNulls(3), rng=1)
    assert whole.attrs["nulls_in_full"] == "all"
    for name, names in null_names(whole).items():
        assert names[:3] == ["permutation", "configuration", "gaussian"]
        ours = brief[name].couplings
        told = "so large a network" in ours.attrs["notes"]
        assert told == (name not in full)
        assert list(ours.nulls) == (names if name in full else ["permutation"])
        for one, other in ((ours, whole[name].couplings), (brief[name], whole[name])):
            one, other = getattr(one, "cumulants", one), getattr(other, "cumulants", other)
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.nulls["permutation"], other.nulls["permutation"])
    everything = full == list(brief)
    assert brief.attrs["nulls_in_full"] == ("all" if everything else ", ".join(full))


def test_null_models_asked_for_are_run_on_all_fields(monkeypatch):
    monkeypatch.setattr(_work, "_FURTHER_NUMBERS", 0.0)
    nulls = (nnrg.NullModel("permutation", 3), nnrg.NullModel("gaussian", 3))
    run = nnrg.flow_network(layered(), nulls=nulls, rng=1)
    assert set(map(tuple, null_names(run).values())) == {("permutation", "gaussian")}
    assert "nulls_in_full" not in run.attrs


def test_null_models_that_a_field_cannot_have_leave_it_the_others():
    nulls = (nnrg.NullModel("permutation", 3), nnrg.NullModel("phase", 3))
    run = nnrg.flow_network(layered(), nulls=nulls, rng=1)
    assert null_names(run)["fc0.weight"] == ["permutation", "phase"]
    single = run["fc1.weight"].couplings  # a matrix between two graphs is one sample
    assert list(single.nulls) == ["permutation"]
    assert "null model 'phase' left out: field 'fc1.weight' has 1 samples" in single.attrs["notes"]
    with pytest.raises(AnalysisError, match="take the null model 'gaussian'"):
        nnrg.flow_network(layered(), tensors="fc1.weight", nulls=nulls, rng=1)


# -- several processes -------------------------------------------------------------------------


@pytest.fixture
def eager(monkeypatch):
    """However small the work, it is shared."""
    monkeypatch.setattr(_work, "_WORTH_A_PROCESS", 0.0)


@pytest.fixture(scope="module")
def processes():
    with Workers(3) as workers:
        yield workers


@pytest.fixture
def three(eager, processes):
    """Three processes that are ready to take work."""
    for worker in processes.others():
        worker.ready()
    return processes


@pytest.fixture
def elsewhere(monkeypatch):
    """Results of the other process."""
    real, results = Worker.wait, []

    def wait(self, *arguments):
        results.append(real(self, *arguments))
        return results[-1]

    monkeypatch.setattr(Worker, "wait", wait)
    return results


def layouts():
    """Tensors whose fields are views: kernels, a transposed matrix, numbers of 16 bits."""
    rng = np.random.default_rng(8)
    return {
        "conv.weight": rng.normal(size=(12, 3, 8, 8)).astype(np.float32),
        "proj.weight": np.asfortranarray(rng.normal(size=(64, 96))),
        "half.weight": rng.normal(size=(64, 64)).astype(np.float16),
        "position_embeddings.weight": np.cumsum(rng.normal(size=(64, 12)), axis=0)[:, ::-1],
        "fc.weight": rng.normal(size=(96, 64)).astype(np.float32),
    }


def test_numbers_do_not_depend_on_the_number_of_processes(three, elsewhere):
    options = {"source": layouts(), "sites": None}
    for standardise in (False, True):
        expected = flows(standardise=standardise, **options)
        same_run(flows(standardise=standardise, workers=three, **options), expected)
    assert len(elsewhere) >= 4


def test_steps_of_all_processes_are_told(three, elsewhere):
    last = {}
    result = flows(
        workers=three, progress=lambda name, *step: last.update({name.split()[0]: tuple(step)})
    )
    same_run(result, run())
    assert last == dict.fromkeys(run(), (5, 5))
    assert len(elsewhere) >= 2


def test_what_another_process_refuses_is_left_out_or_an_error(three, elsewhere):
    x = weights()["fc2.weight"]
    source = {"a": x, "b": np.zeros((64, 64)), "c": np.ones((64, 64)), "d": x[::-1].copy()}
    result = flows(source=source, sites=None, workers=three)
    assert list(result) == ["a", "d"]
    assert all("constant" in result.left_out[name] for name in "bc")
    assert elsewhere
    with pytest.raises(AnalysisError, match="constant"):
        flows(("b", "c"), source=source, sites=None, workers=three)


def test_what_cannot_be_sent_is_measured_here(three, elsewhere):
    class Own(nnrg.GridBlocks):
        """Of no module: another process does not know it."""

    same_run(flows(blocks=Own(2), workers=three), flows(blocks=Own(2)))
    assert not elsewhere


def test_what_ended_processes_leave_is_measured_here(three, elsewhere):
    for worker in three.others():
        worker.stop()
    same_run(flows(workers=three), run())
    assert not elsewhere
    three.close()


def test_an_interrupted_run_of_several_processes_goes_on_where_it_was(three, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        flows(keep=tmp_path, progress=_Interrupt(3), workers=three)
    kept = len(list(tmp_path.glob("*.nc")))
    assert 1 <= kept <= 3
    watch = _Interrupt(99)
    same_run(flows(keep=tmp_path, progress=watch, workers=2), run())
    assert len(watch.seen) == 4 - kept


def test_a_script_needs_no_guard(tmp_path):
    model = write_model(tmp_path / "model.safetensors")
    script = tmp_path / "script.py"
    script.write_text(
        "import nnrg, sys\n"
        "from nnrg.pipeline import _work\n"
        "_work._WORTH_A_PROCESS = 0.0\n"
        "print('once')\n"
        "nulls = (nnrg.NullModel('permutation', 4),)\n"
        "sites = {'fc1.weight': nnrg.Lattice((16, 16), axes=('row', 'column'))}\n"
        "net = nnrg.load(sys.argv[1])\n"
        f"run = nnrg.flow_network(net, sites=sites, nulls=nulls, rng={SEED}, workers=2)\n"
        "run.save('run.nc')\n"
    )
    words = [sys.executable, str(script), str(model)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("once\n", "")
    same_run(nnrg.open_results(tmp_path / "run.nc"), run())


@pytest.mark.parametrize("workers", [0, 1.5, "2"])
def test_the_number_of_processes_is_a_positive_integer(workers):
    with pytest.raises(ArgumentError, match="workers"):
        flows(workers=workers)


def test_in_canonical_gauge_scales_of_hidden_units_do_not_matter():
    rng = np.random.default_rng(8)
    first, bias, second = rng.normal(size=(40, 24)), rng.normal(size=40), rng.normal(size=(36, 40))
    scale = np.exp(rng.normal(size=40))
    here = {"fc1.weight": first, "fc1.bias": bias, "fc2.weight": second}
    there = {
        "fc1.weight": first * scale[:, None],
        "fc1.bias": bias * scale,
        "fc2.weight": second / scale,
    }
    a, b = (flows(source=net, sites=None, gauge="relu") for net in (here, there))
    assert a.attrs["gauge"] == "relu"
    for name in a:
        np.testing.assert_allclose(a[name].cumulants.values, b[name].cumulants.values, rtol=1e-6)
    c = flows(source=there, sites=None)
    assert np.any(np.abs(c["fc2.weight"].cumulants.values - b["fc2.weight"].cumulants.values) > 1)


def test_an_unknown_gauge_is_refused():
    with pytest.raises(ArgumentError, match="activation"):
        flows(gauge="step")


def test_many_small_tensors_are_not_thought_to_take_no_time():
    # 16000 numbers: by their number alone a hundredth of a second.
    net = nnrg.load({f"l{i}.weight": np.ones((4, 4)) for i in range(1000)})
    assert 20 < estimate_seconds(net, 20) < 200
    assert estimate_seconds(net, 20) == pytest.approx(7 * estimate_seconds(net, 2))
