"""Calls about an attempt are answered by the agent file that began it. A newer orchestrator brings a newer file, but
what lies in an attempt's folder, and what its supervisor looks for there, is for the version that made it.

What attempts of different files meet at on the machine, too: the gates of the devices, see `gates`.

An attempt's `origin.json` names its file. The call is passed on as it came, with the words of this version: one that
an older file could not read would have to be translated here, in `become` and `ask`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, cast

from runner_agent import files, protocol
from runner_agent.home import Home, is_name
from runner_agent.protocol import MalformedMessage, Report, ReportRequest

ABOUT_ONE = ("launch", "cancel", "grade", "pull", "acknowledge")
"""The verbs whose request names an attempt. `report` is about all: see `keepers` and `ask`."""
ASK_LIMIT_S = 20.0
KEPT_S = 3600.0
"""A file that nothing needs is left for so long after it came, and after the one that replaces it came: a call may
still be reading it, and an older orchestrator may still bring it again."""
NAME = re.compile(r"agent-([0-9a-f]{16})\.pyz")


def keeper(home: Home, attempt_id: str, own: Path) -> Path | None:
    """The file that began the attempt; None where that is `own`, is not known, or is not whole any more: then `own`
    has to answer as well as it can."""
    name = _named(home, attempt_id)
    if name is None or name == own.name:
        return None
    path = home.agents / name
    return path if _is_whole(path) else None


def keeper_of_call(home: Home, verb: str, request: Any, own: Path) -> Path | None:
    """The file that a call has to be passed on to; None where `own` answers it."""
    if verb not in ABOUT_ONE or not isinstance(request, dict):
        return None
    attempt_id = cast("dict[str, Any]", request).get("attempt_id")
    return keeper(home, attempt_id, own) if isinstance(attempt_id, str) else None


def keepers(home: Home, attempt_ids: Iterable[str], own: Path) -> dict[Path, tuple[str, ...]]:
    """Every other file that began one of these attempts, with those that it began."""
    found: dict[Path, tuple[str, ...]] = {}
    for attempt_id in attempt_ids:
        path = keeper(home, attempt_id, own)
        if path is not None:
            found[path] = (*found.get(path, ()), attempt_id)
    return found


def become(agent: Path, verb: str, home: Home, request: Any) -> NoReturn:
    """This process goes on as that agent, with the request on its standard input. Raises OSError."""
    handle = os.memfd_create("request")
    with open(handle, "wb", closefd=False) as file:
        file.write(json.dumps(request).encode())
    os.lseek(handle, 0, os.SEEK_SET)
    os.dup2(handle, 0)
    argv = _argv(agent, verb, home)
    os.execv(argv[0], argv)  # noqa: S606  no shell is meant


def ask(agent: Path, home: Home, attempt_ids: tuple[str, ...], request: ReportRequest, left: int) -> Report | None:
    """What that agent reports of the attempts that it began, with at most `left` bytes of them; None where it says
    nothing that can be read."""
    cursors = {name: at for name, at in request.cursors.items() if name in attempt_ids}
    asked = ReportRequest(cursors=cursors, max_bytes=left, own_only=True)
    try:
        told = subprocess.run(
            _argv(agent, "report", home),
            input=json.dumps(protocol.to_json(asked)).encode(),
            capture_output=True,
            timeout=ASK_LIMIT_S,
            check=False,
        )
        return protocol.from_json(Report, json.loads(told.stdout))
    except (OSError, subprocess.TimeoutExpired, ValueError, RecursionError, MalformedMessage):
        return None


def forget_unused(home: Home, attempt_ids: Iterable[str], own: Path, now_s: float) -> tuple[Path, ...]:
    """Removes agent files that began none of these attempts, and gives them. None goes while one of the attempts does
    not tell what began it. Nothing may be launched meanwhile."""
    begun = [each for each in attempt_ids if not home.attempt(each).tombstone.exists()]
    needed = {_named(home, attempt_id) for attempt_id in begun}
    if None in needed or not _is_old(own, now_s) or not home.agents.is_dir():
        return ()
    named = (path for path in sorted(home.agents.iterdir()) if NAME.fullmatch(path.name))
    going = tuple(path for path in named if path.name not in {own.name, *needed} and _is_old(path, now_s))
    for path in going:
        path.unlink(missing_ok=True)
    return going


def _argv(agent: Path, verb: str, home: Home) -> list[str]:
    return [os.path.realpath(sys.executable), "-I", "-S", str(agent), verb, "--home", str(home.root)]


def _named(home: Home, attempt_id: str) -> str | None:
    """The name of the file that began the attempt, as its folder tells it."""
    if not is_name(attempt_id):
        return None
    try:
        data = files.read_json(home.attempt(attempt_id).origin)
    except (OSError, ValueError):
        return None
    name = cast("dict[str, Any]", data).get("agent") if isinstance(data, dict) else None
    return name if isinstance(name, str) and NAME.fullmatch(name) else None


def _is_whole(path: Path) -> bool:
    """Its name carries the beginning of its hash."""
    named = NAME.fullmatch(path.name)
    try:
        return named is not None and hashlib.sha256(path.read_bytes()).hexdigest().startswith(named.group(1))
    except OSError:
        return False


def _is_old(path: Path, now_s: float) -> bool:
    try:
        return now_s - path.stat().st_mtime > KEPT_S
    except OSError:
        return False
