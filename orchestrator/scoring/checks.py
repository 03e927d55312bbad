"""Whether one check passes, and one line that says what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.scoring.evidence import CheckEvidence, Evidence
from orchestrator.scoring.measured import Measured, marker_lines, silent_logs
from runner_agent.protocol import Check

# These need nothing from the runner's grading: they are read from the smoke logs and the test results.
SELF_READ = ("marker", "tests", "throughput")

SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Seen:
    """`passed` is None where nothing can be said: the check never ran. `line` is for people."""

    passed: bool | None
    line: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a check may look at. `unmeasured` and `untested`: the failure of the agent's tree that kept the smoke
    test, or the tests, from being run; empty if none did."""

    evidence: Evidence
    measured: Measured
    unmeasured: str = ""
    untested: str = ""


def see(check: Check, scene: Scene) -> Seen:
    """Judges one check. Fails closed: a check that looked at nothing has not passed."""
    seen = SEERS[check.kind](check, scene)
    return Seen(passed=seen.passed, line=f"{check.id} {check.kind}: {seen.line}")


def _graded(judge: Callable[[Check, CheckEvidence], Seen]) -> Callable[[Check, Scene], Seen]:
    def seer(check: Check, scene: Scene) -> Seen:
        found = scene.evidence.checks.get(check.id)
        if found is None:
            return Seen(passed=None, line="never ran: the runner recorded nothing of it")
        if not found.ran:
            return Seen(passed=None, line=f"never ran: {found.problem or 'the runner does not say why'}")
        return judge(check, found)

    return seer


def _command(check: Check, found: CheckEvidence) -> Seen:
    argv = " ".join(check.command.argv) if check.command else "command"
    log = f" ({found.log})" if found.log else ""
    if found.timed_out:
        return Seen(passed=False, line=f"`{argv}` ran into its time limit{log}")
    if found.exit_code is None:
        return Seen(passed=False, line=f"`{argv}` left no exit status: {found.problem or 'no reason given'}{log}")
    return Seen(passed=found.exit_code == 0, line=f"`{argv}` exit status {found.exit_code}{log}")


def _pattern_absent(check: Check, found: CheckEvidence) -> Seen:
    if unread := _unread(check, found):
        return unread
    if found.matches:
        return Seen(passed=False, line=f"/{check.pattern}/ found {_matches(found)}")
    return Seen(passed=True, line=f"/{check.pattern}/ in none of {len(found.scanned)} files")


def _pattern_present(check: Check, found: CheckEvidence) -> Seen:
    if unread := _unread(check, found):
        return unread
    if found.matches:
        return Seen(passed=True, line=f"/{check.pattern}/ found {_matches(found)}")
    return Seen(passed=False, line=f"/{check.pattern}/ in none of {len(found.scanned)} files")


def _unread(check: Check, found: CheckEvidence) -> Seen | None:
    if found.missing:
        return Seen(passed=False, line=f"not opened, though the item demands it: {_few(found.missing)}")
    if found.problem:
        return Seen(passed=False, line=f"cannot be trusted: {found.problem}")
    gone = [path for path in check.must_include if path not in found.scanned]
    if gone:
        return Seen(passed=False, line=f"not there any more, though the item demands it: {_few(gone)}")
    if not found.scanned:
        where = "the agent opened no file" if check.opened else f"no file matches {' '.join(check.paths)}"
        return Seen(passed=False, line=f"nothing to look at: {where}")
    return None


def _marker(check: Check, scene: Scene) -> Seen:
    text = check.text or ""
    if scene.unmeasured:
        return Seen(passed=False, line=f"{text!r} cannot appear: {scene.unmeasured}")
    logs = scene.evidence.logs_of("candidate")
    if not text or not logs:
        return Seen(passed=None, line=f"no smoke log to look for {text!r} in")
    silent = silent_logs(scene.evidence, "candidate", text)
    if silent:
        return Seen(passed=False, line=f"{text!r} is not in {_few(silent)}")
    lines = marker_lines(scene.evidence, text)
    return Seen(passed=True, line=f"{text!r} on {lines} lines of {len(logs)} smoke logs")


def _tests(check: Check, scene: Scene) -> Seen:
    if scene.untested:
        return Seen(passed=False, line=f"no test can pass: {scene.untested}")
    before = scene.evidence.tests.get("baseline", {})
    after = scene.evidence.tests.get("candidate", {})
    if not after:
        return Seen(passed=None, line="tests.json holds no result of the agent's tree")
    wanted = sorted({name for name, result in before.items() if result == "ok"} | set(check.must_pass))
    gone = [name for name in wanted if name not in after]
    failing = [name for name in wanted if after.get(name, "ok") != "ok"]
    if not wanted:
        return Seen(passed=False, line="no test passed on the base and none is named, so none can be kept")
    if gone or failing:
        counted = {"gone": gone, "not ok": failing}
        line = "; ".join(f"{len(names)} {what}: {_few(names)}" for what, names in counted.items() if names)
        return Seen(passed=False, line=line)
    return Seen(passed=True, line=f"all {len(wanted)} tests there and ok")


def _throughput(check: Check, scene: Scene) -> Seen:
    found = scene.measured.throughput
    least = check.min_change or 0.0
    if scene.unmeasured:
        return Seen(passed=False, line=f"not measured: {scene.unmeasured}")
    if scene.measured.differs:
        return Seen(passed=False, line=f"no speed counts: {scene.measured.differs}")
    if found.low is None or found.high is None or found.change is None:
        return Seen(passed=None, line=f"no interval: {found.reason}")
    interval = f"interval {found.low:+.1%} to {found.high:+.1%}"
    line = f"change {found.change:+.1%}, {interval}, whose lower end must reach {least:+.1%}"
    return Seen(passed=found.low >= least, line=line)


def _matches(found: CheckEvidence) -> str:
    return f"at {_few([str(match) for match in found.matches])}"


def _few(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


SEERS: dict[str, Callable[[Check, Scene], Seen]] = {
    "command": _graded(_command),
    "pattern-absent": _graded(_pattern_absent),
    "pattern-present": _graded(_pattern_present),
    "marker": _marker,
    "tests": _tests,
    "throughput": _throughput,
}
