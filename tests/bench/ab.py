"""`bench ab_false_positive …`, `bench ab_power …`: how often a rule that stops by itself is wrong, how soon right.

10,000 A/A streams, in equal parts of every noise in ab_noise.json, are given to the rule of Matins and to rules in use
elsewhere (tests/simulation/stopping.py; `matins_ever` looks on to the end of the window, `matins_fixed` is fixed mode).
Then candidates that are 1, 2 and 5 % faster. `worst` is the noise with the most false positives; noises marked
`stress` are beyond what the method claims to stand and have a line of their own.

`python -m tests.bench.ab --fit FOLDER [--name NAME] [--rounds-most N]` fits a noise to the throughput.jsonl files of
real A/A runs anywhere below a folder, and prints it as JSON for ab_noise.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.simulation import stopping
from tests.simulation.noise import Noise, Stream, read, stream
from tests.simulation.noise_fit import fit
from tests.simulation.stopping import Stopped

NOISES = Path(__file__).with_name("ab_noise.json")
STREAMS = 10_000
POWER_STREAMS = 3_000
PROCESSES = 2
EFFECTS = (0.01, 0.02, 0.05)
LIMIT = 0.05
WINDOW_S = 360.0

RULES: dict[str, Callable[[Stream], Stopped]] = {
    "matins": stopping.matins,
    "naive": stopping.naive,
    "fixed": stopping.fixed,
    "gpu_mode": stopping.gpu_mode,
    "nvbench": stopping.nvbench,
    "matins_ever": stopping.matins_ever,
    "matins_fixed": stopping.matins_fixed,
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """Some streams of one noise."""

    noise: Noise
    change: float
    first: int
    count: int
    rules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Of one rule on some streams: how often it called what, and the seconds until it stopped, in sum."""

    noise: str
    change: float
    rule: str
    calls: Counter[str]
    seconds: float


def main() -> None:
    asked = _arguments()
    if asked.fit is not None:
        found = fit(asked.fit, name=asked.name, rounds_most=asked.rounds_most)
        print(json.dumps(dataclasses.asdict(found), indent=1))
        return
    noises = read(NOISES)
    within = [noise for noise in noises if not noise.stress]
    stress = [noise for noise in noises if noise.stress]
    count = math.ceil(asked.streams / len(within))
    power = math.ceil(min(POWER_STREAMS, asked.streams) / len(within))
    same = [each for noise in noises for each in _split(noise, 0.0, count, tuple(RULES))]
    faster = [each for change in EFFECTS for noise in within for each in _split(noise, change, power, ("matins",))]
    with multiprocessing.Pool(PROCESSES, initializer=os.nice, initargs=(10,)) as pool:
        found = [each for several in pool.imap_unordered(run, [*same, *faster]) for each in several]
    _print(found, within, stress)


def run(work: Work) -> list[Found]:
    calls: dict[str, Counter[str]] = {rule: Counter() for rule in work.rules}
    seconds = dict.fromkeys(work.rules, 0.0)
    for number in range(work.first, work.first + work.count):
        made = stream(work.noise, f"{work.noise.name} {work.change} {number}", work.change, WINDOW_S)
        for rule in work.rules:
            stopped = RULES[rule](made)
            calls[rule][stopped.call] += 1
            seconds[rule] += stopped.runs * work.noise.run_s
    return [
        Found(noise=work.noise.name, change=work.change, rule=rule, calls=calls[rule], seconds=seconds[rule])
        for rule in work.rules
    ]


def _print(found: list[Found], within: list[Noise], stress: list[Noise]) -> None:
    names = {noise.name for noise in within}
    wrong = {rule: _share(_of(found, rule, 0.0, names), "faster", "slower") for rule in RULES}
    by_noise = {noise.name: _wrong(found, noise) for noise in within}
    worst = max(by_noise, key=lambda name: by_noise[name])
    streams = sum(each.calls.total() for each in _of(found, "matins", 0.0, names))
    print(
        f"bench ab_false_positive {' '.join(f'{rule}={wrong[rule]:.3f}' for rule in RULES)} limit={LIMIT}"
        f" streams={streams} worst={worst}:{by_noise[worst]:.3f}"
    )
    took = " ".join(f"{rule}={_mean_s(_of(found, rule, 0.0, names)):.0f}" for rule in RULES)
    print(f"bench ab_seconds {took} window={WINDOW_S:.0f}")
    power = {change: _of(found, "matins", change, names) for change in EFFECTS}
    shown = [f"{change:.0%}".replace("%", "pct") + f"={_share(power[change], 'faster'):.3f}" for change in EFFECTS]
    least = min(_share([each], "faster") for each in _joined(power[EFFECTS[-1]]))
    settled = [f"{change:.0%}".replace("%", "pct") + f"_s={_mean_s(power[change]):.0f}" for change in EFFECTS]
    print(f"bench ab_power {' '.join(shown)} {' '.join(settled)} limit_5pct=0.95 worst_5pct={least:.3f}")
    for change in (0.0, *EFFECTS):
        for each in sorted(_joined(_of(found, "matins", change, names)), key=lambda each: each.noise):
            calls = " ".join(f"{call}={_share([each], call):.3f}" for call in ("faster", "slower", "same"))
            print(f"bench ab_noise name={each.noise} change={change} {calls} mean_s={_mean_s([each]):.0f}")
    for noise in stress:
        others = " ".join(
            f"{rule}={_share(_of(found, rule, 0.0, {noise.name}), 'faster', 'slower'):.3f}" for rule in RULES
        )
        print(f"bench ab_stress name={noise.name} {others}")


def _split(noise: Noise, change: float, count: int, rules: tuple[str, ...]) -> list[Work]:
    """In parts of a few seconds, so that processes end together."""
    step = 250
    return [
        Work(noise=noise, change=change, first=first, count=min(step, count - first), rules=rules)
        for first in range(0, count, step)
    ]


def _of(found: list[Found], rule: str, change: float, noises: set[str]) -> list[Found]:
    return [each for each in found if each.rule == rule and each.change == change and each.noise in noises]


def _joined(found: list[Found]) -> list[Found]:
    """One for each noise."""
    return [
        Found(
            noise=name,
            change=found[0].change,
            rule=found[0].rule,
            calls=sum((each.calls for each in found if each.noise == name), Counter[str]()),
            seconds=sum(each.seconds for each in found if each.noise == name),
        )
        for name in {each.noise for each in found}
    ]


def _wrong(found: list[Found], noise: Noise) -> float:
    return _share(_of(found, "matins", 0.0, {noise.name}), "faster", "slower")


def _share(found: list[Found], *calls: str) -> float:
    return sum(each.calls[call] for each in found for call in calls) / sum(each.calls.total() for each in found)


def _mean_s(found: list[Found]) -> float:
    return sum(each.seconds for each in found) / sum(each.calls.total() for each in found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How often a decision on a change of throughput is wrong.")
    parser.add_argument("--streams", type=int, default=STREAMS, help="A/A streams in all")
    parser.add_argument("--fit", type=Path, help="fit a noise to the A/A runs below this folder")
    parser.add_argument("--name", default="fitted", help="of the fitted noise")
    parser.add_argument("--rounds-most", type=int, help="look at no more rounds of each run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
