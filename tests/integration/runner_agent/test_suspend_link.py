"""What keeps a runner awake, and what it refuses once it said yes: the fake and a real runner alike.

The power command is a stand-in before all others on PATH: no test may put this machine to sleep.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestrator.errors import LinkRefused
from orchestrator.machines import agent_file
from orchestrator.machines.fake import FakeLink
from orchestrator.machines.link import Link
from orchestrator.machines.local import LocalLink
from runner_agent import journal, suspend
from runner_agent.home import Home
from runner_agent.protocol import AttemptRequest, DoctorRequest, LaunchSpec, SuspendAnswer, SuspendRequest
from tests.components import need
from tests.integration.runner_agent.rig import Rig
from tests.integration.runner_agent.rig import request as ask
from tests.orchestrator import wait_for

WISH = SuspendRequest(how="suspend", token="wish-1")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """`finish` brings an attempt to its end; `slept` says how often the machine was really sent to sleep."""

    link: Link
    spec: Callable[[str], LaunchSpec]
    finish: Callable[[LaunchSpec], None]
    slept: Callable[[], int]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `systemctl` and an `ethtool` that write down how they were called. Returns where."""
    calls = tmp_path / "calls"
    calls.touch()
    for name, says in (("systemctl", ""), ("ethtool", "printf '\\tSupports Wake-on: pumbg\\n\\tWake-on: g\\n'")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{calls}\n{says}\n')
        program.chmod(0o755)
    sudo = tmp_path / "bin/sudo"
    sudo.write_text('#!/bin/sh\nshift\n[ "$1" = -l ] && exit 0\nexec "$@"\n')
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return calls


class DesertedLink(LocalLink):
    """A runner on this machine on which nobody is logged in, whoever is: somebody would rightly keep it awake. The
    interlock is the real one; what it sees of people is not."""

    def __init__(self, home: Home) -> None:
        super().__init__(home.root)
        self._own = home

    def suspend(self, request: SuspendRequest) -> SuspendAnswer:
        deserted = replace(suspend.sight(os.environ), logins=lambda: ())
        agent = agent_file.place(agent_file.build(), self._own.root / "agent")
        return suspend.suspend(self._own, request, agent, deserted)


def alone(folder: Path) -> Rig:
    need("bwrap", "git")
    rig = Rig.make(folder)
    return replace(rig, link=DesertedLink(rig.home))


@pytest.fixture(params=["fake", "local"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, stand_in: Path) -> Bench:
    if request.param == "fake":
        fake = FakeLink()
        rig = Rig(root=tmp_path, link=None, commit="0" * 40)  # type: ignore[arg-type]  it only makes specs
        return Bench(
            link=fake,
            spec=lambda name: rig.spec(name),
            finish=lambda spec: fake.finish(spec.attempt_id, {"diff.patch": b""}, reason="cancelled"),
            slept=lambda: len(fake.sleeps),
        )
    rig = alone(tmp_path)

    def finish(spec: LaunchSpec) -> None:
        rig.link.cancel(ask(spec))
        rig.end(spec)

    return Bench(
        link=rig.link,
        spec=lambda name: rig.spec(name, "sleep 600"),
        finish=finish,
        slept=lambda: stand_in.read_text().count("systemctl suspend"),
    )


def test_a_runner_sleeps_only_once_its_attempts_are_over_and_collected(bench: Bench) -> None:
    spec = bench.spec("one")
    bench.link.launch(spec)
    awake = bench.link.suspend(WISH)
    assert (awake.accepted, awake.refusals) == (False, ("live-attempt",))
    assert awake.why == ("attempt attempt-one is running",)

    bench.finish(spec)
    assert bench.link.suspend(WISH).refusals == ("unacknowledged-result",)

    bench.link.acknowledge(AttemptRequest(attempt_id=spec.attempt_id, episode_id=spec.episode_id, fence=spec.fence))
    assert bench.link.suspend(WISH).accepted
    with pytest.raises(LinkRefused) as refused:
        bench.link.launch(bench.spec("two"))
    assert refused.value.refusal == "suspending"
    assert bench.link.suspend(WISH).accepted
    wait_for(lambda: bench.slept() > 0, 20, lambda: "it was not sent to sleep")
    assert bench.slept() == 1


def test_a_runner_that_runs_says_nothing_of_sleep_to_a_launch_that_comes_again(bench: Bench) -> None:
    spec = bench.spec("again")
    assert bench.link.launch(spec).phase == "running"
    assert bench.link.suspend(WISH).refusals == ("live-attempt",)
    assert bench.link.launch(spec).phase == "running"
    bench.finish(spec)


def test_where_the_power_command_fails_the_runner_takes_attempts_again(tmp_path: Path, stand_in: Path) -> None:
    (tmp_path / "bin/systemctl").write_text("#!/bin/sh\necho 'Sleep verb not supported' >&2; exit 1\n")
    rig = alone(tmp_path)
    assert rig.link.suspend(WISH).accepted
    told = rig.home.power_journal
    wait_for(lambda: "failed" in [line["event"] for line in journal.read(told)], 20, told.read_text)
    assert journal.read(told)[-1]["why"] == "Sleep verb not supported"
    spec = rig.spec("after")
    assert rig.run(spec).phase == "exited"


def test_a_real_runner_says_how_it_would_be_woken_and_what_it_lacks(tmp_path: Path, stand_in: Path) -> None:
    link = Rig.make(tmp_path).link
    said = link.hello()
    if said.macs:
        assert said.wake_on_lan == "armed"
    assert said.gates == tuple(f"gpu-{gpu.device_uuid}" for gpu in said.gpus)
    rows = {row.name: row for row in link.doctor(DoctorRequest(now="2020-01-01T00:00:00Z")).prerequisites}
    assert rows["clock"].result == "fail"
    assert rows["power command"].result == "pass"
