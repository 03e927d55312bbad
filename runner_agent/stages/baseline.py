"""Makes the base tree, checked out and built once per runner and driver, that every attempt on that base copies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from runner_agent import clock, gates, locks, retention, trees
from runner_agent.context import Context, StageEnd
from runner_agent.control import InfrastructureFault
from runner_agent.files import read_json, write_json
from runner_agent.home import BaseFolder
from runner_agent.protocol import Command
from runner_agent.stages import tests
from runner_agent.stages.checkout import ensure_mirror

REUSED = "reused"


def run(context: Context, drivers: str) -> StageEnd:
    """Reuses a base that was built under these `drivers` (`device_tags.drivers_fingerprint`)."""
    base = context.base
    with locks.held(base.lock, check=context.control.check):
        ready = read_json(base.ready)
        if ready is not None and ready["commit"] != context.spec.commit:
            raise InfrastructureFault(f"base {base.root.name} was made of commit {ready['commit']}, not of this one")
        how = how_to_have(ready, drivers)
        if how != REUSED:
            retention.set_aside(context.home, base)
            _make(context, base, drivers)
        retention.touch_used(base.root)
        ready = read_json(base.ready)
    if how != REUSED:
        _make_room(context)
    context.found.base_built = ready["build"] == "ok"
    _copy_logs(base, context.out / "logs")
    context.write("tests.json", {"baseline": read_json(base.tests), "candidate": {}})
    if not context.found.base_built:
        return StageEnd(result="failed", detail=f"the base does not build: {ready['detail']}")
    return StageEnd(detail=f"{how}; tests of the base: {ready['test']}")


def how_to_have(ready: dict[str, Any] | None, drivers: str) -> str:
    """`made`, `reused`, or why a base that was built is `made again`. `ready`: what was noted of it, if there is one.

    One whose build failed is tried again, since a full disk may have been why. What a driver takes part in building,
    such as a cache of pipelines, must not be measured under another. A device that cannot be asked tells of no change.
    """
    if ready is None or ready["build"] != "ok":
        return "made"
    before = ready.get("drivers", "")
    if not drivers or before == drivers:
        return REUSED
    return f"made again: the driver changed from {before or 'one that was not noted'} to {drivers}"


def _make_room(context: Context) -> None:
    """A home only grows by what is made anew."""
    for old in retention.evict(context.home, context.spec.cache_bytes):
        unused_s = round(clock.epoch_s() - old.used_s)
        context.journal.record("evicted", kind=old.kind, name=old.path.name, bytes=old.bytes, unused_s=unused_s)


def _make(context: Context, base: BaseFolder, drivers: str) -> None:
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
    write_json(
        base.ready,
        {
            "commit": spec.commit,
            "drivers": drivers,
            "build": build,
            "test": test,
            "detail": detail,
            "at": clock.utc_now(),
            "bytes": retention.sizes([base.tree]).get(base.tree),
        },
    )


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
