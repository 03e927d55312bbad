"""`bench ab_real kind=aa …` and `kind=ab …`: the rule on real runs of the reference workspace.

`aa` measures the untouched tree against itself, `ab` the finisher's against it: in rounds as the smoke stage does, with
a cleared environment, `ci/gpu-smoke.sh --seconds 1`, and for each run of the rule until it is settled or `--window`
seconds are over. `wrong` are the A/A runs that it called different, with their exact 95 % interval.

`--goes-on` measures A/A to the end of the window all the same, for `python -m tests.bench.ab --fit FOLDER`; with `--out
FOLDER` the samples are left there as `aa-1/throughput.jsonl` and so on. `--base TREE --candidate TREE` are trees that
are built already; without them both are built in a temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.measurement.exact import clopper_pearson
from runner_agent.measure import throughput
from runner_agent.measure.decision import WARM_UP_ROUNDS, Decision, Pair, Rule, decide, speed
from runner_agent.measure.order import SEED_VARIABLE, Side, seed, sides
from tests.bench import workspace_rise

SMOKE = ("ci/gpu-smoke.sh", "--seconds", "1")
RULE = Rule(mode="adaptive")


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What was decided, after which time. `pairs` counts all that were measured, warm-up included."""

    decision: Decision
    seconds: float
    pairs: int


def main() -> None:
    asked = _arguments()
    with contextlib.ExitStack() as stack:
        base, finisher = asked.base, asked.candidate
        if base is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matins-bench-")))
            base, finisher = workspace_rise.built(folder)
        for kind, candidate, runs in (("aa", base, asked.aa), ("ab", finisher, asked.ab)):
            if candidate is not None and runs:
                trees: dict[Side, Path] = {"baseline": base, "candidate": candidate}
                goes_on = asked.goes_on and kind == "aa"
                found = [_run(f"{kind}-{number}", trees, asked, goes_on) for number in range(1, runs + 1)]
                _print(kind, found, asked.window)


def _run(name: str, trees: Mapping[Side, Path], asked: argparse.Namespace, goes_on: bool) -> Settled:
    key, began_s = f"{name} {time.time_ns()}", time.monotonic()
    pairs: list[Pair] = []
    first: Settled | None = None
    last = Settled(decision=decide(pairs, RULE), seconds=0.0, pairs=0)
    with _samples(asked.out / name if asked.out else None) as samples:
        while time.monotonic() - began_s <= asked.window and (goes_on or first is None):
            number = len(pairs) + 1
            told: dict[Side, float] = {}
            for side in sides(number, key, WARM_UP_ROUNDS):
                at, started_s = datetime.now(UTC).isoformat(), time.monotonic()
                value = _tok_s(trees[side], seed(number, key))
                told[side] = value
                samples.append(
                    {
                        "round": number,
                        "side": side,
                        "tok_s": value,
                        "at": at,
                        "exit_code": 0,
                        "wall_s": time.monotonic() - started_s,
                    }
                )
            pairs.append(Pair(round=number, baseline=told["baseline"], candidate=told["candidate"]))
            found = decide(pairs, RULE)
            last = Settled(decision=found, seconds=time.monotonic() - began_s, pairs=number)
            if found.settled and first is None:
                first = last
    return first or last


def _tok_s(tree: Path, prompt: int) -> float:
    done = workspace_rise.smoke(tree, SMOKE, {SEED_VARIABLE: str(prompt)})
    return speed([sample.tok_s for sample in throughput.read(done, "matins").samples])


@contextlib.contextmanager
def _samples(folder: Path | None) -> Iterator[list[dict[str, object]]]:
    """Written at the end, or when it is interrupted."""
    kept: list[dict[str, object]] = []
    try:
        yield kept
    finally:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "throughput.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in kept))


def _print(kind: str, found: list[Settled], window_s: float) -> None:
    verdicts = [each.decision.verdict for each in found]
    counted = " ".join(
        f"{verdict}={verdicts.count(verdict)}" for verdict in ("faster", "slower", "same", "inconclusive")
    )
    wrong = sum(verdict in ("faster", "slower") for verdict in verdicts)
    within = clopper_pearson(wrong, len(found), 0.05)
    shown = f" wrong={wrong}/{len(found)} rate_95={within.low:.3f}..{within.high:.3f}" if kind == "aa" else ""
    changes = [each.decision.change for each in found if each.decision.change is not None]
    change = f" change_median={statistics.median(changes):+.3f}" if changes else ""
    print(
        f"bench ab_real kind={kind} runs={len(found)} {counted}{shown}{change}"
        f" pairs_median={statistics.median(each.pairs for each in found):.0f}"
        f" settled_s_median={statistics.median(each.seconds for each in found):.0f} window={window_s:.0f}",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The rule on real runs of the reference workspace.")
    parser.add_argument("--aa", type=int, default=1, help="A/A runs")
    parser.add_argument("--ab", type=int, default=1, help="A/B runs")
    parser.add_argument("--window", type=float, default=360.0, help="seconds of each run at most")
    parser.add_argument("--goes-on", action="store_true", help="measure A/A to the end of the window all the same")
    parser.add_argument("--out", type=Path, help="leave the samples of each run below this folder")
    parser.add_argument("--base", type=Path, help="the untouched tree, built")
    parser.add_argument("--candidate", type=Path, help="another tree, built")
    return parser.parse_args()


if __name__ == "__main__":
    main()
