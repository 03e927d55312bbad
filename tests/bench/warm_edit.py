"""`bench warm_edit leaf_s=… root_s=… cold_s=…`: seconds that the build stage of an attempt takes after an agent changed
a crate that nothing else uses, or the one that all others use; and a build of the same workspace from nothing. Medians.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench import warm_runner, workspace_gen

ROUNDS = 3


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="matins-bench-") as name:
        folder = Path(name)
        made = workspace_gen.write(folder / "repository")
        commit = workspace_gen.commit(folder / "repository")
        rig = warm_runner.runner(folder / "runner", folder / "repository", commit)
        sources = {"leaf": made.leaf, "root": made.root}
        taken: dict[str, list[float]] = {what: [] for what in (*sources, "cold")}
        for number in range(ROUNDS):
            for what, source in sources.items():
                path = source.relative_to(made.path)
                script = f"echo 'pub fn edited() -> u64 {{ {number} }}' >> {path}"
                spec = warm_runner.attempt(rig, f"{what}-{number}", script)
                rig.link.launch(spec)
                rig.end(spec)
                taken[what].append(warm_runner.build_s(rig, spec))
                warm_runner.ended(rig, spec)
            taken["cold"].append(_cold_s(folder / f"cold-{number}"))
        told = " ".join(f"{what}_s={statistics.median(values):.2f}" for what, values in taken.items())
        spread = " ".join(f"{what}_spread_s={min(values):.2f}..{max(values):.2f}" for what, values in taken.items())
        print(f"bench warm_edit {told} {spread}", flush=True)


def _cold_s(tree: Path) -> float:
    workspace_gen.write(tree)
    begun = time.monotonic()
    workspace_gen.rebuilt(tree, warm_runner.STEPS["build"], os.environ)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
