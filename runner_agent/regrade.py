"""Grades what was kept of an attempt that ended before its hidden checks came.

The exit record of that end lies aside, and its folder's files are copied before any is touched: whatever becomes of
this, they stand until a new record is written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from runner_agent import clock, devices, failpoints, files, protocol, trees
from runner_agent.confinement import SandboxUnavailable
from runner_agent.context import Context
from runner_agent.control import Control, InfrastructureFault, Interrupted
from runner_agent.equip import equip
from runner_agent.home import AttemptFolder, Home
from runner_agent.observation import tell_ended
from runner_agent.protocol import ExitRecord, GradeRequest, LaunchSpec, StageRecord
from runner_agent.stages import fresh, grade, pack, quiesce
from runner_agent.steps import Steps

DIFF = "diff.patch"
OWN_TOOLS_LIMIT_S = 900.0
"""What the runner's own searches and commits may take beside the checks' commands."""


def run(home: Home, folder: AttemptFolder, spec: LaunchSpec, agent_file: Path) -> None:
    """Ends with an exit record, graded or as it was before."""
    earlier = protocol.from_json(ExitRecord, files.read_json(folder.ungraded_exit))
    request = protocol.from_json(GradeRequest, files.read_json(folder.checks))
    _keep(folder)
    control = Control(folder.cancel, limit_s(spec, request))
    context = equip(home, folder, spec, agent_file, control)
    context.found.opened |= _opened_before(folder)
    context.journal.record("grading-resumed", attempt=spec.attempt_id, checks=len(request.checks))
    steps = Steps(context.journal, control, superseded(earlier.stages))
    problem = _grade(context, steps) or _pack(context, steps)
    record = regraded(earlier, tuple(steps.records), problem, clock.utc_now())
    context.journal.record("attempt-ended", reason=record.reason, detail=record.detail)
    failpoints.reach(home, "exit-before-record")
    files.write_json(folder.exit, protocol.to_json(record))
    failpoints.reach(home, "exit-after-record")
    tell_ended(home, folder, spec.episode_id, record)
    # What cannot be removed goes with the acknowledgement.
    with contextlib.suppress(Exception):
        context.seam.close()
        trees.drop(folder, folder.judged)
        for path in (folder.scratch, *((folder.ungraded_out,) if record.graded else ())):
            files.remove_tree(path)


def limit_s(spec: LaunchSpec, request: GradeRequest) -> float:
    """The bound of the whole: each command has its own, and a judged tree may have to be made anew."""
    checks = (*spec.checks, *request.checks)
    commands = sum(check.command.limit_s for check in checks if check.command is not None)
    return commands + spec.limits.checkout_s + OWN_TOOLS_LIMIT_S


def superseded(stages: tuple[StageRecord, ...]) -> tuple[StageRecord, ...]:
    """The stages of the ungraded end. That checks came late is no failure of the grading that follows."""
    return tuple(replace(each, result="skipped") if each.stage == "grade" else each for each in stages)


def regraded(earlier: ExitRecord, stages: tuple[StageRecord, ...], problem: str, now: str) -> ExitRecord:
    """The new exit record. With a problem it says that and is for the rest what it was."""
    if not problem:
        return replace(earlier, stages=stages, graded=True, packed=True, finished_at=now)
    said = f"ungraded; grading was resumed at {now} and did not end well: {problem}"
    return replace(earlier, detail=f"{earlier.detail}; {said}".lstrip("; "))


def _grade(context: Context, steps: Steps) -> str:
    """Why it is not graded, or an empty text."""
    try:
        if context.spec.gpu:
            # Its device files may have other numbers by now.
            agent = (context.seam.machine.python, "-I", "-S", str(context.seam.agent_file))
            context.seam.show_only(context.spec.gpu, devices.probe(agent).gpus)
        _show_judged(context)
        steps.take("grade", lambda: grade.run(context))
        return "" if context.found.graded else "the checks could not be read"
    except Interrupted as stop:
        return stop.reason
    except (InfrastructureFault, SandboxUnavailable, OSError) as fault:
        return str(fault)
    except Exception as error:
        (context.out / "exception.txt").write_text(traceback.format_exc())
        return f"a fault of the runner itself: {error!r}"
    finally:
        context.control.settle()


def _show_judged(context: Context) -> None:
    try:
        trees.show_again(context, context.folder.judged)
    except InfrastructureFault as fault:
        context.journal.record("judged-tree-made-anew", why=str(fault)[:500])
        fresh.make_judged(context)


def _pack(context: Context, steps: Steps) -> str:
    try:
        with steps.timed("pack") as finish:
            quiesce.prove(context)
            # Secrets were taken out of it then, and are not known any more.
            shutil.copyfile(context.folder.ungraded_out / DIFF, context.out / DIFF)
            finish(pack.run(context, "completed", tuple(steps.records), history_kept=True))
        return ""
    except Exception as error:
        return f"the folder could not be packed: {error}"


def _keep(folder: AttemptFolder) -> None:
    """Copies the ungraded folder; that the copy has its name means that it is whole. Raises OSError."""
    waiting = folder.ungraded_out.with_name("out-copying")
    files.remove_tree(waiting)
    argv = ("cp", "-a", "--reflink=auto", "--", str(folder.out), str(waiting))
    copied = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if copied.returncode != 0:
        raise OSError(f"{folder.out} could not be copied: {copied.stderr[-300:].decode(errors='replace').strip()}")
    os.rename(waiting, folder.ungraded_out)
    files.sync_folder(folder.root)


def _opened_before(folder: AttemptFolder) -> set[str]:
    """The files that the agent opened, from the evidence of the ungraded end."""
    evidence: Any = files.read_json(folder.out / "grade" / "evidence.json") or {}
    return set(cast("list[str]", evidence.get("opened", [])))
