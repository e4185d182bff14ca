"""What a tensor's name says about it: the conventions of the frameworks, as regular expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

__all__ = [
    "FIXED",
    "OPTIMISER",
    "bias_names",
    "is_average",
    "is_bias",
    "is_channels_last",
    "is_embedding",
    "is_normalisation",
    "is_position",
    "is_torch",
    "layer_name",
    "natural_key",
    "recurrent_kind",
    "unaveraged",
]


def _part(*words: str) -> re.Pattern[str]:
    """Match any of `words` as a whole part of a dotted name, or the end of one."""
    return re.compile(f"(?:^|[._/:-])(?:{'|'.join(words)})(?=$|[./:-]|_?\\d)", re.IGNORECASE)


def _leaf(*words: str) -> re.Pattern[str]:
    """Match any of `words` at the end of a name; digits may follow."""
    return re.compile(f"(?:^|[._/:-])(?:{'|'.join(words)})(?:_?\\d+)?(?::\\d+)?$", re.IGNORECASE)


# Tensors that are stored beside the trained ones, and why they are not trained.
FIXED: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        _leaf("(?:running|moving)_(?:mean|variance|var)", "num_batches_tracked"),
        "running statistics of a normalisation layer, not trained",
    ),
    (_part("batch_stats"), "running statistics of a normalisation layer, not trained"),
    (
        _leaf("position_ids", "relative_position_index", "relative_coords_table"),
        "position indices, not trained",
    ),
    (
        _leaf("inv_freq", "freqs_cis", "(?:cos|sin)_cached?"),
        "table of rotary position encoding, not trained",
    ),
    (_leaf("pe", "_float_tensor"), "sinusoidal position table by its name, not trained"),
    (
        _part(
            "i?stft(?:_conv|_basis|_kernels?)?",
            "(?:forward|inverse)_basis(?:_buffer)?",
            r"cqt\w*",
            "mel_(?:basis|fb|filters?|scale)",
            "spectrogram",
            "(?:filter_?|f)banks?",
            "(?:(?:hann|hamming)_)?window",
        ),
        "fixed spectral basis (STFT, CQT, mel), not trained",
    ),
    (_leaf(r"\w*mask", "masked_bias", "tril", "triu"), "a mask by its name, not trained"),
    (
        _leaf("(?:pixel|image|input)_(?:mean|std|scale)"),
        "normalisation of the input, not trained",
    ),
    (re.compile(r"_buffer$", re.IGNORECASE), "a buffer by its name, not trained"),
)

OPTIMISER = re.compile(
    r"^(?:optim(?:izer|iser)?s?(?:_states?|_weights|_state_dict)?)[._/]"
    r"|(?:^|[._/])(?:exp_avg(?:_sq)?|max_exp_avg_sq|momentum_buffer|square_avg|adam_[mv])(?:$|[._/])",
    re.IGNORECASE,
)

_AVERAGE = re.compile(r"^(?:module\.)?(?:(?:model_)?ema(?:_model)?|averaged_model)[._/]", re.I)
_NORMALISATION = re.compile(
    r"norm|(?:^|[._/])(?:bn|ln|gn|rms)(?:_?(?:\d+|f|final|pre|post))?(?:$|[._/_])", re.IGNORECASE
)
_EMBEDDING = re.compile(
    r"embed|(?:^|[._/])(?:\w*_)?emb(?:$|[._/\d])|(?:^|[._/])(?:wte|wpe|shared)(?:$|[._/])"
    r"|relative_attention_bias|relative_position_bias_table",
    re.IGNORECASE,
)
_POSITION = re.compile(
    r"(?:^|[._/])(?:wpe|pos)(?:$|[._/])|pos(?:ition)?(?:al)?_?emb|embed_pos|relative_", re.I
)
_KIND = re.compile(
    r"(?P<head>.*?)(?:^|[._/]|(?<=[a-z0-9])_)?"
    r"(?P<kind>weights?|kernels?|coefs?|embeddings?|bias(?:es)?|intercepts?|gamma|beta|scale|offset"
    r"|[wb])"
    r"(?P<part>_(?:ih|hh|hr))?(?P<layer>_l\d+(?:_reverse)?)?(?P<number>_?\d+)?(?::\d+)?$",
    re.IGNORECASE,
)
_BIASES = {"bias", "biases", "b", "beta", "offset", "intercept", "intercepts"}
_SPELLINGS = tuple(
    pair
    for weight, bias in (
        ("weights", "biases"),
        ("kernels", "biases"),
        ("weight", "bias"),
        ("kernel", "bias"),
        ("coefs", "intercepts"),
        ("gamma", "beta"),
        ("scale", "bias"),
        ("w", "b"),
    )
    for pair in (
        (weight, bias),
        (weight.capitalize(), bias.capitalize()),
        (weight.capitalize(), bias),
    )
)


@lru_cache(maxsize=256)
def _parsed(name: str) -> re.Match[str] | None:
    """Take the end of a name apart; several questions are asked of one name in turn."""
    return _KIND.fullmatch(name)


def layer_name(name: str) -> str:
    """Return the layer that a tensor belongs to.

    Examples
    --------
    >>> layer_name("encoder.layer.0.output.dense.weight"), layer_name("lstm.weight_ih_l0")
    ('encoder.layer.0.output.dense', 'lstm.l0')
    >>> layer_name("enc_w_ih"), layer_name("fc_b"), layer_name("W1"), layer_name("pos_embed")
    ('enc', 'fc', '1', 'pos_embed')
    """
    match = _parsed(name)
    if match is None:
        return name
    parts = (match["head"], (match["layer"] or "").strip("_"), (match["number"] or "").strip("_"))
    return ".".join(part.rstrip("._/") for part in parts if part.rstrip("._/")) or name


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a key for sorting that reads numbers as numbers: layer 2 comes before layer 10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]


def is_bias(name: str) -> bool:
    """Whether `name` ends as that of a bias."""
    match = _parsed(name)
    return match is not None and match["kind"].lower() in _BIASES


def is_channels_last(name: str) -> bool:
    """Whether `name` ends in the word of frameworks that keep weights in x out: ``kernel``."""
    match = _parsed(name)
    return match is not None and match["kind"].lower() in ("kernel", "kernels")


def is_torch(name: str) -> bool:
    """Whether `name` ends in torch's own word: ``weight``."""
    match = _parsed(name)
    return match is not None and match["kind"].lower() == "weight"


