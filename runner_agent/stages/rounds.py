"""The rounds of the smoke test: both sides by turns, until the change is settled or the rounds are done.

What is decided here only ends the measurement. The verdict is made from the same samples by the same rule, later and
elsewhere (orchestrator/measurement/throughput.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner_agent import clock
from runner_agent.context import Context, StageEnd
from runner_agent.files import read_ahead
from runner_agent.measure import conditions, decision, order, outputs
from runner_agent.measure.decision import Decision, Pair
from runner_agent.measure.order import Side
from runner_agent.measure.rule import rule_of
from runner_agent.process import LOGS_FACTOR, Outcome
from runner_agent.stages import speeds

CONDITIONS = "smoke/conditions.jsonl"
UNSETTLED_ROUNDS = 2
"""Of adaptive mode, where nothing can be settled: a preflight, a smoke test without a throughput, a base not built."""
_AS_ASKED = "as many as were asked for"


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run of the smoke command; `tok_s` is NaN where it left no usable one."""

    outcome: Outcome
    tok_s: float
    output: tuple[str, ...]


class Rounds:
    """The rounds of one attempt."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._smoke = context.spec.smoke
        self._rule = rule_of(self._smoke.measure, context.spec.checks)
        self._pairs: list[Pair] = []
        self._windows: list[conditions.Window] = []
        self._notes: list[str] = []
        self._done = 0
        self._enough = ""
        self._log_bytes = 0
        self._all_well = True

    @property
    def sound(self) -> bool:
        """Whether what was measured can stand for the same programs measured again: nothing failed, both sides
        computed the same, and each run told its speed."""
        told = all(math.isfinite(side) for pair in self._pairs for side in (pair.baseline, pair.candidate))
        stopped = self._context.found.expression_stopped
        return self._all_well and bool(self._pairs) and not stopped and (told or not self._smoke.throughput)

    def prepare(self) -> None:
        """What can be done before the device is ours, so that it does not wait: both trees are counted, and their
        programs and what the campaign says they load are read into memory."""
        context = self._context
        for side in ("baseline", "candidate") if context.found.base_built else ("candidate",):
            tree = self._tree(side)
            context.seam.expect("smoke", tree, context.scratch(f"smoke-{side}"))
            read_ahead(tree / name for name in (*context.found.fresh.programs, *self._smoke.preload))

    def run(self) -> StageEnd:
        """Stops early at a candidate that does not end well, and begins no round after `max_s`."""
        began_s = clock.monotonic_s()
        while not (why := self._why_no_more(clock.monotonic_s() - began_s)):
            fault = self._round(self._done + 1)
            if fault is not None:
                return fault
            self._done += 1
        self._context.journal.record("smoke-ended", rounds=self._done, why=why)
        ended = [] if why == _AS_ASKED else [why]
        return StageEnd(detail="; ".join([f"{self._done} rounds", *self._notes, *ended]))

    def _why_no_more(self, spent_s: float) -> str:
        measure = self._smoke.measure
        if self._enough:
            return self._enough
        if self._done and spent_s > measure.max_s:
            return f"no round after the {self._done}th, at {measure.max_s:g} s"
        if measure.mode == "fixed":
            return _AS_ASKED if self._done >= measure.rounds else ""
        if self._done >= UNSETTLED_ROUNDS and not self._can_settle:
            return "there is nothing to settle"
        if self._log_bytes > LOGS_FACTOR * self._context.spec.limits.log_bytes // 2:
            return f"the smoke logs hold {self._log_bytes} bytes, half of what all logs may (limits.log_bytes)"
        return "more would take too long to look at" if self._done >= decision.ROUNDS_MOST else ""

    @property
    def _can_settle(self) -> bool:
        spec = self._context.spec
        return spec.kind != "preflight" and bool(self._smoke.throughput) and self._context.found.base_built

    def _round(self, number: int) -> StageEnd | None:
        """Runs both sides. The end of the stage, if the candidate did not end well."""
        ran: dict[Side, _Run] = {}
        for side in self._sides(number):
            run = ran[side] = self._run(number, side)
            self._all_well = self._all_well and run.outcome.ok
            if not run.outcome.ok and side == "candidate":
                return StageEnd(result=run.outcome.result, detail=f"round {number}: {run.outcome.detail}")
            if not run.outcome.ok:
                self._notes.append(f"baseline of round {number}: {run.outcome.detail}")
        if "baseline" in ran:
            self._compare(number, ran["baseline"], ran["candidate"])
        return None

    def _sides(self, number: int) -> tuple[Side, ...]:
        if not self._context.found.base_built:
            return ("candidate",)
        warm_up = decision.WARM_UP_ROUNDS if self._rule.mode == "adaptive" else 0
        return order.sides(number, self._context.spec.attempt_id, warm_up)

    def _compare(self, number: int, baseline: _Run, candidate: _Run) -> None:
        differs = outputs.difference(baseline.output, candidate.output)
        if differs:
            self._all_well = False
            self._enough = f"the output differs in round {number}: {differs}"
            return
        self._pairs.append(Pair(round=number, baseline=baseline.tok_s, candidate=candidate.tok_s))
        if self._rule.mode == "adaptive" and self._can_settle:
            self._enough = self._look(number)

    def _look(self, number: int) -> str:
        """Why the measurement is at its end; empty if it is not. Each look stands in the journal."""
        void = conditions.judge(list(_lines(self._context.out / CONDITIONS)), self._windows).void_rounds
        found = decision.decide([pair for pair in self._pairs if pair.round not in void], self._rule)
        self._context.journal.record(
            "smoke-look",
            round=number,
            change=found.change,
            low=found.low,
            high=found.high,
            verdict=found.verdict,
            samples=found.samples,
            settled=found.settled,
            void=sorted(void),
        )
        if found.broken:
            return f"nothing can be settled: {found.reason}"
        return f"settled: {_shown(found)}" if found.settled else ""

    def _tree(self, side: Side) -> Path:
        return self._context.folder.baseline if side == "baseline" else self._context.folder.judged

    def _run(self, number: int, side: Side) -> _Run:
        context, smoke = self._context, self._smoke
        tree = self._tree(side)
        log = context.out / "smoke" / f"{side}-{number}.log"
        seed = order.seed(number, context.spec.attempt_id)
        env = {order.SEED_VARIABLE: str(seed), **smoke.env}
        at = clock.utc_now()
        outcome = context.run("smoke", smoke.command, log, tree=tree, env=env, scratch=f"smoke-{side}")
        self._windows.append(_window(number, side, outcome))
        self._log_bytes += log.stat().st_size
        samples = speeds.read(context, log)
        told: dict[str, Any] = {"round": number, "side": side, "exit_code": outcome.exit_code}
        for sample in samples:
            read = {"tokens": sample.tokens, "seconds": sample.seconds, "tok_s": sample.tok_s}
            context.append(
                "smoke/throughput.jsonl", {**told, **read, "at": at, "wall_s": outcome.seconds, "seed": seed}
            )
        last = samples[-1].tok_s if samples else None
        times = {"started_at": outcome.started_at, "finished_at": outcome.finished_at}
        context.journal.record(
            "smoke-round", **told, **times, seconds=outcome.seconds, wall_s=outcome.seconds, tok_s=last
        )
        return _Run(
            outcome=outcome,
            tok_s=decision.speed([sample.tok_s if outcome.exit_code == 0 else None for sample in samples]),
            output=outputs.outputs(log.read_bytes().decode(errors="replace"), smoke.equal) if smoke.equal else (),
        )


def _window(number: int, side: Side, outcome: Outcome) -> conditions.Window:
    started_s, finished_s = (conditions.epoch_s(at) or 0.0 for at in (outcome.started_at, outcome.finished_at))
    return conditions.Window(round=number, side=side, start_s=started_s, end_s=finished_s)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that is being written."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    except OSError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _shown(found: Decision) -> str:
    change, low, high = (value if value is not None else 0.0 for value in (found.change, found.low, found.high))
    return f"{found.verdict}, {change:+.1%} (interval {low:+.1%} to {high:+.1%}) from {found.samples} pairs"
