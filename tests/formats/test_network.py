"""Network: roles, axes, populations, what is left out, and the printed table."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

import nnrg
from nnrg.errors import ArgumentError, FormatError, NNRGError
from nnrg.networks._finite import count_nonfinite
from nnrg.networks._raw import numpy_dtype
from nnrg.networks._source import TensorSpec
from nnrg.networks.roles import assign_roles


def roles(shapes, dtype="float32", **options):
    specs = {name: TensorSpec(name, tuple(shape), dtype) for name, shape in shapes.items()}
    return assign_roles(specs, **options)


def network(shapes, **options):
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return nnrg.load(arrays, **options)


BERT = "encoder.layer.0."


@pytest.mark.parametrize(
    ("name", "shape", "kind", "layout"),
    [
        ("fc.weight", (10, 64), "weight", "OI"),
        ("lm_head.weight", (30522, 384), "weight", "OI"),
        (BERT + "attention.self.query.weight", (384, 384), "weight", "OI"),
        (BERT + "attention.self.query.bias", (384,), "bias", "O"),
        (BERT + "output.LayerNorm.weight", (384,), "normalisation", "C"),
        (BERT + "output.LayerNorm.bias", (384,), "normalisation", "C"),
        ("transformer.ln_f.weight", (768,), "normalisation", "C"),
        ("bn1.weight", (64,), "normalisation", "C"),
        ("model.norm.weight", (64,), "normalisation", "C"),
        ("prelu1.weight", (10,), "vector", "C"),
        ("conv1.weight", (16, 3, 5, 5), "conv", "OIHW"),
        ("conv.weight", (128, 129, 3), "conv", "OIK"),
        ("conv3d.weight", (8, 4, 3, 3, 3), "conv", "OIDHW"),
        ("embeddings.word_embeddings.weight", (30522, 384), "embedding", "VC"),
        ("embeddings.position_embeddings.weight", (512, 384), "position embedding", "LC"),
        ("wte.weight", (50257, 768), "embedding", "VC"),
        ("wpe.weight", (1024, 768), "position embedding", "LC"),
        ("vit.pos_embed", (1, 197, 192), "position embedding", "NLC"),
        ("enc_emb", (29, 256), "embedding", "VC"),
        ("patch_embed.proj.weight", (192, 3, 16, 16), "conv", "OIHW"),
        ("logit_scale", (), "scalar", ""),
        ("gate", (1,), "scalar", "N"),
        ("final.bias", (1,), "bias", "O"),
        ("moe.experts.gate_up_proj", (8, 64, 128), "weight", "???"),
    ],
)
def test_role_and_layout_of_one_tensor(name, shape, kind, layout):
    role = roles({name: shape})[name]
    assert (role.kind, role.spec.layout, role.reason) == (kind, layout, "")
    assert len(role.populations) == len(shape)


@pytest.mark.parametrize(
    ("name", "shape", "word"),
    [
        ("bn.running_mean", (8,), "running statistics"),
        ("bn.running_var", (8,), "running statistics"),
        ("bn.num_batches_tracked", (), "running statistics"),
        ("batch_normalization/moving_mean:0", (8,), "running statistics"),
        ("batch_normalization/moving_variance:0", (8,), "running statistics"),
        ("batch_stats.bn.mean", (8,), "running statistics"),
        ("embeddings.position_ids", (1, 512), "position indices"),
        ("layers.0.self_attn.rotary_emb.inv_freq", (32,), "rotary"),
        ("stft_conv.weight", (258, 1, 256), "spectral basis"),
        ("stft.forward_basis_buffer", (258, 1, 256), "spectral basis"),
        ("cqt_kernels_real", (36, 1, 256), "spectral basis"),
        ("mel_basis", (80, 201), "spectral basis"),
        ("h.0.attn.bias", (1, 1, 64, 64), "causal mask"),
        ("h.0.attn.masked_bias", (), "mask"),
        ("decoder.causal_mask", (64, 64), "mask"),
        ("fc.weight_mask", (3, 2), "mask"),
        ("mel_scale.fb", (201, 80), "spectral basis"),
        ("spectrogram.window", (400,), "spectral basis"),
        ("pos_encoder.pe", (500, 1, 64), "sinusoidal"),
        ("optimizer.state.0.exp_avg", (8, 8), "optimiser"),
        ("fc.weight.exp_avg_sq", (8, 8), "optimiser"),
        ("optimizer_weights/Adam/m", (8, 8), "optimiser"),
    ],
)
def test_fixed_tensors_are_left_out_and_named(name, shape, word):
    net = network({name: shape, "fc.weight": (3, 2)})
    (left_out,) = net.skipped
    assert left_out.name == name and word in left_out.reason
    assert left_out.size == int(np.prod(shape))
    assert net.n_parameters == 6
    assert name not in net.tensors
    assert name in str(net)
    kind = "optimiser state" if word == "optimiser" else "buffer"
    assert net.roles[name].kind == kind


@pytest.mark.parametrize(
    "name",
    [
        "mask_token",
        "mask_head.conv.weight",
        "stft_encoder.weight",
        "window_proj.weight",
        "type.weight",
        "spec.weight",
        "banknote.weight",
        "running_meaning.weight",
        "mask_token_proj.weight",
        "specific.weight",
        "ema_gate_proj.weight",
        "optimus.weight",
        "window_attention.weight",
    ],
)
def test_names_that_only_look_fixed_are_trained(name):
    assert roles({name: (4, 4)})[name].trained


@pytest.mark.parametrize(("gates", "packed"), [(4, "ifgo"), (3, "rzn"), (1, "")])
def test_gates_are_told_from_the_hidden_size(gates, packed):
    hidden, inputs = 6, 18  # inputs = 3 hidden: only weight_hh tells the hidden size
    found = roles(
        {
            "rnn.weight_ih_l0": (gates * hidden, inputs),
            "rnn.weight_hh_l0": (gates * hidden, hidden),
            "rnn.bias_ih_l0": (gates * hidden,),
            "rnn.bias_hh_l0": (gates * hidden,),
        }
    )
    assert {role.spec.gates for role in found.values()} == {packed}
    kinds = [role.kind for role in found.values()]
    assert kinds == ["recurrent", "recurrent", "bias", "bias"]
    assert found["rnn.weight_ih_l0"].populations == ("rnn.l0:out", "rnn.l0:in")
    assert found["rnn.weight_hh_l0"].populations == ("rnn.l0:out", "rnn.l0:out")


def test_gates_of_a_projected_lstm_and_of_plain_names():
    found = roles(
        {
            "lstm.weight_ih_l0": (32, 5),
            "lstm.weight_hh_l0": (32, 4),
            "lstm.weight_hr_l0": (4, 8),
            "enc_w_ih": (12, 9),
            "enc_w_hh": (12, 4),
            "enc_b_hh": (12,),
        }
    )
    assert found["lstm.weight_hh_l0"].spec.gates == "ifgo"
    assert found["lstm.weight_hr_l0"].spec.gates == ""
    assert found["enc_w_ih"].spec.gates == found["enc_b_hh"].spec.gates == "rzn"


def test_length_of_the_bias_tells_the_orientation():
    # GPT-2 stores x @ W: in x out, and its square projection follows the others.
    found = roles(
        {
            "h.0.attn.c_attn.weight": (8, 24),
            "h.0.attn.c_attn.bias": (24,),
            "h.0.attn.c_proj.weight": (8, 8),
            "h.0.attn.c_proj.bias": (8,),
            "h.0.mlp.c_fc.weight": (8, 32),
            "h.0.mlp.c_fc.bias": (32,),
            "lm_head.weight": (50, 8),
        }
    )
    layouts = {name: (r.spec.layout, r.layout_from) for name, r in found.items()}
    assert layouts["h.0.attn.c_attn.weight"] == ("IO", "bias")
    assert layouts["h.0.attn.c_proj.weight"] == ("IO", "bias")
    assert layouts["lm_head.weight"] == ("OI", "convention")
    assert found["h.0.mlp.c_fc.weight"].populations == ("h.0.mlp.c_fc:in", "h.0.mlp.c_fc:out")


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        ("l.weight", "l.bias"),
        ("dense/kernel", "dense/bias"),
        ("W1", "b1"),
        ("w_2", "b_2"),
        ("fc_w", "fc_b"),
        ("coefs_0", "intercepts_0"),
    ],
)
def test_weight_finds_its_bias(weight, bias):
    assert roles({weight: (3, 5), bias: (3,)})[weight].spec.layout == "OI"
    assert roles({weight: (5, 3), bias: (3,)})[weight].spec.layout == "IO"
    assert roles({weight: (5, 3), bias: (3,)})[weight].layout_from == "bias"


def test_transposed_convolution_by_its_bias():
    assert roles({"up.weight": (8, 4, 3, 3), "up.bias": (4,)})["up.weight"].spec.layout == "IOHW"
    assert roles({"dw.weight": (8, 1, 3, 3), "dw.bias": (8,)})["dw.weight"].spec.layout == "OIHW"


def test_format_wins_over_the_convention():
    spec = TensorSpec("lstm/kernel", (21, 256), "float32", layout="IO", gates="ifco")
    role = assign_roles({"lstm/kernel": spec})["lstm/kernel"]
    assert (role.kind, role.layout_from, role.spec.gates) == ("recurrent", "format", "ifco")
    assert role.populations == ("lstm:in", "lstm:out")


def test_batch_normalisation_is_known_by_its_statistics():
    found = roles({"2.weight": (4,), "2.bias": (4,), "2.running_mean": (4,), "3.bias": (4,)})
    assert [r.kind for r in found.values()] == ["normalisation", "normalisation", "buffer", "bias"]


def test_average_of_the_weights_is_left_out_only_beside_the_weights():
    net = network({"fc.weight": (2, 3), "model_ema.fc.weight": (2, 3)})
    assert net.n_parameters == 6 and "EMA" in net.skipped[0].reason
    assert network({"model_ema.fc.weight": (2, 3)}).n_parameters == 6


def test_patterns_overrule_the_names():
    shapes = {"stft_conv.weight": (4, 1, 2), "fc.weight": (3, 2), "other": (5,)}
    net = network(shapes, trained="stft*", buffers=["oth*"])
    assert set(net.tensors) == {"stft_conv.weight", "fc.weight"}
    assert net.n_parameters == 14
    assert net.skipped[0].reason == "marked as fixed by buffers="
    assert nnrg.load(net).n_parameters == 6 + 5
    with pytest.raises(ArgumentError, match="no tensor matches 'nothing'"):
        network(shapes, trained=["nothing"])
    with pytest.raises(ArgumentError, match="both buffers= and trained="):
        network(shapes, trained=["fc*"], buffers=["*.weight"])


def test_no_trained_weights_is_an_error_that_says_why():
    with pytest.raises(FormatError, match=r"no trained weights found .*bn\.running_mean: running"):
        network({"bn.running_mean": (3,)})
    with pytest.raises(FormatError, match="it holds no tensors"):
        nnrg.load({})


def test_tensors_is_a_mapping_that_reads_nothing_to_answer():
    net = network({"a.weight": (2, 2), "b.weight": (3, 2), "m.running_mean": (9,)})
    assert list(net.tensors) == ["a.weight", "b.weight"]
    assert len(net.tensors) == 2
    assert net.n_parameters == sum(array.size for array in net.tensors.values()) == 10
    assert "a.weight" in net.tensors and "c" not in net.tensors
    with pytest.raises(KeyError):
        net.tensors["c"]
    with pytest.raises(ArgumentError, match=r"'a\.wieght'; did you mean a\.weight"):
        net.tensors["a.wieght"]
    with pytest.raises(ArgumentError, match="rows must be an integer of at least 1, got 0"):
        net.chunks("a.weight", 0)
    with pytest.raises(ArgumentError, match="'c'"):
        net.chunks("c", 1)


def test_max_bytes_bounds_one_tensor_read_whole():
    net = network({"w": (10, 10), "v": (5, 2)}, max_bytes=100)
    assert net.tensors["v"].nbytes == 40
    with pytest.raises(ArgumentError, match=r"'w' takes 400 bytes, above max_bytes=100"):
        net.tensors["w"]
    assert sum(len(chunk) for chunk in net.chunks("w", 3)) == 10


def test_table_shows_what_matters():
    net = network(
        {"lstm.weight_hh_l0": (16, 4), "conv.weight": (2, 3, 5, 5), "n.running_var": (7,)}
    )
    lines = str(net).splitlines()
    assert lines[0] == "arrays in memory: memory, 2 tensors, 214 parameters, float32"
    assert lines[1].split() == ["tensor", "shape", "dtype", "role", "axes", "parameters"]
    assert "16 x 4" in lines[2] and "recurrent" in lines[2] and "gates ifgo" in lines[2]
    assert "out x in x tap row x tap column" in lines[3] and lines[3].endswith(" 150")
    assert lines[4] == "trained parameters: 214 (conv 150, recurrent 64)"
    assert lines[5:] == [
        "left out:",
        "  n.running_var (7 numbers): running statistics of a normalisation layer, not trained",
    ]


def test_long_tables_fit_one_screen():
    net = network({f"layers.{i}.weight": (2, 2) for i in range(500)})
    assert len(str(net).splitlines()) < 40
    assert "... 476 more" in str(net)
    full = net.table()
    assert all(f"layers.{i}.weight " in full for i in range(500))


def test_names_are_printed_escaped_and_cut():
    evil = "\x1b[31mred\n\u202ename\udc80" + "x" * 10_000
    net = network({evil: (2, 2), "bad\x07.running_mean": (2,)})
    for text in (str(net), net.table(), repr(net)):
        assert all(c.isprintable() or c == "\n" for c in text)
        assert max(map(len, text.splitlines())) < 200
    assert "\\x1b[31mred\\n\\u202ename" in str(net)
    assert net.tensors[evil].shape == (2, 2)
    with pytest.raises(NNRGError) as error:
        net.tensors[evil + "y"]
    assert str(error.value).isprintable()


def test_to_dict_is_json(tmp_path):
    np.savez(tmp_path / "m.npz", w=np.ones((3, 2)), b=np.ones(3), mask=np.ones(2))
    net = nnrg.load(tmp_path / "m.npz")
    found = json.loads(json.dumps(net.to_dict(), allow_nan=False))
    assert found["n_parameters"] == 9 and found["format"] == "npz"
    assert found["tensors"][0] == {
        "name": "w",
        "shape": [3, 2],
        "dtype": "float64",
        "role": "weight",
        "layer": "w",
        "layout": "OI",
        "layout_from": "bias",
        "gates": "",
        "populations": ["w:out", "w:in"],
        "parameters": 6,
    }
    assert found["left_out"] == [
        {"name": "mask", "reason": "a mask by its name, not trained", "size": 2}
    ]


def test_sha256_is_that_of_the_file(tmp_path):
    np.savez(tmp_path / "m.npz", w=np.ones((300, 200)))
    expected = hashlib.sha256((tmp_path / "m.npz").read_bytes()).hexdigest()
    assert nnrg.load(tmp_path / "m.npz").sha256() == expected
    arrays = {"w": np.ones((3, 2))}
    digest = nnrg.load(arrays).sha256()
    assert digest == nnrg.load({"w": np.asfortranarray(arrays["w"])}).sha256()
    assert digest != nnrg.load({"v": arrays["w"]}).sha256()
    assert digest != nnrg.load({"w": arrays["w"].T.copy()}).sha256()
    assert digest != nnrg.load({"w": 2 * arrays["w"]}).sha256()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_count_nonfinite_against_isfinite(dtype):
    rng = np.random.default_rng(3)
    width = numpy_dtype(dtype).itemsize
    bits = rng.integers(0, 256, 300_000 * width, dtype=np.uint8)
    array = bits.view(numpy_dtype(dtype)).reshape(1000, 300)
    with np.errstate(invalid="ignore"):  # ml_dtypes converts signalling NaN
        finite = np.isfinite(array)
    expected = int(np.sum(~finite))
    assert expected > 0
    assert count_nonfinite(array) == count_nonfinite(array.T) == expected
    assert count_nonfinite(array[::2, ::3]) == int(np.sum(~finite[::2, ::3]))


def test_the_sum_of_a_large_file_is_told_as_it_goes(tmp_path, monkeypatch):
    path = tmp_path / "large.npy"
    np.save(path, np.ones((700, 1000)))
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    told = []
    assert nnrg.load(path).sha256(lambda *step: told.append(step)) == expected
    assert not told
    monkeypatch.setattr("nnrg.networks._identity.TOLD", 2**20)
    assert nnrg.load(path).sha256(lambda *step: told.append(step)) == expected
    assert told == [(f"sha256 of {path.name}", i, 6) for i in range(1, 7)]
