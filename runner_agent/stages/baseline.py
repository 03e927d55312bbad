"""Makes the base tree, checked out and built once per runner, that every attempt on that base copies."""

from __future__ import annotations

import shutil
from pathlib import Path

from runner_agent import clock, gates, locks, retention, trees
from runner_agent.context import Context, StageEnd
from runner_agent.control import InfrastructureFault
from runner_agent.files import read_json, remove_tree, write_json
from runner_agent.home import BaseFolder
from runner_agent.protocol import Command
from runner_agent.stages import tests
from runner_agent.stages.checkout import ensure_mirror


def run(context: Context) -> StageEnd:
    """Reuses a base that was built; one whose build failed is tried again, since a full disk may have been why."""
    base = context.base
    with locks.held(base.lock, check=context.control.check):
        ready = read_json(base.ready)
        if ready is not None and ready["commit"] != context.spec.commit:
            raise InfrastructureFault(f"base {base.root.name} was made of commit {ready['commit']}, not of this one")
        if ready is None or ready["build"] != "ok":
            remove_tree(base.root)
            _make(context, base)
            ready = read_json(base.ready)
            how = "made"
        else:
            how = "reused"
        retention.touch_used(base.root)
    if how == "made":
        _make_room(context)
    context.found.base_built = ready["build"] == "ok"
    _copy_logs(base, context.out / "logs")
    context.write("tests.json", {"baseline": read_json(base.tests), "candidate": {}})
    if not context.found.base_built:
        return StageEnd(result="failed", detail=f"the base does not build: {ready['detail']}")
    return StageEnd(detail=f"{how}; tests of the base: {ready['test']}")


def _make_room(context: Context) -> None:
    """A home only grows by what is made anew."""
    for old in retention.evict(context.home, context.spec.cache_bytes):
        unused_s = round(clock.epoch_s() - old.used_s)
        context.journal.record("evicted", kind=old.kind, name=old.path.name, bytes=old.bytes, unused_s=unused_s)


def _make(context: Context, base: BaseFolder) -> None:
    spec = context.spec
    base.logs.mkdir(parents=True)
    checkout_log = base.logs / "baseline-checkout.log"
    ensure_mirror(context, checkout_log)
    trees.make_base(context.methods, base.tree)
    trees.check_out(
        seam=context.seam,
        mirror=context.mirror,
        commit=spec.commit,
        tree=base.tree,
        scratch=context.scratch("base"),
        streams=context.streams(checkout_log),
        limit_s=spec.limits.checkout_s,
    )
    with gates.build_slot(context.home, spec.build_slots, context.control, context.journal):
        build, detail = _run(context, base, spec.build, "build")
        # Lint as well: its results are kept apart from the build's, and a first run on every copy would cost minutes.
        _run(context, base, spec.lint, "lint")
        test, _ = _run(context, base, spec.test, "test") if build == "ok" else ("skipped", "")
    write_json(base.tests, tests.read_logs(sorted(base.logs.glob("baseline-test-*.log"))))
    ready = {"commit": spec.commit, "build": build, "test": test, "detail": detail, "at": clock.utc_now()}
    write_json(base.ready, {**ready, "bytes": retention.sizes([base.tree]).get(base.tree)})


def _run(context: Context, base: BaseFolder, commands: tuple[Command, ...], kind: str) -> tuple[str, str]:
    for number, command in enumerate(commands, 1):
        log = base.logs / f"baseline-{kind}-{number}.log"
        outcome = context.run("build", command, log, tree=base.tree, scratch="base")
        if not outcome.ok:
            return outcome.result, f"{' '.join(command.argv)}: {outcome.detail}"
    return "ok", ""


def _copy_logs(base: BaseFolder, target: Path) -> None:
    """The base's logs, numbered in the order in which they were written."""
    target.mkdir(parents=True, exist_ok=True)
    for log in sorted(base.logs.glob("*.log")):
        shutil.copyfile(log, target / log.name)
