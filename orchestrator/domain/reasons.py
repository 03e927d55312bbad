"""Why an attempt ended, and what follows from that: one table.

A reason is a fact of its own, beside the phase and the time. For each the table says whose doing it was, whether the
episode is a signal, whether, where and when another attempt is made without asking, who is charged for it, and whether
it puts the machine under suspicion.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Kind = Literal["agent", "measurement", "infrastructure", "operator"]
Payer = Literal["agent", "campaign", "fleet", "operator"]
Blamed = Literal["machine"]
Where = Literal["anywhere", "elsewhere"]
"""Of a retry. "elsewhere": not on the runner of the failed attempt, as long as another could take the episode."""


class EndReason(StrEnum):
    # The agent's work was judged. A signal, whatever the score.
    COMPLETED = "completed"
    BUILD_FAILED = "build-failed"
    LINT_FAILED = "lint-failed"
    TESTS_FAILED = "tests-failed"
    AGENT_TIME_LIMIT = "agent-time-limit"
    AGENT_CRASHED = "agent-crashed"
    BUDGET_SPENT = "budget-spent"

    # The agent's doing, and yet nothing was judged.
    WALL_LIMIT = "wall-limit"
    SMOKE_CRASHED = "smoke-crashed"
    SMOKE_TIMED_OUT = "smoke-timed-out"

    # The instrument did not fire, or cannot be believed. No signal; the money is spent.
    MARKER_MISSING = "marker-missing"
    NO_THROUGHPUT = "no-throughput"
    NO_DISPATCHES = "no-dispatches"
    STALE_BINARY = "stale-binary"
    BASELINE_SMOKE_FAILED = "baseline-smoke-failed"
    BASE_FAILED = "base-failed"
    UNGRADED = "ungraded"
    NOT_QUIESCENT = "not-quiescent"
    MALFORMED_RESULT = "malformed-result"

    # Machines, links, and what Matins itself does.
    RUNNER_LOST = "runner-lost"
    SUPERVISOR_DIED = "supervisor-died"
    ATTEMPT_LOST = "attempt-lost"
    CHECKOUT_FAILED = "checkout-failed"
    SANDBOX_UNAVAILABLE = "sandbox-unavailable"
    LAUNCH_REFUSED = "launch-refused"
    RUNNER_FAULT = "runner-fault"
    PACK_FAILED = "pack-failed"
    ARTIFACTS_LOST = "artifacts-lost"
    SCORING_FAILED = "scoring-failed"

    # Someone's decision.
    CAMPAIGN_REFUSED = "campaign-refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Retrying:
    """How another attempt is made: `where`, and after which pause. The n-th retry of an episode waits
    `first_s` × `factor`ⁿ⁻¹ seconds, at most `most_s`."""

    where: Where
    first_s: float = 10.0
    factor: float = 2.0
    most_s: float = 600.0

    def pause_s(self, failed: int) -> float:
        """The pause after the `failed`-th attempt, from 1."""
        return min(self.most_s, self.first_s * self.factor ** (min(failed, 64) - 1))


HERE_TOO = Retrying(where="anywhere")
ELSEWHERE = Retrying(where="elsewhere")
LATER_ELSEWHERE = Retrying(where="elsewhere", first_s=30.0)


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an end reason implies.

    `signal`: the verdict is valid, so the episode counts. `retry`: how a fresh attempt is made without asking, within
    the policy's number of attempts; None: not at all. `payer`: who is charged: "agent" (stays in the numerator of its
    price per signal), "campaign" (its specification or instrument was wrong), "fleet" (machines and Matins),
    "operator". `blames`: "machine" where a sound machine and a campaign that was accepted do not end so, and a canary
    is to find out. `says`: one sentence for a person.
    """

    kind: Kind
    signal: bool
    retry: Retrying | None
    payer: Payer
    says: str
    blames: Blamed | None = None


def _agent(says: str, *, signal: bool = True) -> Meaning:
    return Meaning(kind="agent", signal=signal, retry=None, payer="agent", says=says)


def _measurement(
    says: str, *, payer: Payer = "campaign", retry: Retrying | None = None, blames: Blamed | None = None
) -> Meaning:
    return Meaning(kind="measurement", signal=False, retry=retry, payer=payer, says=says, blames=blames)


def _infrastructure(
    says: str, retry: Retrying | None, *, payer: Payer = "fleet", blames: Blamed | None = None
) -> Meaning:
    return Meaning(kind="infrastructure", signal=False, retry=retry, payer=payer, says=says, blames=blames)


