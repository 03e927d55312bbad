"""`bench stale_accepted matins=0 unguarded=… of=…`: hazards under which something is measured that its tree does not
build.

Real cargo on a package of one file. Each hazard is met in a copy of a built base, as plain cargo takes it (`unguarded`:
a copy with its times, which keeps a build warm), and as a whole attempt (`matins`), where an agent brings it about, on
a runner in whose environment all builds share a folder. The other lines tell which hazard it was: 1 where what was
measured was not what the tree builds.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.machines.local import LocalLink
from tests import stale
from tests.integration.runner_agent.rig import Rig, make_repository, sh

BUILD = (sh("cargo build --quiet --offline", 120.0),)
SLOWER = "sed -i 's/u32 = 10/u32 = 5/' src/main.rs"
FORGE = "sed -i 's/u32 = 10/u32 = 99/' src/main.rs; cargo build -q --offline; sed -i 's/u32 = 99/u32 = 10/' src/main.rs"
FORGING = "printf '#!/bin/sh\\necho \"[GPU THROUGHPUT] tokens=99 seconds=1 tok_s=99\"\\n' > target/debug/app"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What an agent does for it, and what a program of that tree prints."""

    hazard: Callable[..., stale.Seen]
    agent: str
    expected: str


CASES = (
    Case(hazard=stale.older_content, agent=f"{SLOWER}; touch -d '2 days ago' src/main.rs", expected="tok_s=5"),
    Case(hazard=stale.removed_file, agent="rm kernels/b.comp", expected="kernels=1 "),
    Case(
        hazard=stale.built_elsewhere,
        agent=f"{SLOWER}; mkdir .cargo; printf '[build]\\ntarget-dir = \"/tmp/x\"\\n' > .cargo/config.toml",
        expected="tok_s=5",
    ),
    Case(hazard=stale.committed_build, agent=f"{FORGE}; echo > .gitignore", expected="tok_s=10"),
    Case(hazard=stale.relocated, agent="true", expected="at=/workspace"),
    Case(hazard=stale.shared_target, agent=SLOWER, expected="tok_s=5"),
    Case(hazard=stale.rewritten_by_tests, agent=f"cat >> ci/test.sh <<'X'\n{FORGING}\nX\n", expected="tok_s=10"),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="matins-bench-") as folder:
        root = Path(folder)
        base = stale.make(root / "base")
        unguarded = {case.hazard.__name__: _unguarded(case, base, root) for case in CASES}
        rig = Rig(root=root, link=LocalLink(root / "home"), commit=make_repository(root / "repository", stale.FILES))
        os.environ["CARGO_TARGET_DIR"] = str(root / "shared")
        matins = {case.hazard.__name__: _matins(case, rig) for case in CASES}
    print(f"bench stale_accepted matins={sum(matins.values())} unguarded={sum(unguarded.values())} of={len(CASES)}")
    for name, found in (("matins", matins), ("unguarded", unguarded)):
        print(f"bench stale_hazards way={name} " + " ".join(f"{each}={int(taken)}" for each, taken in found.items()))


def _unguarded(case: Case, base: Path, root: Path) -> bool:
    folder = root / case.hazard.__name__
    folder.mkdir()
    return stale.accepted(case.hazard(base, folder))


def _matins(case: Case, rig: Rig) -> bool:
    """Whether a smoke test ended well, and measured something else."""
    spec = rig.spec(case.hazard.__name__.replace("_", "-"), case.agent, build=BUILD)
    spec = replace(spec, limits=replace(spec.limits, wall_s=900, session_s=300))
    status = rig.run(spec)
    if status.exit is None or status.exit.reason != "completed":
        raise SystemExit(f"{spec.attempt_id} did not come to its end: {status}")
    told = rig.pull(spec).get("smoke/candidate-1.log", b"").decode()
    return rig.stage(status, "smoke") == "ok" and stale.accepted((told, case.expected))


if __name__ == "__main__":
    main()
