"""What names say about which ends are one population: transformer blocks and recurrent layers."""

from __future__ import annotations

import re
from collections import defaultdict

from nnrg.networks import _names as names
from nnrg.networks._topology_ends import Joiner, Segment

__all__ = ["join_layers", "join_recurrent", "join_transformers"]

_BLOCK = re.compile(
    r"(?P<stack>(?:.*[._/])?(?:layers?|blocks?|h|resblocks|encoder_layer|decoder_layer))"
    r"[._/](?P<number>\d+)[._/](?P<rest>.+)$",
    re.IGNORECASE,
)

# A block of T5 numbers its attention and feed-forward parts like layers.
_SUBLAYER = re.compile(r"(block[._/]\d+)[._/]layer[._/]\d+", re.IGNORECASE)


def _ending(*words: str) -> re.Pattern[str]:
    return re.compile(f"(?:^|[._/])(?:{'|'.join(words)})$", re.IGNORECASE)


# Asked in this order: the output of attention ends like that of the feed-forward part.
_PARTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("interleaved", _ending("query_key_value")),
    ("fused", _ending("c_attn", "qkv", "w_?qkv", "in_proj", "qkv_proj", "to_qkv")),
    ("query", _ending("q", "query", "q_proj", "q_lin", "wq", "to_q", "linear_q")),
    ("key", _ending("k", "key", "k_proj", "k_lin", "wk", "to_k", "linear_k")),
    ("value", _ending("v", "value", "v_proj", "v_lin", "wv", "to_v", "linear_v")),
    (
        "mixed",
        re.compile(
            r"(?:^|[._/])(?:\w*att\w*[._/](?:output[._/]dense|c_proj|o|proj|dense)"
            r"|\w*att\w*[._/](?:self[._/])?out(?:_proj|_lin|put)?|o_proj|out_lin|to_out(?:[._/]0)?"
            r"|(?:attention|attn)[._/]wo)$",
            re.IGNORECASE,
        ),
    ),
    (
        "up",
        _ending(
            "intermediate[._/]dense", "c_fc", "fc1", "up_proj", "gate_proj", "lin1", "linear1",
            "dense_h_to_4h", "wi", "wi_[01]", "w1", "w3", "mlp[._/]0",
        ),
    ),
    (
        "down",
        _ending(
            "output[._/]dense", "c_proj", "fc2", "down_proj", "lin2", "linear2", "dense_4h_to_h",
            "wo", "w2", "mlp[._/][23]",
        ),
    ),
)  # fmt: skip
_EXPERT = re.compile(r"experts[._/]\d+", re.IGNORECASE)
_CROSS = re.compile(r"cross|encoder_attn|encdec|multihead_attn", re.IGNORECASE)
_READING = re.compile(
    r"(?:^|[._/])(?:lm_head|pooler[._/]dense|classifier(?:[._/]dense)?|score|head|embed_out"
    r"|predictions[._/]transform[._/]dense|predictions[._/]decoder)$",
    re.IGNORECASE,
)
_FEEDING = ("embedding", "position embedding", "normalisation")
_PATCHES = re.compile(r"patch_?emb|conv_proj|class_embedding", re.IGNORECASE)
_WORDS = re.compile(r"word_emb|wte$|tok\w*_emb|embed_tokens|lm_head|embed_out|predictions.decoder")


def join_layers(joiner: Joiner) -> None:
    """Join biases with the weights of their layer, and scale and shift of a normalisation."""
    at: dict[str, list[str]] = defaultdict(list)
    for name, role in joiner.roles.items():
        at[role.layer].append(name)
    for members in at.values():
        matrices = [n for n in members if _is_matrix(joiner, n)]
        vectors = [n for n in members if n not in matrices]
        first = [*matrices, *vectors][0]
        parts = joiner.segments(first, "out")
        for name in vectors:
            own = joiner.segments(name, "out")
            # A bias of other parts than its weight is not that weight's.
            if name != first and len(own) == len(parts):
                for theirs, mine in zip(parts, own, strict=True):
                    joiner.join(theirs, mine, "bias or scale of the same layer")


def _is_matrix(joiner: Joiner, name: str) -> bool:
    return bool(joiner.segments(name, "in")) and bool(joiner.segments(name, "out")) and (
        joiner.roles[name].kind in ("weight", "conv", "recurrent", "embedding")
    )  # fmt: skip


