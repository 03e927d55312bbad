"""What the network does to a call over SSH: it ends in time, says nothing of the attempt, and the next one works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.artifacts import partial
from orchestrator.artifacts.receive import receive
from orchestrator.errors import LinkError
from runner_agent import locks, protocol
from runner_agent.protocol import LaunchSpec, PullRequest, ReportRequest
from tests.fault_proxy import FaultProxy
from tests.integration.machines.conftest import Links
from tests.integration.runner_agent.rig import Rig
from tests.integration.runner_agent.rig import request as ask
from tests.locks import asked_for
from tests.orchestrator import wait_for
from tests.sshd import Sshd

ALL = ReportRequest(cursors={})
WAITS = "read line < /dev/null; sleep 600"
LIMIT_S = 8.0
FREED_WITHIN_S = 200.0
"""Far more than the bound, far less than for ever: this machine may be busy."""

Fault = Callable[[FaultProxy, Sshd], None]
FAULTS: dict[str, tuple[Fault, str]] = {
    "blackholed": (lambda proxy, sshd: proxy.blackhole(), "timeout"),
    "answer lost": (lambda proxy, sshd: proxy.half_open("down"), "timeout"),
    "reset": (lambda proxy, sshd: proxy.cut(), "reset"),
    "sshd killed": (lambda proxy, sshd: sshd.kill_sessions(), "reset"),
}


def starts(rig: Rig, spec: LaunchSpec) -> int:
    return sum(event["event"] == "attempt-started" for event in rig.events(spec))


@pytest.mark.fault(17)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_launch_whose_answer_is_lost_is_bounded_and_starts_once(
    rig: Rig, sshd: Sshd, proxy: FaultProxy, linked: Links, fault: str
) -> None:
    strike, kind = FAULTS[fault]
    spec = rig.spec(f"lost-{list(FAULTS).index(fault)}", WAITS)
    link = linked(port=proxy.port, limit_s=LIMIT_S)
    link.report(ALL)
    logins = sshd.logins

    # The runner has the whole request, and works on it until we let it.
    with ThreadPoolExecutor(1) as pool, locks.held(rig.home.launch_lock):
        launching = pool.submit(link.launch, spec)
        wait_for(lambda: asked_for(rig.home.launch_lock, "launch"), LIMIT_S, sshd.log)
        strike(proxy, sshd)
        with pytest.raises(LinkError) as failed:
            launching.result(FREED_WITHIN_S)
    assert failed.value.kind == kind, failed.value
    wait_for(lambda: starts(rig, spec) > 0, 30, sshd.log)

    proxy.heal()
    assert link.launch(spec).phase == "running"
    assert sshd.logins == logins + 1
    rig.link.cancel(ask(spec))
    rig.end(spec)
    assert starts(rig, spec) == 1


def test_a_connection_that_went_silent_meanwhile_is_replaced_within_the_call(
    proxy: FaultProxy, sshd: Sshd, linked: Links
) -> None:
    link = linked(port=proxy.port, limit_s=20.0)
    link.report(ALL)
    proxy.half_open("up")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(link.report, ALL)
        wait_for(lambda: proxy.lost["up"] > 0, 20, str)
        proxy.heal()
        assert asking.result(300).boot_id


def test_a_refused_connection_says_so_at_once(proxy: FaultProxy, linked: Links) -> None:
    link = linked(port=proxy.port)
    proxy.refuse()
    with pytest.raises(LinkError) as failed:
        link.report(ALL)
    assert failed.value.kind == "connect-refused"
    proxy.heal()
    assert link.report(ALL).boot_id


def test_a_connection_that_breaks_while_it_is_made_is_never_taken_for_a_refusal(
    proxy: FaultProxy, linked: Links
) -> None:
    linked().report(ALL)  # the agent's file is there from now on
    linked(port=proxy.port).report(ALL)
    whole = proxy.passed["down"]
    for count in range(0, whole - 300, 300):
        proxy.reset_after(count, "down")
        with pytest.raises(LinkError) as failed:
            linked(port=proxy.port).report(ALL)
        assert failed.value.kind == "reset", (count, failed.value)


def test_stalls_of_two_seconds_are_waited_out(proxy: FaultProxy, linked: Links) -> None:
    link = linked(port=proxy.port)
    link.report(ALL)
    proxy.stall(2.0, times=2)
    begun = time.monotonic()
    assert link.report(ALL).boot_id
    assert time.monotonic() - begun >= 2


@pytest.fixture(scope="module")
def ended(rig: Rig) -> LaunchSpec:
    """An attempt that is over and left a file of 900 KiB."""
    spec = rig.spec("pulled", "head -c 700000 /dev/urandom | base64")
    rig.run(spec)
    return spec


@pytest.mark.fault(7)
def test_a_pull_that_breaks_mid_file_goes_on_where_it_broke(
    rig: Rig, ended: LaunchSpec, proxy: FaultProxy, linked: Links, tmp_path: Path
) -> None:
    link, folder = linked(port=proxy.port), tmp_path / "attempt"

    def pull() -> int:
        asked = PullRequest(**vars(ask(ended)), held=partial.held(folder))
        before = proxy.passed["down"]
        with link.pull(asked) as stream:
            receive(stream, folder)
        return proxy.passed["down"] - before

    link.report(ALL)
    # A RST takes with it what the client had not read, so it comes only once the client has read enough.
    proxy.hold_after(500_000, "down")
    with ThreadPoolExecutor(1) as beside:
        pulled = beside.submit(pull)
        wait_for(lambda: sum(partial.held(folder).values()) > 250_000, 30, lambda: str(proxy.passed))
        proxy.cut()
        with pytest.raises(LinkError) as failed:
            pulled.result(timeout=150)
    proxy.heal()
    assert failed.value.kind == "reset"
    assert not folder.exists()
    held = sum(partial.held(folder).values())
    assert held > 250_000
    # Only the rest comes the second time; the checksums of all of it were compared.
    files = [path.stat().st_size for path in rig.home.attempt(ended.attempt_id).out.rglob("*") if path.is_file()]
    headers = 3000 * len(files) + 50_000
    assert pull() < sum(files) - held + headers
    assert (folder / "RUNNER_SHA256SUMS").is_file()


def test_a_pull_that_goes_silent_is_ended_by_its_idle_bound(
    ended: LaunchSpec, proxy: FaultProxy, linked: Links
) -> None:
    link = linked(port=proxy.port, pull_idle_s=2.0)
    with pytest.raises(LinkError) as failed, link.pull(PullRequest(**vars(ask(ended)))) as stream:
        while stream.read(1000):
            proxy.hold()
    assert failed.value.kind == "timeout"
    proxy.heal()


LAUNCH = """
import sys, time
from orchestrator.domain.runner import Address
from orchestrator.machines.ssh import SshLink
from runner_agent import protocol
import json
port, user, key, host_key, home, spec = sys.argv[1:]
link = SshLink(Address(runner="r", kind="ssh", host="127.0.0.1", port=int(port), user=user, key_path=key,
                       host_key=host_key, home=home))
print(link.launch(protocol.from_json(protocol.LaunchSpec, json.loads(spec))).phase, flush=True)
time.sleep(600)
"""


def test_an_episode_outlives_the_process_and_the_connection_that_launched_it(rig: Rig, sshd: Sshd) -> None:
    spec = rig.spec("outlives", "sleep 2")
    argv = (str(sshd.port), sshd.user, str(sshd.key), sshd.host_key, str(rig.home.root))
    told = json.dumps(protocol.to_json(spec))
    with subprocess.Popen([sys.executable, "-c", LAUNCH, *argv, told], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "running\n"
        for session in sshd.sessions():
            os.kill(session, signal.SIGHUP)
        sshd.kill_sessions()
        process.kill()
    ended = rig.end(spec)
    assert ended.exit is not None and ended.exit.reason == "completed"
    assert starts(rig, spec) == 1
