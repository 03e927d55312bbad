"""The highest fence of each episode that this runner has seen. It only rises, and outlives every acknowledgement."""

from __future__ import annotations

from runner_agent import files
from runner_agent.home import Home
from runner_agent.refusal import Refused


def check(home: Home, episode_id: str, fence: int) -> None:
    """Raises Refused for a fence that is lower than one seen before."""
    seen = highest(home, episode_id)
    if fence < seen:
        raise Refused("stale-fence", f"fence {fence} of episode {episode_id} is lower than {seen}, which was seen here")


def lift(home: Home, episode_id: str, fence: int) -> None:
    """Notes a fence; one that is lower changes nothing."""
    home.fences.mkdir(parents=True, exist_ok=True)
    files.write_atomically(home.fences / episode_id, f"{max(fence, highest(home, episode_id))}\n".encode())


def highest(home: Home, episode_id: str) -> int:
    path = home.fences / episode_id
    return int(path.read_text()) if path.exists() else 0
