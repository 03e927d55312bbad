"""Whatever ends a lab, nothing of it is left; and while it lives nothing of it is seen outside."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from wakeonlan import wake

from tests.components import need
from tests.fleet_lab import FleetLab, LabError, kernel
from tests.fleet_lab.lab import PARTS
from tests.orchestrator import wait_for

NAMESPACE = re.compile(r"(cgroup|ipc|mnt|net|pid|uts):\[\d+\]")
DETACHED = "setsid sleep 601 >/dev/null 2>&1 </dev/null &"
ALL_PROTOCOLS = 3
LIMIT_S = 10.0
COMMANDS = (" PROGRAM", "wakeonlan", "ssh -F none")
"""What `make lab` shows: how to run something there, how to wake a machine, how to log in."""

# A user of the lab: a machine is on, with a process that detached itself in it, and so is one beside the orchestrator.
USER = f"""
import sys, time
from tests.fleet_lab import FleetLab
lab = FleetLab(2)
gpu01 = lab.machine("gpu01")
gpu01.press_button()
gpu01.wait_until("on")
assert gpu01.ssh("{DETACHED}").returncode == 0
lab.run(["sh", "-c", "{DETACHED}"])
lab.machine("gpu02").press_button()
lab.machine("gpu02").wait_until("on")
lab.machine("gpu02").suspend()
print(lab.supervisor, lab.folder, flush=True)
time.sleep(600)
"""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What one lab could leave. Pids and the numbers of namespaces come back: processes go by their start times, and
    those that began later than the lab's cannot hold its namespaces."""

    processes: frozenset[tuple[int, str]]
    namespaces: frozenset[str]
    witnesses: frozenset[tuple[int, str]]
    group: Path
    folder: Path

    def gone(self) -> bool:
        now = processes()
        return (
            not self.processes & now.keys()
            and not self.namespaces & {space for pid, _ in self.witnesses & now.keys() for space in namespaces(pid)}
            and str(self.folder) not in Path("/proc/self/mountinfo").read_text()
            and not self.group.exists()
            and not self.folder.exists()
        )


def traces(supervisor: int, folder: Path) -> Traces:
    """Of a lab that lives."""
    everything = processes()
    found = {key for key in everything if key[0] == supervisor}
    while more := {key for key, parent in everything.items() if parent in {pid for pid, _ in found}} - found:
        found |= more
    top = kernel.cgroup_top()
    assert top is not None
    beside = (top / folder.name / "orchestrator/cgroup.procs").read_text().split()
    found |= {key for key in everything if str(key[0]) in beside}
    own = {space for pid, _ in found for space in namespaces(pid)} - {
        os.readlink(path) for path in Path("/proc/self/ns").iterdir()
    }
    return Traces(
        processes=frozenset(found),
        namespaces=frozenset(own),
        witnesses=frozenset(everything),
        group=top / folder.name,
        folder=folder,
    )


def processes() -> dict[tuple[int, str], int]:
    """(pid, start time): parent. The dead that await burial do not count."""
    found: dict[tuple[int, str], int] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (process / "stat").read_text().rpartition(") ")[2].split()
                if fields[0] != "Z":
                    found[int(process.name), fields[19]] = int(fields[1])
    return found


def namespaces(pid: int) -> list[str]:
    """Those it lives in and those it holds by a descriptor."""
    links: list[str] = []
    with contextlib.suppress(OSError):
        for path in (*(Path(f"/proc/{pid}/ns").iterdir()), *(Path(f"/proc/{pid}/fd").iterdir())):
            with contextlib.suppress(OSError):
                links.append(os.readlink(path))
    return [link for link in links if NAMESPACE.fullmatch(link)]


