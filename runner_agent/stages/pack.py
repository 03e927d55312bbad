"""Completes the episode's folder: diff, commits, manifests, and the checksums last."""

from __future__ import annotations

import shutil

from runner_agent import failpoints, manifest, protocol, redaction
from runner_agent.context import Context, StageEnd
from runner_agent.manifest import Artifact
from runner_agent.protocol import ExitReason, StageRecord

LISTED = ("diff.patch", "commits.bundle", "tests.json", "grade/evidence.json", "smoke/throughput.jsonl")
FOLDERS = ("agent", "logs", "smoke", "grade")


def run(
    context: Context, reason: ExitReason, stages: tuple[StageRecord, ...], *, history_kept: bool = False
) -> StageEnd:
    """Saves what there is, whatever the reason: an attempt that was cut short has logs too. `history_kept`: diff and
    commits are in the folder already."""
    if not history_kept and (context.folder.shadow / "HEAD").exists():
        _history(context)
    shutil.copyfile(context.folder.events, context.out / "events.jsonl")
    context.write("exit-preview.json", {"reason": reason, "stages": [protocol.to_json(stage) for stage in stages]})
    listed = [Artifact(source=name, destination=name) for name in LISTED]
    folders = [Artifact(source=f"{name}/", destination=name, type="directory") for name in FOLDERS]
    manifest.artifacts(context.out, [*listed, *folders])
    # A secret may have come in pieces, or stand in a path; git's own archive cannot be rewritten.
    redaction.scrub(context.out, context.seam.redaction, but=("commits.bundle",))
    failpoints.reach(context.home, "pack-before-sums")
    files = manifest.write_sums(context.out)
    failpoints.reach(context.home, "pack-after-sums")
    return StageEnd(detail=f"{files} files")


def _history(context: Context) -> None:
    diff = context.out / "diff.patch"
    diff.unlink(missing_ok=True)
    context.shadow.write_diff(context.folder.tree, diff)
    if context.shadow.head(context.folder.tree) != context.spec.commit:
        context.shadow.write_bundle(context.folder.tree, context.out)
