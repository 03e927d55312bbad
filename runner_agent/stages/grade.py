"""Judges what needs the tree: patterns are searched and commands run. Hidden checks come only once no agent lives."""

from __future__ import annotations

from typing import Any

from runner_agent import clock, failpoints, locks, protocol
from runner_agent.confinement import SCRATCH, TREE
from runner_agent.context import Context, DeliveredChecks, StageEnd
from runner_agent.control import InfrastructureFault
from runner_agent.files import read_json
from runner_agent.protocol import Check, Command, GradeRequest
from runner_agent.shadow import BRANCH
from runner_agent.stages import fresh, tool

POLL_S = 0.1
KEEP = f"{SCRATCH}/overlay"
TOO_MANY = "the agent changed more files than can be listed, so the files that it opened are not all known"
NOTHING_FOUND: dict[str, Any] = {
    "changed": [],
    "added_env_reads": [],
    "env_set_in": {},
    "added_suppressions": [],
    "removed_public": [],
}


def run(context: Context) -> StageEnd:
    """Writes `grade/evidence.json`. Patterns are searched first: a command runs the agent's code, which may write."""
    delivered = _await_checks(context)
    _restore(context)
    (context.out / "grade").mkdir(exist_ok=True)
    found = _from_diff(context)
    opened = tuple(sorted(context.found.opened | set(found["changed"])))
    patterns = _patterns(context, delivered.checks, opened, all_known=TOO_MANY not in found["problems"])
    results = {**patterns, **_commands(context, delivered.checks)}
    evidence = {
        "schema": protocol.EVIDENCE_SCHEMA,
        "graded": delivered.complete,
        "opened": opened,
        **found,
        "problems": [*found["problems"], *fresh.problems(context)],
        "checks": [_evidence(check, opened, results.get(check.id, {})) for check in delivered.checks],
    }
    failpoints.reach(context.home, "grade-before-evidence")
    context.write("grade/evidence.json", evidence)
    context.found.graded = delivered.complete
    if not delivered.complete:
        return StageEnd(result="failed", detail="the hidden checks did not come in time; this can be graded later")
    return StageEnd(detail=f"{len(delivered.checks)} checks")


def _restore(context: Context) -> None:
    """Undoes whatever build, tests and checks did to tracked files; only what the agent delivered is judged.

    They run the agent's code, which may have left a tree that git cannot mend: then it is made anew, unbuilt.
    """
    try:
        context.shadow.put(context.folder.judged, over=BRANCH)
        fresh.leave_out(context)
    except InfrastructureFault as fault:
        context.journal.record("judged-tree-made-anew", why=str(fault)[:500])
        fresh.make_judged(context)


def _await_checks(context: Context) -> DeliveredChecks:
    """The campaign's open checks and, once delivered, its hidden ones. The wait does not count as the attempt's."""
    spec = context.spec
    if spec.hidden_checks == 0:
        return DeliveredChecks(checks=spec.checks, complete=True)
    if not context.folder.checks.exists() and not _came(context):
        return DeliveredChecks(checks=spec.checks, complete=False)
    request = protocol.from_json(GradeRequest, read_json(context.folder.checks))
    context.journal.record("checks-delivered", checks=len(request.checks))
    return DeliveredChecks(checks=(*spec.checks, *request.checks), complete=True)


def _came(context: Context) -> bool:
    """Waits for the hidden checks. That they are waited for no more is written down under the lock under which they are
    handed over: whoever has handed them over in time is heard, and whoever has not knows it."""
    wait_s = context.spec.limits.grade_wait_s
    context.journal.record("awaiting-checks", hidden=context.spec.hidden_checks)
    failpoints.reach(context.home, "awaiting-checks")
    began = clock.monotonic_s()
    while (waited := clock.monotonic_s() - began) <= wait_s:
        if context.folder.checks.exists():
            return True
        context.control.check()
        clock.pause(POLL_S)
        context.control.extend(clock.monotonic_s() - began - waited)
    with locks.held(context.home.launch_lock, check=context.control.check):
        if context.folder.checks.exists():
            return True
        context.journal.record("checks-missed", waited_s=round(waited, 3))
        return False


