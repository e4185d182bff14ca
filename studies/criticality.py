"""Put trained networks on the phase diagram of random ones, and their flows beside iid ensembles.

Two questions. Where do trained networks lie on the phase diagram of random networks with the same
variances of weights and biases? And does the flow of their weights, with depth and with scale,
differ from that of an ensemble of independent weights?

Run ``python studies/criticality.py`` (minutes, downloads 180 MB once), or with ``--quick`` (two
small networks alone). Written: ``criticality`` as ``.pdf`` and ``.png``, ``report.md``,
``numbers.json``.
"""

from __future__ import annotations

import sys

from _criticality import GROUPS
from _criticality_figure import draw
from _criticality_flows import depth_chances, measure, scale_chances
from _criticality_report import in_short, say_depth, say_places, say_scale
from _report import Writer, arguments
from real_networks import Offline

QUESTION = (
    "Where do trained networks lie on the phase diagram of random networks with the same variances,"
    " and does the flow of their weights differ from that of an iid ensemble?"
)


def main() -> None:
    """Run the study."""
    options = arguments(QUESTION, "criticality")
    writer = Writer(options.output, "criticality", QUESTION)
    results = []
    for group in GROUPS:
        if options.quick and not group.quick:
            continue
        writer.progress(group.title)
        try:
            results.append(measure(group, options))
        except Offline as missing:
            print(f"{group.title} left out: {missing}", file=sys.stderr)
    depths, scales = depth_chances(results), scale_chances(results)
    draw(results, writer.path)
    writer.add(in_short(results, depths, scales))
    writer.add(say_places(results))
    writer.add(say_depth(results, depths))
    writer.add(say_scale(results, scales))
    writer.finish(
        {
            f"{found.group.title} {tensor}": cumulants
            for found in results
            for tensor, (_, cumulants) in found.blocks.items()
        }
    )


if __name__ == "__main__":
    main()
