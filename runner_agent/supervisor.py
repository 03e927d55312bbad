"""Walks one attempt through its stages, detached from whoever launched it, and leaves `exit.json` last.

It holds the attempt's lock for its life: a lock that is free means that it is gone, whatever became of its pid.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import traceback
from pathlib import Path
from typing import Any

from runner_agent import clock, failpoints, files, gates, introduction, ledger, protocol, quiescence, regrade, trees
from runner_agent.boot import boot_id
from runner_agent.confinement import SandboxUnavailable
from runner_agent.context import StageEnd
from runner_agent.control import Control, InfrastructureFault, Interrupted
from runner_agent.device_tags import drivers_fingerprint
from runner_agent.equip import equip
from runner_agent.home import AttemptFolder, Home
from runner_agent.observation import is_gradable, tell_ended
from runner_agent.protocol import Command, ExitReason, ExitRecord, LaunchSpec
from runner_agent.stages import baseline, checkout, commands, grade, pack, quiesce, session, smoke, tests
from runner_agent.steps import Steps

PR_SET_CHILD_SUBREAPER = 36


def main(home: Home, attempt_id: str, alive: int, agent_file: Path, *, resume: bool, detached: str) -> int:
    """The whole life of an attempt, or, with `resume`, its late grading. `alive` is the descriptor that holds its
    lock, `detached` how this process came to be. 1 where the attempt has had a supervisor before."""
    os.set_inheritable(alive, False)
    folder = home.attempt(attempt_id)
    if folder.identity.exists() and not resume:
        return 1
    _become_subreaper()
    failpoints.reach(home, "supervisor-start")
    spec = protocol.from_json(LaunchSpec, files.read_json(folder.launch))
    own: dict[str, Any] = {"pid": os.getpid(), "start_time": quiescence.start_time(os.getpid())}
    # Before the ledger: whoever is in the ledger as begun is known in its folder, too, and none begins after it.
    files.write_json(folder.identity, {**own, "boot_id": boot_id(), "resumed": resume, "detached": detached})
    event: ledger.Event = "resumed" if resume else "started"
    ledger.record(
        home, event, attempt_id=attempt_id, episode_id=spec.episode_id, fence=spec.fence, detached=detached, **own
    )
    failpoints.reach(home, "supervisor-started")
    if resume:
        regrade.run(home, folder, spec, agent_file)
        return 0
    # From here on the secrets are in this process's memory only.
    files.write_json(folder.launch, _without_secrets(spec))
    Walk(home=home, folder=folder, spec=spec, agent_file=agent_file).run()
    return 0


class Walk:
    """One walk through the stages."""

    def __init__(self, *, home: Home, folder: AttemptFolder, spec: LaunchSpec, agent_file: Path) -> None:
        self._spec = spec
        self._started_at = clock.utc_now()
        self._detail = ""
        folder.out.mkdir(exist_ok=True)
        control = Control(folder.cancel, spec.limits.wall_s)
        self._context = equip(home, folder, spec, agent_file, control)
        self._steps = Steps(self._context.journal, control)

    def run(self) -> None:
        context = self._context
        context.journal.record("attempt-started", attempt=self._spec.attempt_id, fence=self._spec.fence)
        context.write("launch.json", _public(self._spec))
        reason = self._walk()
        context.control.settle()
        packed = self._pack(reason)
        files.spend_reserve(context.folder.reserve)
        record = ExitRecord(
            attempt_id=self._spec.attempt_id,
            fence=self._spec.fence,
            reason=reason,
            detail=self._detail,
            stages=tuple(self._steps.records),
            graded=context.found.graded,
            packed=packed,
            started_at=self._started_at,
            finished_at=clock.utc_now(),
        )
        # Without these lines the end is still told, by the exit record; without that record nobody knows of it.
        with contextlib.suppress(OSError):
            context.journal.record("attempt-ended", reason=reason, detail=self._detail)
        failpoints.reach(context.home, "exit-before-record")
        files.write_json(context.folder.exit, protocol.to_json(record))
        failpoints.reach(context.home, "exit-after-record")
        with contextlib.suppress(OSError):
            tell_ended(context.home, context.folder, self._spec.episode_id, record)
        self._tidy(record)

    def _walk(self) -> ExitReason:
        """Why the walk ended. Nothing but a fault of the runner itself gets past here, and that is named too."""
        try:
            self._stages()
            return "completed"
        except Interrupted as stop:
            self._detail = {
                "cancelled": "cancelled on request",
                "wall-limit": f"ended after its wall limit of {self._spec.limits.wall_s:g} s",
            }[stop.reason]
            return stop.reason
        except (InfrastructureFault, SandboxUnavailable, OSError) as fault:
            self._detail = files.explain(fault, self._context.home.root)
        except Exception as error:
            self._detail = f"a fault of the runner itself: {error!r}"
            with contextlib.suppress(OSError):
                (self._context.out / "exception.txt").write_text(traceback.format_exc())
        return "infrastructure"

    def _stages(self) -> None:
        context, spec = self._context, self._spec
        said = introduction.introduce(context.home, context.seam.machine, context.seam.agent_file, (), os.environ)
        context.write("hello.json", protocol.to_json(said))
        if said.sandbox_problem:
            raise SandboxUnavailable(f"SANDBOX_UNAVAILABLE: {said.sandbox_problem}; nothing runs unconfined")
        if spec.gpu:
            context.seam.show_only(spec.gpu, said.gpus)
        self._steps.take("baseline", lambda: baseline.run(context, drivers_fingerprint(said.gpus)))
        self._steps.take("checkout", lambda: checkout.run(context))
        if spec.agent is not None:
            session.prepare(context, spec.agent)
        for number, talk in enumerate(spec.sessions, 1):
            if context.found.session_ended_early:
                self._steps.skip("session", f"session {number}: an earlier session ended at its limit")
            else:
                self._steps.take("session", lambda n=number, t=talk: session.run(context, n, t))
        self._steps.take("quiesce", lambda: quiesce.run(context))
        self._verify()
        self._steps.take("grade", lambda: grade.run(context))

    def _verify(self) -> None:
        """Build, lint, test and smoke. Smoke needs all three: what fails without the GPU never waits for it."""
        closed = self._cheap_gates()
        if closed:
            self._steps.skip("smoke", f"it did not reach the GPU: {closed}")
        else:
            self._steps.take("smoke", lambda: smoke.run(self._context))

    def _cheap_gates(self) -> str:
        """Which of build, lint and test failed; empty if none did. A lint failure still lets the tests run. One build
        slot for all three: who has begun is at the GPU first."""
        context, spec = self._context, self._spec
        with contextlib.ExitStack() as slot:

            def build() -> StageEnd:
                slot.enter_context(gates.build_slot(context.home, spec.build_slots, context.control, context.journal))
                return self._commands("build", spec.build)

            if self._steps.take("build", build).result != "ok":
                for stage in ("lint", "test"):
                    self._steps.skip(stage, "the build did not succeed")
                return "the build did not succeed"
            ends = {
                "lint": self._steps.take("lint", lambda: self._commands("lint", spec.lint)),
                "tests": self._steps.take("test", lambda: self._commands("test", spec.test)),
            }
        tests.record(context)
        failed = [name for name, end in ends.items() if end.result != "ok"]
        return f"{' and '.join(failed)} did not succeed" if failed else ""

    def _commands(self, kind: commands.Kind, wanted: tuple[Command, ...]) -> StageEnd:
        return commands.run(self._context, kind, wanted)

    def _pack(self, reason: ExitReason) -> bool:
        """Also after a cancel or a fault. What cannot be packed is said in the exit record, not raised."""
        context = self._context
        try:
            with self._steps.timed("pack") as finish:
                quiesce.prove(context)
                finish(pack.run(context, reason, tuple(self._steps.records)))
            return True
        except Exception as error:
            why = files.explain(error, context.home.root)
            self._detail = f"{self._detail}; the folder could not be packed: {why}".lstrip("; ")
            return False

    def _tidy(self, record: ExitRecord) -> None:
        """Working trees are large and of no use any more, but for the one that can be graded later. What cannot be
        removed goes with the acknowledgement."""
        folder = self._context.folder
        keep = is_gradable(record, self._spec.hidden_checks, judged_kept=folder.judged.is_dir(), resumed=False)
        with contextlib.suppress(Exception):
            self._context.seam.close()
            for tree in (folder.tree, folder.baseline, *(() if keep else (folder.judged,))):
                trees.drop(folder, tree)
            files.remove_tree(folder.scratch)


def _public(spec: LaunchSpec) -> dict[str, Any]:
    """The LaunchSpec without secrets and without the contents of files."""
    data = protocol.to_json(spec)
    if data["agent"] is not None:
        data["agent"]["secrets"] = sorted(data["agent"]["secrets"])
        data["agent"]["files"] = sorted(data["agent"]["files"])
    for check in data["checks"]:
        check["files"] = [file["path"] for file in check["files"]]
    return data


def _without_secrets(spec: LaunchSpec) -> dict[str, Any]:
    data = protocol.to_json(spec)
    if data["agent"] is not None:
        data["agent"]["secrets"] = {}
    return data


def _become_subreaper() -> None:
    """Orphans of a sandbox become ours, so that none is left behind as a child of init. See prctl(2)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
