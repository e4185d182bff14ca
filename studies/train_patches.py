"""Train the network that ships with nnrg: a sparse denoiser of photograph patches.

Question: what does a first layer that lives on a 32 x 32 pixel lattice look like, before and after
training on inputs whose power spectrum is close to a power law?

One hidden layer, decoder tied to the encoder, trained by Adam in NumPy on patches x of the two
photographs that scikit-learn carries, with white noise of standard deviation s added to the input:

    h = relu(W (x + s n) + b),    y = W^T h + c,    loss = |y - x|^2 / 2 + l sum(h)

Run ``python studies/train_patches.py`` (about a minute on one core), or with ``--quick`` (seconds,
too short for the filters to form). Written to the output directory: both weight files, a figure of
the filters and ``report.json``. ``SOURCE_DATE_EPOCH`` fixes the date in the files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
from matplotlib.figure import Figure
from PIL import Image
from safetensors.numpy import save
from threadpoolctl import threadpool_limits

Array = npt.NDArray[np.float32]
Weights = dict[str, Array]

PHOTOGRAPHS = ("china.jpg", "flower.jpg")
LICENCE = (
    "Weights: MIT, as nnrg. Photographs (not included): china.jpg and flower.jpg of scikit-learn, "
    "CC BY 2.0; credits in nnrg/data/README.md."
)
SIDE = 32
SPLIT = 480  # columns left of it train, columns right of it are held out
TILE = 128  # side of the tiles the input spectrum is measured on
BINS = 4


@dataclass(frozen=True)
class Settings:
    """Numbers that define the network and its training."""

    hidden: int = 96
    steps: int = 12_000
    batch: int = 128
    noise: float = 1.0
    sparsity: float = 0.2
    rate: float = 1e-3
    held_out: int = 4096
    covariance: int = 20_000


QUICK = replace(Settings(), steps=150, held_out=512, covariance=2000)


def photographs() -> tuple[Array, dict[str, str]]:
    """Log luminance of the photographs, mean 0 and variance 1 each, and the files' sha256."""
    fields, digests = [], {}
    for name in PHOTOGRAPHS:
        data = (files("sklearn.datasets.images") / name).read_bytes()
        digests[name] = hashlib.sha256(data).hexdigest()
        red, green, blue = np.moveaxis(np.asarray(Image.open(BytesIO(data)), float), -1, 0) / 255
        # The offset keeps the logarithm of black pixels, which JPEG leaves noisy, finite.
        field = np.log(0.299 * red + 0.587 * green + 0.114 * blue + 1 / 16)
        fields.append((field - field.mean()) / field.std())
    return np.array(fields, np.float32), digests


