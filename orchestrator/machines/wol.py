"""Magic packets. That one was sent proves nothing; `wake_probe` looks for what follows from it."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import socket
import struct
from dataclasses import dataclass

import wakeonlan

from orchestrator.domain.mac import parse_mac, parse_secureon
from orchestrator.errors import LinkError

PORTS = (9, 7)
"""Network cards look for the pattern and not for a port, but some firmware and some routers let only one through."""

BURST = 3
SIOCGIFADDR = 0x8915
NAME_BYTES_MAX = 15


@dataclass(frozen=True, kw_only=True)
class WakeTarget:
    """How a runner is woken. `interface` is a name or an IPv4 address of this host, empty for the routing table's
    choice; `broadcast` the directed broadcast address of the runner's network, or 255.255.255.255."""

    mac: str
    broadcast: str = wakeonlan.BROADCAST_IP
    interface: str = ""
    secureon: str = ""


def send_burst(target: WakeTarget, ports: tuple[int, ...] = PORTS) -> int:
    """The number of packets sent. Raises LinkError where they cannot leave this host."""
    address = parse_mac(target.mac)
    address = f"{address}/{parse_secureon(target.secureon)}" if target.secureon else address
    source = source_address(target.interface) if target.interface else None
    for port in ports:
        try:
            wakeonlan.wake(
                *[address] * BURST, host=target.broadcast, port=port, interface=source, family=socket.AF_INET
            )
        except OSError as error:
            via = f" from {target.interface}" if target.interface else ""
            raise LinkError(f"no packet could be sent to {target.broadcast}:{port}{via}: {error.strerror}") from error
    return BURST * len(ports)


def source_address(interface: str) -> str:
    """The IPv4 address to send from: `wakeonlan` binds to an address, people name interfaces. Raises LinkError."""
    try:
        return str(ipaddress.IPv4Address(interface))
    except ValueError:
        pass
    if len(interface.encode()) > NAME_BYTES_MAX:
        raise LinkError(f"{interface!r} is no name of a network interface: it is longer than {NAME_BYTES_MAX} bytes")
    request = struct.pack("256s", interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, request)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise LinkError(f"this host has no network interface {interface}") from None
            if error.errno == errno.EADDRNOTAVAIL:
                raise LinkError(f"network interface {interface} has no IPv4 address") from None
            raise LinkError(f"the address of network interface {interface} cannot be read: {error.strerror}") from error
    return socket.inet_ntoa(answer[20:24])