@pytest.fixture
def user() -> Iterator[subprocess.Popen[str]]:
    need(*PARTS)
    with subprocess.Popen([sys.executable, "-c", USER], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def wait_until_gone(left: Traces) -> None:
    wait_for(left.gone, LIMIT_S, lambda: f"left of {left}:\n{left.processes & processes().keys()}")


def test_a_lab_that_was_closed_leaves_nothing(shared_lab: FleetLab) -> None:
    with FleetLab(1, power="on") as own:
        own.run(["sh", "-c", DETACHED])
        own.machine("gpu01").ssh(DETACHED)
        # The lab and its unshare, the machine's init and sshd, two that were detached; what served the login has to go.
        wait_for(lambda: len(traces(own.supervisor, own.folder).processes) == 6, LIMIT_S, lambda: "others live too")
        left = traces(own.supervisor, own.folder)
        kinds = Counter(space.partition(":")[0] for space in left.namespaces)
        assert kinds == {"net": 3, "mnt": 2, "pid": 2, "ipc": 2, "uts": 1, "cgroup": 1}
    wait_until_gone(left)
    assert not traces(shared_lab.supervisor, shared_lab.folder).gone()


def test_a_lab_whose_user_is_killed_leaves_nothing(user: subprocess.Popen[str]) -> None:
    assert user.stdout is not None
    pid, folder = user.stdout.readline().split()
    left = traces(int(pid), Path(folder))
    user.send_signal(signal.SIGKILL)
    wait_until_gone(left)


def test_a_lab_that_is_killed_itself_leaves_nothing_once_its_user_ends() -> None:
    with FleetLab(1, power="on") as own:
        own.machine("gpu01").ssh(DETACHED)
        left = traces(own.supervisor, own.folder)
        os.kill(own.supervisor, signal.SIGKILL)
        wait_for(lambda: not left.processes & (processes().keys()), LIMIT_S, lambda: "something outlived the lab")
        with pytest.raises(LabError):
            _ = own.machine("gpu01").power
    wait_until_gone(left)


def test_a_test_that_fails_in_a_lab_leaves_nothing() -> None:
    left: list[Traces] = []
    with pytest.raises(ZeroDivisionError), FleetLab(1, power="on") as own:
        left.append(traces(own.supervisor, own.folder))
        _ = 1 / 0
    wait_until_gone(left[0])


def test_nothing_of_a_lab_is_seen_on_this_machines_own_interfaces(lab: FleetLab) -> None:
    macs = [bytes.fromhex(machine.mac.replace(":", "")) for machine in lab.machines]
    addresses = [socket.inet_aton(machine.ip) for machine in lab.machines]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as tap:
        tap.setblocking(False)
        gpu01 = lab.machine("gpu01")
        lab.call(wake, *(machine.mac for machine in lab.machines), host=lab.broadcast)
        lab.call(wake, gpu01.mac)
        lab.call(wake, gpu01.mac, interface=lab.address)
        gpu01.wait_until("on")
        assert gpu01.ssh("ping -c 1 -W 1 10.77.0.12; true").returncode == 0
        seen = []
        while True:
            try:
                seen.append(tap.recv(65536))
            except BlockingIOError:
                break
    assert [frame for frame in seen if any(part in frame for part in (*macs, *addresses))] == []
    assert not any(mac in (Path("/proc/net/arp").read_text()) for mac in (machine.mac for machine in lab.machines))


def typed(line: str) -> str:
    """What a shell prints for it."""
    return subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, text=True, timeout=300, check=True).stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_lab_to_play_with_says_how_and_ends_when_asked(number: signal.Signals) -> None:
    need(*PARTS)
    argv = [sys.executable, "-m", "tests.fleet_lab", "--machines", "2", "--order", "gpu02=no-sshd"]
    with (
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as play,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(play.kill)
        assert play.stdout is not None
        said = ""
        while "Waiting for Ctrl-C" not in said:
            line = play.stdout.readline()
            assert line, said
            said += line
        enter, wake_up, log_in = (re.search(rf"^  (.*{part}.*)$", said, re.M) for part in COMMANDS)
        assert enter is not None and wake_up is not None and log_in is not None
        there = enter[1].removesuffix("PROGRAM")
        typed(f"{there}{wake_up[1]}")
        trust = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=30"
        wait_for(lambda: typed(f"{there}{log_in[1]} {trust} hostname || true") == "gpu01\n", 60, lambda: said)
        key = re.search(r"--key (\S+)", said)
        assert key is not None
        play.send_signal(number)
        assert play.wait(timeout=60) == 0
    assert re.search(r"runner add gpu02 .*--host 10\.77\.0\.12 .*--host-key \"ssh-ed25519 \S+\" --mac 02:", said)
    assert not Path(key[1]).parent.exists()
