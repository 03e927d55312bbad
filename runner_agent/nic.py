"""Network cards: which there are, and whether one would wake the machine at a magic packet."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner_agent import programs
from runner_agent.programs import Told

ASK_LIMIT_S = 5.0
NET = Path("/sys/class/net")
ROUTES = Path("/proc/net/route")
ETHERNET = "1"
"""ARPHRD_ETHER, as /sys/class/net/*/type says it."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """An Ethernet interface. `wakeup`: what the kernel's `device/power/wakeup` says, empty where it says nothing."""

    name: str
    mac: str
    physical: bool
    wakeup: str = ""


def cards() -> tuple[Card, ...]:
    """The machine's own cards; where no interface has a device behind it, as in a container, all that there are."""
    found = [card for name in sorted(_names()) if (card := _card(NET / name)) is not None]
    return tuple(card for card in found if card.physical) or tuple(found)


def choose(found: tuple[Card, ...], mac: str, routes: str) -> Card | None:
    """The card with this address; where none is asked for, that of the default route, or else the only one."""
    if mac:
        return next((card for card in found if card.mac == mac.lower().replace("-", ":")), None)
    way = default_interface(routes)
    return next((card for card in found if card.name == way), found[0] if len(found) == 1 else None)


def default_interface(routes: str) -> str:
    """The interface of the default route with the lowest metric, from the text of /proc/net/route; empty if none."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    ways = [(int(row[6]), row[0]) for row in rows if len(row) > 7 and row[1] == row[7] == "00000000"]
    return min(ways)[1] if ways else ""


def meant(mac: str) -> Card | None:
    """The card of this machine that a wake is meant for."""
    return choose(cards(), mac, _read(ROUTES))


def wake_on_lan(environ: Mapping[str, str], mac: str = "") -> str:
    """ "armed", "disarmed: …" or "unknown: …"."""
    card = meant(mac)
    if card is None:
        return _no_card(cards(), mac)
    program = programs.find("ethtool", environ)
    if program is None:
        return judge(card, None)
    told = programs.ask((program, card.name), ASK_LIMIT_S)
    raised = programs.as_root((program, card.name), environ)
    if "Wake-on:" not in _lines(told.stdout) and raised is not None and raised[0] != program:
        told = programs.ask(raised, ASK_LIMIT_S)
    return judge(card, told)


def judge(card: Card, told: Told | None) -> str:
    """What ethtool's answer means; `told` is None where there is no ethtool."""
    settings = _lines(told.stdout) if told else {}
    supported, now = settings.get("Supports Wake-on:"), settings.get("Wake-on:")
    if supported is not None and "g" not in supported:
        return f"disarmed: the card of {card.name} knows no magic packet (supports {supported!r})"
    if now is not None:
        return "armed" if "g" in now else f"disarmed: {card.name} has `Wake-on: {now}`"
    if card.wakeup == "disabled":
        return f"disarmed: the kernel does not let {card.name} wake the machine (device/power/wakeup is disabled)"
    if told is None:
        return "unknown: there is no ethtool to ask"
    return f"unknown: ethtool does not say it of {card.name} ({told.complaint if not told.ok else 'it needs root'})"


def _lines(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\s*((?:Supports )?Wake-on:)\s*(\S+)", text, re.M))


def _no_card(found: tuple[Card, ...], mac: str) -> str:
    have = ", ".join(f"{card.mac} ({card.name})" for card in found) or "none"
    if mac:
        return f"disarmed: no card here has the address {mac}; the cards are {have}"
    return f"unknown: no default route tells which card is meant; the cards are {have}"


def _names() -> list[str]:
    try:
        return os.listdir(NET)
    except OSError:
        return []


def _card(folder: Path) -> Card | None:
    mac = _read(folder / "address").strip().lower()
    bridge = (folder / "bridge").exists() or (folder / "bonding").exists()
    if _read(folder / "type").strip() != ETHERNET or mac in ("", "00:00:00:00:00:00") or bridge:
        return None
    return Card(
        name=folder.name,
        mac=mac,
        physical=(folder / "device").exists(),
        wakeup=_read(folder / "device/power/wakeup").strip(),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
