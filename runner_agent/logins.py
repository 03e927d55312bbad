"""Who is logged in on this machine: people and their commands, not the orchestrator.

Three witnesses, since each is absent somewhere: the login records (/run/utmp, utmp(5)), the sessions of systemd-logind
(/run/systemd/sessions), and sshd's own processes. An SSH connection without a terminal counts only while it runs
something that is not the runner agent: so neither an orchestrator's waiting connection nor its calls count.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

UTMP = "/run/utmp"
SESSIONS = Path("/run/systemd/sessions")
RECORD = struct.Struct("<hxxi32s4s32s256s")
RECORD_BYTES = 384
USER_PROCESS = 7
GRAPHICAL = ("x11", "wayland", "mir")
OURS = re.compile(r"matins-link-1|/agent-[0-9a-f]{16}\.pyz")
TITLE = re.compile(r"sshd(?:-session)?: ([^\s\[@]+)@(\S+)")


@dataclass(frozen=True, kw_only=True)
class Process:
    """`command` is its command line, words joined by spaces; for sshd that is the title it gave itself."""

    pid: int
    parent: int
    command: str


def open_logins() -> tuple[str, ...]:
    """Each login in words, such as "maria on pts/0"."""
    alive = processes()
    from_records = recorded(_bytes(UTMP), frozenset(alive))
    from_sessions = [login for text in _sessions() if (login := session(text, frozenset(alive)))]
    return tuple(sorted({*from_records, *from_sessions, *over_ssh(alive, os.getpid())}))


def recorded(records: bytes, alive: frozenset[int]) -> list[str]:
    """The logins in a utmp file whose process lives still."""
    found: list[str] = []
    for start in range(0, len(records) - RECORD_BYTES + 1, RECORD_BYTES):
        kind, pid, line, _id, user, _host = RECORD.unpack_from(records, start)
        if kind == USER_PROCESS and pid in alive:
            found.append(f"{_text(user)} on {_text(line)}")
    return found


def session(text: str, alive: frozenset[int]) -> str:
    """The login that a file of systemd-logind tells of; empty for the system's own, and for one without a terminal."""
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    seat = told.get("TTY") or told.get("DISPLAY") or (told.get("TYPE") if told.get("TYPE") in GRAPHICAL else "")
    leader = told.get("LEADER", "")
    lives = not leader.isdigit() or int(leader) in alive
    counts = told.get("CLASS") in ("user", "user-early", "user-light") and told.get("STATE") != "closing"
    return f"{told.get('USER', told.get('UID', 'somebody'))} on {seat}" if seat and counts and lives else ""


def over_ssh(alive: dict[int, Process], me: int) -> list[str]:
    """The logins that sshd's processes show, without the connection that `me` was started over."""
    mine = _ancestors(alive, me)
    found: list[str] = []
    for process in alive.values():
        title = TITLE.match(process.command)
        if title is None or process.pid in mine:
            continue
        user, where = title[1], title[2]
        if where != "notty":
            found.append(f"{user} on {where}")
            continue
        running = [child for child in alive.values() if child.parent == process.pid and child.command]
        others = [child for child in running if not TITLE.match(child.command) and not OURS.search(child.command)]
        found += [f"{user} over ssh, running {child.command[:60]!r}" for child in others if child.pid not in mine]
    return found


def processes() -> dict[int, Process]:
    found = (_process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def _ancestors(alive: dict[int, Process], pid: int) -> set[int]:
    line: set[int] = set()
    while pid in alive and pid not in line:
        line.add(pid)
        pid = alive[pid].parent
    return line


def _process(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    return Process(pid=pid, parent=int(stat.rpartition(")")[2].split()[1]), command=command)


def _sessions() -> list[str]:
    try:
        return [path.read_text(errors="replace") for path in SESSIONS.iterdir() if path.suffix != ".ref"]
    except OSError:
        return []


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode(errors="replace")
