"""What an operator does to a machine: wake, sleep, drain, remove. Each is one transaction, with a name in the log."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, func, select

from orchestrator.domain.power import LetSleep, PowerFacts, Wake
from orchestrator.domain.runner import Operation, Power, Service
from orchestrator.domain.wake import STAGES, SleepKind, wake_answer
from orchestrator.errors import BadInput, Conflict
from orchestrator.planning.deadlines import deadline_s
from orchestrator.planning.power_rules import gpu_need
from orchestrator.service.services import Services
from orchestrator.store.changes import log_runner_event
from orchestrator.store.commit_power import begin_suspend, begin_wake, has_work
from orchestrator.store.convert import to_runner
from orchestrator.store.fleet import left_behind
from orchestrator.store.power import load_wakes, to_attempt, to_facts
from orchestrator.store.queries import find_runner
from orchestrator.store.tables import AttemptRow, RunnerRow


def wake(services: Services, name: str, *, by: str) -> None:
    """Wake the runner, whatever the queue needs; nothing where it is awake and proven, or waking. `wake_status` tells
    how it goes. Raises NotFound and Conflict."""
    now = services.now()
    with services.store.writing() as session:
        row = find_runner(session, name)
        _refuse_the_retired(row)
        facts = _facts(session, row)
        if row.operation == Operation.WAKING or (_is_awake(row) and not facts.failures):
            return
        if facts.sleeps is None:
            raise Conflict(f"runner {name} cannot be woken over the network", "add its MAC address")
        if row.operation != Operation.NONE:
            raise Conflict(f"runner {name} is {row.operation.lower()}", "wait until it sleeps")
        waking = (
            1
            + session.exec(
                select(func.count()).select_from(RunnerRow).where(RunnerRow.operation == str(Operation.WAKING))
            ).one()
        )
        failures = len(facts.failures)
        asked = Wake(
            runner=name,
            slept=facts.sleeps,
            deadline_s=min(
                services.policy.power.wake_limit_s,
                deadline_s(facts.wakes, facts.sleeps, waking=waking, failures=failures),
            ),
            waking=waking,
            gpu=gpu_need(to_runner(row), facts),
        )
        begin_wake(session, asked, now, actor=by)
    services.doorbell.tick()


def sleep(services: Services, name: str, *, by: str, how: str = "") -> None:
    """Ask the runner to sleep now, `how` "suspend" or "power-off" (empty: as it usually does). Nothing where it sleeps
    or is going to. Its own interlock may refuse; `runner show` says so. Raises NotFound, BadInput and Conflict."""
    now = services.now()
    if how and how not in list(SleepKind):
        raise BadInput(f"there is no way to sleep called {how!r}", f"one of {', '.join(SleepKind)}")
    with services.store.writing() as session:
        row = find_runner(session, name)
        _refuse_the_retired(row)
        if row.power == Power.ASLEEP or row.operation == Operation.SUSPENDING:
            return
        if not row.mac or not (how or row.sleeps):
            raise Conflict(f"runner {name} could not be woken again over the network", "add its MAC address")
        if has_work(session, name):
            raise Conflict(f"runner {name} has work", f"`matins runner drain {name}`, and wait until it is idle")
        if not _is_awake(row):
            raise Conflict(f"runner {name} is not awake and at rest", f"`matins runner show {name}` says what it is")
        kind = SleepKind(how or row.sleeps)
        begin_suspend(session, LetSleep(runner=name, how=kind, reason=f"asked for by {by}"), now, actor=by)
    services.doorbell.tick()


def drain(services: Services, name: str, *, by: str, reason: str = "") -> None:
    """Give the runner no more episodes; those it has go on. `resume` takes that back. Raises NotFound and Conflict."""
    now = services.now()
    with services.store.writing() as session:
        row = find_runner(session, name)
        _refuse_the_retired(row)
        if row.service == Service.OUT_OF_SERVICE:
            raise Conflict(f"runner {name} is out of service", f"`matins runner resume {name}` takes it back")
        if row.service == Service.DRAINING:
            return
        row.service = str(Service.DRAINING)
        session.add(row)
        log_runner_event(session, name, "draining", actor=by, now=now, data={"reason": reason})
    services.doorbell.tick()


def remove(services: Services, name: str, *, by: str, reason: str = "") -> None:
    """Retire a runner that holds nothing any more. Its rows stay, so that no counter falls. Raises NotFound and
    Conflict."""
    now = services.now()
    with services.store.writing() as session:
        row = find_runner(session, name)
        if row.service == Service.RETIRED:
            return
        if has_work(session, name):
            remedy = (
                f"`matins runner drain {name}`, and wait; a machine that is gone: `matins runner declare-dead {name}`"
            )
            raise Conflict(f"runner {name} has work", remedy)
        held = select(func.count()).select_from(AttemptRow).where(col(AttemptRow.runner) == name, left_behind())
        if (count := session.exec(held).one()) > 0:
            raise Conflict(f"runner {name} still holds results of {count} attempts", "wait until they are fetched")
        row.service = str(Service.RETIRED)
        session.add(row)
        log_runner_event(session, name, "retired", actor=by, now=now, data={"reason": reason})
    services.doorbell.tick()


def wake_status(services: Services, name: str) -> dict[str, Any]:
    """The newest wake as `runner wake --json` prints it, and `under_way`: whether it is not over yet; until then
    `reason` says what it waits for. Raises NotFound."""
    with services.store.reading() as session:
        row = find_runner(session, name)
        wakes = load_wakes(session, name)
    if row.operation == Operation.WAKING and row.wake is not None:
        under_way = to_attempt(name, row.wake)
        waits = f"it waits for {STAGES[under_way.awaited].awaited}" if under_way.awaited else ""
        stages = [{"name": str(time.stage), "seconds": time.seconds} for time in under_way.came]
        return {**_answer(name, ready=False, reason=waits), "stages": stages, "under_way": True}
    if wakes and not (wakes[-1].ready and not _is_awake(row)):
        return {**wake_answer(wakes[-1]), "under_way": False}
    ready = _is_awake(row)
    return {**_answer(name, ready=ready, reason="" if ready else f"it is {row.power.lower()}"), "under_way": False}


def _answer(name: str, *, ready: bool, reason: str) -> dict[str, Any]:
    return {"runner": name, "ready": ready, "stages": [], "failed_stage": None, "reason": reason}


def _facts(session: Session, row: RunnerRow) -> PowerFacts:
    return to_facts(row, load_wakes(session, row.name))


def _is_awake(row: RunnerRow) -> bool:
    return row.power == Power.AWAKE and row.operation == Operation.NONE


def _refuse_the_retired(row: RunnerRow) -> None:
    if row.service == Service.RETIRED:
        raise Conflict(f"runner {row.name} is retired", "add it again under another name")
