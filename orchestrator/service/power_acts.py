"""The acts that move a machine's power. As with all acts: nothing is held open while the machine is asked, each may be
cut off anywhere and done again, and what follows from it the planner decides."""

from __future__ import annotations

from datetime import timedelta

import structlog

from orchestrator.domain.runner import Operation
from orchestrator.domain.wake import SleepKind, WakeAttempt, WakeRecord
from orchestrator.errors import LinkError, LinkRefused
from orchestrator.failpoints import reach
from orchestrator.machines.ssh import SshLink
from orchestrator.machines.wake_probe import prove
from orchestrator.machines.wol import WakeTarget
from orchestrator.service.services import Services
from orchestrator.store.commit_power import end_wake, go_on_with_wake, note_suspend_sent, refuse_suspend
from orchestrator.store.convert import to_address
from orchestrator.store.outbox import Act, finish, postpone
from orchestrator.store.power import to_attempt
from orchestrator.store.record import FALLS_SILENT
from orchestrator.store.tables import RunnerRow
from runner_agent.protocol import SuspendAnswer, SuspendRequest

log = structlog.get_logger()

SLICE_S = 3.0
"""A worker looks after a wake for so long at a time: other acts wait for their turn behind it."""

SUSPEND_AGAIN_S = 2.0
HELD_BACK = timedelta(minutes=5)
"""After a refusal by the machine's own interlock, before it is asked again."""


def wake(services: Services, act: Act) -> None:
    """Go on with a wake for a slice of time; ring again where it is not over."""
    with services.store.reading() as session:
        row = session.get_one(RunnerRow, act.runner)
        under_way = to_attempt(row.name, row.wake) if row.wake and row.operation == Operation.WAKING else None
        address = to_address(row)
        towards = {"broadcast": row.broadcast} if row.broadcast else {}
        target = WakeTarget(mac=row.mac, interface=row.interface, secureon=row.secureon, **towards)
    if under_way is None or under_way.started_at != act.begun:
        _finish(services, act)
        return
    senses = services.senses(address, target, services.link(address), under_way.gpu)
    reach("act-wake-before-look")
    found = prove(under_way, senses, services.now, services.pause, SLICE_S)
    reach("act-wake-after-look")
    _record_wake(services, act, found)


def _record_wake(services: Services, act: Act, found: WakeAttempt | WakeRecord) -> None:
    now = services.now()
    with services.store.writing() as session:
        if isinstance(found, WakeRecord):
            end_wake(session, found, now)
            finish(session, act, now)
        elif go_on_with_wake(session, found):
            postpone(session, act, now, 0.0, "", tried=False)
        else:
            finish(session, act, now)
    reach("act-wake-after-commit")
    if isinstance(found, WakeRecord):
        log.info("wake-ended", runner=found.runner, ready=found.ready, reason=found.reason)
        services.doorbell.observe(act.runner)
        services.doorbell.tick()
    else:
        services.doorbell.perform(act.id)


def suspend(services: Services, act: Act) -> None:
    """Ask the machine to sleep. Its yes is kept; whether it sleeps, its silence shows."""
    now = services.now()
    with services.store.writing() as session:
        row = session.get_one(RunnerRow, act.runner)
        # What is sent again was sent already: the machine may be asleep since.
        sent_at = row.suspend_sent_at or now
        if act.begun is None or not note_suspend_sent(session, act.runner, act.begun, sent_at):
            finish(session, act, now)
            return
        # What is asked from here on may never be answered.
        row.observe_after = now + FALLS_SILENT
        session.add(row)
        address, how, mac = to_address(row), SleepKind(row.slept or SleepKind.SUSPEND), row.mac
    limit_s = services.policy.power.suspend_s
    asked = SuspendRequest(how=how.value, token=f"{act.runner}-{act.begun.isoformat()}", mac=mac, limit_s=limit_s)
    link = services.link(address)
    reach("act-suspend-before-call")
    try:
        answer = link.suspend(asked)
    except LinkError as error:
        # The answer, or the request, was lost: the machine knows the token, and does it once.
        log.warning("suspend-unanswered", runner=act.runner, error=str(error))
        with services.store.writing() as session:
            postpone(session, act, services.now(), SUSPEND_AGAIN_S, str(error), tried=False)
        return
    except LinkRefused as refused:
        answer = SuspendAnswer(accepted=False, refusals=(refused.refusal,), why=(str(refused),))
    reach("act-suspend-after-call")
    if answer.accepted and isinstance(link, SshLink):
        # A connection that is kept would hang once the machine is back.
        link.close()
    _record_answer(services, act, answer)


def _record_answer(services: Services, act: Act, answer: SuspendAnswer) -> None:
    now = services.now()
    with services.store.writing() as session:
        finish(session, act, now)
        if answer.accepted:
            row = session.get_one(RunnerRow, act.runner)
            # Late, it may be that nobody wanted that any more: its silence is sleep all the same.
            row.suspend_sent_at, row.observe_after = now, now + FALLS_SILENT
            session.add(row)
        elif act.begun is not None:
            why = f"it would not sleep: {'; '.join(answer.why or answer.refusals)}"
            refuse_suspend(session, act.runner, act.begun, why, now + HELD_BACK, now)
    reach("act-suspend-after-commit")
    log.info("suspend-answered", runner=act.runner, accepted=answer.accepted, why=answer.why)
    services.doorbell.tick()


def _finish(services: Services, act: Act) -> None:
    with services.store.writing() as session:
        finish(session, act, services.now())
