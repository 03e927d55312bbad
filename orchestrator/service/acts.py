"""The acts that an outbox row can ask for, but for `score`. Each reads, talks to the runner with no database session
open, and writes; each may be cut off anywhere and done again."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import update
from sqlmodel import col

from orchestrator.artifacts import partial, sums
from orchestrator.artifacts.receive import Received, receive
from orchestrator.domain.campaign_launch import hidden_checks
from orchestrator.domain.phases import Event, Phase
from orchestrator.errors import LinkRefused
from orchestrator.failpoints import reach
from orchestrator.machines.link import Link
from orchestrator.service.places import attempt_folder
from orchestrator.service.scene import Scene, agent_of, launch_spec_of, look
from orchestrator.service.services import Services
from orchestrator.store.changes import log_event, move_episode, request_act, rows_changed
from orchestrator.store.outbox import Act, finish
from orchestrator.store.record import record_status
from orchestrator.store.tables import AttemptRow
from runner_agent.protocol import AttemptStatus, GradeRequest, ReportRequest


def launch(services: Services, act: Act) -> None:
    """Tell the runner to start the attempt; it answers with the attempt's status, whether this started it or not."""
    scene = look(services, act)
    spec = launch_spec_of(services, scene, agent_of(services, scene))
    reach("act-launch-before-call")
    status = _link(services, scene).launch(spec)
    reach("act-launch-after-call")
    _record(services, status)
    reach("act-launch-after-commit")


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
    reach("act-checks-before-call")
    status = _link(services, scene).grade(asked)
    reach("act-checks-after-call")
    _record(services, status)
    reach("act-checks-after-commit")


def send_cancel(services: Services, act: Act) -> None:
    scene = look(services, act)
    reach("act-cancel-before-call")
    status = _link(services, scene).cancel(scene.request)
    reach("act-cancel-after-call")
    _record(services, status)
    reach("act-cancel-after-commit")


def collect(services: Services, act: Act) -> None:
    """Pull and verify the artifacts; only then is the episode to be scored."""
    reach("act-collect-before-call")
    received = _pull(services, act)
    reach("act-collect-after-call")
    now = services.now()
    with services.store.writing() as session:
        collected = move_episode(
            session,
            act.episode_id,
            Event.COLLECTED,
            phase=Phase.COLLECTING,
            fence=act.fence,
            now=now,
            data={"attempt": act.attempt_id, "bytes": received.bytes, "files": received.files},
        )
        if collected:
            request_act(session, "score", act.attempt_id, now=now)
    reach("act-collect-after-commit")


def salvage(services: Services, act: Act) -> None:
    """Pull what an attempt that is over left on its runner, so that its logs and artifacts are kept; only then may the
    runner delete it. One that left no folder there has nothing to be kept."""
    reach("act-salvage-before-call")
    try:
        received = _pull(services, act)
        # Nothing is derived from it; what is there can be checked like any other folder.
        sums.write(attempt_folder(services.settings.home, act.attempt_id))
        told = {"bytes": received.bytes, "files": received.files}
    except LinkRefused as refused:
        if refused.refusal != "unknown-attempt":
            raise
        told = {"bytes": 0, "files": 0}
    reach("act-salvage-after-call")
    now = services.now()
    with services.store.writing() as session:
        if request_act(session, "acknowledge", act.attempt_id, now=now):
            log_event(session, act.episode_id, "salvaged", now=now, attempt_id=act.attempt_id, data=told)
    reach("act-salvage-after-commit")


def _pull(services: Services, act: Act) -> Received:
    """The attempt's folder, verified and in its place."""
    scene = look(services, act)
    folder = attempt_folder(services.settings.home, act.attempt_id)
    with _link(services, scene).pull(replace(scene.pull_request, held=partial.held(folder))) as stream:
        return receive(stream, folder)


def acknowledge(services: Services, act: Act) -> None:
    """The results are here and committed: the runner may delete its copy."""
    scene = look(services, act)
    reach("act-acknowledge-before-call")
    _link(services, scene).acknowledge(scene.request)
    reach("act-acknowledge-after-call")
    with services.store.writing() as session:
        open_one = (col(AttemptRow.id) == act.attempt_id, col(AttemptRow.acknowledged_at).is_(None))
        if rows_changed(session, update(AttemptRow).where(*open_one).values(acknowledged_at=services.now())):
            log_event(session, act.episode_id, "acknowledged", now=services.now(), attempt_id=act.attempt_id)
    reach("act-acknowledge-after-commit")


def _link(services: Services, scene: Scene) -> Link:
    return services.link(scene.address)


def _record(services: Services, status: AttemptStatus) -> None:
    with services.store.writing() as session:
        record_status(session, status, services.now())
