"""The power of a machine as a table, and how long each step takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Power = Literal["off", "booting", "on", "suspending", "suspended", "resuming", "stopping", "restarting"]
Event = Literal["wake", "up", "suspend", "poweroff", "reboot", "done", "cut"]

ASLEEP: tuple[Power, ...] = ("off", "suspended")

# off, suspended: only the network card listens. booting, resuming: until TCP 22 is open. suspending, stopping and
# restarting: still up, and a magic packet is lost, as it is on real machines.
TABLE: dict[tuple[Power, Event], Power] = {
    ("off", "wake"): "booting",
    ("booting", "up"): "on",
    ("suspended", "wake"): "resuming",
    ("resuming", "up"): "on",
    ("on", "suspend"): "suspending",
    ("suspending", "done"): "suspended",
    ("on", "poweroff"): "stopping",
    ("stopping", "done"): "off",
    ("on", "reboot"): "restarting",
    ("restarting", "done"): "booting",
    # The plug is pulled.
    ("booting", "cut"): "off",
    ("resuming", "cut"): "off",
    ("on", "cut"): "off",
    ("suspending", "cut"): "off",
    ("suspended", "cut"): "off",
    ("stopping", "cut"): "off",
    ("restarting", "cut"): "off",
}


def advance(power: Power, event: Event) -> Power | None:
    """The power after the event; None where the event means nothing now."""
    return TABLE.get((power, event))


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds from the packet to ARP answers, from there to sshd's start, and from a wish to sleep to sleep."""

    boot_arp_s: float = 0.1
    boot_sshd_s: float = 0.1
    resume_arp_s: float = 0.05
    resume_sshd_s: float = 0.05
    suspend_s: float = 0.1
    power_off_s: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A machine as ordered. `secureon` is the password its card wants, "aa:bb:cc:dd:ee:ff", or empty."""

    name: str
    mac: str
    ip: str
    secureon: str = ""
    timing: Timing = Timing()
