"""`bench workspace_rise pairs=10 …`: tok/s of the workspace, untouched and with the finisher's patches, by turns.

Both trees are built in folders of their own and run through `ci/gpu-smoke.sh` with a cleared environment, as an episode
does. `held` counts the pairs in which the finisher was at least 1.5 times as fast.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner_agent.measure import throughput

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PAIRS = 10
AIM = 1.5


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="matins-bench-") as folder:
        base, finisher = built(Path(folder))
        pairs = [(_tok_s(base), _tok_s(finisher)) for _ in range(PAIRS)]
    ratios = [after / before for before, after in pairs]
    before, after = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"bench workspace_rise pairs={PAIRS} base_tok_s={before:.0f} finisher_tok_s={after:.0f}"
        f" ratio_median={statistics.median(ratios):.2f} ratio_min={min(ratios):.2f} ratio_max={max(ratios):.2f}"
        f" held={sum(ratio >= AIM for ratio in ratios)}/{PAIRS}"
    )


def built(folder: Path) -> tuple[Path, Path]:
    """The untouched tree and the finisher's, built below `folder`."""
    patches = sorted((EXAMPLES / "agents" / "finisher").glob("*.patch"))
    return build(folder / "base"), build(folder / "finisher", patches)


def smoke(tree: Path, command: Sequence[str] = ("ci/gpu-smoke.sh",), env: Mapping[str, str] | None = None) -> str:
    """What the smoke test printed, with a cleared environment plus `env`."""
    with tempfile.TemporaryDirectory(prefix="matins-bench-") as home:
        cleared = {"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", **(env or {})}
        return subprocess.run(command, cwd=tree, env=cleared, capture_output=True, text=True, check=True).stdout


def build(tree: Path, patches: Sequence[Path] = ()) -> Path:
    """The workspace with these patches, built at `tree`."""
    shutil.copytree(EXAMPLES / "decode-workspace", tree, ignore=shutil.ignore_patterns("target"))
    outside_of_git = {**os.environ, "GIT_DIR": os.devnull}
    for patch in patches:
        subprocess.run(["git", "apply", str(patch)], cwd=tree, env=outside_of_git, check=True)
    subprocess.run(["cargo", "build", "--quiet", "--release", "--workspace"], cwd=tree, check=True)
    return tree


def _tok_s(tree: Path) -> float:
    return statistics.median(sample.tok_s for sample in throughput.read(smoke(tree), "matins").samples)


if __name__ == "__main__":
    main()
