"""One session: its turns are said to the agent one after another, and the tree as it stands is committed."""

from __future__ import annotations

import base64
import contextlib
import posixpath
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner_agent import agents, clock, failpoints, gates, gpu_door, shape
from runner_agent.agents import prompt
from runner_agent.confinement import AGENT_FILE, AGENT_FOLDER, TREE, Bind, Wish
from runner_agent.context import Context, StageEnd
from runner_agent.control import DiskFloor, InfrastructureFault, Interrupted
from runner_agent.files import write_json
from runner_agent.process import Outcome, Streams
from runner_agent.protocol import TREE_VARIABLE, Agent, Item, Session, Turn

PROMPT_FILE = "/run/matins/prompt.md"
NOT_HELD: dict[str, Any] = {
    "skipped": False,
    "why": "",
    "started_at": None,
    "finished_at": None,
    "exit_code": None,
    "result": None,
    "detail": "",
    "message": "",
    "opened": [],
    "claims": {},
    "usage": None,
    "problem": "",
}


def open_items(items: tuple[Item, ...], claims: Mapping[str, str]) -> tuple[Item, ...]:
    """The items that the agent has not claimed to be done."""
    return tuple(item for item in items if claims.get(item.id) != "done")


def why_skip(turn: Turn, still_open: tuple[Item, ...], first: bool) -> str:
    """Why a turn is not held, or an empty text. `stopped-early` is for an agent that ended with items open."""
    if turn.when != "stopped-early":
        return ""
    if first:
        return "nothing was said before it in this session"
    return "" if still_open else "every item is claimed to be done"


def told_usd(reading: agents.TurnReading) -> float:
    """What the agent said that its turn cost; 0 where it said nothing of it."""
    usd: Any = (reading.usage or {}).get("cost_usd")
    return float(usd) if shape.is_amount(usd) else 0.0


def inner(path: str) -> str | None:
    """A path that an agent named, relative to the tree; None where it lies outside."""
    plain = posixpath.normpath(posixpath.join(TREE, path))
    return plain.removeprefix(f"{TREE}/") if plain.startswith(f"{TREE}/") else None


