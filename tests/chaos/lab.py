"""What chaos is done to where machines sleep: an orchestrator in the fleet lab, and three machines that it wakes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.api import Api
from tests.chaos.rig import Machine, Rig, end_processes, marker, start_time, state
from tests.chaos.toy import make_quick_toy
from tests.components import need
from tests.fleet_lab import FleetLab, kernel
from tests.fleet_lab import Machine as Box
from tests.fleet_lab.orchestrator import LabOrchestrator
from tests.orchestrator import Json, wait_for

SETTINGS = {
    "tick_s": "0.5",
    "observe_s": "0.7",
    "sleep_rule": "fixed",
    "sleep_idle_s": "1",
    "wake_back_off_s": "2",
    "wake_limit_s": "20",
    "preflight_on": "first-runner",
}
SLEEPS = {"gpu01": "power-off", "gpu02": "suspend", "gpu03": "power-off"}
ASLEEP = ("off", "suspended")
READY_WITHIN_S = 180.0
HOME = ".matins-runner"


@dataclass(frozen=True, kw_only=True)
class LabMachine(Machine):
    """`box`: its handle in the lab; `group`: the control group that all its processes are in."""

    box: Box
    group: Path

    def supervised(self) -> list[tuple[str, int]]:
        """None while it does not run. What the machine calls a pid is another one here."""
        if self.box.power != "on":
            return []
        ours = {_inner(pid): pid for pid in self.pids()}
        found: list[tuple[str, int]] = []
        for path in self.attempts.glob("[!.]*/identity.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                known = json.loads(path.read_text("utf-8"))
                pid = ours[known["pid"]]
                if start_time(pid) == known["start_time"] and state(pid) in "RSD":
                    found.append((path.parent.name, pid))
        return sorted(found)

    def supervisors(self) -> list[int]:
        return [pid for pid in self.pids() if (marker(pid, "MATINS_SUPERVISOR") or "").endswith(HOME)]

    def pids(self) -> list[int]:
        """Every process in it, by the pids of this machine."""
        found: list[int] = []
        for path in [self.group / "cgroup.procs", *self.group.glob("**/cgroup.procs")]:
            with contextlib.suppress(OSError):
                found += [int(pid) for pid in path.read_text().split()]
        return sorted(set(found))


class LabApi(Api):
    """Asks from the namespace that the orchestrator listens in."""

    def __init__(self, matins: LabOrchestrator) -> None:
        super().__init__(matins)
        self._lab = matins.lab

    def ask(self, method: str, path: str, body: Any = None, *, timeout_s: float = 30.0) -> Json:
        return self._lab.call(super().ask, method, path, body, timeout_s=timeout_s)

    def answers(self) -> bool:
        return self._lab.call(super().answers)


@contextlib.contextmanager
def running_lab(folder: Path, session_s: int = 40, **settings: str) -> Iterator[Rig]:
    """A rig with an accepted campaign, whose first episode woke the machine that it ran on. `settings` go before
    SETTINGS."""
    need("bwrap", "git")
    home = folder / "home"
    campaign = make_quick_toy(folder, home / "token", session_s)
    with ExitStack() as stack:
        lab = stack.enter_context(FleetLab(len(SLEEPS), shared=[folder]))
        matins = LabOrchestrator(lab, home, agents_path=str(folder / "agents"), **{**SETTINGS, **settings})
        top = kernel.cgroup_top()
        assert top is not None
        machines = tuple(
            LabMachine(name=box.name, home=box.home / HOME, box=box, group=top / lab.folder.name / box.name)
            for box in lab.machines
        )
        rig = Rig(
            folder=folder, campaign=campaign, matins=matins, api=LabApi(matins), machines=machines, lab=lab, most=4
        )
        stack.callback(end_processes, rig)
        stack.callback(matins.stop)
        matins.start()
        for machine in machines:
            machine.box.press_button()
        for machine in machines:
            machine.box.wait_until("on")
            rig.api.ask("POST", "runners", _body(lab, machine.box))
        for machine in machines:
            machine.box.wait_until(*ASLEEP, limit_s=READY_WITHIN_S)
        (first,) = rig.api.submit(campaign, "replay:idler")
        wait_for(lambda: rig.api.have_ended([first]), READY_WITHIN_S, matins.tail)
        assert rig.api.episode(first)["phase"] == "DONE", rig.api.episode(first)["detail"]
        assert any(packet.woke for machine in machines for packet in machine.box.packets)
        yield rig


def lab_machines(rig: Rig) -> list[LabMachine]:
    return [machine for machine in rig.machines if isinstance(machine, LabMachine)]


def _inner(pid: int) -> int:
    """The pid that a process has in the innermost namespace; -1 for one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return -1
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), -1)


def _body(lab: FleetLab, box: Box) -> dict[str, object]:
    return {
        "name": box.name,
        "kind": "ssh",
        "host": box.ip,
        "user": box.user,
        "key_path": str(lab.key),
        "host_key": box.host_key,
        "slots": {"agent": 2, "build": 1},
        "mac": box.mac,
        "broadcast": lab.broadcast,
        "interface": lab.interface,
        "sleeps": SLEEPS[box.name],
    }
