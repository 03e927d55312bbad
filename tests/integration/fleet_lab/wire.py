"""What can be asked of a machine from the orchestrator's namespace without logging in; called through `lab.call`."""

from __future__ import annotations

import socket
import struct
import time

ETHERTYPE_ARP = 0x0806
BROADCAST = b"\xff" * 6
WAIT_S = 0.3


def answers_arp(interface: str, own_ip: str, ip: str, wait_s: float = WAIT_S) -> bool:
    """Whether anyone answers "who has `ip`?" (RFC 826)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP)) as cable:
        cable.bind((interface, ETHERTYPE_ARP))
        mac = cable.getsockname()[4]
        ask = struct.pack(
            "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, socket.inet_aton(own_ip), b"", socket.inet_aton(ip)
        )
        cable.send(BROADCAST + mac + struct.pack("!H", ETHERTYPE_ARP) + ask)
        deadline = time.monotonic() + wait_s
        while (left_s := deadline - time.monotonic()) > 0:
            cable.settimeout(left_s)
            try:
                frame = cable.recv(128)
            except TimeoutError:
                break
            if frame[20:22] == b"\x00\x02" and frame[28:32] == socket.inet_aton(ip):
                return True
        return False


def opens_port(ip: str, port: int = 22, wait_s: float = WAIT_S) -> bool:
    try:
        with socket.create_connection((ip, port), timeout=wait_s):
            return True
    except OSError:
        return False


def send_bare_frame(interface: str, mac: str) -> None:
    """A magic packet without IP or UDP: EtherType 0x0842."""
    wanted = bytes.fromhex(mac.replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as cable:
        cable.bind((interface, 0))
        own = cable.getsockname()[4]
        cable.send(BROADCAST + own + b"\x08\x42" + b"\xff" * 6 + wanted * 16)
