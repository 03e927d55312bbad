"""The machine's meter and its newest readings as a report tells them: what the sampler wrote down last.

So neither a driver nor an operator's hook that hangs can hang a report. See `sampling` for who writes it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from runner_agent import clock, locks, meter, protocol, sensors
from runner_agent.boot import boot_id
from runner_agent.home import Home
from runner_agent.meter import Moment, Tally
from runner_agent.protocol import GpuReading, MalformedMessage, Meter, Readings

VERB = "meter"
RESTART_S = 5.0
FRESH_S = 15.0
"""Longer than a hook takes to tell again, shorter than what anybody would call now."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """`meter.json`. `seen`: when `gpus` were; `drawn`: when `power_w` was. `problem` as in Look."""

    schema: Literal["matins-meter-1"] = "matins-meter-1"
    tally: Tally | None = None
    seen: Moment | None = None
    gpus: tuple[GpuReading, ...] = ()
    drawn: Moment | None = None
    power_w: float | None = None
    problem: str = ""


def told(home: Home, agent_file: Path) -> tuple[Meter | None, Readings]:
    """What a report says. Sees to it that somebody samples."""
    if home.root.is_dir() and instruments_exist(home.power_hook):
        _see_to_it(home, agent_file)
    return shown(read(home), home, now())


def shown(kept: Kept, home: Home, moment: Moment) -> tuple[Meter | None, Readings]:
    """Readings of devices only while they are fresh; load and disk are of this moment."""
    try:
        disk = shutil.disk_usage(home.root)
        free, size = disk.free, disk.total
    except OSError:
        free = size = 0
    readings = Readings(
        at=clock.iso(moment.epoch_s),
        gpus=kept.gpus if _is_fresh(kept.seen, moment) else (),
        power_w=kept.power_w if _is_fresh(kept.drawn, moment) else None,
        load1=os.getloadavg()[0],
        disk_free_bytes=free,
        disk_size_bytes=size,
    )
    return (meter.message(kept.tally) if kept.tally is not None else None), readings


def read(home: Home) -> Kept:
    """An empty one where the file is absent, damaged, or of another version."""
    try:
        data = json.loads(home.meter.read_bytes(), parse_constant=_refuse)
        return protocol.from_json(Kept, data)
    except (OSError, ValueError, RecursionError, MalformedMessage):
        return Kept()


def now() -> Moment:
    return Moment(boot_id=boot_id(), boottime_s=clock.boottime_s(), slept_s=clock.slept_s(), epoch_s=clock.epoch_s())


def instruments_exist(hook: Path, root: Path = Path("/")) -> bool:
    """Whether there is anything to sample; takes a millisecond."""
    return (
        hook.exists()
        or any(root.glob("sys/class/drm/card[0-9]*/device/pp_dpm_sclk"))
        or (root / "dev/nvidiactl").exists()
        or any(os.access(path, os.R_OK) for path in root.glob("sys/class/powercap/intel-rapl:[0-9]*/energy_uj"))
        or any(sensors.word(path) == "Battery" for path in root.glob("sys/class/power_supply/*/type"))
    )


def _see_to_it(home: Home, agent_file: Path) -> None:
    """A report is owed also where nobody can be begun. At most one is begun in RESTART_S: the lock's time says when."""
    try:
        home.meter_asked.write_text(agent_file.name)
        if locks.is_held(home.meter_lock):
            return
        begun = home.meter_lock
        if begun.exists() and abs(clock.epoch_s() - begun.stat().st_mtime) < RESTART_S:
            return
        begun.touch(mode=0o600)
        subprocess.Popen(
            [os.path.realpath(sys.executable), "-I", "-S", str(agent_file), VERB, "--home", str(home.root)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, cwd="/",
        )  # fmt: skip
    except OSError:
        return


def _is_fresh(then: Moment | None, moment: Moment) -> bool:
    return then is not None and then.boot_id == moment.boot_id and moment.boottime_s - then.boottime_s <= FRESH_S


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"no number: {word}")
