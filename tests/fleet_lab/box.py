"""One machine in the lab's own process: it acts on the power table, on the faults and on the clock."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fleet_lab import init, kernel, magic, network, nic, power, world
from tests.fleet_lab.faults import HEALTHY, Fault
from tests.fleet_lab.power import Blueprint, Event, Power

PACKETS_KEPT = 1000

After = Callable[[float, Callable[[], object]], None]


class Box:
    """The lab calls `hear`, `obey_guest`, `attend` and `bury` when there is something to hear, and times its steps."""

    def __init__(
        self, blueprint: Blueprint, wire: int, disk: world.Disk, group: Path, shared: tuple[str, ...], after: After
    ) -> None:
        self.blueprint = blueprint
        self.power: Power = "off"
        self.fault = HEALTHY
        self.packets: list[magic.MagicPacket] = []
        self.card = nic.listen(wire, network.MACHINE_INTERFACE)
        # For reading and writing, so that a writer in the machine never waits for a reader.
        self.switch = os.open(disk.board / "power", os.O_RDWR | os.O_NONBLOCK)
        self.init: socket.socket | None = None
        self.boot_id = ""
        self._wire = wire
        self._disk = disk
        self._group = group
        self._shared = shared
        self._after = after
        self._pid = 0
        self._era = 0
        self._seen_asleep = 0
        group.mkdir()

    # What the lab's user asks.

    def state(self) -> dict[str, Any]:
        wol = (self._disk.board / "wol").read_text().strip()
        return {"power": self.power, "boot_id": self.boot_id, "wol": wol, "packets": len(self.packets)}

    def order(self, fault: Fault) -> None:
        if fault.other_mac != self.fault.other_mac:
            network.set_mac(self._wire, _changed(self.blueprint.mac) if fault.other_mac else self.blueprint.mac)
            if self.power not in power.ASLEEP:
                network.set_address(self._wire, self.blueprint.ip, True)
        self.fault = fault
        self._seen_asleep = 0

    def press(self, event: Event) -> bool:
        """The power switch, or the plug; False where the event means nothing now."""
        next_power = power.advance(self.power, event)
        if next_power is None:
            return False
        self._become(next_power)
        self._react(event)
        return True

    # What happens to it.

    def hear(self) -> None:
        for found in nic.received(self.card):
            before = self.power
            woke = self._wakes_on(found) and self.press("wake")
            if len(self.packets) < PACKETS_KEPT:
                self.packets.append(magic.MagicPacket(at_s=time.time(), power=before, woke=woke, **asdict(found)))

    def obey_guest(self) -> None:
        for word in os.read(self.switch, 4096).decode(errors="replace").split():
            if word in ("suspend", "poweroff", "reboot"):
                self.press(word)

    def attend(self) -> None:
        """Process 1 says that a step is done."""
        said: list[str] = []
        with contextlib.suppress(ConnectionError):
            said = self.init.recv(4096).decode().split() if self.init is not None else []
        timing, cold = self.blueprint.timing, self.power == "booting"
        if not said:
            self._drop_init()
        if "prepared" in said:
            self._later(timing.boot_arp_s if cold else timing.resume_arp_s, self._answer_arp)
        if "listening" in said and self.press("up") and self.fault.dies_after_s is not None:
            self._later(self.fault.dies_after_s, lambda: self.press("cut"))

    def bury(self, pid: int) -> None:
        """Process 1 ended by itself: the machine is off."""
        if pid == self._pid:
            self._pid = 0
            self.press("cut")

    def _react(self, event: Event) -> None:
        timing = self.blueprint.timing
        match self.power, event:
            case "booting", "wake":
                self._boot()
            case "resuming", "wake":
                kernel.set_frozen(self._group, False)
                self._prepare()
            case "suspending", _:
                self._later(timing.suspend_s, lambda: self.press("done"))
            case (("stopping" | "restarting"), _):
                self._later(timing.power_off_s, lambda: self.press("done"))
            case "suspended", "done":
                kernel.set_frozen(self._group, True)
                self._fall_asleep()
            case "off", "done":
                self._end()
                self._fall_asleep()
            case "booting", "done":
                self._end()
                network.set_address(self._wire, self.blueprint.ip, False)
                self._boot()
            case "off", "cut":
                # The wire first: no connection is closed in good order.
                self._fall_asleep()
                self._end()

    def _boot(self) -> None:
        self.boot_id = str(uuid.uuid4())
        self._pid, self.init = init.start(
            self._disk, self.blueprint.name, self.boot_id, self._shared, self._wire, self._group
        )
        self._prepare()

    def _prepare(self) -> None:
        keep = self.fault.own_host_key and not self.fault.sshd_late_s
        self._tell(f"prepare {'shown' if self.fault.vulkan else 'hidden'} {'keep' if keep else 'stop'}")

    def _answer_arp(self) -> None:
        network.set_address(self._wire, self.blueprint.ip, True)
        timing = self.blueprint.timing
        usual_s = timing.boot_sshd_s if self.power == "booting" else timing.resume_sshd_s
        key = world.HOST_KEY if self.fault.own_host_key else world.OTHER_HOST_KEY
        self._later(usual_s + self.fault.sshd_late_s, lambda: self._tell(f"sshd {key}"))

    def _fall_asleep(self) -> None:
        network.set_address(self._wire, self.blueprint.ip, False)
        self._seen_asleep = 0
        if self.fault.disarms:
            (self._disk.board / "wol").write_text("d\n")

    def _end(self) -> None:
        """Kills process 1, and with it all others; returns once they are gone."""
        pid, self._pid = self._pid, 0
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._drop_init()
        kernel.set_frozen(self._group, False)

    def _wakes_on(self, found: magic.Magic) -> bool:
        wol = (self._disk.board / "wol").read_text().strip()
        mac = _changed(self.blueprint.mac) if self.fault.other_mac else self.blueprint.mac
        if self.power not in power.ASLEEP or found.mac != mac or "g" not in wol:
            return False
        if "s" in wol and found.password != self.blueprint.secureon:
            return False
        self._seen_asleep += 1
        return self.fault.packets is not None and self._seen_asleep >= self.fault.packets

    def _become(self, next_power: Power) -> None:
        self.power = next_power
        self._era += 1

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        """Unless the power has changed meanwhile."""
        era = self._era
        self._after(seconds, lambda: act() if era == self._era else None)

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError):
            if self.init is not None:
                self.init.sendall(f"{line}\n".encode())

    def _drop_init(self) -> None:
        if self.init is not None:
            self.init.close()
            self.init = None


def _changed(mac: str) -> str:
    """Another address in the same block."""
    return f"{mac[:-2]}{int(mac[-2:], 16) ^ 0x80:02x}"
