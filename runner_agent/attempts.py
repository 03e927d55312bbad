"""What a runner does with attempts: each is started at most once, under a fence that only rises."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path

from runner_agent import absence, asleep, clock, detach, failpoints, fences, files, ledger, locks, protocol, retention
from runner_agent.boot import boot_id
from runner_agent.home import AttemptFolder, Home, is_name
from runner_agent.observation import Origin, forget_cgroup, listed, status
from runner_agent.protocol import AttemptRequest, AttemptStatus, GradeRequest, LaunchSpec
from runner_agent.refusal import Refused

LAUNCH_LOCK_WAIT_S = 30.0
PROOF_LOCK_WAIT_S = 2.0
TIDY_WAIT_S = 20.0
ALIVE = ("running", "awaiting-checks")


def launch(home: Home, spec: LaunchSpec, agent_file: Path) -> AttemptStatus:
    """Starts the attempt, unless its folder exists already: then its status is the answer."""
    _check_names(spec.attempt_id, spec.episode_id)
    with exclusively(home):
        fences.check(home, spec.episode_id, spec.fence)
        folder = home.attempt(spec.attempt_id)
        if not folder.root.exists():
            asleep.check(home)
            _check_never_begun(home, spec.attempt_id)
            _check_alone(home, spec)
            if retention.is_low(home):
                retention.tidy(home)
            fences.lift(home, spec.episode_id, spec.fence)
            _start(home, spec, agent_file)
    return status(home, spec.attempt_id)


def cancel(home: Home, request: AttemptRequest) -> AttemptStatus:
    """Asks the supervisor to end. An attempt that never started gets a tombstone, so that it never will."""
    _check_names(request.attempt_id, request.episode_id)
    with exclusively(home):
        folder = home.attempt(request.attempt_id)
        if folder.root.exists():
            _own(home, request.attempt_id, request.fence)
            if not folder.tombstone.exists() and not folder.exit.exists() and not folder.acknowledged.exists():
                folder.cancel.touch()
        else:
            fences.check(home, request.episode_id, request.fence)
            fences.lift(home, request.episode_id, request.fence)
            _end_folderless(home, request.attempt_id)
            _bury(home, request)
    return status(home, request.attempt_id)


def grade(home: Home, request: GradeRequest, agent_file: Path) -> AttemptStatus:
    """Hands over the hidden checks, also to an attempt that has ended without them; a second delivery changes nothing.
    Refused while the agent may still be alive."""
    with exclusively(home):
        folder = _own(home, request.attempt_id, request.fence)
        now = status(home, request.attempt_id)
        if now.gradable:
            _resume(home, folder, request, agent_file)
        elif now.phase == "awaiting-checks" and not folder.checks.exists():
            files.write_json(folder.checks, protocol.to_json(request))
        elif now.phase == "running" and not folder.checks.exists():
            raise Refused("not-ended", "the agent's processes are not yet gone; send the checks when they are awaited")
    return status(home, request.attempt_id)


def acknowledge(home: Home, request: AttemptRequest) -> None:
    """Deletes what was collected. What must never start again, and how it ended, stays. Twice is as good as once."""
    with exclusively(home):
        folder = home.attempt(request.attempt_id)
        if not is_name(request.attempt_id) or not folder.root.exists():
            return
        if not folder.acknowledged.exists():
            _own(home, request.attempt_id, request.fence)
            now = status(home, request.attempt_id)
            if now.phase in ALIVE:
                raise Refused("not-ended", f"attempt {request.attempt_id} is {now.phase}; cancel it first")
            forget_cgroup(request.attempt_id)
            ledger.record(
                home,
                "acknowledged",
                attempt_id=now.attempt_id,
                episode_id=now.episode_id,
                fence=now.fence,
                phase=now.phase,
            )
            failpoints.reach(home, "acknowledge-before-mark")
            files.write_json(folder.acknowledged, protocol.to_json(now))
            failpoints.reach(home, "acknowledge-after-mark")
        for path in folder.root.iterdir():
            if path != folder.acknowledged:
                files.remove_tree(path) if path.is_dir() else path.unlink(missing_ok=True)


def packed(home: Home, request: AttemptRequest) -> Path:
    """The folder to be pulled. Refused while the attempt has not ended."""
    folder = _own(home, request.attempt_id, request.fence)
    now = status(home, request.attempt_id)
    if now.phase in ALIVE:
        raise Refused("not-ended", f"attempt {request.attempt_id} is {now.phase}")
    # A grading that was resumed and did not end well has left its traces in the other one.
    ungraded = folder.ungraded_out.is_dir() and not (now.exit is not None and now.exit.graded)
    out = folder.ungraded_out if ungraded else folder.out
    if not out.is_dir():
        raise Refused("unknown-attempt", f"attempt {request.attempt_id} left no folder here ({now.phase})")
    return out


def gone(home: Home, attempt_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Which of these attempts have no folder here and no process either. What lives without a folder is ended: nothing
    can come of it any more. None can be told of while another call begins or forgets attempts."""
    missing = [name for name in attempt_ids if is_name(name) and not home.attempt(name).root.exists()]
    if not missing:
        return ()
    # No launch comes between the look for the folder and the proof.
    with contextlib.suppress(Refused), exclusively(home, PROOF_LOCK_WAIT_S):
        return tuple(name for name in missing if not home.attempt(name).root.exists() and absence.prove(home, name))
    return ()


