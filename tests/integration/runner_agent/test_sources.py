"""Sources that the orchestrator brings: the runner needs neither the repository nor a way to it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.runner import Address
from orchestrator.errors import LinkRefused
from orchestrator.machines.link import Link
from orchestrator.machines.ssh import SshLink
from orchestrator.service.delivery import deliver
from runner_agent.protocol import BundleRequest
from tests.integration.runner_agent.rig import Rig, make_repository
from tests.sshd import Sshd


@pytest.fixture(params=["local", "ssh"])
def link(request: pytest.FixtureRequest, rig: Rig, tmp_path: Path) -> Iterator[Link]:
    if request.param == "local":
        yield rig.link
        return
    with Sshd(tmp_path / "sshd") as sshd:
        place = {"host": "127.0.0.1", "port": sshd.port, "user": sshd.user, "key_path": str(sshd.key)}
        over_ssh = SshLink(Address(runner="gpu1", kind="ssh", host_key=sshd.host_key, home=str(rig.home.root), **place))
        yield over_ssh
        over_ssh.close()


def test_an_attempt_runs_on_a_commit_that_was_brought_piece_by_piece(rig: Rig, link: Link, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    commit = make_repository(repository)
    deliver(link, tmp_path / "orchestrator", str(repository), commit, piece_bytes=600)
    shutil.rmtree(repository)

    brought = {"repo_url": str(repository), "commit": commit, "base_key": tmp_path.name, "deliver": "push"}
    spec = rig.spec(tmp_path.name, "echo 20 > speed", **brought)
    link.launch(spec)
    status = rig.end(spec)

    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded, status.exit.detail) == ("completed", True, "")
    assert b"+20" in rig.pull(spec)["diff.patch"]
    assert list(rig.home.incoming.iterdir()) == []


def test_a_commit_that_was_not_brought_is_named_and_not_fetched(rig: Rig) -> None:
    spec = rig.spec("missing", repo_url=f"{rig.root}/repository/", base_key="missing", deliver="push")
    status = rig.run(spec)
    assert status.exit is not None
    assert status.exit.reason == "infrastructure"
    assert f"commit {rig.commit} of {spec.repo_url} was brought" in status.exit.detail


def test_what_came_damaged_is_refused_and_forgotten(rig: Rig) -> None:
    data = b"not what was meant"
    request = BundleRequest(
        repo_url="https://host/damaged.git",
        commit=rig.commit,
        sha256="0" * 64,
        bytes=len(data),
        data=base64.b64encode(data).decode(),
    )
    for _ in range(2):
        with pytest.raises(LinkRefused, match="damaged"):
            rig.link.bundle(request)
    assert not rig.link.bundle(BundleRequest(repo_url=request.repo_url, commit=rig.commit)).present
    assert not rig.home.mirror(request.repo_url).exists()


@pytest.mark.parametrize(
    "changes", [{"commit": "--upload-pack=x"}, {"sha256": "../../x"}, {"sha256": "0" * 64, "bytes": 9, "data": "?"}]
)
def test_a_name_that_is_none_is_refused(rig: Rig, changes: dict[str, object]) -> None:
    request = {"repo_url": "https://host/x.git", "commit": rig.commit, **changes}
    with pytest.raises(LinkRefused) as refused:
        rig.link.bundle(BundleRequest(**request))  # type: ignore[arg-type]
    assert refused.value.refusal == "bad-request"
