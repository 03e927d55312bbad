"""The rules of a link, held by the fake and by a real runner alike, beside us or reached over SSH."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestrator.domain.runner import Address
from orchestrator.errors import LinkRefused
from orchestrator.machines.fake import FakeLink
from orchestrator.machines.link import Link
from orchestrator.machines.ssh import SshLink
from runner_agent.protocol import (
    AttemptRequest,
    BundleAnswer,
    BundleRequest,
    GradeRequest,
    LaunchSpec,
    PullRequest,
    ReportRequest,
)
from tests.integration.runner_agent.rig import Rig
from tests.integration.runner_agent.rig import request as ask
from tests.sshd import Sshd


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A link, how to make a spec for it, and how to bring an attempt to its end."""

    link: Link
    spec: Callable[[str], LaunchSpec]
    finish: Callable[[LaunchSpec], None]


@pytest.fixture(scope="module")
def over_ssh(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshLink]:
    """The same runner, through a real sshd."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as sshd:
        address = Address(
            runner="gpu1",
            kind="ssh",
            host="127.0.0.1",
            port=sshd.port,
            user=sshd.user,
            key_path=str(sshd.key),
            host_key=sshd.host_key,
            home=str(rig.home.root),
        )
        link = SshLink(address)
        yield link
        link.close()


@pytest.fixture(params=["fake", "local", "ssh"])
def bench(request: pytest.FixtureRequest, rig: Rig) -> Bench:
    kind: str = request.param

    def spec(name: str) -> LaunchSpec:
        return rig.spec(f"{kind}-{name}", "read line < /dev/null; sleep 600", kind="episode")

    if kind == "fake":
        fake = FakeLink()

        def finish(spec: LaunchSpec) -> None:
            fake.event(spec.attempt_id, "attempt-started")
            fake.event(spec.attempt_id, "attempt-ended")
            fake.finish(spec.attempt_id, {"diff.patch": b""}, reason="cancelled")

        return Bench(link=fake, spec=spec, finish=finish)

    def cancel(spec: LaunchSpec) -> None:
        rig.link.cancel(ask(spec))
        rig.end(spec)

    link: Link = request.getfixturevalue("over_ssh") if kind == "ssh" else rig.link
    return Bench(link=link, spec=spec, finish=cancel)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(LinkRefused) as refused:
        act()
    return refused.value.refusal


def test_one_attempt_from_first_launch_to_its_acknowledgement(bench: Bench) -> None:
    link, spec = bench.link, bench.spec("life")
    first = link.launch(spec)
    assert (first.phase, first.fence, first.episode_id) == ("running", 1, spec.episode_id)

    # A second launch starts nothing, and neither pull nor acknowledgement is for the living.
    assert link.launch(spec).phase == "running"
    assert refusal(lambda: link.acknowledge(ask(spec))) == "not-ended"
    assert refusal(lambda: pulled(link, ask(spec))) == "not-ended"
    assert refusal(lambda: link.grade(grade(spec))) == "not-ended"

    # Whoever does not hold the attempt's fence gets nothing.
    stale = replace(ask(spec), fence=0)
    for act in (link.cancel, link.acknowledge, lambda asked: pulled(link, asked)):
        assert refusal(lambda act=act: act(stale)) == "stale-fence"

    # Another attempt of the episode is refused while this one lives, whatever its fence.
    assert refusal(lambda: link.launch(replace(spec, attempt_id=f"{spec.attempt_id}-b"))) == "stale-fence"
    second = replace(spec, attempt_id=f"{spec.attempt_id}-c", fence=2)
    assert refusal(lambda: link.launch(second)) == "not-ended"

    bench.finish(spec)
    ended = next(each for each in link.report(ReportRequest(cursors={})).attempts if each.attempt_id == spec.attempt_id)
    assert (ended.phase, ended.exit is not None) == ("exited", True)
    events = stream(link, spec, 0)
    assert events.count(b"attempt-started") == 1
    assert stream(link, spec, len(events) - 10) == events[-10:]
    assert stream(link, spec, len(events)) == b""
    whole = pulled(link, ask(spec))
    assert b"diff.patch" in whole
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        sizes = {member.name: member.size for member in tar if member.size}
    with tarfile.open(fileobj=io.BytesIO(pulled(link, ask(spec), sizes))) as tar:
        # All is held: what comes are the checksums and what is empty.
        assert {member.name for member in tar if member.size} == {"RUNNER_SHA256SUMS"}

    link.acknowledge(ask(spec))
    link.acknowledge(ask(spec))
    assert spec.attempt_id not in [each.attempt_id for each in link.report(ReportRequest(cursors={})).attempts]
    assert spec.attempt_id not in link.hello().attempts
    assert refusal(lambda: pulled(link, ask(spec))) == "unknown-attempt"
    # A launch that was on its way all the time starts nothing either.
    assert link.launch(spec).phase == "exited"


def test_five_launches_at_once_start_once(bench: Bench) -> None:
    spec = bench.spec("five")
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(bench.link.launch, [spec] * 5))
    assert {answer.phase for answer in answers} == {"running"}
    bench.finish(spec)
    assert stream(bench.link, spec, 0).count(b"attempt-started") == 1


@pytest.mark.fault(18)
def test_a_cancelled_attempt_that_never_started_never_will(bench: Bench) -> None:
    link, spec = bench.link, bench.spec("tombstone")
    assert link.cancel(ask(spec)).phase == "cancelled"
    assert link.launch(spec).phase == "cancelled"
    assert link.cancel(ask(spec)).phase == "cancelled"
    lower = replace(spec, attempt_id=f"{spec.attempt_id}-b", fence=0)
    assert refusal(lambda: link.launch(lower)) == "stale-fence"
    link.acknowledge(ask(spec))
    assert link.launch(spec).phase == "cancelled"


def test_an_attempt_that_nobody_launched_is_unknown(bench: Bench) -> None:
    link, spec = bench.link, bench.spec("unknown")
    assert refusal(lambda: pulled(link, ask(spec))) == "unknown-attempt"
    assert refusal(lambda: link.grade(grade(spec))) == "unknown-attempt"
    link.acknowledge(ask(spec))
    told = link.report(ReportRequest(cursors={spec.attempt_id: {}}))
    assert (told.chunks, told.gone) == ((), (spec.attempt_id,))


def test_an_attempt_is_gone_only_if_no_folder_tells_of_it(bench: Bench) -> None:
    link, spec = bench.link, bench.spec("here")
    cancelled = replace(ask(spec), attempt_id=f"{spec.attempt_id}-never", episode_id=f"{spec.episode_id}-never")
    link.cancel(cancelled)
    link.launch(spec)
    asked = ReportRequest(cursors={spec.attempt_id: {}, cancelled.attempt_id: {}})
    told = link.report(asked)
    assert told.gone == ()
    mine = next(each for each in told.attempts if each.attempt_id == spec.attempt_id)
    assert mine.boot_id == told.boot_id
    bench.finish(spec)
    link.acknowledge(ask(spec))
    link.acknowledge(cancelled)
    assert link.report(asked).gone == ()


def test_a_commit_comes_in_pieces_and_a_piece_out_of_place_changes_nothing(
    bench: Bench, rig: Rig, tmp_path: Path
) -> None:
    whole = bundled(rig, tmp_path)
    asked = BundleRequest(repo_url=f"https://host/{tmp_path.name}.git", commit=rig.commit)
    sent = replace(asked, sha256=hashlib.sha256(whole).hexdigest(), bytes=len(whole))

    def piece(first: int, end: int) -> BundleAnswer:
        return bench.link.bundle(replace(sent, offset=first, data=base64.b64encode(whole[first:end]).decode()))

    assert bench.link.bundle(asked) == BundleAnswer(present=False)
    assert piece(0, 100) == piece(0, 150) == piece(99, 200) == BundleAnswer(present=False, held_bytes=100)
    assert piece(100, len(whole)).present
    assert bench.link.bundle(asked) == BundleAnswer(present=True)
    damaged = replace(sent, commit="0" * 40, data=base64.b64encode(whole[:-1] + b"?").decode())
    assert refusal(lambda: bench.link.bundle(damaged)) == "runner-fault"


def bundled(rig: Rig, folder: Path) -> bytes:
    """A bundle of the rig's commit, as the orchestrator makes one."""
    name, mirror = f"refs/matins/{rig.commit}", str(folder / "mirror.git")
    for words in (
        ("clone", "--quiet", "--bare", str(rig.root / "repository"), mirror),
        ("-C", mirror, "update-ref", name, rig.commit),
        ("-C", mirror, "bundle", "create", "--quiet", str(folder / "bundle"), name),
    ):
        subprocess.run(["git", *words], check=True, capture_output=True)
    return (folder / "bundle").read_bytes()


def grade(spec: LaunchSpec) -> GradeRequest:
    return GradeRequest(attempt_id=spec.attempt_id, episode_id=spec.episode_id, fence=spec.fence, checks=())


def pulled(link: Link, asked: AttemptRequest, held: dict[str, int] | None = None) -> bytes:
    request = PullRequest(attempt_id=asked.attempt_id, episode_id=asked.episode_id, fence=asked.fence, held=held or {})
    with link.pull(request) as file:
        return file.read()


def stream(link: Link, spec: LaunchSpec, offset: int) -> bytes:
    chunks = link.report(ReportRequest(cursors={spec.attempt_id: {"events.jsonl": offset}})).chunks
    found = [chunk for chunk in chunks if chunk.stream == "events.jsonl"]
    assert all(chunk.offset == offset for chunk in found)
    return b"".join(base64.b64decode(chunk.data) for chunk in found)
