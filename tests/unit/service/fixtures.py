"""A rig per test, on one toy campaign for a whole folder of tests."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.components import need
from tests.unit.service.rig import Rig, Toy, toy


@pytest.fixture(scope="session")
def the_toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    need("git")
    return toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def told() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged, kept instead of rendered: tracebacks in colour take longer than the tests."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> Rig:
    return Rig(the_toy, tmp_path / "home")
