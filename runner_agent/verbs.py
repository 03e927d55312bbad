"""The verbs of the runner: a JSON object in, a JSON object out (`pull`: a tar stream).

Every call is a process of its own, so a verb that is seldom called imports by itself what no other needs.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from runner_agent import attempts, clock, failpoints, handover, ledger, observation, protocol, reports, retention
from runner_agent.home import Home, is_name
from runner_agent.protocol import (
    SCHEMA,
    AttemptRequest,
    BundleRequest,
    DoctorRequest,
    GradeRequest,
    LaunchSpec,
    MalformedMessage,
    PullRequest,
    ReportRequest,
    SuspendRequest,
)
from runner_agent.refusal import Refused

MAX_REQUEST_BYTES = 64 * 1024 * 1024
NOTED = ("launch", "cancel", "grade", "acknowledge")


def answer(verb: str, home: Home, agent_file: Path, environ: dict[str, str], stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Reads the request, does it, writes the answer. 0, or 1 where the answer is a refusal."""
    request: Any = None
    try:
        request = _request(stdin)
        keeper = handover.keeper_of_call(home, verb, request, agent_file)
        if keeper is not None:
            handover.become(keeper, verb, home, request)
        if verb == "pull":
            _pull(home, request, stdout)
            return 0
        data = {"schema": SCHEMA, **_VERBS[verb](home, request, agent_file, environ)}
        status = 0
    except MalformedMessage as error:
        data, status = _refusal("bad-request", str(error)), 1
    except Refused as refused:
        _note_refused(home, verb, request, refused)
        data, status = _refusal(refused.kind, str(refused)), 1
    except Exception as error:  # an answer is owed whatever happens; a traceback is none
        data, status = _refusal("runner-fault", f"{verb} failed on the runner: {error!r}"), 1
    stdout.write(json.dumps(data).encode() + b"\n")
    stdout.flush()
    return status


def _request(stdin: BinaryIO) -> Any:
    text = stdin.read(MAX_REQUEST_BYTES + 1)
    if len(text) > MAX_REQUEST_BYTES:
        raise Refused("bad-request", f"the request is larger than {MAX_REQUEST_BYTES} bytes")
    try:
        return json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refused("bad-request", f"the request is not JSON: {error}") from error


def _refusal(kind: protocol.RefusalKind, message: str) -> dict[str, Any]:
    return {"schema": SCHEMA, "error": {"kind": kind, "message": message}}


def _note_refused(home: Home, verb: str, request: Any, refused: Refused) -> None:
    """Who was told no, and why, belongs into the history of what can change an attempt."""
    if verb not in NOTED or not isinstance(request, dict):
        return
    asked = cast("dict[str, Any]", request)
    attempt_id, episode_id, fence = asked.get("attempt_id"), asked.get("episode_id"), asked.get("fence")
    if not (isinstance(attempt_id, str) and isinstance(episode_id, str) and isinstance(fence, int)):
        return
    if not (is_name(attempt_id) and is_name(episode_id)):
        return
    # The answer is owed also where the disk is full.
    with contextlib.suppress(OSError):
        ledger.record(
            home,
            "refused",
            attempt_id=attempt_id,
            episode_id=episode_id,
            fence=fence,
            verb=verb,
            kind=refused.kind,
            why=str(refused),
        )


def _hello(home: Home, _request: Any, agent_file: Path, environ: dict[str, str]) -> dict[str, Any]:
    home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(Refused), attempts.exclusively(home):
        retention.tidy(home)
        handover.forget_unused(home, observation.listed(home), agent_file, clock.epoch_s())
    return protocol.to_json(_introduced(home, agent_file, environ))


def _launch(home: Home, request: Any, agent_file: Path, _environ: dict[str, str]) -> dict[str, Any]:
    return protocol.to_json(attempts.launch(home, protocol.from_json(LaunchSpec, request), agent_file))


def _report(home: Home, request: Any, agent_file: Path, _environ: dict[str, str]) -> dict[str, Any]:
    return protocol.to_json(reports.report(home, protocol.from_json(ReportRequest, request), agent_file))


def _cancel(home: Home, request: Any, _agent_file: Path, _environ: dict[str, str]) -> dict[str, Any]:
    return protocol.to_json(attempts.cancel(home, protocol.from_json(AttemptRequest, request)))


def _grade(home: Home, request: Any, agent_file: Path, _environ: dict[str, str]) -> dict[str, Any]:
    return protocol.to_json(attempts.grade(home, protocol.from_json(GradeRequest, request), agent_file))


def _acknowledge(home: Home, request: Any, _agent_file: Path, _environ: dict[str, str]) -> dict[str, Any]:
    attempts.acknowledge(home, protocol.from_json(AttemptRequest, request))
    return {"acknowledged": True}


def _suspend(home: Home, request: Any, agent_file: Path, environ: dict[str, str]) -> dict[str, Any]:
    from runner_agent import suspend

    asked = protocol.from_json(SuspendRequest, request)
    return protocol.to_json(suspend.suspend(home, asked, agent_file, suspend.sight(environ)))


def _doctor(home: Home, request: Any, agent_file: Path, environ: dict[str, str]) -> dict[str, Any]:
    from runner_agent import examination

    came_s = clock.epoch_s()
    asked = protocol.from_json(DoctorRequest, request)
    home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    said = _introduced(home, agent_file, environ)
    return protocol.to_json(examination.examine(asked, came_s, said, environ, home, agent_file))


def _bundle(home: Home, request: Any, _agent_file: Path, _environ: dict[str, str]) -> dict[str, Any]:
    from runner_agent import bundles

    home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return protocol.to_json(bundles.take(home, protocol.from_json(BundleRequest, request)))


def _introduced(home: Home, agent_file: Path, environ: dict[str, str]) -> protocol.Hello:
    from runner_agent.introduction import introduce
    from runner_agent.machine import survey

    return introduce(home, survey(environ), agent_file, observation.listed(home), environ)


def _pull(home: Home, request: Any, stdout: BinaryIO) -> None:
    from runner_agent import manifest

    asked = protocol.from_json(PullRequest, request)
    out = attempts.packed(home, protocol.from_json(AttemptRequest, request))
    if not (out / manifest.SUMS).exists():
        # A supervisor that died packed nothing; what it left, its journal above all, is still evidence.
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(home.attempt(asked.attempt_id).events, out / reports.EVENTS)
        manifest.write_sums(out)
    with io.BufferedWriter(_Midway(home, stdout)) as outward:
        manifest.stream(out, outward, asked.held)


class _Midway(io.RawIOBase):
    """Comes by its failpoint once the first bytes are out."""

    def __init__(self, home: Home, stdout: BinaryIO) -> None:
        super().__init__()
        self._home = home
        self._stdout = stdout
        self._begun = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        written = self._stdout.write(data)
        if not self._begun:
            self._begun = True
            self._stdout.flush()
            failpoints.reach(self._home, "pull-midway")
        return written


_VERBS: dict[str, Callable[[Home, Any, Path, dict[str, str]], dict[str, Any]]] = {
    "hello": _hello,
    "launch": _launch,
    "report": _report,
    "cancel": _cancel,
    "grade": _grade,
    "acknowledge": _acknowledge,
    "suspend": _suspend,
    "doctor": _doctor,
    "bundle": _bundle,
}
