"""`bench drift …`: how soon a runner that changed is to be quarantined, and how often one that did not.

Simulated histories of a known-good run, looked at after every run, as it is in earnest. The noise of a run is Gaussian
on the logarithm, `noise_pct` wide, and carries over to the next run by `carry` (first-order autoregression): a run that
follows a warm one is warm. A change comes after 40 runs. `delay` counts runs from it to the quarantine, p50/p95;
`missed` are histories without one within 40 runs, `false_per_1000` quarantines without a change. A change of 3 % is
within the bound: it is to be found and not to be quarantined for (`found_3pct`, the share of histories with a change
point 40 runs later).
"""

from __future__ import annotations

import math
import random
import statistics
from datetime import UTC, datetime, timedelta

from orchestrator.measurement.drift import POLICY, Run, watch

START = datetime(2026, 1, 1, tzinfo=UTC)
NOISES = ((0.005, 0.0), (0.01, 0.0), (0.01, 0.5), (0.02, 0.3))
SHIFTS = (0.07, 0.10, 0.20)
HISTORIES = 60
BEFORE = AFTER = 40
QUIET_RUNS = 100
SEED = 6


def main() -> None:
    for spread, carry in NOISES:
        dice = random.Random(SEED)
        shown: list[str] = []
        for shift in SHIFTS:
            delays = [_delay(_history(spread, carry, shift, dice), dice) for _ in range(HISTORIES)]
            found = sorted(delay for delay in delays if delay is not None)
            p50, p95 = (f"{_quantile(found, q):.0f}" if found else "none" for q in (0.5, 0.95))
            shown.append(f"delay_{100 * shift:.0f}pct={p50}/{p95} missed={HISTORIES - len(found)}/{HISTORIES}")
        small = [watch(_history(spread, carry, 0.03, dice), dice) for _ in range(HISTORIES)]
        shown.append(f"found_3pct={sum(bool(each.changes) for each in small) / HISTORIES:.2f}")
        shown.append(f"quarantined_3pct={sum(each.quarantine for each in small)}/{HISTORIES}")
        points, alarms = _false(spread, carry, dice)
        runs = HISTORIES * QUIET_RUNS / 1000
        shown.append(f"false_per_1000={alarms / runs:.2f} false_points_per_1000={points / runs:.2f}")
        print(f"bench drift noise_pct={100 * spread:g} carry={carry:g} {' '.join(shown)}", flush=True)


def _history(spread: float, carry: float, shift: float, dice: random.Random, count: int = BEFORE + AFTER) -> list[Run]:
    noise, runs = 0.0, []
    for n in range(count):
        noise = carry * noise + math.sqrt(1 - carry**2) * dice.gauss(0, spread)
        level = 50 * (1 - shift if n >= BEFORE else 1)
        runs.append(Run(at=START + timedelta(hours=n), tok_s=level * math.exp(noise)))
    return runs


def _delay(history: list[Run], dice: random.Random) -> int | None:
    """Runs from the change to the quarantine, that with the first changed run being 1."""
    for seen in range(BEFORE + 1, len(history) + 1):
        if watch(history[:seen], dice).quarantine:
            return seen - BEFORE
    return None


def _false(spread: float, carry: float, dice: random.Random) -> tuple[int, int]:
    """Change points that turned up in histories without one, and quarantines for them; a history ends with its
    quarantine."""
    points = alarms = 0
    for _ in range(HISTORIES):
        history = _history(spread, carry, 0.0, dice, QUIET_RUNS)
        known = 0
        for seen in range(2 * POLICY.least, QUIET_RUNS + 1):
            found = watch(history[:seen], dice)
            points += max(0, len(found.changes) - known)
            known = max(known, len(found.changes))
            if found.quarantine:
                alarms += 1
                break
    return points, alarms


def _quantile(found: list[int], q: float) -> float:
    return statistics.quantiles(found, n=100, method="inclusive")[round(100 * q) - 1] if len(found) > 1 else found[0]


if __name__ == "__main__":
    main()