def is_normalisation(name: str) -> bool:
    """Whether `name` is that of a normalisation layer's scale or shift."""
    return _NORMALISATION.search(name) is not None


def is_embedding(name: str) -> bool:
    """Whether `name` is that of an embedding table."""
    return _EMBEDDING.search(name) is not None


def is_position(name: str) -> bool:
    """Whether `name`, of an embedding, is one of positions."""
    return _POSITION.search(name) is not None


def is_average(name: str) -> bool:
    """Whether `name` is in a copy of the weights averaged over training (EMA)."""
    return _AVERAGE.match(name) is not None


def unaveraged(name: str) -> str:
    """Return `name` without the prefix of an averaged copy."""
    return _AVERAGE.sub("", name)


def recurrent_kind(name: str) -> str:
    """Return ``"ih"`` (from the input), ``"hh"`` (from the state), ``"hr"`` or ``""``."""
    match = _parsed(name)
    return (match["part"] or "")[1:].lower() if match else ""


def bias_names(name: str) -> Iterator[str]:
    """Yield the names that the bias of a weight called `name` would have."""
    for weight, bias in _SPELLINGS:
        at = name.rfind(weight)
        if at >= 0 and (len(weight) > 1 or _alone(name, at)):
            yield name[:at] + bias + name[at + len(weight) :]


def _alone(name: str, at: int) -> bool:
    """Whether the letter at `at` is a word of its own: ``fc_w``, ``W1``, not ``window``."""
    before, after = name[at - 1 : at] if at else "", name[at + 1 : at + 2]
    return not before.isalpha() and not after.isalpha()
