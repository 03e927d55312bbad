"""Starts a supervisor that outlives whoever asked for it: the call, the SSH session, the orchestrator.

Where systemd runs, as a transient unit: a process started in an SSH session may be ended with it (systemd's
`KillUserProcesses=`), a unit is not. Else by a double fork, with no inherited standard input, output or terminal.

Either way the supervisor is given the very descriptor that holds the attempt's lock: inherited after a fork, sent over
a socket in the attempt's folder (SCM_RIGHTS, unix(7)) to a unit. A lock belongs to the open file, so there is no moment
in which nobody holds it; and a unit that starts twice or late finds no socket, and ends. A unit's name guards nothing:
systemd forgets a unit that is over.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner_agent.home import AttemptFolder, Home

MARKER = "MATINS_SUPERVISOR"
"""Names the attempt in a supervisor's environment, so that it is found even where its folder is gone."""
UNIT_START_LIMIT_S = 15.0
HANDOVER_LIMIT_S = 15.0

Way = Literal["system-unit", "user-unit", "fork"]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """`lingers`: the account's own systemd stays without a session; `own_manager`: it is running now."""

    booted: bool
    systemd_run: str | None
    uid: int
    lingers: bool
    own_manager: bool


def choose(found: Surroundings) -> Way:
    """An account's own systemd that does not linger ends with the session, and its units with it."""
    if not found.booted or found.systemd_run is None:
        return "fork"
    if found.uid == 0:
        return "system-unit"
    return "user-unit" if found.lingers and found.own_manager else "fork"


def unit_command(way: Way, systemd_run: str, unit: str, marker: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """The call of systemd-run(1). It returns once the program runs, and fails where it cannot be run (`Type=exec`).

    What the attempt's processes may use is bounded elsewhere, and one of them that runs out of memory must not take the
    supervisor along. `$` in the program's arguments is the unit's own, hence doubled.
    """
    return (
        systemd_run,
        *(("--user",) if way == "user-unit" else ()),
        *("--quiet", "--no-ask-password", "--collect", f"--unit={unit}", "--service-type=exec"),
        *("--property=OOMPolicy=continue", "--property=TasksMax=infinity", f"--setenv={MARKER}={marker}", "--"),
        command[0],
        *(part.replace("$", "$$") for part in command[1:]),
    )


def probe(environ: Mapping[str, str]) -> Surroundings:
    """What this machine and account offer; see sd_booted(3) and loginctl(1)."""
    uid = os.getuid()
    return Surroundings(
        booted=os.path.isdir("/run/systemd/system"),
        systemd_run=shutil.which("systemd-run", path=environ.get("PATH", os.defpath)),
        uid=uid,
        lingers=os.path.exists(f"/var/lib/systemd/linger/{_account(uid)}"),
        own_manager=os.path.exists(f"/run/user/{uid}/systemd/private"),
    )


def mark(home: Home, attempt_id: str) -> str:
    """The value of `MARKER`: another home on this machine may know an attempt of the same name."""
    return f"{attempt_id} {os.path.realpath(home.root)}"


def start(home: Home, attempt_id: str, agent_file: Path, alive: int, *, resume: bool = False) -> Way:
    """Starts the attempt's supervisor, which from now on holds the lock that `alive` holds. Raises OSError."""
    folder = home.attempt(attempt_id)
    found = probe(os.environ)
    way = choose(found)
    command = (
        *(os.path.realpath(sys.executable), "-I", "-S", str(agent_file), "supervise"),
        *("--home", str(home.root), "--attempt", attempt_id, *(("--resume",) if resume else ())),
    )
    if way != "fork" and found.systemd_run is not None:
        unit = f"matins-{attempt_id}-{os.urandom(4).hex()}"
        argv = unit_command(way, found.systemd_run, unit, mark(home, attempt_id), command)
        problem = _as_unit(home, folder, argv, found.uid, alive)
        if not problem:
            return way
        _note(folder, f"no unit of systemd could be started, a fork is used instead: {problem}")
    _fork(folder, command, mark(home, attempt_id), alive)
    return "fork"


def receive(folder: AttemptFolder) -> int:
    """In a unit: takes over lock, environment and log from the launcher. Returns the descriptor; raises OSError where
    no launcher waits any more, and ValueError where it was gone before it had said all."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(HANDOVER_LIMIT_S)
        with _short(folder) as short:
            link.connect(f"{short}/{folder.handover.name}")
        text, handles, _flags, _address = socket.recv_fds(link, 65536, 1)
        while piece := link.recv(65536):
            text += piece
    environ = json.loads(text)
    if len(handles) != 1 or not os.path.samestat(os.fstat(handles[0]), folder.alive.stat()):
        raise ValueError(f"what came over {folder.handover} is not the attempt's lock")
    os.environ.clear()
    os.environ.update(environ)
    with open(folder.log, "ab") as log:
        for standard in (1, 2):
            os.dup2(log.fileno(), standard)
    return handles[0]


def _fork(folder: AttemptFolder, command: tuple[str, ...], marker: str, alive: int) -> None:
    with open(folder.log, "ab") as log:
        first = subprocess.Popen(
            (*command, "--alive", str(alive)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(alive,),
            start_new_session=True,
            cwd="/",
            env={**os.environ, MARKER: marker},
        )
        # It forks at once and exits, so that its child belongs to init.
        first.wait()


def _as_unit(home: Home, folder: AttemptFolder, argv: tuple[str, ...], uid: int, alive: int) -> str:
    """Why no unit came for the lock, or an empty text. Once it is sent there is no way back to a fork."""
    own = {"XDG_RUNTIME_DIR": f"/run/user/{uid}"} if uid else {}
    with _listening(folder) as listener:
        try:
            told = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=UNIT_START_LIMIT_S,
                check=False,
                cwd="/",
                env={**os.environ, **own},
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        if told.returncode != 0:
            return told.stderr[-300:].decode(errors="replace").strip() or f"exit status {told.returncode}"
        try:
            link, _address = listener.accept()
        except TimeoutError:
            return f"it did not ask for the attempt's lock within {HANDOVER_LIMIT_S:g} s"
    with link:
        link.settimeout(HANDOVER_LIMIT_S)
        # Not on the command line, which every account can read: an environment may hold credentials.
        text = json.dumps({**os.environ, MARKER: mark(home, folder.root.name)}).encode()
        sent = socket.send_fds(link, [text], [alive])
        link.sendall(text[sent:])
    return ""


@contextlib.contextmanager
def _listening(folder: AttemptFolder) -> Generator[socket.socket, None, None]:
    """The folder is the operator's alone, and no sandbox shows it."""
    folder.handover.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        with _short(folder) as short:
            listener.bind(f"{short}/{folder.handover.name}")
        listener.settimeout(HANDOVER_LIMIT_S)
        listener.listen(1)
        try:
            yield listener
        finally:
            folder.handover.unlink(missing_ok=True)


@contextlib.contextmanager
def _short(folder: AttemptFolder) -> Generator[str, None, None]:
    """A name of the folder that fits into the 108 bytes of a socket's address."""
    handle = os.open(folder.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _note(folder: AttemptFolder, text: str) -> None:
    with open(folder.log, "a") as log:
        log.write(f"{text}\n")


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
