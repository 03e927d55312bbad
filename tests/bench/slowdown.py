"""`bench slowdown …`: how much a build of another episode slows the smoke test of the reference workspace.

Both run as attempts run them, in sandboxes of their own: the smoke test by the seam of one attempt, real cargo on the
generated workspace, cold again and again, by that of another. Seconds are those of 256 tokens, medians of `--rounds`
runs; each round makes every measurement once. A slow-down is loaded / quiet - 1, both sides on the same cores:

    pinned           one lavapipe thread (LP_NUM_THREADS=1) on its own core, the build moved aside: isolation "shared"
    isolation_quiet  the same, the build frozen: isolation "quiet"
    unpinned         all lavapipe threads on any core, the build at niceness 10 beside it: no isolation
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.machines import agent_file
from runner_agent import cgroup, machine
from runner_agent.confinement import Bounds, Wish
from runner_agent.control import Control, Interrupted
from runner_agent.isolation import Register
from runner_agent.measure import throughput
from runner_agent.process import Seam, Streams
from runner_agent.protocol import Isolation
from tests.bench import workspace_gen, workspace_rise

TOKENS = 256
BUILD = "while :; do rm -rf target; cargo build --quiet --offline; echo built; done"
ONE_THREAD = {"LP_NUM_THREADS": "1"}
LIMIT_S = 3600.0
LOG_BYTES = 1 << 26


def main() -> None:
    asked = _arguments()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="matins-bench-") as name:
        bench = Bench(root=Path(name), seconds=asked.seconds)
        bench.prepare()
        for _ in range(asked.rounds):
            for load in ("quiet", "loaded"):
                with bench.building() if load == "loaded" else contextlib.nullcontext():
                    seconds.setdefault(f"pinned_{load}_s", []).append(bench.smoke("shared", ONE_THREAD))
                    seconds.setdefault(f"unpinned_{load}_s", []).append(bench.smoke(None, {}))
                    if load == "loaded":
                        seconds.setdefault("frozen_loaded_s", []).append(bench.smoke("quiet", ONE_THREAD))
    print(figures(seconds))


def figures(seconds: dict[str, list[float]]) -> str:
    """The line of the benchmark. The spread is that of the single runs."""
    median = {name: statistics.median(each) for name, each in seconds.items()}
    slower = {
        "pinned": median["pinned_loaded_s"] / median["pinned_quiet_s"] - 1,
        "isolation_quiet": median["frozen_loaded_s"] / median["pinned_quiet_s"] - 1,
        "unpinned": median["unpinned_loaded_s"] / median["unpinned_quiet_s"] - 1,
    }
    told = [f"{name}={value:.3f}" for name, value in median.items()]
    spread = [f"{name[:-2]}_spread={min(each):.3f}:{max(each):.3f}" for name, each in seconds.items()]
    shown = [f"{name}={value:+.3f}" for name, value in slower.items()]
    return " ".join(["bench slowdown", f"rounds={len(seconds['pinned_quiet_s'])}", *told, *shown, "limit=0.1", *spread])


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Two attempts below `root`, of which only the seams are there. A run decodes for `seconds`."""

    root: Path
    seconds: float

    def prepare(self) -> None:
        workspace_rise.build(self.root / "smoke" / "tree")
        workspace_gen.write(self.root / "build" / "tree")

    def smoke(self, isolation: Isolation | None, env: dict[str, str]) -> float:
        """The seconds of `TOKENS` tokens."""
        folder, seam = self.root / "smoke", self._seam("smoke")
        log = folder / "log"
        log.unlink(missing_ok=True)
        wish = Wish(
            role="smoke",
            argv=("ci/gpu-smoke.sh", "--seconds", f"{self.seconds:g}"),
            tree=str(folder / "tree"),
            scratch=str(folder / "scratch"),
            env=env,
        )
        with seam.measuring(isolation) if isolation else contextlib.nullcontext():
            outcome = seam.run(wish, Streams(stdout=log, limit_bytes=LOG_BYTES), LIMIT_S)
        _end(seam)
        text = log.read_text()
        if not outcome.ok:
            raise SystemExit(f"the smoke test {outcome.detail}: {text[-500:]}")
        return TOKENS / statistics.median(sample.tok_s for sample in throughput.read(text, "matins").samples)

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """While another attempt builds; it has begun to."""
        folder, seam = self.root / "build", self._seam("build")
        wish = Wish(role="build", argv=("sh", "-c", BUILD), tree=str(folder / "tree"), scratch=str(folder / "scratch"))

        def build() -> None:
            with contextlib.suppress(Interrupted):
                seam.run(wish, Streams(stdout=folder / "log", limit_bytes=LOG_BYTES), LIMIT_S)

        shutil.rmtree(folder / "tree" / "target", ignore_errors=True)
        building = threading.Thread(target=build)
        building.start()
        while not (folder / "tree" / "target").exists():
            building.join(0.1)
            if not building.is_alive():
                raise SystemExit(f"the build ended: {(folder / 'log').read_text()[-500:]}")
        try:
            yield
        finally:
            (folder / "cancel").touch()
            building.join()
            (folder / "cancel").unlink()
            _end(seam)

    def _seam(self, name: str) -> Seam:
        attempt_id = f"{self.root.name}-{name}"
        return Seam(
            machine=machine.survey(os.environ),
            attempt_id=attempt_id,
            agent_file=agent_file.place(agent_file.build(), self.root),
            bounds=Bounds(hide=(), processes=4096, file_bytes=1 << 34),
            inits=self.root / name / "inits",
            control=Control(self.root / name / "cancel", LIMIT_S),
            leaf=cgroup.make(attempt_id),
            register=Register(self.root / "quiet"),
        )


def _end(seam: Seam) -> None:
    seam.quiesce()
    seam.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="that a run decodes for")
    return parser.parse_args()


if __name__ == "__main__":
    main()
