"""The HTTP application on the service's rig, spoken to without a socket."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from orchestrator.web.app import create_app
from tests.unit.service.fixtures import rig, the_toy, told
from tests.unit.service.rig import Rig

__all__ = ["rig", "the_toy", "told"]

TOKEN = "a-token"


@pytest.fixture
def stranger(rig: Rig) -> TestClient:
    """Somebody without a token."""
    return TestClient(create_app(rig.services, TOKEN), raise_server_exceptions=False)


@pytest.fixture
def api(stranger: TestClient) -> TestClient:
    stranger.headers["authorization"] = f"Bearer {TOKEN}"
    return stranger


@pytest.fixture
def done(rig: Rig) -> str:
    """An episode that is DONE, with its artifacts."""
    (one,) = rig.submit()
    rig.run()
    return one
