"""Sends the machine to sleep, unless anything speaks against it. The interlock is here, on the machine itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner_agent import asleep, attempts, clock, detach, files, locks, logins, nic, observation, programs
from runner_agent.boot import boot_id
from runner_agent.home import Home
from runner_agent.protocol import AttemptStatus, SuspendAnswer, SuspendRefusal, SuspendRequest, to_json
from runner_agent.refusal import Refused

LOCK_WAIT_S = 2.0
SUDO_LIMIT_S = 10.0
COMMAND_LIMIT_S = 60.0
UNIT_LIMIT_S = 15.0
JOURNAL_BYTES_MOST = 1 << 20
AFTER_S = 1.0
"""How long after its answer the machine falls asleep, so that the answer gets out."""

TOKEN = re.compile(r"[A-Za-z0-9][!-~]{0,199}")
VERBS = {"suspend": "suspend", "power-off": "poweroff"}


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What the machine shows of itself. `power` is the command that puts it to sleep, or None and why there is none;
    `wake` is `Hello.wake_on_lan` for an address."""

    power: Callable[[str], tuple[tuple[str, ...] | None, str]]
    wake: Callable[[str], str]
    logins: Callable[[], tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What may speak against sleep: attempts not acknowledged, gates that are held, people, and how it could wake."""

    attempts: tuple[AttemptStatus, ...]
    gates: tuple[str, ...]
    logins: tuple[str, ...]
    no_power: str
    wake: str


def sight(environ: Mapping[str, str]) -> Sight:
    """This machine's."""
    return Sight(
        power=lambda how: power_command(how, environ),
        wake=lambda mac: nic.wake_on_lan(environ, mac),
        logins=logins.open_logins,
    )


def against(seen: Seen) -> Iterator[tuple[SuspendRefusal, str]]:
    """All that speaks against sleep. That nobody can say whether a wake would work does not: the doctor tells it."""
    for status in seen.attempts:
        if status.phase in attempts.ALIVE:
            yield "live-attempt", f"attempt {status.attempt_id} is {status.phase}"
    for gate in seen.gates:
        yield "held-gate", f"the gate {gate} is held"
    for login in seen.logins:
        yield "operator-login", f"somebody is logged in: {login}"
    for status in seen.attempts:
        if status.phase in ("exited", "dead"):
            yield "unacknowledged-result", f"attempt {status.attempt_id} is {status.phase} and was not collected"
    if seen.no_power:
        yield "no-power-command", seen.no_power
    if seen.wake.startswith("disarmed"):
        yield "wake-not-armed", f"it would not come up again: Wake-on-LAN is {seen.wake}"


def suspend(
    home: Home, request: SuspendRequest, agent_file: Path, look: Sight, *, after_s: float = AFTER_S
) -> SuspendAnswer:
    """Accepted: the mark is set, and a process that outlives this call puts the machine to sleep. One that was asked
    for already, or is under way, is accepted and not begun again."""
    if not TOKEN.fullmatch(request.token):
        raise Refused("bad-request", f"{request.token[:200]!r} cannot be a token: a letter or digit, then no space")
    command, no_power = look.power(request.how)
    wake = look.wake(request.mac)
    try:
        with attempts.exclusively(home, LOCK_WAIT_S):
            mark = asleep.last(home)
            if mark is not None and (mark.token == request.token or asleep.stands(mark, asleep.moment())):
                return SuspendAnswer(accepted=True)
            seen = Seen(
                attempts=_statuses(home),
                gates=held_gates(home),
                logins=look.logins(),
                no_power=no_power,
                wake=wake,
            )
            found = tuple(against(seen))
            if found or command is None:
                return _refused(home, request, found)
            asleep.set_mark(home, request)
            note(home, "accepted", request.token, how=request.how)
            try:
                _begin(home, request.token, agent_file, command, after_s)
            except OSError:
                asleep.lift(home, request.token)
                raise
            return SuspendAnswer(accepted=True)
    except Refused as refused:
        return _refused(home, request, (("launch-in-progress", str(refused)),))


def carry_out(home: Home, token: str, command: tuple[str, ...], after_s: float) -> int:
    """`AGENT power`: waits, and runs the command. Where it fails, the mark goes, and attempts are taken again."""
    clock.pause(after_s)
    mark = asleep.last(home)
    if mark is None or mark.token != token or not asleep.stands(mark, asleep.moment()):
        note(home, "dropped", token)
        return 1
    note(home, "begun", token, command=list(command))
    told = programs.ask(command, COMMAND_LIMIT_S)
    if told.ok:
        note(home, "done", token)
        return 0
    asleep.lift(home, token)
    note(home, "failed", token, why=told.complaint)
    return 1


def note(home: Home, event: str, token: str, **data: object) -> None:
    """Adds a line to HOME/power.jsonl: what was asked of the machine's power, and what came of it."""
    when = {"at": clock.utc_now(), "boottime_s": clock.boottime_s(), "boot_id": boot_id()}
    if home.power_journal.exists() and home.power_journal.stat().st_size > JOURNAL_BYTES_MOST:
        os.replace(home.power_journal, home.power_journal.with_suffix(".jsonl.1"))
    files.add_json(home.power_journal, {**when, "event": event, "token": token, **data})


def power_command(how: str, environ: Mapping[str, str]) -> tuple[tuple[str, ...] | None, str]:
    """The command that puts this machine to sleep; or None, and why there is none."""
    program = programs.find("systemctl", environ)
    if program is None:
        return None, "there is no systemctl, by which the machine would be put to sleep"
    command = (program, VERBS[how])
    raised = programs.as_root(command, environ)
    if raised is None:
        return None, f"this account is not root and there is no sudo to run `{' '.join(command)}`"
    if raised != command and not programs.ask((*raised[:2], "-l", *command), SUDO_LIMIT_S).ok:
        return None, f"sudo does not let this account run `{' '.join(command)}` without a password"
    return raised, ""


def held_gates(home: Home) -> tuple[str, ...]:
    found = sorted(home.gates.iterdir()) if home.gates.is_dir() else []
    return tuple(path.name for path in found if path.is_file() and locks.is_held(path))


def _statuses(home: Home) -> tuple[AttemptStatus, ...]:
    return tuple(observation.status(home, attempt_id) for attempt_id in observation.listed(home))


def _refused(home: Home, request: SuspendRequest, found: tuple[tuple[str, str], ...]) -> SuspendAnswer:
    kinds = tuple(dict.fromkeys(kind for kind, _ in found))
    answer = SuspendAnswer(
        accepted=False,
        refusals=kinds,
        why=tuple("; ".join(why for each, why in found if each == kind) for kind in kinds),
    )
    note(home, "refused", request.token, how=request.how, why=to_json(answer)["why"])
    return answer


def _begin(home: Home, token: str, agent_file: Path, command: tuple[str, ...], after_s: float) -> None:
    """As a unit of systemd where one outlives this call better, see `detach`; else by a double fork."""
    argv = (
        *(os.path.realpath(sys.executable), "-I", "-S", str(agent_file), "power", "--home", str(home.root)),
        *("--token", token, "--after", f"{after_s:g}", "--", *command),
    )
    found = detach.probe(os.environ)
    way = detach.choose(found)
    if way != "fork" and found.systemd_run is not None:
        unit = f"matins-power-{os.urandom(4).hex()}"
        if programs.ask(detach.unit_command(way, found.systemd_run, unit, "", argv), UNIT_LIMIT_S).ok:
            return
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        (*argv[:5], "--fork", *argv[5:]), stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, cwd="/"
    ) as first:
        first.wait()
