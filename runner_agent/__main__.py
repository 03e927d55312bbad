"""`python3 -I -S AGENT VERB --home DIR`: the one entrance of the packed runner agent."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 done, 1 refused, 2 wrong usage."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in _INTERNAL:
        return _INTERNAL[words[0]](words[1:])
    import argparse
    from pathlib import Path

    from runner_agent import protocol, verbs
    from runner_agent.home import Home

    parser = argparse.ArgumentParser(prog="runner_agent", description="The Matins runner agent.")
    parser.add_argument("verb", choices=[*protocol.VERBS, *_INTERNAL])
    parser.add_argument("--home", required=True, type=Path)
    given = parser.parse_args(words)
    home = Home(given.home.absolute())
    return verbs.answer(given.verb, home, _agent_file(), dict(os.environ), sys.stdin.buffer, sys.stdout.buffer)


def _agent_file() -> Path:
    """The archive that this module was loaded from."""
    from pathlib import Path

    return Path(__file__).resolve().parents[1]


# The runner's own children. Each imports only what it needs: `enter` starts once for every process of an episode.


def _enter(words: list[str]) -> int:
    from runner_agent import enter

    return enter.main(words)


def _supervise(words: list[str]) -> int:
    import argparse
    from pathlib import Path

    parser = argparse.ArgumentParser(prog="runner_agent supervise")
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--attempt", required=True)
    parser.add_argument("--alive", type=int, help="the descriptor to inherit; without it one is asked for")
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args(words)
    if given.alive is not None and os.fork() != 0:
        os._exit(0)
    from runner_agent import detach, supervisor
    from runner_agent.home import Home

    home = Home(given.home)
    alive = given.alive if given.alive is not None else detach.receive(home.attempt(given.attempt))
    detached = "fork" if given.alive is not None else "unit"
    return supervisor.main(home, given.attempt, alive, _agent_file(), resume=given.resume, detached=detached)


def _power(words: list[str]) -> int:
    import argparse
    from pathlib import Path

    parser = argparse.ArgumentParser(prog="runner_agent power")
    parser.add_argument("--fork", action="store_true")
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--token", required=True)
    parser.add_argument("--after", required=True, type=float)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(words)
    if given.fork and os.fork() != 0:
        os._exit(0)
    from runner_agent import suspend
    from runner_agent.home import Home

    return suspend.carry_out(Home(given.home), given.token, tuple(given.command), given.after)


def _meter(words: list[str]) -> int:
    import argparse
    from pathlib import Path

    parser = argparse.ArgumentParser(prog="runner_agent meter")
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--look", action="store_true", help="look once, and print what was found")
    given = parser.parse_args(words)
    from runner_agent import sampling
    from runner_agent.home import Home

    return (sampling.look_once if given.look else sampling.main)(Home(given.home), _agent_file().name)


def _replay(words: list[str]) -> int:
    from runner_agent.agents import replay

    return replay.main(words)


def _gpu(words: list[str]) -> int:
    from runner_agent import gpu_client

    return gpu_client.main(words)


def _scan(_words: list[str]) -> int:
    from runner_agent import scan

    return scan.main()


def _timed(_words: list[str]) -> int:
    from runner_agent import timed

    return timed.main()


def _devices(_words: list[str]) -> int:
    from runner_agent import devices

    return devices.main()


def _evidence(_words: list[str]) -> int:
    from runner_agent import inside

    return inside.evidence_main()


def _lay(_words: list[str]) -> int:
    from runner_agent import inside

    return inside.lay_main()


def _lift(_words: list[str]) -> int:
    from runner_agent import inside

    return inside.lift_main()


_INTERNAL: dict[str, Callable[[list[str]], int]] = {
    "enter": _enter,
    "supervise": _supervise,
    "power": _power,
    "meter": _meter,
    "replay": _replay,
    "gpu": _gpu,
    "scan": _scan,
    "timed": _timed,
    "devices": _devices,
    "evidence": _evidence,
    "lay": _lay,
    "lift": _lift,
}

if __name__ == "__main__":
    sys.exit(main())