def _machine(says: str, retry: Retrying) -> Meaning:
    return _infrastructure(says, retry, blames="machine")


def _operator(says: str) -> Meaning:
    return Meaning(kind="operator", signal=False, retry=None, payer="operator", says=says)


MEANINGS: dict[EndReason, Meaning] = {
    EndReason.COMPLETED: _agent("Every stage ran and the work was judged."),
    EndReason.BUILD_FAILED: _agent("The tree that the agent left does not build."),
    EndReason.LINT_FAILED: _agent("The tree that the agent left does not pass lint, so it was not measured."),
    EndReason.TESTS_FAILED: _agent("The tree that the agent left fails its tests, so it was not measured."),
    EndReason.AGENT_TIME_LIMIT: _agent("A session ran into its time limit; the tree was judged as it stood."),
    EndReason.AGENT_CRASHED: _agent("The agent ended abnormally; the tree was judged as it stood."),
    EndReason.BUDGET_SPENT: _agent("The agent spent its budget; the tree was judged as it stood."),
    # Ran out before grading: what was done is unknown, and the same again would cost the same.
    EndReason.WALL_LIMIT: _agent("The attempt ran into its wall limit before the work could be judged.", signal=False),
    EndReason.SMOKE_CRASHED: _agent("The smoke test of the agent's tree crashed: nothing was measured.", signal=False),
    EndReason.SMOKE_TIMED_OUT: _agent("The smoke test of the agent's tree hung: nothing was measured.", signal=False),
    # The preflight saw these instruments fire on the base, so here it is the agent's tree that silenced them.
    EndReason.MARKER_MISSING: _measurement("A line that the smoke test must print never appeared.", payer="agent"),
    EndReason.NO_THROUGHPUT: _measurement("The smoke log holds no throughput that can be read.", payer="agent"),
    EndReason.NO_DISPATCHES: _measurement("The smoke log holds no dispatch that can be read.", payer="agent"),
    EndReason.STALE_BINARY: _measurement("What was to be measured is not what the agent's tree builds.", payer="agent"),
    EndReason.BASELINE_SMOKE_FAILED: _measurement("The smoke test failed on the untouched base.", blames="machine"),
    EndReason.BASE_FAILED: _measurement("The untouched base does not build on this runner.", blames="machine"),
    EndReason.UNGRADED: _measurement("The checks never ran on the tree that the agent left.", payer="fleet"),
    # What still runs may write into the tree and share the GPU: neither grade nor measurement can be believed.
    EndReason.NOT_QUIESCENT: _measurement("Processes of the agent were still alive.", payer="fleet", retry=ELSEWHERE),
    EndReason.MALFORMED_RESULT: _measurement("What came back lacks a file or cannot be read.", payer="fleet"),
    EndReason.RUNNER_LOST: _machine("The runner restarted or was declared dead during the attempt.", ELSEWHERE),
    EndReason.SUPERVISOR_DIED: _machine("The attempt's supervisor died and left no exit record.", HERE_TOO),
    EndReason.ATTEMPT_LOST: _machine("The runner, not restarted, has no trace of the attempt left.", ELSEWHERE),
    EndReason.CHECKOUT_FAILED: _infrastructure("The repository could not be checked out on the runner.", HERE_TOO),
    EndReason.SANDBOX_UNAVAILABLE: _machine("The runner could not confine the agent.", LATER_ELSEWHERE),
    EndReason.LAUNCH_REFUSED: _infrastructure("The runner refused to launch the attempt.", ELSEWHERE),
    EndReason.RUNNER_FAULT: _machine("The runner failed in a way that it could not name.", LATER_ELSEWHERE),
    EndReason.PACK_FAILED: _machine("The runner could not pack the artifacts.", LATER_ELSEWHERE),
    EndReason.ARTIFACTS_LOST: _infrastructure(
        "The artifacts could not be pulled or do not match their manifest.", HERE_TOO
    ),
    # The artifacts are kept, so `episode rescore` is the remedy, not another run.
    EndReason.SCORING_FAILED: _infrastructure("Scoring failed; the artifacts are kept.", None),
    EndReason.CAMPAIGN_REFUSED: _infrastructure("The preflight refused the campaign.", None, payer="campaign"),
    EndReason.CANCELLED: _operator("Someone cancelled the episode."),
}


def meaning(reason: EndReason) -> Meaning:
    return MEANINGS[reason]
