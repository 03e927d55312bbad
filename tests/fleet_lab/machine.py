"""A handle on one machine of a lab."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fleet_lab.faults import FaultName
from tests.fleet_lab.magic import MagicPacket
from tests.fleet_lab.power import Blueprint, Power
from tests.orchestrator import SLOWER_MOST

if TYPE_CHECKING:
    from tests.fleet_lab.lab import FleetLab

POLL_S = 0.01
WAIT_S = 20.0


class Machine:
    """`host_key` is what an operator would pin: "TYPE BASE64". `mac` is the one in the books."""

    user = "root"
    ssh_port = 22

    def __init__(self, lab: FleetLab, blueprint: Blueprint, host_key: str) -> None:
        self._lab = lab
        self.blueprint = blueprint
        self.name = blueprint.name
        self.mac = blueprint.mac
        self.ip = blueprint.ip
        self.host_key = host_key

    @property
    def power(self) -> Power:
        return self._state()["power"]

    @property
    def boot_id(self) -> str:
        """Of the last boot; empty before the first."""
        return self._state()["boot_id"]

    @property
    def wol(self) -> str:
        """What its ethtool would say: g, gs (with the SecureOn password) or d."""
        return self._state()["wol"]

    @property
    def packets(self) -> list[MagicPacket]:
        """The magic packets for its MAC that reached its cable, whatever its power was, oldest first."""
        return [packet for packet in self._heard() if packet.mac == self.mac]

    @property
    def strays(self) -> list[MagicPacket]:
        """Those that reached it but were for another MAC."""
        return [packet for packet in self._heard() if packet.mac != self.mac]

    @property
    def heard(self) -> int:
        """How many magic packets reached its cable, for whomever; what one does to it is done once it counts."""
        return self._state()["packets"]

    @property
    def home(self) -> Path:
        """Root's home in it, to look at from outside; see FleetLab.disk."""
        return self._lab.disk(self.name) / "home"

    @property
    def log(self) -> str:
        """What its sshd wrote, in all its boots."""
        path = self._lab.disk(self.name) / "sshd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def order(self, fault: FaultName | None, *, seconds: float | None = None) -> None:
        """Orders a fault, in place of the one before; None: it is in order again."""
        self._lab.ask("order", self.name, fault=fault, seconds=seconds)

    def press_button(self) -> None:
        """Wakes it without a packet."""
        self._press("wake")

    def suspend(self) -> None:
        """What `systemctl suspend` in it does; returns once it sleeps."""
        self._press("suspend")
        self.wait_until("suspended")

    def power_off(self) -> None:
        """What `systemctl poweroff` in it does; returns once it is off."""
        self._press("poweroff")
        self.wait_until("off")

    def cut_power(self) -> None:
        """The plug is pulled."""
        self._press("cut")

    def wait_until(self, *powers: Power, limit_s: float = WAIT_S) -> Power:
        """Until its power is one of these; which. Fails after `limit_s`, SLOWER_MOST times over."""
        deadline = time.monotonic() + limit_s * SLOWER_MOST
        while (power := self.power) not in powers:
            assert time.monotonic() < deadline, f"{self.name} is {power}, not {' or '.join(powers)}\n{self.log}"
            time.sleep(POLL_S)
        return power

    def set_wol(self, wol: str) -> None:
        """As `ethtool -s eth0 wol` in it: g, gs or d."""
        (self._lab.disk(self.name) / "board/wol").write_text(f"{wol}\n")

    def ssh(self, *command: str, limit_s: float = 100.0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command in it from the orchestrator's namespace; `options` are subprocess.run's."""
        return self._lab.run(self.ssh_command(*command), limit_s=limit_s, **options)

    def ssh_command(self, *command: str) -> list[str]:
        """OpenSSH's client, with the machine's host key pinned."""
        known = self._lab.folder / f"{self.name}-known-hosts"
        known.write_text(f"{self.ip} {self.host_key}\n")
        options = {
            "UserKnownHostsFile": known,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "IdentitiesOnly": "yes",
            # The default, sntrup761, is most of what a login here would take.
            "KexAlgorithms": "curve25519-sha256",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", str(self._lab.key), *flags, f"{self.user}@{self.ip}", "--", *command]

    def _press(self, event: str) -> None:
        assert self._lab.ask("press", self.name, event=event), f"{self.name} is {self.power}: {event} means nothing"

    def _state(self) -> dict[str, Any]:
        return self._lab.ask("state", self.name)

    def _heard(self) -> list[MagicPacket]:
        return [MagicPacket(**packet) for packet in self._lab.ask("packets", self.name)]
