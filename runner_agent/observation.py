"""What can be said of an attempt from outside: alive as long as its lock is held, dead only on proof."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from runner_agent import cgroup, files, journal, ledger, locks, protocol, quiescence, supervisors
from runner_agent.boot import boot_id
from runner_agent.home import AttemptFolder, Home, is_name
from runner_agent.protocol import AttemptPhase, AttemptStatus, ExitRecord, MalformedMessage
from runner_agent.refusal import Refused

LAST_WORDS_BYTES = 500
LOOKS_MOST = 10

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """`origin.json`: what a launcher writes down of an attempt before it can start. `fence` 0: not known any more.
    `agent`: the name of the agent file that began it, see `handover`."""

    attempt_id: str
    episode_id: str = ""
    fence: int = 0
    boot_id: str = ""
    hidden_checks: int = 0
    agent: str = ""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What can be seen of an attempt. `ungraded`: its exit record was laid aside for a grading that came late."""

    tombstone: bool
    exited: bool
    alive: bool
    leftovers: bool
    last_event: str
    ungraded: bool = False


def decide_phase(traces: Traces) -> AttemptPhase:
    """`dead` only on proof: no supervisor, no exit record, and no process left either."""
    if traces.tombstone:
        return "cancelled"
    if traces.exited:
        return "exited"
    if traces.alive:
        return "awaiting-checks" if traces.last_event == "awaiting-checks" else "running"
    if traces.leftovers:
        return "running"
    return "exited" if traces.ungraded else "dead"


def is_gradable(record: ExitRecord, hidden_checks: int, *, judged_kept: bool, resumed: bool) -> bool:
    """Whether checks that come late can still be put to what the agent left. A grading is resumed once."""
    ended_well = record.reason == "completed" and record.packed
    return ended_well and not record.graded and hidden_checks > 0 and judged_kept and not resumed


def why_dead(origin: Origin, boot: str) -> str:
    """A boot id that is not known proves nothing."""
    if origin.boot_id and boot and origin.boot_id != boot:
        return f"the machine restarted (boot {origin.boot_id}, now {boot}), and it left no exit record"
    return "its supervisor is gone, left no exit record, and no process of it lives"


def listed(home: Home) -> tuple[str, ...]:
    """Every attempt that still has something to say."""
    if not home.attempts.is_dir():
        return ()
    names = sorted(path.name for path in home.attempts.iterdir() if is_name(path.name) and path.is_dir())
    return tuple(name for name in names if not home.attempt(name).acknowledged.exists())


def status(home: Home, attempt_id: str) -> AttemptStatus:
    """What the runner knows of an attempt. Kills what a dead supervisor left behind before it calls it dead."""
    folder = home.attempt(attempt_id) if is_name(attempt_id) else None
    if folder is None or not folder.root.is_dir():
        raise Refused("unknown-attempt", f"attempt {attempt_id[:128]!r} is not known here")
    if folder.acknowledged.exists():
        return protocol.from_json(AttemptStatus, files.read_json(folder.acknowledged))
    origin = _origin(home, folder, attempt_id)
    if folder.tombstone.exists():
        return replace(_plain(origin, "cancelled"), detail="cancelled before it was started")
    return _observed(home, folder, origin)


def forget_cgroup(attempt_id: str) -> None:
    leaf = cgroup.find(attempt_id)
    if leaf is not None:
        cgroup.remove(leaf)


@dataclass(frozen=True, kw_only=True)
class _Look:
    alive: bool
    exit: ExitRecord | None
    ungraded: ExitRecord | None
    resumed: bool


def _observed(home: Home, folder: AttemptFolder, origin: Origin) -> AttemptStatus:
    seen = _look(folder)
    events = journal.read(folder.events)
    # A grading that was to be resumed and has no supervisor yet leaves what it was before: nothing lives.
    at_rest = seen.exit is not None or (seen.ungraded is not None and not seen.resumed)
    proven = seen.alive or at_rest or _prove_dead(home, folder, origin)
    if seen.exit is not None and not seen.alive:
        tell_ended(home, folder, origin.episode_id, seen.exit)
    phase = decide_phase(
        Traces(
            tombstone=False,
            exited=seen.exit is not None,
            alive=seen.alive,
            leftovers=not proven,
            last_event=events[-1]["event"] if events else "",
            ungraded=seen.ungraded is not None,
        )
    )
    started = next((event for event in reversed(events) if event["event"] == "stage-started"), None)
    now = replace(
        _plain(origin, phase),
        stage=started["stage"] if started else None,
        stage_since=started["at"] if started else None,
    )
    record = seen.exit or seen.ungraded
    if phase == "exited" and record is not None:
        gradable = is_gradable(record, origin.hidden_checks, judged_kept=folder.judged.is_dir(), resumed=seen.resumed)
        return replace(now, exit=record, detail=record.detail, gradable=gradable)
    if phase == "dead":
        return replace(now, detail=f"{why_dead(origin, boot_id())}{_last_words(folder)}")
    if not proven:
        return replace(now, detail="its supervisor is gone, but a process of it cannot be killed")
    return now