def join_recurrent(joiner: Joiner) -> set[str]:
    """Join the hidden state of recurrent layers: gates, both axes of its own matrix, stacks."""
    layers: dict[str, dict[str, str]] = defaultdict(dict)
    for name, role in joiner.roles.items():
        gates = len(role.spec.gates)
        for segment in joiner.segments(name, "out") if gates > 1 else ():
            if segment.end.stop % gates == 0:
                joiner.repeat(segment, gates, first=True)
        if role.kind == "recurrent" and _is_matrix(joiner, name):
            own = names.recurrent_kind(name) == "hh" or "recurrent" in name.lower()
            layers[role.layer]["hh" if own else names.recurrent_kind(name) or "ih"] = name
    for layer, parts in layers.items():
        if "hh" not in parts:
            continue
        state = joiner.segments(parts["hh"], "out")[0]
        joiner.join(
            state, joiner.segments(parts["hh"], "in")[0], "names: hidden state of the layer"
        )
        state.group.name = f"{layer}:hidden"
        if "ih" in parts:
            joiner.join(state, joiner.segments(parts["ih"], "out")[0], "names: gates of the layer")
    for layer, parts in layers.items():
        match = re.fullmatch(r"(?P<head>.*l)(?P<number>\d+)(?P<back>_reverse)?", layer)
        if match is None or "ih" not in parts or not int(match["number"]):
            continue
        below = f"{match['head']}{int(match['number']) - 1}"
        if below in layers:
            _join_stack(joiner, joiner.segments(parts["ih"], "in")[0], layers, below)
    return {name for parts in layers.values() for name in parts.values()}


def _join_stack(
    joiner: Joiner, entry: Segment, layers: dict[str, dict[str, str]], below: str
) -> None:
    """Join the input of a recurrent layer with the state, or both states, of the one below."""
    states = [
        joiner.segments(layers[name]["hh"], "out")[0]
        for name in (below, f"{below}_reverse")
        if "hh" in layers.get(name, {})
    ]
    sizes = [state.end.units for state in states]
    if not states or entry.end.units != sum(sizes):
        return
    entries = joiner.split(entry, sizes) if len(sizes) > 1 else [entry]
    for part, state in zip(entries, states, strict=True):
        joiner.join(state, part, "names: layer above layer")


def join_transformers(joiner: Joiner, heads: int | None) -> set[str]:
    """Join residual streams, attention and feed-forward parts; return the tensors understood."""
    blocks: dict[tuple[str, str], dict[tuple[str, str], list[str]]] = {}
    for name, role in joiner.roles.items():
        match = _BLOCK.match(_SUBLAYER.sub(r"\1", role.layer))
        if match is None or role.kind != "weight" or sorted(role.spec.layout) != ["I", "O"]:
            continue
        part = next((p for p, pattern in _PARTS if pattern.search(match["rest"])), "")
        expert = _EXPERT.search(match["rest"])
        where = "cross" if _CROSS.search(match["rest"]) else expert[0] if expert else ""
        block = blocks.setdefault((match["stack"], match["number"]), {})
        if part:
            block.setdefault((part, where), []).append(name)
    attending = {key: b for key, b in blocks.items() if {p for p, _ in b} & {"query", "fused"}}
    streams: dict[str, Segment] = {}
    used: set[str] = set()
    for (stack, number), parts in attending.items():
        used |= _join_block(joiner, f"{stack}.{number}", stack, parts, streams, heads)
    for stack, stream in streams.items():
        _join_norms(joiner, stack, stream)
    if len(streams) == 1:
        (stream,) = streams.values()
        used |= _join_ends_of_stream(joiner, stream)
    return used


def _join_block(
    joiner: Joiner,
    block: str,
    stack: str,
    parts: dict[tuple[str, str], list[str]],
    streams: dict[str, Segment],
    heads: int | None,
) -> set[str]:
    used = set()
    for (part, where), members in parts.items():
        for name in members:
            entry = joiner.segments(name, "in")[0]
            leave = joiner.segments(name, "out")[0]
            if where == "cross" and part in ("key", "value", "fused"):
                continue  # they read another stream
            on = leave if part in ("mixed", "down") else entry
            if stack in streams and on.end.units != streams[stack].end.units:
                continue
            stream = streams.setdefault(stack, on)
            joiner.join(stream, on, "names: residual stream", f"{stack}:stream")
            used.add(name)
            if part == "interleaved":
                joiner.notes.append(
                    f"{name}: query, key and value are interleaved head by head, not told apart"
                )
    for where in dict.fromkeys(w for _, w in parts):
        hidden = [joiner.segments(n, "out")[0] for n in parts.get(("up", where), ())]
        hidden += [joiner.segments(n, "in")[0] for n in parts.get(("down", where), ())]
        title = f"{block}{'.' if where else ''}{where}:feed-forward"
        for segment in hidden[1:]:
            joiner.join(hidden[0], segment, "names: feed-forward part", title)
    for where in ("", "cross"):
        title = f"{block}{'.cross' if where else ''}"
        _join_attention(joiner, title, {p: m for (p, w), m in parts.items() if w == where}, heads)
    return used


