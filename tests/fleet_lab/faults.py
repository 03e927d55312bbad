"""What can be ordered to go wrong with a machine. It holds from the next step it applies to until it is lifted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

FaultName = Literal[
    "never-wakes",
    "wakes-on-third-packet",
    "no-sshd",
    "sshd-late",
    "wrong-host-key",
    "no-vulkan-device",
    "dies-mid-wake",
    "wol-disarmed-after-sleep",
    "wrong-mac",
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`packets` wake it; None: none does. `other_mac`: its card is not the one that the operator wrote down."""

    says: str
    packets: int | None = 1
    sshd_late_s: float = 0.0
    own_host_key: bool = True
    vulkan: bool = True
    dies_after_s: float | None = None
    disarms: bool = False
    other_mac: bool = False


HEALTHY = Fault(says="nothing is wrong with it")

FAULTS: dict[FaultName, Fault] = {
    "never-wakes": Fault(says="no packet wakes it, as if the firmware had Wake-on-LAN switched off", packets=None),
    "wakes-on-third-packet": Fault(says="the first two packets of each sleep are lost on it", packets=3),
    "no-sshd": Fault(says="it answers ARP, but its sshd never starts", sshd_late_s=math.inf),
    "sshd-late": Fault(says="its sshd starts later than usual, by the seconds given (10)", sshd_late_s=10.0),
    "wrong-host-key": Fault(says="from the next wake on, sshd shows a host key that nobody pinned", own_host_key=False),
    "no-vulkan-device": Fault(says="from the next wake on, the folders of Vulkan drivers are empty", vulkan=False),
    "dies-mid-wake": Fault(says="power is lost the seconds given (0.3) after TCP 22 opened", dies_after_s=0.3),
    "wol-disarmed-after-sleep": Fault(says="the next sleep disarms Wake-on-LAN, and it stays so", disarms=True),
    "wrong-mac": Fault(says="its card has another MAC than the one in the books", other_mac=True),
}


def ordered(name: FaultName | None, seconds: float | None = None) -> Fault:
    """The fault of that name, HEALTHY for None. `seconds` is for sshd-late and dies-mid-wake."""
    if name is None:
        return HEALTHY
    fault = FAULTS[name]
    if seconds is None:
        return fault
    if name == "sshd-late":
        return Fault(says=fault.says, sshd_late_s=seconds)
    if name == "dies-mid-wake":
        return Fault(says=fault.says, dies_after_s=seconds)
    raise ValueError(f"the fault {name} takes no seconds")
