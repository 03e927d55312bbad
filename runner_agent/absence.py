"""Proof that nothing is left of an attempt whose folder is gone, its supervisor included."""

from __future__ import annotations

from runner_agent import ledger, quiescence, supervisors
from runner_agent.home import Home
from runner_agent.observation import forget_cgroup

WAIT_S = 5.0
OVER = ("found-dead", "ended", "buried", "acknowledged")


def prove(home: Home, attempt_id: str) -> bool:
    """Ends what lives of the attempt, and says whether nothing does any more. The supervisor first: it starts more."""
    folder = home.attempt(attempt_id)
    if not supervisors.end(home, attempt_id):
        return False
    if not quiescence.prove(attempt_id, folder.inits, WAIT_S).gone:
        return False
    forget_cgroup(attempt_id)
    _write_down(home, attempt_id)
    return True


def _write_down(home: Home, attempt_id: str) -> None:
    """Once, and only of an attempt that the ledger knows."""
    lines = ledger.about(home, attempt_id)
    if lines and lines[-1]["event"] not in OVER:
        last = lines[-1]
        ledger.record(
            home,
            "found-dead",
            attempt_id=attempt_id,
            episode_id=last["episode_id"],
            fence=last["fence"],
            why="its folder is gone, and no process of it lives",
        )
