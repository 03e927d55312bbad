"""Probes this machine for the doctor. Takes seconds."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from runner_agent import clock, detach, doctor, locks, nic, programs, suspend, wake_setup
from runner_agent.doctor import Energy
from runner_agent.home import Home
from runner_agent.instruments import Look
from runner_agent.protocol import DoctorAnswer, DoctorRequest, Hello, MalformedMessage, from_json
from runner_agent.refusal import Refused

LOOK_LIMIT_S = 20.0
QUIET_MOST_S = 30.0
DMI = Path("/sys/class/dmi/id")


def examine(
    request: DoctorRequest,
    asked_at_s: float,
    hello: Hello,
    environ: Mapping[str, str],
    home: Home,
    agent_file: Path,
) -> DoctorAnswer:
    """`asked_at_s`: when the question came, by this clock."""
    card = nic.meant(request.mac)
    files, closed = wake_setup.read_files()
    facts = doctor.Facts(
        hello=hello,
        account=_account(),
        no_power=suspend.power_command("suspend", environ)[1],
        sleep_states=_read(Path("/sys/power/state")),
        wake_on_lan=nic.wake_on_lan(environ, request.mac),
        kept_by=wake_setup.kept_by(card, files) if card else "",
        closed=closed,
        interface=card.name if card else "",
        board=" ".join(text.strip() for name in ("board_vendor", "board_name") if (text := _read(DMI / name))),
        clock_offset_s=offset_s(request.now, asked_at_s),
        surroundings=detach.probe(environ),
        energy=energy(home, agent_file),
        hook=str(home.power_hook),
    )
    return DoctorAnswer(prerequisites=doctor.judge(facts))


def energy(home: Home, agent_file: Path) -> Energy:
    """What counts energy here, asked in a process of its own. Where the one that samples hangs, so would another."""
    quiet_s = _quiet_s(home)
    if quiet_s > QUIET_MOST_S:
        who = f"process {locks.holder(home.meter_lock) or 'unknown'}, which samples,"
        return Energy(silent=f"{who} has written nothing for {quiet_s:.0f} s")
    argv = (os.path.realpath(sys.executable), "-I", "-S", str(agent_file), "meter", "--look", "--home", str(home.root))
    told = programs.ask(argv, LOOK_LIMIT_S)
    try:
        look = from_json(Look, json.loads(told.stdout)) if told.ok else None
    except (ValueError, MalformedMessage):
        look = None
    if look is None:
        return Energy(silent=f"its instruments could not be asked: {told.complaint}")
    counted = tuple(count.name for count in look.counts)
    return Energy(counted=counted, whole=look.whole, problem=look.problem, closed=look.closed)


def _quiet_s(home: Home) -> float:
    """For how long the sampler has been silent; 0 where there is none."""
    try:
        return clock.epoch_s() - home.meter.stat().st_mtime if locks.is_held(home.meter_lock) else 0.0
    except OSError:
        return 0.0


def offset_s(now: str, here_s: float) -> float | None:
    """This clock minus the asker's, whose time is ISO 8601; None for an empty text."""
    if not now:
        return None
    try:
        theirs = datetime.fromisoformat(now.replace("Z", "+00:00"))
    except ValueError as error:
        raise Refused("bad-request", f"`now` is no time: {now[:80]!r}") from error
    if theirs.tzinfo is None:
        raise Refused("bad-request", f"`now` has no time zone: {now[:80]!r}")
    return here_s - theirs.timestamp()


def _account() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