def spectrum(fields: Array) -> dict[str, float | int]:
    """Exponent a of S(k) = A k^-a on 1/32 <= k <= 1/4 cycles per pixel, for photographs together.

    Periodograms of disjoint Hann-windowed tiles, averaged in `BINS` logarithmic bins of k. The
    exponent is the least-squares slope of log S; its error and the covariance behind chi2 are the
    delete-one-tile jackknife's (Hartlap's factor on the inverse). Generalised least squares is
    not used for the slope: the bins share the contrast of a few tiles, and such strongly correlated
    errors pull its line off the points.
    """
    window = np.outer(*[np.hanning(TILE + 1)[:-1]] * 2)
    rows, columns = (length // TILE for length in fields.shape[1:])
    tiles = fields[:, : rows * TILE, : columns * TILE].astype(float)
    tiles = tiles.reshape(-1, rows, TILE, columns, TILE).swapaxes(2, 3).reshape(-1, TILE, TILE)
    tiles -= (tiles * window).sum((1, 2), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2(tiles * window)) ** 2 / (window**2).sum()
    axis = np.fft.fftfreq(TILE)
    k = np.hypot(axis[:, None], axis)
    bins = np.digitize(k, np.geomspace(1 / SIDE, 0.25, BINS + 1)) - 1
    log_k = np.array([np.log(k[bins == i]).mean() for i in range(BINS)])
    binned = np.stack([power[:, bins == i].mean(1) for i in range(BINS)], axis=1)
    n = len(binned)
    replicates = np.log((binned.sum(0) - binned) / (n - 1))
    covariance = (n - 1) ** 2 / n * np.cov(replicates, rowvar=False)
    design = np.stack([np.ones(BINS), -log_k], axis=1)
    fit = np.linalg.pinv(design)
    log_power = np.log(binned.mean(0))
    projector = np.eye(BINS) - design @ fit
    residual = projector @ log_power
    precision = np.linalg.pinv(projector @ covariance @ projector, rcond=1e-10)
    return {
        "exponent": float(fit[1] @ log_power),
        "error": float(np.sqrt(fit[1] @ covariance @ fit[1])),
        "chi2": float(residual @ precision @ residual) * (n - BINS) / (n - 1),
        "dof": BINS - 2,
        "largest_residual_of_log_S": float(np.abs(residual).max()),
        "tiles": n,
    }


def draw_patches(part: Array, n: int, rng: np.random.Generator) -> Array:
    """Draw `n` patches of mean zero, each under a random symmetry of the square."""
    views = np.lib.stride_tricks.sliding_window_view(part, (SIDE, SIDE), axis=(1, 2))
    patches = views[tuple(rng.integers(length, size=n) for length in views.shape[:3])]
    for turn in (
        lambda p: p[:, ::-1],
        lambda p: p[:, :, ::-1],
        lambda p: p.swapaxes(1, 2),
    ):
        chosen = rng.random(n) < 0.5
        patches[chosen] = turn(patches[chosen])
    flat = patches.reshape(n, -1)
    return np.asarray(flat - flat.mean(1, keepdims=True), np.float32)


def initialise(settings: Settings, rng: np.random.Generator) -> Weights:
    """Gaussian weights of variance 1 / fan-in (no hard edge in their density), zero biases."""
    sites = SIDE * SIDE
    weight = rng.standard_normal((settings.hidden, sites)) / np.sqrt(sites)
    return {
        "encoder.weight": weight.astype(np.float32),
        "encoder.bias": np.zeros(settings.hidden, np.float32),
        "decoder.bias": np.zeros(sites, np.float32),
    }


def forward(weights: Weights, noisy: Array) -> tuple[Array, Array]:
    """Hidden activities and denoised patches."""
    hidden = np.maximum(noisy @ weights["encoder.weight"].T + weights["encoder.bias"], 0)
    return hidden, hidden @ weights["encoder.weight"] + weights["decoder.bias"]


def gradients(weights: Weights, clean: Array, noisy: Array, sparsity: float) -> Weights:
    """Gradient of the loss, averaged over the batch."""
    hidden, output = forward(weights, noisy)
    residual = (output - clean) / np.float32(len(clean))
    back = residual @ weights["encoder.weight"].T + np.float32(sparsity / len(clean))
    back *= hidden > 0
    return {
        "encoder.weight": back.T @ noisy + hidden.T @ residual,
        "encoder.bias": back.sum(0),
        "decoder.bias": residual.sum(0),
    }


def train(
    weights: Weights,
    part: Array,
    settings: Settings,
    rng: np.random.Generator,
    keep: Collection[int] = (),
) -> dict[int, Weights]:
    """Adam; the rate is constant for half of the steps, then falls linearly to zero.

    Returns the weights after each of the steps to `keep`, and after the last one.
    """
    kept: dict[int, Weights] = {}
    weights = {name: value.copy() for name, value in weights.items()}
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    start = time.monotonic()
    for step in range(1, settings.steps + 1):
        clean = draw_patches(part, settings.batch, rng)
        noise = rng.standard_normal(clean.shape, dtype=np.float32)
        noisy = clean + np.float32(settings.noise) * noise
        rate = settings.rate * min(1.0, 2 * (1 - (step - 1) / settings.steps))
        for name, gradient in gradients(weights, clean, noisy, settings.sparsity).items():
            first[name] += 0.1 * (gradient - first[name])
            second[name] += 0.001 * (gradient**2 - second[name])
            scale = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
            weights[name] -= rate / (1 - 0.9**step) * first[name] / scale
        if step % max(1, settings.steps // 10) == 0:
            elapsed = time.monotonic() - start
            print(f"step {step}/{settings.steps}, {elapsed:.0f} s", file=sys.stderr)
        if step in keep or step == settings.steps:
            kept[step] = {name: value.copy() for name, value in weights.items()}
    return kept


def wiener(part: Array, settings: Settings, rng: np.random.Generator) -> Array:
    """Best linear denoiser of the training patches, C (C + s^2)^-1: the line to beat."""
    patches = draw_patches(part, settings.covariance, rng)
    covariance = patches.T @ patches / len(patches)
    noise = settings.noise**2 * np.eye(len(covariance), dtype=np.float32)
    return np.linalg.solve(covariance + noise, covariance)


def write_network(path: Path, weights: Weights, metadata: dict[str, str]) -> None:
    """Write safetensors with the header's keys sorted: the library leaves their order to chance."""
    data = save(weights, metadata)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[end:])


def draw_filters(path: Path, networks: dict[str, Weights]) -> None:
    """Draw the rows of the first layer as images, each scaled to its own largest weight."""
    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    for ax, (title, weights) in zip(
        figure.subplots(1, len(networks)), networks.items(), strict=True
    ):
        rows = weights["encoder.weight"].reshape(-1, SIDE, SIDE)
        rows = rows / np.abs(rows).max((1, 2), keepdims=True)
        framed = np.pad(rows, ((0, 0), (1, 1), (1, 1)), constant_values=1)
        sheet = framed.reshape(-1, 8, SIDE + 2, SIDE + 2).swapaxes(1, 2)
        ax.imshow(sheet.reshape(-1, 8 * (SIDE + 2)), cmap="gray", vmin=-1, vmax=1)
        ax.set_title(title)
        ax.set_axis_off()
    figure.savefig(path, dpi=200)


def run(seed: int, settings: Settings, output: Path) -> None:
    """Train one network and write its files into `output`."""
    fields, digests = photographs()
    part, held_out = fields[:, :, :SPLIT], fields[:, :, SPLIT:]
    children = np.random.SeedSequence(seed).spawn(4)
    weight_rng, train_rng, test_rng, linear_rng = map(np.random.default_rng, children)
    initial = initialise(settings, weight_rng)
    trained = train(initial, part, settings, train_rng)[settings.steps]

    clean = draw_patches(held_out, settings.held_out, test_rng)
    noise = test_rng.standard_normal(clean.shape, dtype=np.float32)
    noisy = clean + np.float32(settings.noise) * noise

    def error(output: Array) -> float:
        return float(np.mean((output - clean) ** 2))

    hidden, denoised = forward(trained, noisy)
    report = {
        "spectrum": {
            "china.jpg": spectrum(fields[:1]),
            "flower.jpg": spectrum(fields[1:]),
            "both": spectrum(fields),
        },
        "held_out_mse": {
            "zero": error(np.zeros_like(clean)),
            "initial": error(forward(initial, noisy)[1]),
            "wiener": error(noisy @ wiener(part, settings, linear_rng)),
            "trained": error(denoised),
        },
        "active_fraction": float(np.mean(hidden > 0)),
    }
    now = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    metadata = {
        "format": "pt",
        "nnrg.lattice.encoder.weight": f"{SIDE},{SIDE}",
        "nnrg.lattice.decoder.bias": f"{SIDE},{SIDE}",
        "architecture": "y = W^T relu(W x + b) + c; W encoder.weight, b encoder.bias, "
        "c decoder.bias; the decoder is tied and not stored",
        "script": "studies/train_patches.py",
        "seed": str(seed),
        "settings": json.dumps(asdict(settings), sort_keys=True),
        "data_sha256": json.dumps(digests, sort_keys=True),
        "report": json.dumps(report, sort_keys=True),
        "versions": json.dumps({"numpy": np.__version__, "pillow": PIL.__version__}),
        "licence": LICENCE,
        "date": datetime.fromtimestamp(now, UTC).date().isoformat(),
    }
    output.mkdir(parents=True, exist_ok=True)
    write_network(output / "patches.safetensors", trained, metadata | {"state": "trained"})
    write_network(output / "patches_init.safetensors", initial, metadata | {"state": "initial"})
    draw_filters(output / "filters.png", {"at initialisation": initial, "trained": trained})
    (output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def main() -> None:
    """Read the command line and run on one thread, so that sums keep their order."""
    parser = argparse.ArgumentParser(description="Train the default network of nnrg.")
    parser.add_argument("--seed", type=int, default=1, help="entropy of every draw (default 1)")
    parser.add_argument("--quick", action="store_true", help="a few steps only, seconds")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/train_patches"))
    arguments = parser.parse_args()
    with threadpool_limits(1):
        run(arguments.seed, QUICK if arguments.quick else Settings(), arguments.output)


if __name__ == "__main__":
    main()
