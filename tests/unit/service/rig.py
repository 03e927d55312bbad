"""The whole service but for threads: a real store, runners in memory, a clock that a test moves, and a doorbell that
only writes down who rang. A process that dies is an exception that nothing below the rig catches."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import delete, event, text, update
from sqlmodel import SQLModel, col

from orchestrator.errors import LinkError
from orchestrator.machines.fake import FakeLink
from orchestrator.service.intake import Bundle, Submission, submit
from orchestrator.service.observation import observe
from orchestrator.service.operate import declare_dead, resume
from orchestrator.service.perform import perform
from orchestrator.service.reconcile import tick
from orchestrator.service.services import Services
from orchestrator.settings import Settings
from orchestrator.store.engine import Store, open_store
from orchestrator.store.outbox import drop_claims
from orchestrator.store.record import record_status
from orchestrator.store.tables import AcceptanceRow, CampaignRow, EpisodeRow, EventRow, OutboxRow, RunnerRow
from runner_agent.device_tags import drivers_fingerprint
from runner_agent.protocol import AttemptStatus, Gpu
from tests.integration.service.toy import make_toy
from tests.unit.planning.builders import NOW
from tests.unit.planning.builders import gpu as a_gpu
from tests.unit.service.leavings import Leavings, leavings
from tests.unit.service.parts import Bell, Clock, Died, MortalStore, Wire
from tests.unit.service.sight import Sight

ROUNDS_MAX = 400
"""Rings or beats after which a test that never comes to rest fails."""

LIVING = ("running", "awaiting-checks")


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A repository, a campaign and agents, and a database that each rig empties for itself."""

    folder: Path
    campaign: Path
    store: Store

    def bundle(self) -> Bundle:
        return Bundle(
            text=self.campaign.read_text(),
            filename=self.campaign.name,
            directory=str(self.campaign.parent),
            files={"check.py": base64.b64encode((self.campaign.parent / "check.py").read_bytes()).decode()},
        )


def toy(folder: Path) -> Toy:
    campaign = make_toy(folder, folder / "token")
    store = open_store(f"sqlite:///{folder}/matins.sqlite3")
    # No test pulls the plug of the machine, so none waits for its disk.
    event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    store.engine.dispose()
    return Toy(folder=folder, campaign=campaign, store=store)


VERBS = {"launch": "launch", "checks": "grade", "cancel": "cancel", "collect": "pull", "acknowledge": "acknowledge"}
"""The call on the link that each act makes; `score` makes none."""

POINTS = ("before the call", "after the call", "before the commit", "after the commit", "before it is ticked off")
"""Where a process may die in an act: around its call, around its own transaction, before it is marked as done."""


