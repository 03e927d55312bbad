"""What a supervisor needs for its attempt: seam, journal, shadow repository."""

from __future__ import annotations

import os
from pathlib import Path

from runner_agent import cgroup, snapshots
from runner_agent.confinement import Bounds
from runner_agent.context import Context, Findings
from runner_agent.control import Control
from runner_agent.home import AttemptFolder, Home
from runner_agent.isolation import Register
from runner_agent.journal import Journal
from runner_agent.machine import survey
from runner_agent.process import Seam
from runner_agent.protocol import LaunchSpec
from runner_agent.quota import Watch
from runner_agent.redaction import Redaction
from runner_agent.shadow import Shadow


def equip(home: Home, folder: AttemptFolder, spec: LaunchSpec, agent_file: Path, control: Control) -> Context:
    """Looks at the machine, and makes the attempt's cgroup and mount namespace where this account may."""
    journal = Journal(folder.events)
    folders = (folder.out, folder.tree, folder.judged, folder.baseline, folder.scratch, folder.shadow)
    seam = Seam(
        machine=survey(os.environ),
        attempt_id=spec.attempt_id,
        agent_file=agent_file,
        bounds=_bounds(home, spec),
        inits=folder.inits,
        control=control,
        leaf=cgroup.make(spec.attempt_id),
        watch=Watch(folders, spec.limits.disk_bytes, layers=folder.layers),
        journal=journal,
        redaction=Redaction(spec.agent.secrets if spec.agent is not None else {}),
        out=folder.out,
        register=Register(home.quiet),
    )
    shadow = Shadow(
        seam=seam,
        folder=folder.shadow,
        mirror=home.mirror(spec.repo_url),
        base=spec.commit,
        scratch=folder.scratch / "git",
        log=folder.root / "shadow.log",
        log_bytes=spec.limits.log_bytes,
    )
    return Context(
        spec=spec,
        home=home,
        folder=folder,
        journal=journal,
        control=control,
        seam=seam,
        shadow=shadow,
        found=Findings(),
        methods=snapshots.prepare(home),
    )


def _bounds(home: Home, spec: LaunchSpec) -> Bounds:
    hidden = [os.path.realpath(path) for path in (*spec.hide, str(home.root)) if os.path.isdir(path)]
    return Bounds(hide=tuple(dict.fromkeys(hidden)), processes=spec.limits.processes, file_bytes=spec.limits.disk_bytes)