def prepare(context: Context, agent: Agent) -> None:
    """Lays out what lies beside the agent's `agent.toml`; the sandbox shows it read-only."""
    folder = context.folder.agent
    folder.mkdir()
    for name, content in agent.files.items():
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise InfrastructureFault(f"the agent's file {name!r} would lie outside its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(content))
    write_json(folder / "agent.json", agent.config)
    gpu_door.lay_out(context.folder.programs, context.seam.machine.python)


def run(context: Context, number: int, session: Session) -> StageEnd:
    """Holds session `number` (from 1). What the agent does wrong is a result; nothing of it is raised."""
    agent = context.spec.agent
    if agent is None:
        raise InfrastructureFault("an episode with sessions names no agent")
    talk = _Talk(
        context=context,
        agent=agent,
        session=number,
        deadline_s=_deadline_s(context),
        frozen_before_s=context.seam.frozen_s,
    )
    end = StageEnd(detail=f"session {number}: no turn")
    interrupted: Interrupted | DiskFloor | None = None
    try:
        for position, turn in enumerate(session.turns, 1):
            end = talk.hold(position, turn)
            if end.cut:
                break
    except (Interrupted, DiskFloor) as stop:
        interrupted = stop
        context.control.settle()
    problem = _commit(context, number)
    if interrupted is not None:
        raise interrupted
    context.found.session_ended_early = end.cut
    return end if not problem else replace(end, result="failed", detail=f"{end.detail}; {problem}")


def _deadline_s(context: Context) -> float:
    return clock.monotonic_s() + min(context.spec.limits.session_s, context.control.left_s)


def _commit(context: Context, number: int) -> str:
    """A background process of the agent must not write while its tree is read. Why nothing of the session could be
    taken into its commit, or an empty text: what an agent left can be too much to read, and that ends no episode."""
    with contextlib.suppress(OSError):
        context.seam.quiesce()
    failpoints.reach(context.home, "session-before-commit")
    commit, why = context.shadow.commit(context.folder.tree, f"session {number}")
    problem = f"the tree of session {number} could not be recorded, the last commit stands: {why}" if why else ""
    context.journal.record("session-committed", session=number, commit=commit, problem=problem)
    failpoints.reach(context.home, "session-after-commit")
    return problem


@dataclass(frozen=True, kw_only=True)
class _Talk:
    context: Context
    agent: Agent
    session: int
    deadline_s: float
    frozen_before_s: float

    @property
    def _left_s(self) -> float:
        """What it was frozen for while another attempt measured was not its time."""
        frozen_s = self.context.seam.frozen_s - self.frozen_before_s
        return max(0.0, self.deadline_s + frozen_s - clock.monotonic_s())

    @property
    def _budget(self) -> gpu_door.Budget:
        return gpu_door.Budget(most_s=self.context.spec.limits.agent_gpu_s, held_s=self.context.found.agent_gpu_s)

    def hold(self, number: int, turn: Turn) -> StageEnd:
        """One turn, held or skipped."""
        found = self.context.found
        still_open = open_items(self.context.spec.items, found.claims)
        why = why_skip(turn, still_open, first=number == 1)
        entry: dict[str, Any] = {"session": self.session, "turn": number, "said": turn.say, "when": turn.when}
        entry = {**entry, **NOT_HELD}
        if why:
            self.context.journal.record("turn-skipped", session=self.session, turn=number, why=why)
            self._write({**entry, "skipped": True, "why": why})
            return StageEnd(detail=f"session {self.session}: turn {number} skipped, {why}")
        if spent := self._why_spent():
            self._write({**entry, "skipped": True, "why": spent})
            return self._end_spent(number, spent)
        self.context.journal.record("turn-started", session=self.session, turn=number)
        began = clock.utc_now()
        with self._stream() as (streams, offset):
            said = self._prompt(turn, still_open)
            command = agents.adapter(self.agent.kind).command(self.agent, self._turn_context(number, said))
            try:
                outcome = self._run(command, replace(streams, stdin=command.stdin))
            except (Interrupted, DiskFloor) as stop:
                self._write({**entry, "started_at": began, "finished_at": clock.utc_now(), **_cut_short(stop)})
                raise
            raw = streams.stdout.read_bytes()[offset:]
        reading = agents.adapter(self.agent.kind).read(raw, outcome.exit_code, tuple(i.id for i in self._items()))
        found.agent_usd += told_usd(reading)
        found.claims.update(reading.claims)
        found.opened.update(path for part in reading.opened if (path := inner(part)) is not None)
        self._write({**entry, **_outcome(outcome), **_reading(reading)})
        self.context.journal.record(
            "turn-finished", session=self.session, turn=number, result=outcome.result, seconds=outcome.seconds
        )
        detail = f"session {self.session}: turn {number} {outcome.result}"
        return StageEnd(
            result=outcome.result,
            detail=f"{detail}: {outcome.detail}" if outcome.detail else detail,
            cut=outcome.limit in ("time", "disk"),
        )

    def _why_spent(self) -> str:
        """Why no turn may begin any more, or an empty text: what one costs is known only when it is over."""
        usd, most_usd = self.context.found.agent_usd, self.context.spec.limits.budget_usd
        if not most_usd or usd < most_usd:
            return ""
        return f"the agent told {usd:g} USD, and limits.budget_usd is {most_usd:g}"

    def _end_spent(self, number: int, why: str) -> StageEnd:
        usd, most_usd = self.context.found.agent_usd, self.context.spec.limits.budget_usd
        self.context.journal.record(
            "budget-spent", session=self.session, turn=number, usd=usd, budget_usd=most_usd, why=why
        )
        return StageEnd(detail=f"session {self.session}: turn {number} not begun, {why}", cut=True)

    def _items(self) -> tuple[Item, ...]:
        return self.context.spec.items

    def _run(self, command: agents.AgentCommand, streams: Streams) -> Outcome:
        folder = self.context.folder
        wish = Wish(
            role="agent",
            argv=command.argv,
            tree=str(folder.tree),
            scratch=str(self.context.scratch("agent")),
            env={TREE_VARIABLE: self.context.spec.commit, **self.agent.secrets, **command.env},
            binds=(
                Bind(source=str(self.context.seam.agent_file), target=AGENT_FILE),
                Bind(source=str(folder.agent), target=AGENT_FOLDER),
                Bind(source=str(self._prompt_path()), target=PROMPT_FILE),
            ),
            network=self.context.spec.network,
        )
        budget = self._budget
        if not budget.most_s:
            return self.context.seam.run(wish, streams, self._left_s)
        try:
            with self._door(wish, budget):
                shown = gpu_door.at_hand(wish, folder.programs, folder.gpu_socket)
                return self.context.seam.run(shown, streams, self._left_s)
        finally:
            self.context.found.agent_gpu_s = budget.held_s

    def _door(self, wish: Wish, budget: gpu_door.Budget) -> gpu_door.Door:
        context = self.context
        return gpu_door.Door(
            path=context.folder.gpu_socket,
            wish=wish,
            seam=context.seam,
            gate=lambda control: gates.of_device(context.home, context.spec.gpu, control, context.journal),
            budget=budget,
            control=context.control,
            journal=context.journal,
        )

    def _prompt(self, turn: Turn, still_open: tuple[Item, ...]) -> str:
        left_s, budget = self._left_s, self._budget
        gpu_left_s = budget.left_s if budget.most_s else None
        said = prompt.compose(turn.say, still_open, clock.iso(clock.epoch_s() + left_s), left_s, gpu_left_s)
        self._prompt_path().write_text(said)
        return said

    def _prompt_path(self) -> Path:
        return self.context.folder.root / "prompt.md"

    def _turn_context(self, number: int, said: str) -> agents.TurnContext:
        return agents.TurnContext(
            session=self.session,
            turn=number,
            prompt=said,
            prompt_path=PROMPT_FILE,
            agent_dir=AGENT_FOLDER,
            agent_file=AGENT_FILE,
            model=self.agent.model,
            tree=TREE,
        )

    @contextlib.contextmanager
    def _stream(self) -> Generator[tuple[Streams, int], None, None]:
        """Where this turn's output goes, and at which byte of the session's stream it begins."""
        folder = self.context.out / "agent" / f"session-{self.session}"
        folder.mkdir(parents=True, exist_ok=True)
        stdout = folder / "stream.jsonl"
        stdout.touch()
        yield (
            Streams(stdout=stdout, stderr=folder / "stderr.log", limit_bytes=self.context.spec.limits.log_bytes),
            stdout.stat().st_size,
        )

    def _write(self, entry: dict[str, Any]) -> None:
        self.context.append(f"agent/session-{self.session}/turns.jsonl", entry)


def _cut_short(stop: Interrupted | DiskFloor) -> dict[str, Any]:
    if isinstance(stop, DiskFloor):
        return {"result": "failed", "detail": str(stop)}
    return {"result": "timed-out" if stop.reason == "wall-limit" else "crashed", "detail": stop.reason}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at,
        "exit_code": outcome.exit_code,
        "result": outcome.result,
        "detail": outcome.detail,
    }


def _reading(reading: agents.TurnReading) -> dict[str, Any]:
    return {
        "message": reading.message,
        "opened": sorted(reading.opened),
        "claims": reading.claims,
        "usage": reading.usage,
        "problem": reading.problem,
    }
