"""Whether Wake-on-LAN is set again at each boot: what systemd-networkd's link files, NetworkManager and ifupdown are
told about a card. `ethtool -s … wol g` alone is forgotten at the next boot.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from runner_agent.nic import Card

LINK_FOLDERS = ("/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network",
                "/usr/lib/systemd/network", "/lib/systemd/network")  # fmt: skip
NETWORK_MANAGER = ("/etc/NetworkManager/system-connections", "/run/NetworkManager/system-connections")
IFUPDOWN = ("/etc/network/interfaces", "/etc/network/interfaces.d")
FOLDERS = (
    *((folder, "*.link") for folder in LINK_FOLDERS),
    *((folder, "*.nmconnection") for folder in NETWORK_MANAGER),
    (IFUPDOWN[1], "*"),
)
MAGIC = 0x40
"""NM_SETTING_WIRED_WAKE_ON_LAN_MAGIC."""


def kept_by(card: Card, files: Mapping[str, str]) -> str:
    """The file that arms this card at each boot; empty where none does. `files`: path → text, of those read."""
    link = next(iter(sorted(_links(card, files))), None)
    if link is not None and link[2]:
        return link[1]
    for path, text in sorted(files.items()):
        if path.endswith(".nmconnection") and _network_manager(card, text):
            return path
        if path.startswith(IFUPDOWN[0]) and _ifupdown(card, text):
            return path
    return ""


def read_files(root: Path = Path("/")) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files below `root` that may say it, and those, and folders of such, that this account may not read. Each by
    the path that it has where `root` is the machine's."""
    found: dict[str, str] = {}
    closed = [folder for folder, _ in FOLDERS if _is_closed(root / folder[1:])]
    for path in _candidates(root):
        name = f"/{path.relative_to(root)}"
        try:
            found[name] = path.read_text(errors="replace")
        except PermissionError:
            closed.append(name)
        except OSError:
            continue
    return found, tuple(closed)


def _links(card: Card, files: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """The link files that match the card, by name, as systemd.link(5) takes the first; and whether each arms it. Of two
    of the same name the one in the earlier folder counts."""
    names: set[str] = set()
    for folder in LINK_FOLDERS:
        for path, text in files.items():
            name = PurePosixPath(path).name
            if str(PurePosixPath(path).parent) != folder or not name.endswith(".link") or name in names:
                continue
            names.add(name)
            settings = _ini(text)
            if _matches(card, settings):
                yield name, path, "magic" in settings.get(("Link", "WakeOnLan"), "").split()


def _matches(card: Card, settings: Mapping[tuple[str, str], str]) -> bool:
    asked = {key: value.split() for (section, key), value in settings.items() if section == "Match"}
    addresses = [each.lower() for name in ("MACAddress", "PermanentMACAddress") for each in asked.get(name, ())]
    if addresses and card.mac not in addresses:
        return False
    patterns = asked.get("OriginalName", [])
    if patterns and not any(fnmatchcase(card.name, pattern) for pattern in patterns):
        return False
    return bool(addresses or patterns)


def _network_manager(card: Card, text: str) -> bool:
    settings = _ini(text)
    flags = settings.get(("ethernet", "wake-on-lan"), settings.get(("802-3-ethernet", "wake-on-lan"), ""))
    address = settings.get(("ethernet", "mac-address"), settings.get(("802-3-ethernet", "mac-address"), ""))
    name = settings.get(("connection", "interface-name"), "")
    armed = flags.isdigit() and bool(int(flags) & MAGIC)
    return armed and address.lower() in ("", card.mac) and name in ("", card.name)


def _ifupdown(card: Card, text: str) -> bool:
    stanzas = re.split(r"^\s*iface\s+", text, flags=re.M)[1:]
    own = (stanza for stanza in stanzas if stanza.split()[:1] == [card.name])
    return any(re.search(r"^\s*ethernet-wol\s+\w*g", stanza, re.M) for stanza in own)


def _ini(text: str) -> dict[tuple[str, str], str]:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {(section, key): value for section in parser.sections() for key, value in parser.items(section)}


def _candidates(root: Path) -> Iterator[Path]:
    for folder, pattern in FOLDERS:
        yield from sorted((root / folder[1:]).glob(pattern))
    yield root / IFUPDOWN[0][1:]


def _is_closed(folder: Path) -> bool:
    """A folder that cannot be listed looks empty to a search, and says nothing."""
    try:
        os.listdir(folder)
    except PermissionError:
        return True
    except OSError:
        return False
    return False