class Rig(Sight):
    """One service and its runners. `leave` says what an attempt leaves behind, `prove` what a canary does."""

    def __init__(self, toy: Toy, home: Path, runners: tuple[str, ...] = ("local",), slots: int = 2) -> None:
        self.toy = toy
        self.home = home
        self.clock = Clock()
        self.bell = Bell()
        self.runners = {name: FakeLink() for name in runners}
        self.wires = {name: Wire(runner) for name, runner in self.runners.items()}
        self.leave: Callable[[Any], Leavings] = leavings
        self.prove: Callable[[Any], Leavings] = leavings
        self.deaths = 0
        self.doom: dict[str, str] = {}
        home.mkdir(parents=True, exist_ok=True)
        self.services = self._services(toy.store)
        with self.services.store.writing() as session:
            for table in reversed(SQLModel.metadata.sorted_tables):
                session.execute(delete(table))
            session.add_all(runner_row(name, slots) for name in runners)

    # The processes.

    def _services(self, store: Store) -> Services:
        settings = Settings(home=self.home, agents_path=(self.toy.folder / "agents",), metrics_cache_s=0)
        return Services(
            settings=settings,
            store=MortalStore(store.engine),
            doorbell=self.bell,
            link=lambda address: self.wires[address.runner],  # pyright: ignore[reportArgumentType]
            now=self.clock,
        )

    def restart(self, alone: bool = True) -> None:
        """Another process on the same state; one that knows that it is alone drops the claims of the dead."""
        self.bell.rung.clear()
        self.doom.clear()
        for wire in self.wires.values():
            wire.before.clear()
            wire.after.clear()
        self.services = self._services(self.services.store)
        if alone:
            with self.services.store.writing() as session:
                drop_claims(session, self.clock())

    # What a user does.

    def submit(self, *agents: str, count: int = 1, by: str = "") -> list[str]:
        named = agents or ("replay:doer",)
        asked = Submission(bundle=self.toy.bundle(), agents=named, count=count, submitter=by)
        return [row.id for row in submit(self.services, asked)[1]]

    def submit_accepted(self, *agents: str, count: int = 1, by: str = "") -> list[str]:
        """As if the campaign's preflights had been there before, on each runner as it is now."""
        ids = self.submit(*agents, count=count, by=by)
        with self.services.store.writing() as session:
            session.execute(update(CampaignRow).values(acceptance="accepted"))
            for preflight in self.preflights():
                for name, link in self.runners.items():
                    session.merge(proven(preflight, name, link.said.gpus))
            session.execute(
                update(EpisodeRow).where(col(EpisodeRow.kind) == "preflight").values(phase="DONE", ended_at=NOW)
            )
        return ids

    def cancel(self, episode_id: str) -> None:
        with self.services.store.writing() as session:
            session.execute(update(EpisodeRow).where(col(EpisodeRow.id) == episode_id).values(cancel_requested=True))
        self.bell.tick()

    def declare_dead(self, runner: str = "local") -> list[str]:
        return declare_dead(self.services, runner, by="ada", reason="smoke came out", force=True)

    def take_back(self, runner: str = "local") -> None:
        resume(self.services, runner, by="ada")

    def rename(self, names: dict[str, str]) -> None:
        """Gives episodes other ids: chance made theirs."""
        with self.store.writing() as session:
            session.execute(text("PRAGMA defer_foreign_keys=ON"))
            for old, new in names.items():
                session.execute(update(EventRow).where(col(EventRow.episode_id) == old).values(episode_id=new))
                proof = update(AcceptanceRow).where(col(AcceptanceRow.episode_id) == old)
                session.execute(proof.values(episode_id=new))
                session.execute(update(EpisodeRow).where(col(EpisodeRow.id) == old).values(id=new))

    # What time does.

    def tick(self) -> int:
        return tick(self.services)

    def observe(self, runner: str = "local") -> None:
        observe(self.services, runner)

    def perform(self, act_id: int) -> None:
        """Does an act; a process that is doomed to die in it dies."""
        point = self.doom.pop(self.act(act_id).kind, None)
        if point is not None:
            self._doom_now(self.act(act_id), point)
        try:
            perform(self.services, act_id)
        except Died:
            self.deaths += 1
            self.restart()
        finally:
            self.store.die_in = 0

    def _doom_now(self, act: OutboxRow, point: str) -> None:
        if point.endswith("the call"):
            wire, verb = self.wires[self.attempt(act.attempt_id).runner], VERBS[act.kind]
            (wire.before if point.startswith("before") else wire.after)[verb] = [Died()]
            return
        # The claim is the first transaction, the act's own the second, ticking it off the third.
        self.store.die_in = 3 if point == "before it is ticked off" else 2
        self.store.die_after_commit = point == "after the commit"

    def answer_one(self) -> None:
        who, what = self.bell.rung.pop(0)
        if who == "tick":
            self.tick()
        elif who == "observe":
            self.observe(what)
        else:
            self.perform(what)

    def answer(self) -> None:
        """Answers the doorbell until nobody rings."""
        for _ in range(ROUNDS_MAX):
            if not self.bell.rung:
                return
            self.answer_one()
        raise AssertionError(f"the doorbell never stops: {self.bell.rung}")

    def beat(self, after_s: float = 1.0) -> None:
        """Time passes; the scheduler ticks; all that rings is answered."""
        self.clock.advance(after_s)
        self.tick()
        self.answer()

    def settle(self, after_s: float = 1.0) -> None:
        """Beats until one changes nothing."""
        for _ in range(ROUNDS_MAX):
            before = self.picture()
            self.beat(after_s)
            if self.picture() == before:
                return
        raise AssertionError(f"it never comes to rest: {self.picture()}")

    def work(self, *, canaries_only: bool = False) -> None:
        """Each attempt that lives on a runner does its next step."""
        for runner in self.runners.values():
            for attempt_id, known in list(runner.attempts.items()):
                if known.status.phase not in LIVING or (canaries_only and known.spec and known.spec.items):
                    continue
                if known.cancel_asked:
                    runner.finish(attempt_id, {"diff.patch": b""}, reason="cancelled", detail="cancelled")
                elif known.checks is None:
                    runner.await_checks(attempt_id)
                else:
                    self.exit(attempt_id)

    def exit(self, attempt_id: str) -> None:
        """The attempt ends, and leaves what `leave` says."""
        runner = self.runner_of(attempt_id)
        spec = runner.attempts[attempt_id].spec
        assert spec is not None
        left = self.leave(spec) if spec.items else self.prove(spec)
        runner.finish(attempt_id, left.files, reason=left.reason, detail=left.detail, stages=left.stages)

    def run(self, after_s: float = 2.0) -> None:
        """Everything goes its way until every episode has ended."""
        for _ in range(ROUNDS_MAX):
            if self.all_ended():
                self.settle(60)
                return
            self.beat(after_s)
            self.work()
        raise AssertionError(f"not every episode ends: {self.picture()}")

    # What befalls the runners.

    def update_drivers(self, runner: str = "local", driver: str = "radv 25.0.0") -> None:
        """Of each of its devices; a machine without one gets one."""
        link = self.runners[runner]
        gpus = tuple(replace(gpu, driver=driver) for gpu in link.said.gpus) or (a_gpu(driver=driver),)
        link.said = replace(link.said, gpus=gpus)

    def cut(self, runner: str = "local") -> None:
        self.runners[runner].unreachable = "no answer in 20 s"

    def heal(self) -> None:
        for runner in self.runners.values():
            runner.unreachable = ""

    def lose_answer(self, verb: str, runner: str = "local") -> None:
        """The next such call arrives, and its answer does not."""
        self.wires[runner].after[verb] = [LinkError("the answer was lost")]

    def unconfine(self) -> None:
        """No runner can make a sandbox."""
        for runner in self.runners.values():
            runner.said = replace(runner.said, sandbox_problem="no user namespaces")

    def overhear(self, status: AttemptStatus) -> None:
        """A report that was asked for earlier is recorded now."""
        with self.store.writing() as session:
            record_status(session, status, self.clock())

    def refuse_campaign(self) -> None:
        with self.store.writing() as session:
            session.execute(update(CampaignRow).values(acceptance="refused", acceptance_detail="silent instrument"))

    def prefer(self, episode_id: str) -> None:
        with self.store.writing() as session:
            session.execute(update(EpisodeRow).where(col(EpisodeRow.id) == episode_id).values(priority=9))

    def up_to(self, phase: str, episode_id: str) -> str:
        """Drives an episode until it is in `phase`, and gives its attempt in force."""
        for _ in range(ROUNDS_MAX):
            row = self.episode(episode_id)
            if row.phase == phase:
                return row.attempt_id or ""
            self._step(phase)
        raise AssertionError(f"never {phase}: {self.picture()}")

    def _step(self, phase: str) -> None:
        if not self.bell.rung:
            self.clock.advance(1)
            self.work(canaries_only=phase in ("QUEUED", "ASSIGNED", "LAUNCHING", "RUNNING"))
            self.bell.tick()
        self.answer_one()


def proven(preflight: EpisodeRow, runner: str, gpus: tuple[Gpu, ...]) -> AcceptanceRow:
    return AcceptanceRow(
        campaign_id=preflight.campaign_id,
        runner=runner,
        drivers=drivers_fingerprint(gpus),
        accepted=True,
        episode_id=preflight.id,
        at=NOW,
    )


def runner_row(name: str, slots: int) -> RunnerRow:
    return RunnerRow(
        name=name,
        kind="local",
        power="UNKNOWN",
        operation="NONE",
        service="IN_SERVICE",
        health="UNKNOWN",
        agent_slots=slots,
        tags=[],
        prices={},
        link_errors={},
        observe_after=NOW,
        added_at=NOW,
    )
