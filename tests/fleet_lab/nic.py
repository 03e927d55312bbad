"""The network card of a machine that sleeps: a packet socket on its cable, which outlives everything in the machine."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterator

from tests.fleet_lab import kernel, magic

ALL_PROTOCOLS = 3
ATTACH_FILTER = 26
FRAME_BYTES = 2048
OUTGOING, FOR_ANOTHER = 4, 3

# Classic BPF, as in the kernel's networking/filter.rst: EtherType 0x0842, or UDP over IPv4 to port 9 or 7. Without it
# every packet of a pull would be copied to the lab.
_FILTER = (
    (0x28, 0, 0, 12),  # ldh [12]            EtherType
    (0x15, 7, 0, magic.ETHERTYPE_WAKE),
    (0x15, 0, 7, magic.ETHERTYPE_IPV4),
    (0x30, 0, 0, 23),  # ldb [23]            protocol
    (0x15, 0, 5, socket.IPPROTO_UDP),
    (0xB1, 0, 0, 14),  # ldxb 4*([14]&0xf)   length of the IP header
    (0x48, 0, 0, 16),  # ldh [x + 16]        UDP destination
    (0x15, 1, 0, 9),
    (0x15, 0, 1, 7),
    (0x06, 0, 0, FRAME_BYTES),
    (0x06, 0, 0, 0),
)


def listen(network: int, interface: str) -> socket.socket:
    """A socket that receives what might be a magic packet on that interface of that namespace."""
    return kernel.within(network, _open, interface)


def received(card: socket.socket) -> Iterator[magic.Magic]:
    """The magic packets that came in since the last call."""
    while True:
        try:
            frame, address = card.recvfrom(FRAME_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENETDOWN:
                raise
            continue  # the machine took its interface down: said once, then the card is as before
        if address[2] not in (OUTGOING, FOR_ANOTHER) and (found := magic.read(frame)) is not None:
            yield found


def _open(interface: str) -> socket.socket:
    card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _FILTER))
    card.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, struct.pack("HP", len(_FILTER), ctypes.addressof(program)))
    card.bind((interface, ALL_PROTOCOLS))
    card.setblocking(False)
    return card
