"""What chaos is done to: an orchestrator, two local runners, and two more over SSH, each behind a faulty network."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.chaos.api import Api
from tests.chaos.toy import make_quick_toy
from tests.components import need
from tests.fault_proxy import FaultProxy
from tests.fleet_lab import FleetLab
from tests.orchestrator import Orchestrator, Part, ScaledOrchestrator, wait_for
from tests.servers import PostgreSQL, Redis, running_postgresql, running_redis
from tests.sshd import Sshd

Parts = Literal["embedded", "scaled"]
SETTINGS = {"tick_s": "0.5", "observe_s": "0.7"}
READY_WITHIN_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One runner: where its home is, and for one over SSH what stands between."""

    name: str
    home: Path
    sshd: Sshd | None = None
    proxy: FaultProxy | None = None

    @property
    def attempts(self) -> Path:
        return self.home / "attempts"

    def ledger(self) -> str:
        path = self.home / "ledger.jsonl"
        return path.read_text("utf-8") if path.exists() else ""

    def supervised(self) -> list[tuple[str, int]]:
        """Attempt and pid of every supervisor that runs, each verified by its start time: a pid comes again."""
        found: list[tuple[str, int]] = []
        for path in self.attempts.glob("[!.]*/identity.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                known = json.loads(path.read_text("utf-8"))
                if start_time(known["pid"]) == known["start_time"] and state(known["pid"]) in "RSD":
                    found.append((path.parent.name, known["pid"]))
        return sorted(found)

    def supervisors(self) -> list[int]:
        """Pids of every process that calls itself a supervisor of this home, also before it has said who it is."""
        marked = [(pid, marker(pid, "MATINS_SUPERVISOR")) for pid in all_pids()]
        return [pid for pid, found in marked if found and found.partition(" ")[2] == str(self.home)]

    def unacknowledged(self) -> list[str]:
        """Attempts whose folder still waits to be acknowledged."""
        kept = [path for path in self.attempts.glob("[!.]*") if path.is_dir()]
        return sorted(path.name for path in kept if not (path / "acknowledged.json").exists())


@dataclass(frozen=True, kw_only=True)
class Rig:
    """`database` and `broker` are there where the orchestrator is scaled out, `lab` where the machines sleep. `most`:
    episodes in flight at once, kept up, but where machines sleep they come now and then."""

    folder: Path
    campaign: Path
    matins: Orchestrator
    api: Api
    machines: tuple[Machine, ...]
    database: PostgreSQL | None = None
    broker: Redis | None = None
    lab: FleetLab | None = None
    most: int = 6

    @property
    def parts(self) -> list[Part]:
        return self.matins.parts

    def machine_of(self, attempt_id: str) -> Machine | None:
        return next((machine for machine in self.machines if (machine.attempts / attempt_id).is_dir()), None)

    def processes(self) -> dict[int, str]:
        """Every process of an attempt of these machines: pid → "agent of …" or "supervisor on …"."""
        ours = {attempt for machine in self.machines for attempt in _attempts_of(machine)}
        agents = [(pid, marker(pid, "MATINS_ATTEMPT")) for pid in all_pids()]
        found = {pid: f"agent of {attempt}" for pid, attempt in agents if attempt in ours}
        return {**found, **{pid: f"supervisor on {each.name}" for each in self.machines for pid in each.supervisors()}}


@contextlib.contextmanager
def running_rig(folder: Path, parts: Parts, *, over_ssh: int = 2, session_s: int = 40) -> Iterator[Rig]:
    """A rig with an accepted campaign. What is left of it at the end is ended: servers, supervisors, agents."""
    need("bwrap", "git")
    home = folder / "home"
    campaign = make_quick_toy(folder, home / "token", session_s)
    settings = {"agents_path": str(folder / "agents"), **SETTINGS}
    with ExitStack() as stack:
        database = broker = None
        if parts == "scaled":
            database = stack.enter_context(running_postgresql())
            broker = stack.enter_context(running_redis())
            urls = {"database_url": database.create("chaos"), "broker_url": broker.url}
            matins: Orchestrator = ScaledOrchestrator(home, **urls, **settings, claim_s="10")
        else:
            matins = Orchestrator(home, **settings)
        machines = [Machine(name=name, home=home / "runners" / name) for name in ("local-1", "local-2")]
        for number in range(1, over_ssh + 1):
            sshd = stack.enter_context(Sshd(folder / f"sshd-{number}"))
            proxy = stack.enter_context(FaultProxy(sshd.port))
            machines.append(Machine(name=f"far-{number}", home=folder / f"far-{number}", sshd=sshd, proxy=proxy))
        rig = Rig(
            folder=folder,
            campaign=campaign,
            matins=matins,
            api=Api(matins),
            machines=tuple(machines),
            database=database,
            broker=broker,
        )
        stack.callback(end_processes, rig)
        stack.callback(matins.stop)
        matins.start()
        for machine in machines:
            rig.api.ask("POST", "runners", _body(machine))
        (first,) = rig.api.submit(campaign, "replay:idler")
        wait_for(lambda: rig.api.have_ended([first]), READY_WITHIN_S, matins.tail)
        assert rig.api.episode(first)["phase"] == "DONE", rig.api.episode(first)["detail"]
        yield rig


def start_time(pid: int) -> int:
    """Clock ticks since boot. Raises OSError where there is no such process."""
    return int(_stat(pid)[19])


def state(pid: int) -> str:
    """One letter, as proc(5) has it. Raises OSError where there is no such process."""
    return _stat(pid)[0]


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def marker(pid: int, name: str) -> str | None:
    """The value of a variable in the environment of a process; None too for one that is gone, or has ended."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    return next((each.partition("=")[2] for each in variables if each.startswith(f"{name}=")), None)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _attempts_of(machine: Machine) -> set[str]:
    told = [json.loads(line) for line in machine.ledger().splitlines() if line.startswith("{") and line.endswith("}")]
    return {line["attempt_id"] for line in told}


def _body(machine: Machine) -> dict[str, object]:
    slots = {"agent": 2, "build": 1}
    if machine.sshd is None or machine.proxy is None:
        return {"name": machine.name, "kind": "local", "slots": slots}
    return {
        "name": machine.name,
        "kind": "ssh",
        "host": "127.0.0.1",
        "port": machine.proxy.port,
        "user": machine.sshd.user,
        "key_path": str(machine.sshd.key),
        "host_key": machine.sshd.host_key,
        "home": str(machine.home),
        "slots": slots,
    }


def end_processes(rig: Rig) -> None:
    """Everything of an attempt that still runs."""
    for pid in rig.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