@contextlib.contextmanager
def exclusively(home: Home, wait_s: float = LAUNCH_LOCK_WAIT_S) -> Generator[None, None, None]:
    """Holds the lock under which attempts begin, are handed checks, and are forgotten."""
    deadline_s = clock.monotonic_s() + wait_s

    def give_up() -> None:
        if clock.monotonic_s() > deadline_s:
            raise Refused("runner-fault", f"{home.launch_lock} was held for {wait_s:g} s by another call")

    home.attempts.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locks.held(home.launch_lock, check=give_up):
        yield


def _start(home: Home, spec: LaunchSpec, agent_file: Path) -> None:
    """Makes the folder under another name, with the lock held, and renames it: the rename is the start."""
    waiting = _fresh(home, spec.attempt_id)
    origin = Origin(
        attempt_id=spec.attempt_id,
        episode_id=spec.episode_id,
        fence=spec.fence,
        boot_id=boot_id(),
        hidden_checks=spec.hidden_checks,
        agent=agent_file.name,
    )
    files.make_reserve(waiting.reserve)
    files.write_json(waiting.launch, protocol.to_json(spec))
    files.write_json(waiting.origin, asdict(origin))
    alive = locks.take(waiting.alive)
    try:
        ledger.record(
            home, "accepted", attempt_id=spec.attempt_id, episode_id=spec.episode_id, fence=spec.fence, kind=spec.kind
        )
        failpoints.reach(home, "launch-before-rename")
        os.rename(waiting.root, home.attempt(spec.attempt_id).root)
        files.sync_folder(home.attempts)
        failpoints.reach(home, "launch-after-rename")
        detach.start(home, spec.attempt_id, agent_file, alive)
        failpoints.reach(home, "launch-after-detach")
    finally:
        locks.release(alive)


def _resume(home: Home, folder: AttemptFolder, request: GradeRequest, agent_file: Path) -> None:
    """Starts a supervisor that grades what was kept. Until it has written a new exit record, the one that is laid aside
    here stands."""
    asleep.check(home)
    alive = _take_from_the_last(folder)
    try:
        files.write_json(folder.checks, protocol.to_json(request))
        failpoints.reach(home, "grade-before-resume")
        origin = files.read_json(folder.origin)
        files.write_json(folder.origin, {**origin, "boot_id": boot_id()})
        folder.told.unlink(missing_ok=True)
        if folder.exit.exists():
            os.rename(folder.exit, folder.ungraded_exit)
            files.sync_folder(folder.root)
        failpoints.reach(home, "grade-after-aside")
        detach.start(home, request.attempt_id, agent_file, alive, resume=True)
    finally:
        locks.release(alive)


def _take_from_the_last(folder: AttemptFolder) -> int:
    """The lock of an attempt whose supervisor has written its exit record, and may be tidying up still."""
    deadline_s = clock.monotonic_s() + TIDY_WAIT_S
    while True:
        try:
            return locks.take(folder.alive)
        except BlockingIOError:
            if clock.monotonic_s() > deadline_s:
                raise Refused("not-ended", "the attempt's supervisor still tidies up; send the checks again") from None
            clock.pause(locks.POLL_S)


def _check_names(*names: str) -> None:
    for name in names:
        if not is_name(name):
            raise Refused(
                "bad-request", f"{name[:128]!r} cannot be an id: letters, digits, '.', '_' and '-', at most 128"
            )


def _check_never_begun(home: Home, attempt_id: str) -> None:
    """An attempt whose folder was lost must not start anew when its launch comes again."""
    if any(line["event"] != "accepted" for line in ledger.about(home, attempt_id)):
        _end_folderless(home, attempt_id)
        raise Refused("unknown-attempt", f"attempt {attempt_id} was here before, and its folder is gone")


def _end_folderless(home: Home, attempt_id: str) -> None:
    if ledger.about(home, attempt_id) and not absence.prove(home, attempt_id):
        raise Refused("not-ended", f"attempt {attempt_id} lost its folder, and a process of it cannot be killed")


def _check_alone(home: Home, spec: LaunchSpec) -> None:
    """An episode never has two live attempts: an older one is told to end, and the launch has to come again."""
    for attempt_id in listed(home):
        other = status(home, attempt_id)
        if other.episode_id != spec.episode_id:
            continue
        if other.fence >= spec.fence:
            raise Refused(
                "stale-fence", f"attempt {attempt_id} of episode {spec.episode_id} already has fence {other.fence}"
            )
        if other.phase in ALIVE:
            home.attempt(attempt_id).cancel.touch()
            raise Refused(
                "not-ended",
                f"attempt {attempt_id} of the same episode still runs here; it was told to end, launch again then",
            )


def _own(home: Home, attempt_id: str, fence: int) -> AttemptFolder:
    """The attempt's folder, if the asker holds its fence."""
    known = status(home, attempt_id)
    if fence != known.fence and known.fence != 0:
        raise Refused("stale-fence", f"attempt {attempt_id} has fence {known.fence}, not {fence}")
    return home.attempt(attempt_id)


def _bury(home: Home, request: AttemptRequest) -> None:
    waiting = _fresh(home, request.attempt_id)
    files.write_json(waiting.tombstone, {**asdict(request), "at": clock.utc_now(), "boot_id": boot_id()})
    ledger.record(home, "buried", **asdict(request))
    os.rename(waiting.root, home.attempt(request.attempt_id).root)
    files.sync_folder(home.attempts)
    failpoints.reach(home, "cancel-after-tombstone")


def _fresh(home: Home, attempt_id: str) -> AttemptFolder:
    """An empty folder under a name that no attempt has; what a crash left there goes."""
    waiting = AttemptFolder(home.attempts / f".new-{attempt_id}")
    files.remove_tree(waiting.root)
    waiting.root.mkdir(parents=True, mode=0o700)
    return waiting
