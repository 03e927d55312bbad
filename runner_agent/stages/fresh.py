"""That what is measured was built from the tree that is judged: settled before the build, noted after it, and checked
before the smoke test. See docs/fresh-binaries.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from runner_agent import clock, freshness, steering, trees
from runner_agent.context import JUDGE, Context
from runner_agent.control import DiskFloor, InfrastructureFault
from runner_agent.freshness import TooMuch
from runner_agent.protocol import BUILT_SCHEMA

NOTE = "built.json"
MARK = "build-began"
SHOWN = 3
REWRITTEN_BY_TOOLS = frozenset({"Cargo.lock"})
"""Cargo completes it where an agent added a dependency and never built."""


def make_judged(context: Context) -> None:
    """Makes the judged tree, unbuilt. What cannot be made sure of here keeps it from being measured. Raises
    InfrastructureFault."""
    trees.make_judged(context)
    leave_out(context)
    fresh = context.found.fresh
    try:
        freshness.renew(context.folder.judged, fresh.changed, int(clock.epoch_s() * 1e9))
    except (TooMuch, OSError) as problem:
        fresh.problem = fresh.problem or _plain(str(problem))


def leave_out(context: Context) -> None:
    """Takes what the agent's commit planted out of the judged tree, over which that commit was put."""
    fresh = context.found.fresh
    if not fresh.tree:
        _know(context)
    try:
        planted = freshness.leave_out(context.folder.judged, fresh.changed, context.shadow.made())
    except (TooMuch, OSError) as problem:
        fresh.problem = fresh.problem or _plain(str(problem))
        return
    if planted and not fresh.planted:
        context.journal.record("planted-left-out", count=len(planted), paths=shown(planted))
    fresh.planted = planted


def clear(context: Context) -> str:
    """Takes away what the last command left to steer the next one of the judged tree; why that cannot be, or an empty
    text."""
    fresh, tree, shadow = context.found.fresh, context.folder.judged, context.shadow
    try:
        steering.empty_home(context.scratch(JUDGE))
        if fresh.settings is None:
            fresh.settings = frozenset(shadow.listing(tree, steering.SETTINGS).paths)
        foreign = steering.take_out(tree, fresh.settings, shadow.made())
    except OSError as problem:
        return _plain(f"what steers tools could not be taken away: {problem}")
    changed = _drifted(context, steering.SETTINGS) if fresh.settings else ()
    if changed:
        shadow.restore(tree, changed)
    if found := (*foreign, *changed):
        context.journal.record("steering-taken-away", count=len(found), paths=shown(found))
        fresh.steered |= frozenset(found)
    return ""


def begin(context: Context) -> None:
    """Notes when the judged tree's build begins."""
    mark = context.folder.root / MARK
    mark.unlink(missing_ok=True)
    mark.touch()
    context.found.fresh.since_ns = mark.stat().st_ctime_ns


def note(context: Context) -> None:
    """Writes down what the judged tree's build made. What it wrote over is not what the agent left."""
    fresh = context.found.fresh
    if drifted := _drifted(context):
        fresh.problem = fresh.problem or f"its build wrote over what the agent left: {listed(drifted)}"
    try:
        fresh.programs = freshness.note(context.folder.judged, context.control.check, since_ns=fresh.since_ns)
    except (TooMuch, OSError) as problem:
        fresh.problem = fresh.problem or _plain(str(problem))
        return
    programs = {_plain(path): digest for path, digest in sorted(fresh.programs.items())}
    context.write(NOTE, {"schema": BUILT_SCHEMA, "tree": fresh.tree, "programs": programs})
    context.journal.record("built", tree=fresh.tree, programs=len(programs))


def why_stale(context: Context) -> str:
    """Why a smoke test would measure something else than what was built from the agent's last commit; empty if not.
    Files that lint and tests wrote over are put back first."""
    drifted = _drifted(context)
    if context.found.fresh.problem:
        return f"the judged tree cannot be told fresh: {context.found.fresh.problem}"
    if drifted:
        context.shadow.restore(context.folder.judged, drifted)
        context.journal.record("tree-restored", count=len(drifted), paths=shown(drifted))
        if drifted := _drifted(context):
            return f"lint or tests wrote over what the agent left, and it cannot be put back: {listed(drifted)}"
    changed = rewritten(context)
    return f"what the build made is not as it was made any more: {listed(changed)}" if changed else ""


def rewritten(context: Context) -> tuple[str, ...]:
    """What of the build's programs is not as it was."""
    return freshness.rewritten(context.folder.judged, context.found.fresh.programs, context.control.check)


def problems(context: Context) -> list[str]:
    """What is to be said of the agent's commit, as sentences."""
    fresh = context.found.fresh
    said = {
        "files of the agent's commit that would pass for built ones were left out of its build": fresh.planted,
        "settings that the agent's code left for the next command were taken away": sorted(fresh.steered),
    }
    return [f"{what}: {listed(paths)}" for what, paths in said.items() if paths]


def listed(paths: Sequence[str]) -> str:
    more = len(paths) - SHOWN
    return ", ".join(shown(paths)) + (f" and {more} more" if more > 0 else "")


def shown(paths: Sequence[str]) -> list[str]:
    """The first of them, as text that goes everywhere."""
    return [_plain(path) for path in paths[:SHOWN]]


def _know(context: Context) -> None:
    tree, fresh = context.folder.judged, context.found.fresh
    fresh.tree = context.shadow.tree_id(tree)
    changed = context.shadow.changed(tree, errors="surrogateescape")
    fresh.changed = frozenset(changed.paths)
    fresh.problem = "" if changed.whole else "it differs from the base in more files than can be listed"


def _drifted(context: Context, within: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Tracked files that are not the agent's, but for those that the base's own build, lint or tests write over too. A
    tree that its own code left such that git cannot compare it has a problem, and the attempt has none."""
    shadow, tree, fresh = context.shadow, context.folder.judged, context.found.fresh
    try:
        drifted = set(shadow.drifted(tree, within).paths) - set(fresh.planted)
        drifted = {path for path in drifted if PurePosixPath(path).name not in REWRITTEN_BY_TOOLS}
        return tuple(sorted(drifted - set(shadow.left(tree).paths))) if drifted else ()
    except DiskFloor:
        raise
    except InfrastructureFault as fault:
        fresh.problem = fresh.problem or f"it cannot be compared with what the agent left: {fault}"[:500]
        return ()


def _plain(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
