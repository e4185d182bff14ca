"""Look at connection graphs by diffusion, and at activity by pairs of correlated units.

Two questions. Do the graphs of trained weights, of similar hidden units and of strong weights, have
another heat capacity C(tau) than graphs of the same degrees, and a spectral dimension? And does the
activity of the shipped network, on patches of photographs that it was not trained on, scale with
the size of blocks of units, chosen by activity or by weights, other than that of independent units?

Run ``python studies/topology.py`` (minutes, downloads 180 MB once), or with ``--quick`` (small
networks alone). Written: ``topology`` and ``topology_activity`` as ``.pdf`` and ``.png``,
``report.md``, ``numbers.json``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from _activity import WINDOWS, Activity, activity
from _diffusion import GRAPHS, Diffusion, diffusion, family_wise
from _diffusion import NULLS as DIFFUSION_NULLS
from _report import Writer, arguments, table
from _topology_figures import draw_activity, draw_diffusion, means_something, over_permuted
from real_networks import Offline

import nnrg
from nnrg.errors import AnalysisError
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.neighbourhoods.diffusion import DiffusionBlocks
from nnrg.rg.neighbourhoods.hierarchy import Neighbourhoods
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.pairs import PairBlocks
from nnrg.rg.phenomenological import IndependentUnits, PhenomenologicalFlow, phenomenological_flow
from nnrg.rg.verdict import verdict

QUESTION = "Which structure do connection graphs and activity have beyond degrees and single units?"
LEVEL = 0.05
# Four flows share the level: their ranks go down to 1 / 81.
BLOCK_DRAWS = 80
STATES = ("trained", "initial")
NULLS = ("permutation", "configuration", "independent", "shuffle")


def paired(acts: Mapping[str, Activity], draws: int, seed: int) -> dict[str, PhenomenologicalFlow]:
    """Return the flow over pairs told by activity on other patches, and by weights."""
    found = {}
    for state, act in acts.items():
        weights = act.net.tensors["encoder.weight"].reshape(act.measured.sites.n_sites, -1).T
        for chooser, chosen in (("activity", act.choosing), ("weights", weights)):
            found[f"{state}, pairs by {chooser}"] = phenomenological_flow(
                act.measured,
                blocks=PairBlocks(split=None, chosen_on=chosen),
                modes=chooser == "activity",
                nulls=IndependentUnits(draws=draws),
                rng=seed,
            )
    return found


def on_graphs(acts: Mapping[str, Activity], draws: int, seed: int) -> dict[str, Cumulants]:
    """Return the flow of activity over blocks of units whose weights are alike."""
    found = {}
    rules: dict[str, Neighbourhoods] = {
        "matching": MatchingBlocks(),
        "diffusion": DiffusionBlocks(),
    }
    for state, act in acts.items():
        graph = act.net.similarity_graph("encoder:out", excluding=())
        field = replace(act.measured, sites=graph).standardised()
        for name, rule in rules.items():
            try:
                flow = nnrg.renormalize(field, rule, errors=nnrg.Jackknife(blocks=WINDOWS))
            except AnalysisError as error:
                print(f"{state}, {name} left out: {error}", file=sys.stderr)
                continue
            nulls = [nnrg.NullModel(null, draws=draws) for null in NULLS]
            found[f"{state}, {name}"] = flow.cumulants(order=4, nulls=nulls, rng=seed)
    return found


def _beaten(p_values: Mapping[str, Mapping[str, float]], title: str) -> bool:
    return all(p_values[null][title] <= LEVEL for null in DIFFUSION_NULLS)


def say_diffusion(found: Mapping[str, Diffusion]) -> list[str]:
    """Write what diffusion tells of each graph."""
    p_values = family_wise(found)
    rows = []
    for title, d in found.items():
        low, high = d.differing()
        rows.append(
            [
                title,
                f"{d.graph.n_nodes}, {d.graph.n_edges}",
                ", ".join(f"{p_values[null][title]:.2g}" for null in DIFFUSION_NULLS),
                f"{d.peak[0]:.3f}, " + ", ".join(d.null_peak(null) for null in DIFFUSION_NULLS),
                "none" if not _beaten(p_values, title) else f"{low:.2g} .. {high:.2g}",
                str(d.dimension.estimate) if d.dimension.has_plateau else "no plateau",
                ", ".join(
                    f"{d.plateaus[null]} of {len(d.draws[null])}" for null in DIFFUSION_NULLS
                ),
            ]
        )
    head = ["graph", "nodes, edges", "p: rewired, shuffled"]
    head += ["largest C: graph, rewired, shuffled", "tau where C differs from both"]
    head += ["spectral dimension", "rewired, shuffled graphs with a plateau"]
    return ["## Diffusion on connection graphs", "", DIFFUSION, "", *table(head, rows)]


def say_pairs(flows: Mapping[str, PhenomenologicalFlow]) -> list[str]:
    """Write the exponents of activity with those of independent units."""
    rows = []
    for title, flow in flows.items():
        scores = {s.name: s for s in flow.scores}
        for name, fit in flow.exponents().items():
            if np.isnan(fit.effective.value) or not means_something(title, name):
                continue
            score = scores.get(name)
            rows.append(
                [
                    title,
                    name,
                    str(fit.effective),
                    "" if score is None else f"{score.null_mean:.3f} +- {score.null_spread:.3f}",
                    "" if score is None else f"{score.z:+.1f}",
                    "" if score is None else f"{score.adjusted:.2g}",
                    fit.refusal or f"{fit.estimate}, {fit.decades:.1f} decades",
                ]
            )
    head = ["network, blocks", "exponent", "slope over all K", "independent units", "z"]
    lines = table([*head, "adjusted p", "power law"], rows)
    lines += [f"- {title}: {flow.verdict}." for title, flow in flows.items()]
    figure = "![activity over blocks](topology_activity.png)"
    return ["## Activity over pairs of units", "", PAIRS, "", figure, "", *lines, ""]


def say_blocks(flows: Mapping[str, Cumulants]) -> list[str]:
    """Write what blocks chosen by weights tell of activity."""
    rows = []
    for title, cumulants in flows.items():
        b, ratio, error, _ = over_permuted(cumulants)
        i = cumulants.names.index("kappa_2")
        scores = [cumulants.z(null)[1:, i] for null in NULLS]
        for level, size in enumerate(b):
            number = nnrg.Estimate(float(ratio[level]), float(error[level]))
            shown = ["" if np.isnan(z[level]) else f"{z[level]:+.1f}" for z in scores]
            rows.append([title, f"{size:.3g}", str(number), *shown])
    head = ["network, blocks", "b", "variance / permuted", *(f"z ({null})" for null in NULLS)]
    lines = table(head, rows)
    # Four flows are judged: each at a quarter of the level.
    judged = {t: verdict(c, alpha=LEVEL / len(flows)) for t, c in flows.items()}
    lines += [f"- {title}: {v.statement}: {v.reason}." for title, v in judged.items()]
    return ["## Activity over blocks that weights choose", "", BLOCKS, "", *lines, ""]


def in_short(
    found: Mapping[str, Diffusion], flows: Mapping[str, PhenomenologicalFlow]
) -> list[str]:
    """Write what was found in a few lines."""
    p_values = family_wise(found)
    yes = [title for title in found if _beaten(p_values, title)]
    no = [title for title in found if title not in yes]
    plateau = [title for title, d in found.items() if d.dimension.has_plateau]
    lines = [
        "## In short",
        "",
        f"- Heat capacity differs from that of graphs with the same degrees, and from that of "
        f"graphs made of shuffled weights: "
        f"{'; '.join(yes) or 'none'}. Cannot be told: {'; '.join(no) or 'none'}.",
        f"- A plateau of C(tau), and so a spectral dimension: {'; '.join(plateau) or 'none'}.",
    ]
    for title, flow in flows.items():
        beaten = "beats" if flow.beaten else "does not beat"
        slope = flow.fits["alpha"].effective
        lines.append(
            f"- Activity, {title}: alpha = {slope} over all K; {beaten} independent units."
        )
    for chooser in ("activity", "weights"):
        a, b = (flows[f"{s}, pairs by {chooser}"].fits["alpha"].effective for s in STATES)
        # Both saw the same windows: the largest error that any correlation allows.
        gap = nnrg.Estimate(a.value - b.value, a.error + b.error)
        lines.append(
            f"- Pairs by {chooser}: alpha of the trained less that of the untrained network {gap}. "
            "Units depend on one another before training too, as patches have structure of their "
            "own: beating independent units is no sign of training."
        )
    return [*lines, ""]


def main() -> None:
    """Measure, draw, write."""
    options = arguments(QUESTION, "topology")
    writer = Writer(options.output, "topology", QUESTION)
    rng = np.random.default_rng(options.seed)
    draws = 20 if options.quick else 24
    found: dict[str, Diffusion] = {}
    for case in GRAPHS:
        if options.quick and not case.quick:
            continue
        writer.progress(case.title)
        try:
            found[case.title] = diffusion(case, draws, rng)
        except Offline as missing:
            print(f"{case.title} left out: {missing}", file=sys.stderr)
    writer.progress("activity")
    acts = {state: activity(state, 20 if options.quick else 40, rng) for state in STATES}
    flows = paired(acts, draws, options.seed)
    blocks = on_graphs(acts, draws if options.quick else BLOCK_DRAWS, options.seed)
    writer.add(say_diffusion(found))
    writer.add(say_pairs(flows))
    writer.add(say_blocks(blocks))
    writer.first(in_short(found, flows))
    draw_diffusion(found, writer.path)
    draw_activity(flows, blocks, writer.path)
    writer.finish(blocks)


DIFFUSION = (
    "C(tau) = -dS / d ln tau of diffusion by the normalised Laplacian, on graphs of the ten most "
    "similar units (by all their weights) and on graphs of the ten strongest |W| of each unit. "
    "Rewired: the same degrees, weights dealt out anew. Shuffled: graphs made in the same way of "
    "weights shuffled within each tensor; nearest neighbours of vectors that have nothing in "
    "common are no rewired graph. p: chance that the largest distance from the null model, over "
    "all times and graphs, is as large. Each graph is one graph, all its eigenvalues are known, "
    "and C has no error but for the choice of network: errors are of the ensemble of null graphs."
)
PAIRS = (
    "ReLU activity of 96 hidden units on noisy held-out patches, 64 windows that share no pixel "
    "being the jackknife's groups. Pairs are chosen by activity on the part of the photographs "
    "that the network was trained on, or by the correlation of weight vectors; either way not by "
    "what is measured. Independent units (N8): the activity of each unit shuffled for itself, "
    "everything repeated. K goes from 1 to 16, little more than a decade, in which no power law "
    "can be established: slopes are effective ones."
)
BLOCKS = (
    "Blocks of the graph of units with similar weights, heavy-edge matching and diffusion "
    "(Laplacian RG); activity is measured, each unit standardised, so that correlations alone "
    "make a variance of blocks. z: distance of the variance of blocks from that of permuted "
    "units, of blocks chosen on rewired graphs, of independent units, and of all numbers "
    "shuffled. Errors of the ratio hold the contrast of the photographs, which permuted units "
    "share and z leaves out. Standardising was decided after a first look: on raw activity, whose "
    "variances differ from unit to unit, blocks of the trained network were only about two "
    "standard deviations above permuted units (20 draws, 1280 samples)."
)


if __name__ == "__main__":
    main()
