"""The acts that an outbox row can ask for, but for `score`. Each reads, talks to the runner with no database session
open, and writes; each may be cut off anywhere and done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import update
from sqlmodel import Session, col

from orchestrator.artifacts import partial, sums
from orchestrator.artifacts.receive import Received, receive
from orchestrator.domain.campaign_launch import hidden_checks
from orchestrator.domain.phases import Event, Phase
from orchestrator.errors import LinkRefused
from orchestrator.failpoints import reach
from orchestrator.machines.link import Link
from orchestrator.service.delivery import deliver
from orchestrator.service.places import attempt_folder
from orchestrator.service.scene import Scene, agent_of, launch_spec_of, look
from orchestrator.service.services import Services
from orchestrator.store.asking import cursors_of
from orchestrator.store.changes import log_event, move_episode, request_act, rows_changed
from orchestrator.store.outbox import Act, finish
from orchestrator.store.record import record_chunks, record_status
from orchestrator.store.tables import AttemptRow
from runner_agent.protocol import AttemptStatus, GradeRequest, ReportRequest

Answer = TypeVar("Answer")

REPORT_BYTES = 4_000_000
REPORTS_MAX = 1000
"""More than the streams of any attempt fill: they are bounded on the runner."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """The failpoints of an act, see `failpoints.POINTS`."""

    before_call: str
    after_call: str
    after_commit: str


def _carry_out(
    services: Services,
    points: Points,
    call: Callable[[], Answer],
    commit: Callable[[Session, Answer, datetime], object],
) -> None:
    """What all acts are: a call to the runner, and then a transaction that writes down what it answered."""
    reach(points.before_call)
    answer = call()
    reach(points.after_call)
    with services.store.writing() as session:
        commit(session, answer, services.now())
    reach(points.after_commit)


LAUNCH = Points(
    before_call="act-launch-before-call",
    after_call="act-launch-after-call",
    after_commit="act-launch-after-commit",
)
CHECKS = Points(
    before_call="act-checks-before-call",
    after_call="act-checks-after-call",
    after_commit="act-checks-after-commit",
)
CANCEL = Points(
    before_call="act-cancel-before-call",
    after_call="act-cancel-after-call",
    after_commit="act-cancel-after-commit",
)
COLLECT = Points(
    before_call="act-collect-before-call",
    after_call="act-collect-after-call",
    after_commit="act-collect-after-commit",
)
SALVAGE = Points(
    before_call="act-salvage-before-call",
    after_call="act-salvage-after-call",
    after_commit="act-salvage-after-commit",
)
ACKNOWLEDGE = Points(
    before_call="act-acknowledge-before-call",
    after_call="act-acknowledge-after-call",
    after_commit="act-acknowledge-after-commit",
)


def launch(services: Services, act: Act) -> None:
    """Tell the runner to start the attempt; it answers with the attempt's status, whether this started it or not."""
    scene = look(services, act)
    spec = launch_spec_of(services, scene, agent_of(services, scene))

    def call() -> AttemptStatus:
        link = _link(services, scene)
        if spec.deliver == "push":
            deliver(link, services.settings.home, spec.repo_url, spec.commit)
        return link.launch(spec)

    _carry_out(services, LAUNCH, call, record_status)


def forgo_launch(services: Services, act: Act) -> bool:
    """Have the runner promise that the attempt will never start. False where it started after all: it is adopted."""
    scene = look(services, act)
    link = _link(services, scene)
    report = link.report(ReportRequest(cursors={}))
    status = next((said for said in report.attempts if said.attempt_id == act.attempt_id), None)
    status = status or link.cancel(scene.request)
    if status.phase == "cancelled":
        return True
    with services.store.writing() as session:
        record_status(session, status, services.now())
        finish(session, act, services.now())
    return False


def send_checks(services: Services, act: Act) -> None:
    """The agent's processes are gone: the hidden checks may travel. A preflight has no agent; it gets them likewise."""
    scene = look(services, act)
    checks = hidden_checks(scene.campaign, scene.files)
    asked = GradeRequest(attempt_id=act.attempt_id, episode_id=act.episode_id, fence=act.fence, checks=checks)
    _carry_out(services, CHECKS, lambda: _link(services, scene).grade(asked), record_status)


def send_cancel(services: Services, act: Act) -> None:
    scene = look(services, act)
    _carry_out(services, CANCEL, lambda: _link(services, scene).cancel(scene.request), record_status)


def collect(services: Services, act: Act) -> None:
    """Pull and verify the artifacts; only then is the episode to be scored."""

    def note(session: Session, received: Received, now: datetime) -> None:
        collected = move_episode(
            session,
            act.episode_id,
            Event.COLLECTED,
            phase=Phase.COLLECTING,
            fence=act.fence,
            now=now,
            data={"attempt": act.attempt_id, **_told(received)},
        )
        if collected:
            request_act(session, "score", act.attempt_id, now=now)

    _carry_out(services, COLLECT, lambda: _pull(services, act), note)


def salvage(services: Services, act: Act) -> None:
    """Pull what an attempt that is over left on its runner, so that its logs and artifacts are kept; only then may the
    runner delete it."""

    def note(session: Session, told: dict[str, int], now: datetime) -> None:
        if request_act(session, "acknowledge", act.attempt_id, now=now):
            log_event(session, act.episode_id, "salvaged", now=now, attempt_id=act.attempt_id, data=told)

    _carry_out(services, SALVAGE, lambda: _pull_what_is_left(services, act), note)


def acknowledge(services: Services, act: Act) -> None:
    """The results are here and committed: the runner may delete its copy."""
    scene = look(services, act)

    def note(session: Session, _nothing: None, now: datetime) -> None:
        open_one = (col(AttemptRow.id) == act.attempt_id, col(AttemptRow.acknowledged_at).is_(None))
        if rows_changed(session, update(AttemptRow).where(*open_one).values(acknowledged_at=now)):
            log_event(session, act.episode_id, "acknowledged", now=now, attempt_id=act.attempt_id)

    _carry_out(services, ACKNOWLEDGE, lambda: _link(services, scene).acknowledge(scene.request), note)


def _pull(services: Services, act: Act) -> Received:
    """The attempt's folder, verified and in its place."""
    scene = look(services, act)
    link = _link(services, scene)
    _hear_out(services, link, act.attempt_id)
    folder = attempt_folder(services.settings.home, act.attempt_id)
    with link.pull(replace(scene.pull_request, held=partial.held(folder))) as stream:
        return receive(stream, folder)


def _hear_out(services: Services, link: Link, attempt_id: str) -> None:
    """What the attempt's journal and logs say that no report has brought yet: once it is acknowledged none will."""
    for _ in range(REPORTS_MAX):
        with services.store.reading() as session:
            held = cursors_of(session, attempt_id)
        report = link.report(ReportRequest(cursors={attempt_id: held}, max_bytes=REPORT_BYTES))
        if not report.chunks:
            return
        with services.store.writing() as session:
            record_chunks(session, report)


def _pull_what_is_left(services: Services, act: Act) -> dict[str, int]:
    """An attempt that left no folder has nothing to be kept."""
    try:
        received = _pull(services, act)
    except LinkRefused as refused:
        if refused.refusal != "unknown-attempt":
            raise
        return {"bytes": 0, "files": 0}
    # Nothing is derived from it; what is there can be checked like any other folder.
    sums.write(attempt_folder(services.settings.home, act.attempt_id))
    return _told(received)


def _told(received: Received) -> dict[str, int]:
    return {"bytes": received.bytes, "files": received.files}


def _link(services: Services, scene: Scene) -> Link:
    return services.link(scene.address)