def _look(folder: AttemptFolder) -> _Look:
    """Records change hands while the lock is held, so a look counts only if the next one shows the same."""
    first = _glance(folder)
    for _ in range(LOOKS_MOST):
        second = _glance(folder)
        if second == first:
            break
        first = second
    return first


def _glance(folder: AttemptFolder) -> _Look:
    return _Look(
        alive=locks.is_held(folder.alive),
        exit=_message(ExitRecord, folder.exit),
        ungraded=_message(ExitRecord, folder.ungraded_exit),
        resumed=_object(folder.identity).get("resumed") is True,
    )


def _prove_dead(home: Home, folder: AttemptFolder, origin: Origin) -> bool:
    """Ends what is left of an attempt without supervisor, and writes down, once, that nothing is."""
    if files.read_text(folder.dead):
        return True
    # A folder without its lock says nothing: a supervisor that lost its folder makes it anew as it writes.
    if not folder.alive.exists() and not supervisors.end(home, origin.attempt_id):
        return False
    if not quiescence.prove(origin.attempt_id, folder.inits).gone:
        return False
    forget_cgroup(origin.attempt_id)
    with _once(folder.dead) as first:
        if first:
            ledger.record(home, "found-dead", why=why_dead(origin, boot_id()), **about(origin))
    return True


def tell_ended(home: Home, folder: AttemptFolder, episode_id: str, record: ExitRecord) -> None:
    """Writes an end into the ledger: its supervisor may have been killed when all but that was done."""
    if not files.read_text(folder.told):
        with _once(folder.told) as first:
            if first:
                ledger.ended(home, folder.root.name, episode_id, record)


@contextlib.contextmanager
def _once(path: Path) -> Generator[bool, None, None]:
    """Whether what is in the block is still to be done: `path` is empty until it was. False too while somebody else
    does it. What a full disk keeps from being done is done the next time."""
    try:
        handle = locks.take(path)
    except OSError:
        yield False
        return
    with contextlib.suppress(OSError):
        try:
            first = os.fstat(handle).st_size == 0
            yield first
            if first:
                os.write(handle, b"done\n")
                os.fsync(handle)
        finally:
            locks.release(handle)


def about(origin: Origin) -> dict[str, Any]:
    """The words by which the ledger names an attempt."""
    return {"attempt_id": origin.attempt_id, "episode_id": origin.episode_id, "fence": origin.fence}


def _origin(home: Home, folder: AttemptFolder, attempt_id: str) -> Origin:
    """From the first place that tells. One damaged folder must not keep a report from telling of all the others."""
    known = _message(Origin, folder.origin) or _message(Origin, folder.launch) or _message(Origin, folder.tombstone)
    if known is not None:
        return known
    lines = ledger.about(home, attempt_id)
    if not lines:
        return Origin(attempt_id=attempt_id)
    last = lines[-1]
    return Origin(attempt_id=attempt_id, episode_id=last["episode_id"], fence=last["fence"], boot_id=last["boot_id"])


def _plain(origin: Origin, phase: AttemptPhase) -> AttemptStatus:
    return AttemptStatus(phase=phase, boot_id=origin.boot_id, **about(origin))


def _message(kind: type[T], path: Path) -> T | None:
    """None where the file is absent, and where a damaged disk made it unreadable: that proves nothing more."""
    data = _object(path)
    if not data:
        return None
    try:
        return protocol.from_json(kind, data)
    except MalformedMessage:
        return None


def _object(path: Path) -> dict[str, Any]:
    try:
        data = files.read_json(path)
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _last_words(folder: AttemptFolder) -> str:
    """What the supervisor said of its own end, if it had time to."""
    said = folder.log.read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace").strip() if folder.log.exists() else ""
    return f"; it said: {said}" if said else ""
