"""Virtual machines made of namespaces: a fleet that really sleeps, for tests and for playing (`make lab`).

    with FleetLab(machines=3) as lab:
        gpu01 = lab.machine("gpu01")                     .mac .ip .host_key .power .boot_id .wol .home .log
        lab.call(wake, gpu01.mac, host=lab.broadcast)    a function, in the orchestrator's network namespace
        lab.run([...]), lab.spawn([...])                 a program there; lab.command(...) is its argument list
        gpu01.wait_until("on"); gpu01.packets            captured: at_s, source, port, password, power, woke
        gpu01.order("sshd-late", seconds=3)              see faults.FAULTS; order(None) lifts it
        gpu01.ssh("systemctl", "suspend")                also .suspend() .power_off() .cut_power() .press_button()

Each machine has network, mount, pid, uts, ipc and cgroup namespaces, a root that is a layer over this machine's, its
own home, host key, MAC and boot id, and a real sshd. Its network card is a packet socket that outlives its processes:
asleep, it alone listens, and a magic packet for its MAC boots the machine (off) or thaws it (suspended).

Not real: the card's firmware and the power switch; `ethtool` and `systemctl` in the machines, which speak to those two
and know only what Matins uses of them; the monotonic clock, which does not stop during suspend; the kernel, the devices
and the processors, which all machines share. A folder that is a mount of its own on this machine is empty in them.

Nothing can leave by this machine's interfaces, and everything ends with the process that made the lab, however that
ends: the lab's process sees its socket close, and it is process 1 of the pid namespace that all others live in.
"""

from tests.fleet_lab.faults import FAULTS, FaultName
from tests.fleet_lab.lab import FleetLab, LabError
from tests.fleet_lab.machine import Machine
from tests.fleet_lab.magic import MagicPacket
from tests.fleet_lab.power import Blueprint, Power, Timing

__all__ = ["FAULTS", "Blueprint", "FaultName", "FleetLab", "LabError", "Machine", "MagicPacket", "Power", "Timing"]
