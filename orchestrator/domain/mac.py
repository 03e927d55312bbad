"""Hardware addresses as people write them, checked before a packet is sent to one."""

from __future__ import annotations

import re

FORMS = re.compile(r"(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12}")
MULTICAST_BIT = 0x01


def parse_mac(text: str) -> str:
    """`aa:bb:cc:dd:ee:ff` of an address that one network card can have. Raises ValueError with what is wrong."""
    octets = _octets(text, "MAC address")
    if not any(octets):
        raise ValueError(f"{text} is all zeros: the card, or what reported it, does not know its address")
    if octets[0] & MULTICAST_BIT:
        raise ValueError(f"{text} is a multicast or broadcast address, not that of one network card")
    return octets.hex(":")


def parse_secureon(text: str) -> str:
    """A SecureOn password of six octets, written like a MAC address. Raises ValueError."""
    return _octets(text, "SecureOn password").hex(":")


def _octets(text: str, what: str) -> bytes:
    lowered = text.strip().lower()
    if not FORMS.fullmatch(lowered):
        raise ValueError(f"{text!r} is no {what}: write it as aa:bb:cc:dd:ee:ff")
    return bytes.fromhex(re.sub(r"[^0-9a-f]", "", lowered))
