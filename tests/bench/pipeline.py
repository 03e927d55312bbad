"""`bench signals_per_gpu_day …`, `gpu_busy …`, `gate_gap_s …`, `pipeline_s …`: many episodes on one GPU, three ways.

The same episodes (`--seed`) run one phase after another, with cold and with warm builds; on Buildbot; and on Matins.
Agents, syncing, pulling and the GPU are timed waits at `--scale`; builds are real cargo on a generated workspace, sized
so that a cold build with clippy takes about 360 s at that scale. The serial ways run the first `--serial`
episodes. Takes about twelve minutes; `--only matins` leaves the others out. Buildbot: `make .venv-buildbot/.stamp`.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.pipelines import buildbot, matins, serial, workspace
from tests.bench.pipelines.figures import Line, Steady, percentile, steady
from tests.bench.pipelines.plan import Shape, episodes

WAYS = ("serial", "serial_warm", "buildbot", "matins")


@dataclass(frozen=True, kw_only=True)
class Result:
    """`cpu_s`: of the whole machine, for each episode."""

    lines: tuple[Line, ...]
    steady: Steady
    cpu_s: float

    @property
    def whole_s(self) -> float:
        """From the first episode's beginning to the last one's end, for each episode."""
        return (max(line.ended_s for line in self.lines) - min(line.began_s for line in self.lines)) / len(self.lines)

    @property
    def cargo_s(self) -> float:
        return statistics.fmean(line.cargo_s for line in self.lines)


def main() -> None:
    asked = _arguments()
    shape = Shape(scale=asked.scale)
    found: dict[str, Result] = {}
    journal = None
    with contextlib.ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matins-bench-")))
        crates = workspace.make(folder / "repo")
        work = episodes(asked.episodes, asked.seed, shape, crates)
        few = work[: asked.serial]
        repo = folder / "repo"

        def take(way: str, slots: int, act: Callable[[], tuple[Line, ...]]) -> None:
            if way not in asked.only:
                return
            print(f"pipeline: {way}", file=sys.stderr)
            before_s = _busy_s()
            lines = act()
            cpu_s = (_busy_s() - before_s) / len(lines)
            found[way] = Result(lines=lines, steady=steady(lines, slots), cpu_s=cpu_s)

        def on_matins() -> tuple[Line, ...]:
            nonlocal journal
            lines, journal = matins.run(folder / "matins", repo, work, shape, asked.slots)
            return lines

        take("serial", 1, lambda: serial.run(folder / "serial", repo, few, shape, cold=True))
        take("serial_warm", 1, lambda: serial.run(folder / "warm", repo, few, shape, cold=False))
        take("buildbot", shape.slots, lambda: buildbot.run(folder / "buildbot", repo, work, shape))
        take("matins", shape.slots, on_matins)
    _show(found, shape, journal, f"episodes={asked.episodes} serial_episodes={asked.serial} seed={asked.seed}")


def _show(found: dict[str, Result], shape: Shape, journal: matins.Journal | None, what: str) -> None:
    per_day = {way: result.steady.signals_per_day(shape.scale) for way, result in found.items()}
    ratios = [
        f"matins_to_{other}={per_day['matins'] / per_day[other]:.2f}"
        for other in WAYS[:3]
        if "matins" in found and other in found
    ]
    of_limit = [f"matins_to_limit={per_day['matins'] / shape.limit:.3f}"] if "matins" in found else []
    print("bench signals_per_gpu_day", *_each(per_day, 0), f"limit={shape.limit:.0f}", *of_limit, *ratios, what)
    busy = {way: result.steady.busy for way, result in found.items()}
    print(f"bench gpu_busy scale=1:{shape.scale:g}", *_each(busy, 3), "limit=1.0")
    if journal is not None:
        gaps = (f"p50={percentile(journal.gaps_s, 0.5):.3f}", f"p95={percentile(journal.gaps_s, 0.95):.3f}")
        print("bench gate_gap_s", *gaps, f"hand_overs={len(journal.gaps_s)}", *_idle(found))
    whole = _each({f"{way}_whole": result.whole_s for way, result in found.items()}, 2)
    cargo = _each({f"{way}_cargo": result.cargo_s for way, result in found.items()}, 2)
    cpu = _each({f"{way}_cpu": result.cpu_s for way, result in found.items()}, 2)
    own = [f"matins_overhead={statistics.median(journal.overhead_s):.2f}"] if journal is not None else []
    print("bench pipeline_s", *whole, *cargo, *cpu, *own)


def _idle(found: dict[str, Result]) -> list[str]:
    """From the end of an episode's last hold to the beginning of the next one's first, as the holds tell it."""
    return [
        f"{way}_idle_p{share}={percentile(result.steady.idle_s, share / 100):.3f}"
        for way, result in found.items()
        for share in (50, 95)
    ] + [f"{way}_starved={result.steady.starved}/{len(result.steady.idle_s)}" for way, result in found.items()]


def _each(values: dict[str, float], digits: int) -> list[str]:
    return [f"{name}={value:.{digits}f}" for name, value in values.items()]


def _busy_s() -> float:
    """Processor time that the machine has spent since it started, on anything; see proc_stat(5)."""
    spent = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = spent[3] + spent[4]
    return (sum(spent) - idle) / 100


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=45.0, help="one second stands for so many")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--serial", type=int, default=4, help="episodes of the serial ways")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--slots", default="agent=4,build=1", help="of the runner")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--folder", type=Path, help="work there, in a folder that is new, and leave everything")
    return parser.parse_args()


if __name__ == "__main__":
    main()