def _from_diff(context: Context) -> dict[str, Any]:
    tree = context.folder.judged
    diff = context.out / "diff.patch"
    diff.unlink(missing_ok=True)
    outcome = context.shadow.write_diff(tree, diff)
    problems = [] if outcome.ok else [f"diff.patch is not whole ({outcome.detail}): flags may be missing"]
    request = {
        "tree": TREE,
        "diff": diff.read_bytes().decode(errors="replace"),
        "files": context.shadow.listing(tree).paths,
        "campaign_env": context.spec.smoke.env,
    }
    try:
        found = tool.inside(context, "evidence", request, writable=False)
    except tool.ToolFailed as failure:
        # The diff is the agent's. It must not get out of being judged by writing one that cannot be read.
        found = NOTHING_FOUND
        problems.append(f"what the diff shows could not be read, flags are missing: {failure}")
    # Git knows every changed path, also of binary files, which a text diff may not name.
    changed = context.shadow.changed(tree)
    if not changed.whole:
        problems.append(TOO_MANY)
    return {**found, "changed": sorted({*found["changed"], *changed.paths}), "problems": problems}


def _patterns(
    context: Context, checks: tuple[Check, ...], opened: tuple[str, ...], *, all_known: bool
) -> dict[str, dict[str, Any]]:
    wanted = [check for check in checks if check.kind in ("pattern-absent", "pattern-present")]
    if not wanted:
        return {}
    asked = [
        {
            "id": check.id,
            "kind": check.kind,
            "pattern": check.pattern,
            "paths": list(check.paths) or None,
            "files": list(opened) if check.opened else None,
        }
        for check in wanted
    ]
    try:
        answer = tool.inside(context, "scan", {"tree": TREE, "checks": asked}, writable=False)
    except tool.ToolFailed as failure:
        return {check.id: {"problem": str(failure)} for check in wanted}
    results: dict[str, dict[str, Any]] = {result["id"]: {"ran": True, **result} for result in answer["results"]}
    if not all_known:
        for check in wanted:
            if check.opened:
                results[check.id]["problem"] = TOO_MANY
    return results


def _commands(context: Context, checks: tuple[Check, ...]) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    for check in checks:
        if check.kind == "command" and check.command is not None:
            results[check.id] = _command(context, check, check.command)
    return results


def _command(context: Context, check: Check, command: Command) -> dict[str, Any]:
    """Lays the check's files over the tree, runs its command, takes them away; what ran before does not steer it."""
    if problem := fresh.clear(context):
        return {"ran": True, "problem": problem}
    log = _log(context, check)
    files = [protocol.to_json(file) for file in check.files]
    if files:
        try:
            tool.inside(context, "lay", {"tree": TREE, "keep": KEEP, "files": files})
        except tool.ToolFailed as failure:
            # The agent's tree can be in the way (a file where a folder is needed). That fails its check, no more.
            return {"ran": True, "problem": f"the check's files could not be laid over the tree: {failure}"}
    outcome = context.run("build", command, context.out / log, tree=context.folder.judged)
    if files:
        try:
            tool.inside(context, "lift", {"tree": TREE, "keep": KEEP})
        except tool.ToolFailed:
            _restore(context)
    context.journal.record("check-finished", check=check.id, seconds=outcome.seconds)
    return {
        "ran": True,
        "exit_code": outcome.exit_code,
        "timed_out": outcome.result == "timed-out",
        "log": log,
        "problem": outcome.detail if outcome.result in ("timed-out", "crashed") else "",
    }


def _log(context: Context, check: Check) -> str:
    """A log of its own also for the second run, where grading was resumed: the first one was told of already."""
    name = f"grade/{check.id.replace('/', '-')}"
    return f"{name}-resumed.log" if (context.out / f"{name}.log").exists() else f"{name}.log"


def _evidence(check: Check, opened: tuple[str, ...], result: dict[str, Any]) -> dict[str, Any]:
    """One entry of `checks`. Markers, tests and throughput are judged later, from logs that are there anyway."""
    later = check.kind in ("marker", "tests", "throughput")
    return {
        "id": check.id,
        "item": check.item,
        "kind": check.kind,
        "ran": later or bool(result.get("ran")),
        "exit_code": result.get("exit_code"),
        "timed_out": bool(result.get("timed_out")),
        "log": result.get("log"),
        "matches": result.get("matches", []),
        "scanned": result.get("scanned", []),
        "notes": result.get("notes", []),
        "missing": sorted(set(check.must_include) - set(opened)),
        "problem": result.get("problem", ""),
    }
