"""The faults of machines that sleep, and the table of all that are done to them. What really happened counts, as in
`faults`."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.chaos.faults import (
    Fault,
    arm_part,
    arm_runner,
    cancel,
    declare_dead,
    delete_attempt,
    freeze_part,
    freeze_supervisor,
    kill_agent,
    kill_part,
    kill_supervisor,
    retry,
)
from tests.chaos.lab import ASLEEP, LabMachine, lab_machines
from tests.chaos.rig import Rig
from tests.chaos.scene import Ordered, Scene, asked, send, take_back
from tests.fleet_lab import FaultName

DISTURBING: tuple[FaultName, ...] = ("never-wakes", "wakes-on-third-packet", "wrong-mac")
"""Seen by a packet that did not wake it; the others, but for the one that disarms, by one that did."""

ORDERS: dict[FaultName, tuple[float, ...]] = {
    "never-wakes": (),
    "wakes-on-third-packet": (),
    "no-sshd": (),
    "sshd-late": (1.0, 4.0),
    "wrong-host-key": (),
    "no-vulkan-device": (),
    "dies-mid-wake": (0.1, 0.5, 2.0),
    "wol-disarmed-after-sleep": (),
    "wrong-mac": (),
}
"""Fault → the seconds that it may be given."""
LASTING: tuple[FaultName, ...] = ("no-sshd", "wrong-host-key", "no-vulkan-device")
"""What stays with a machine until its next boot: to lift one, somebody turns it off and on."""
LIFTED_AFTER_S = (10.0, 30.0)


def order_fault(scene: Scene) -> str | None:
    """For one that sleeps, if there is any. It is counted once it was seen, by `seen_on_machines`."""
    free = [machine for machine in lab_machines(scene.rig) if machine.name not in scene.ordered]
    if not free:
        return None
    machine = scene.random.choice([each for each in free if each.box.power in ASLEEP] or free)
    name = scene.random.choice(list(ORDERS))
    seconds = scene.random.choice(ORDERS[name]) if ORDERS[name] else None
    machine.box.order(name, seconds=seconds)
    scene.ordered[machine.name] = Ordered(fault=name, since=time.time())

    def lift() -> None:
        scene.ordered.pop(machine.name)
        heal_machine(machine)
        if name in LASTING:
            if machine.box.power != "off":
                machine.box.cut_power()
            _press(machine)
        take_back(scene, machine)

    scene.later(scene.random.uniform(*LIFTED_AFTER_S), lift)
    return None


def suspend_machine(scene: Scene) -> str | None:
    return _take_down(scene, "suspended", lambda machine: machine.box.suspend())


def cut_power(scene: Scene) -> str | None:
    return _take_down(scene, "power cut", lambda machine: machine.box.cut_power())


def switch_on(scene: Scene) -> str | None:
    """Somebody comes by and presses the button."""
    asleep = [machine for machine in lab_machines(scene.rig) if machine.box.power in ASLEEP]
    if not asleep:
        return None
    machine = scene.random.choice(asleep)
    _press(machine)
    return machine.name


def race_sleep(scene: Scene) -> str | None:
    """An operator says `runner sleep` just as an episode is submitted: the machine may not take both."""
    awake = [machine for machine in lab_machines(scene.rig) if machine.box.power == "on"]
    # A busy computer would not get through more in the time that the verdict waits.
    if not awake or len(scene.in_flight()) > 2 * scene.rig.most:
        return None
    machine = scene.random.choice(awake)
    body = {"by": "chaos", "how": scene.random.choice(("suspend", "power-off"))}
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(asked, scene, f"runners/{machine.name}/sleep", body)
        try:
            scene.submit(2)
        except httpx.HTTPError:
            return None
    return f"{machine.name} {body['how']}" if told.result() else None


def kill_sessions(scene: Scene) -> str | None:
    """The orchestrator's connections to one machine end; its sshd goes on."""
    machine = scene.random.choice(lab_machines(scene.rig))
    sessions = [pid for pid in machine.pids() if _command(pid).startswith("sshd: root")]
    said = [send(pid, signal.SIGKILL, machine.name) for pid in sessions]
    return next((each for each in said if each), None)


LAB_FAULTS: dict[str, tuple[Fault, int]] = {
    "fault of a machine ordered": (order_fault, 8),
    "machine suspended under an episode": (suspend_machine, 3),
    "power cut under an episode": (cut_power, 3),
    "machine switched on by hand": (switch_on, 2),
    "told to sleep as episodes came": (race_sleep, 6),
    "ssh sessions killed": (kill_sessions, 2),
    "orchestrator killed": (kill_part, 2),
    "orchestrator frozen": (freeze_part, 1),
    "orchestrator killed, armed with a failpoint": (arm_part, 2),
    "supervisor killed": (kill_supervisor, 2),
    "supervisor frozen": (freeze_supervisor, 1),
    "agent killed": (kill_agent, 1),
    "runner hit at a failpoint": (arm_runner, 3),
    "attempt's folder deleted": (delete_attempt, 1),
    "episode cancelled": (cancel, 2),
    "runner declared dead": (declare_dead, 1),
    "episode retried by hand": (retry, 1),
}
"""Fault → how it is done, and how often it is chosen. There is no faulty network between, and nothing is scaled out."""


def seen_on_machines(scene: Scene) -> list[str]:
    """Ordered faults that came true since this was asked last."""
    seen: list[str] = []
    for machine in lab_machines(scene.rig):
        ordered = scene.ordered.get(machine.name)
        if ordered is not None and not ordered.seen and _came_true(machine, ordered):
            ordered.seen = True
            seen.append(f"{machine.name} {ordered.fault}")
    return seen


def heal_machine(machine: LabMachine) -> None:
    machine.box.order(None)
    machine.box.set_wol("g")


def heal_machines(rig: Rig) -> None:
    """All in order, and every one that sleeps is switched on: what one was cut off from is still to be told."""
    for machine in lab_machines(rig):
        heal_machine(machine)
        _press(machine)


def _came_true(machine: LabMachine, ordered: Ordered) -> bool:
    if ordered.fault == "wol-disarmed-after-sleep":
        return machine.box.wol == "d"
    heard = [each for each in machine.box.packets if each.at_s > ordered.since and each.power in ASLEEP]
    return any(each.woke != (ordered.fault in DISTURBING) for each in heard)


def _take_down(scene: Scene, said: str, act: Callable[[LabMachine], None]) -> str | None:
    """One with an episode on it. Somebody presses its button after a while."""
    working = [machine for machine in lab_machines(scene.rig) if machine.supervised()]
    if not working:
        return None
    machine = scene.random.choice(working)
    attempts = [attempt for attempt, _ in machine.supervised()]
    try:
        act(machine)
    except AssertionError:
        return None  # it went down by itself meanwhile
    scene.later(scene.soon(), lambda: _press(machine))
    return f"{machine.name} {said} under {' '.join(attempts)}"


def _press(machine: LabMachine) -> None:
    if machine.box.power in ASLEEP:
        with contextlib.suppress(AssertionError):  # a packet may be quicker
            machine.box.press_button()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").replace("\0", " ")
    except OSError:
        return ""
