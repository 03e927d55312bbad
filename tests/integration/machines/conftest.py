"""One sshd and one runner home for the whole folder; each test brings its own links, and a proxy if it needs one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.runner import Address
from orchestrator.machines.ssh import SshLink
from tests.components import need
from tests.fault_proxy import FaultProxy
from tests.integration.runner_agent.rig import Rig
from tests.sshd import Sshd

Links = Callable[..., SshLink]


@pytest.fixture(scope="package")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """The runner that all of them reach; `rig.link` asks it directly, whatever lies in between."""
    need("bwrap", "git")
    return Rig.make(tmp_path_factory.mktemp("runner"))


@pytest.fixture(scope="package")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def proxy(sshd: Sshd) -> Iterator[FaultProxy]:
    with FaultProxy(sshd.port) as running:
        yield running


@pytest.fixture
def linked(sshd: Sshd, rig: Rig) -> Iterator[Links]:
    """Makes links to the runner: `linked(port=…, host_key=…, limit_s=…)`, of the sshd unless said otherwise."""
    made: list[SshLink] = []

    def make(to: Sshd = sshd, home: Path | None = None, **given: Any) -> SshLink:
        address = Address(
            runner="gpu1",
            kind="ssh",
            host="127.0.0.1",
            port=given.pop("port", to.port),
            user=to.user,
            key_path=str(given.pop("key", to.key)),
            host_key=given.pop("host_key", to.host_key),
            home=str(home or rig.home.root),
        )
        made.append(SshLink(address, **given))
        return made[-1]

    yield make
    for link in made:
        link.close()
