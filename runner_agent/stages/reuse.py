"""Takes the measurement of an earlier episode where a campaign allows it (`smoke.reuse`) and all that decides how a
measurement comes out is the same. It is marked, and counts as no further signal. See docs/fresh-binaries.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runner_agent import clock, freshness, journal, measured, protocol
from runner_agent.context import Context, StageEnd
from runner_agent.files import read_json, remove_tree
from runner_agent.freshness import TooMuch
from runner_agent.stages import fresh
from runner_agent.stages.rounds import Rounds

COMPILED = (".rs", ".md")
"""Of files that no smoke test reads: what they say is in the programs, or nowhere."""
LINKED = (".rlib", ".a")
GPU = ("device_uuid", "name", "driver", "vulkan_api")
MACHINE = ("agent_version", "os", "cpus")
TOLD = ("isolation-begun", "smoke-round", "smoke-look", "smoke-ended", "isolation-ended")


def name(context: Context) -> str:
    """What this attempt's measurement is called among those that are kept; empty where none is to be taken or kept. A
    preflight, and so a canary, is asked about the machine as it is now."""
    spec, folder = context.spec, context.folder
    if not spec.reuse or spec.kind != "episode" or not context.found.base_built:
        return ""
    try:
        base, candidate = (freshness.note(tree, context.control.check) for tree in (folder.baseline, folder.judged))
    except (TooMuch, OSError):
        return ""
    said: dict[str, Any] = read_json(context.out / "hello.json") or {}
    contents = context.shadow.contents(folder.judged)
    return measured.key(parts(spec, said, base, candidate, contents.paths)) if contents.whole else ""


def parts(
    spec: protocol.LaunchSpec,
    said: dict[str, Any],
    base: dict[str, str],
    candidate: dict[str, str],
    contents: Iterable[str],
) -> dict[str, Any]:
    """All that decides how a measurement comes out: `base` and `candidate` are the notes of both sides' programs,
    `contents` the files of the agent's commit with their hashes, which a smoke test may read as it runs, `said` the
    machine's hello."""
    smoke = {key: value for key, value in protocol.to_json(spec.smoke).items() if key != "must_print"}
    return {
        "repository": [spec.repo_url, spec.commit, spec.base_key],
        "base": _run(base),
        "candidate": _run(candidate),
        "files": [each for each in contents if not each.endswith(COMPILED)],
        "smoke": smoke,
        "bounds": sorted(check.min_change for check in spec.checks if check.min_change is not None),
        "network": spec.network,
        "isolation": spec.isolation,
        "gpu": spec.gpu,
        "gpus": [[gpu.get(key) for key in GPU] for gpu in said.get("gpus", [])],
        "machine": [said.get(key) for key in MACHINE],
    }


def take(context: Context, key: str) -> StageEnd | None:
    """The end of the stage, where there is a measurement to be had: the GPU is not needed then."""
    if not key:
        return None
    try:
        found = measured.take(context.home, key, context.out / "smoke", clock.epoch_s())
    except (OSError, ValueError, KeyError, TypeError) as problem:
        context.journal.record("smoke-not-reused", why=str(problem)[:500])
        # Half of it must not stand beside what is measured now.
        remove_tree(context.out / "smoke")
        (context.out / "smoke").mkdir()
        return None
    if found is None:
        return None
    context.journal.record(
        "smoke-reused", **{"from": found.episode_id, "attempt": found.attempt_id, "measured_at": found.at}
    )
    for told in found.events:
        context.journal.record(told["event"], **{key: told[key] for key in told if key != "event"}, reused=True)
    return StageEnd(detail=f"measured in episode {found.episode_id} at {found.at}, and reused: {found.detail}")


def keep(context: Context, key: str, rounds: Rounds, end: StageEnd) -> StageEnd:
    """Keeps a measurement that came to a good end, and says in the stage's detail what the smoke test built itself."""
    changed = fresh.rewritten(context)
    if changed:
        context.journal.record("smoke-rewrote", count=len(changed), paths=fresh.shown(changed))
        said = f"the smoke test itself rewrote {fresh.listed(changed)}, so that is not what the build made"
        return StageEnd(result=end.result, detail="; ".join(part for part in (end.detail, said) if part))
    if key and rounds.sound and end.result == "ok":
        events = [_untimed(event) for event in journal.read(context.folder.events) if event["event"] in TOLD]
        about = measured.About(
            episode_id=context.spec.episode_id,
            attempt_id=context.spec.attempt_id,
            at=clock.utc_now(),
            detail=end.detail,
            events=tuple(events),
        )
        try:
            measured.keep(context.home, key, context.out / "smoke", about, clock.epoch_s())
        except OSError as problem:
            context.journal.record("measurement-not-kept", why=str(problem)[:500])
    return end


def _run(programs: dict[str, str]) -> dict[str, str]:
    """Those that can be run; the others are in them."""
    return {path: digest for path, digest in programs.items() if not path.endswith(LINKED)}


def _untimed(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("seq", "at")}
