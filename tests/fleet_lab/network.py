"""The wires: a bridge, a cable to the orchestrator's namespace and one to each machine's; nothing leads out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable

from tests.fleet_lab import kernel
from tests.fleet_lab.power import Blueprint

PREFIX = 24
ORCHESTRATOR_IP = "10.77.0.1"
BROADCAST = "10.77.0.255"
ORCHESTRATOR_INTERFACE = "lan0"
MACHINE_INTERFACE = "eth0"
NEIGHBOUR_GONE = "base_reachable 1000 delay_probe 300 retrans 300"
"""Milliseconds. That a machine no longer answers is known within two seconds, and not after the default's half minute:
Matins takes that silence for sleep."""
UPLINK_IP = "198.51.100.2"
UPLINK_GATEWAY = "198.51.100.1"


def build(blueprints: Iterable[Blueprint], *, uplink: bool) -> tuple[int, dict[str, int]]:
    """Lays everything out from the switch's namespace, which is the caller's. Descriptors of the orchestrator's
    namespace and of each machine's. `uplink` gives the orchestrator a second interface with the default route, as
    most have: a broadcast that names no interface leaves there, and reaches nobody."""
    orchestrator = kernel.new_network()
    machines = {blueprint.name: kernel.new_network() for blueprint in blueprints}
    _ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 addrgenmode none up")
    _cable("orch", ORCHESTRATOR_INTERFACE, orchestrator)
    _ip("link set orch master br0")
    kernel.within(
        orchestrator,
        _ip,
        "link set lo up",
        f"link set {ORCHESTRATOR_INTERFACE} up",
        f"addr add {ORCHESTRATOR_IP}/{PREFIX} brd {BROADCAST} dev {ORCHESTRATOR_INTERFACE}",
        f"ntable change name arp_cache dev {ORCHESTRATOR_INTERFACE} {NEIGHBOUR_GONE}",
    )
    if uplink:
        _cable("far", "uplink", orchestrator)
        added = (f"addr add {UPLINK_IP}/{PREFIX} dev uplink", f"route add default via {UPLINK_GATEWAY} dev uplink")
        kernel.within(orchestrator, _ip, "link set uplink up", *added)
    for blueprint in blueprints:
        _cable(blueprint.name, MACHINE_INTERFACE, machines[blueprint.name])
        _ip(f"link set {blueprint.name} master br0")
        set_mac(machines[blueprint.name], blueprint.mac)
        kernel.within(machines[blueprint.name], _ip, "link set lo up")
    return orchestrator, machines


def set_mac(network: int, mac: str) -> None:
    kernel.within(network, _ip, f"link set {MACHINE_INTERFACE} down", f"link set {MACHINE_INTERFACE} address {mac} up")


def set_address(network: int, ip: str, present: bool) -> None:
    """Without an address the machine answers no ARP, while its card still hears the wire."""
    act = f"addr replace {ip}/{PREFIX} brd {BROADCAST} dev" if present else "addr flush dev"
    kernel.within(network, _ip, f"{act} {MACHINE_INTERFACE}")


def _cable(near: str, far: str, network: int) -> None:
    """A veth pair whose far end is moved into `network`."""
    target = f"/proc/{os.getpid()}/fd/{network}"
    _ip(
        f"link add {near} type veth peer name {far}",
        f"link set {far} addrgenmode none netns {target}",
        f"link set {near} addrgenmode none up",
    )


def _ip(*commands: str) -> None:
    batch = "".join(f"{command}\n" for command in commands)
    done = subprocess.run(["ip", "-batch", "-"], input=batch, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise OSError(f"ip: {done.stderr.strip()} in: {'; '.join(commands)}")
