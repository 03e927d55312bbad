"""The last step before bubblewrap: enters the cgroups, takes on priority, cores and limits, and becomes the program.

A process of its own, because doing this between fork and exec is not safe in a supervisor that has threads. It starts
once for every process of an episode, so it imports next to nothing.
"""

from __future__ import annotations

import os
import resource
import sys

SEPARATOR = "\n"

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing, too, takes its time
    from runner_agent.confinement import ProcessPlan


def command(agent_file: str, python: str, cgroups: tuple[str, ...], plan: ProcessPlan) -> tuple[str, ...]:
    """The argument list that starts `plan` by way of this module."""
    cores = ",".join(map(str, plan.place.cores))
    numbers = (plan.niceness, plan.out_of_memory, int(plan.place.idle), plan.processes, plan.file_bytes)
    how = ":".join((*map(str, numbers), cores, SEPARATOR.join(cgroups)))
    return (python, "-I", "-S", agent_file, "enter", how, *plan.argv)


def main(arguments: list[str]) -> int:
    """Never returns, unless the program cannot be started."""
    niceness, out_of_memory, idle, processes, file_bytes, cores, cgroups = arguments[0].split(":", 6)
    for cgroup in filter(None, cgroups.split(SEPARATOR)):
        with open(os.path.join(cgroup, "cgroup.procs"), "w") as file:
            file.write("0")
    os.nice(int(niceness))
    _raise_oom_score(int(out_of_memory))
    if cores:
        os.sched_setaffinity(0, [int(part) for part in cores.split(",")])
    if idle == "1":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    _lower(resource.RLIMIT_NPROC, int(processes))
    _lower(resource.RLIMIT_FSIZE, int(file_bytes))
    _lower(resource.RLIMIT_CORE, 0)
    try:
        os.execv(arguments[1], arguments[1:])  # noqa: S606
    except OSError as error:
        print(f"{arguments[1]} cannot be started: {error}", file=sys.stderr)
    return 127


def _raise_oom_score(value: int) -> None:
    """A container may forbid it; nothing that is promised hangs on it."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            if int(file.read()) < value:
                file.seek(0)
                file.write(str(value))
    except OSError:
        return


def _lower(limit: int, value: int) -> None:
    _soft, hard = resource.getrlimit(limit)
    bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (bounded, bounded))
