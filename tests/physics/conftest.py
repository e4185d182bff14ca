"""What has been checked: every known answer with what was obtained, for the documentation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

_CHECKS = pytest.StashKey[dict[tuple[str, str], dict[str, object]]]()

Check = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CHECKS] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests of physics leave those that write something down, if it is asked for."""
    if config.getoption("--checks") is not None:
        here = Path(__file__).parent
        idle = [
            item
            for item in items
            if item.path.is_relative_to(here) and "checked" not in getattr(item, "fixturenames", ())
        ]
        items[:] = [item for item in items if item not in idle]
        config.hook.pytest_deselected(items=idle)


@pytest.fixture
def checked(request: pytest.FixtureRequest) -> Check:
    """Assert that a number is what is known, and put it down for the documentation.

    ``checked(topic, quantity, expected, obtained, error)`` allows `within` errors, 4 if not given;
    `uncertainty` is that of the expected number. Without an error the two agree to `rtol`.
    """

    def check(
        topic: str,
        quantity: str,
        expected: float,
        obtained: float,
        error: float | None = None,
        *,
        uncertainty: float = 0.0,
        within: float = 4.0,
        rtol: float = 1e-9,
        source: str = "exact",
    ) -> None:
        entry: dict[str, object] = {
            "topic": topic,
            "quantity": quantity,
            "expected": float(expected),
            "uncertainty": float(uncertainty),
            "source": source,
            "obtained": float(obtained),
            "error": None if error is None else float(error),
            "test": request.node.nodeid,
        }
        request.config.stash[_CHECKS][topic, quantity] = entry
        if error is None:
            assert obtained == pytest.approx(expected, rel=rtol, abs=rtol), quantity
        else:
            spread = (error**2 + uncertainty**2) ** 0.5
            assert abs(obtained - expected) <= within * spread, quantity

    return check


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    path = session.config.getoption("--checks")
    entries = session.config.stash.get(_CHECKS, {})
    if path is None or not entries or exitstatus not in (0, 1):
        return
    file = Path(path)
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    again = {entry["test"] for entry in entries.values()}
    merged = {(e["topic"], e["quantity"]): e for e in known if e["test"] not in again} | entries
    rows = [merged[key] for key in sorted(merged)]
    file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