def _join_attention(
    joiner: Joiner, block: str, parts: dict[str, list[str]], heads: int | None
) -> None:
    """Join query with key (contracted with one another), value with what mixes the heads."""
    triple: dict[str, list[Segment]] = defaultdict(list)
    for word in ("query", "key", "value"):
        for name in parts.get(word, ()):
            triple[word] += joiner.segments(name, "out")
            triple[word] += _bias(joiner, name)
    mixed = [joiner.segments(name, "in")[0] for name in parts.get("mixed", ())]
    for name in parts.get("fused", ()):
        for segment in [*joiner.segments(name, "out"), *_bias(joiner, name)]:
            width = mixed[0].end.units if mixed else segment.end.units // 3
            rest = (segment.end.units - width) // 2
            if min(width, rest) < 1 or width + 2 * rest != segment.end.units:
                continue
            thirds = joiner.split(segment, (width, rest, rest))
            for word, part in zip(("query", "key", "value"), thirds, strict=True):
                triple[word].append(part)
    sides = (
        (triple["query"], triple["key"], "query-key", "names: query and key, contracted"),
        (mixed, triple["value"], "value", "names: value and output of attention"),
    )
    for many, few, word, evidence in sides:
        _join_heads(joiner, many, few, heads, evidence, f"{block}.attention:{word}")


def _bias(joiner: Joiner, name: str) -> list[Segment]:
    found = []
    for bias in names.bias_names(name):
        if bias in joiner.roles and bias != name:
            found += [s for s in joiner.segments(bias, "out") if s.end.side == "unit"]
    return found


def _join_heads(
    joiner: Joiner,
    many: list[Segment],
    few: list[Segment],
    heads: int | None,
    evidence: str,
    name: str,
) -> None:
    """Join `many` with `few` heads; grouped queries share the keys and values of one head."""
    if not many or not few:
        return
    if heads is None or many[0].end.units % heads:
        for k, segments in enumerate((many, few)):
            for segment in segments:
                if not joiner.join(many[0], segment, evidence, name):
                    joiner.join(few[0], segment, evidence, f"{name} shared" if k else name)
        return
    width = many[0].end.units // heads
    groups = few[0].end.units // width
    if groups < 1 or groups * width != few[0].end.units or heads % groups:
        joiner.notes.append(f"{name}: {few[0].end.units} units do not make heads of {width}")
        return
    shared = heads // groups
    many = [s for s in many if s.end.units == heads * width]
    few = [s for s in few if s.end.units == groups * width]
    cut = [_cut(joiner, s, width) for s in (*many, *few)]
    for g in range(groups):
        members = [h for s in cut[: len(many)] for h in s[g * shared : (g + 1) * shared]]
        members += [s[g] for s in cut[len(many) :]]
        for member in members:
            joiner.join(members[0], member, evidence, f"{name} head {g}")


def _cut(joiner: Joiner, segment: Segment, width: int) -> list[Segment]:
    return joiner.split(segment, [width] * (segment.end.units // width))


def _join_norms(joiner: Joiner, stack: str, stream: Segment) -> None:
    for name, role in joiner.roles.items():
        if role.kind == "normalisation" and role.layer.startswith(stack):
            for segment in joiner.segments(name, "unit"):
                joiner.join(stream, segment, "names: normalisation of the residual stream")


def _join_ends_of_stream(joiner: Joiner, stream: Segment) -> set[str]:
    """Join what feeds and reads the one residual stream: embeddings, heads, outer norms."""
    used: set[str] = set()
    tokens: list[Segment] = []
    for name, role in joiner.roles.items():
        side = ""
        if role.kind in _FEEDING or _PATCHES.search(role.layer):
            side = "out"
        elif role.kind == "weight" and _READING.search(role.layer):
            side = "in"
        for segment in joiner.segments(name, side) if side else ():
            if joiner.join(stream, segment, f"names: {role.kind} on the residual stream"):
                used.add(name)
        if name in used and _WORDS.search(role.layer):
            tokens += joiner.segments(name, "in" if side == "out" else "out")
    for segment in tokens[1:]:
        joiner.join(tokens[0], segment, "names: tokens")
    return used
