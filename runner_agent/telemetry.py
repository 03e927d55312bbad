"""The conditions under which something is measured, a JSON line a second: load, clocks, power, temperature, throttling,
memory, and who else is on the GPU."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from runner_agent import clock, sensors
from runner_agent.nvidia import END_S, NvidiaSmi
from runner_agent.tenants import Tenants

LEAVE_S = END_S + 1.0


class Source(Protocol):
    """What can be asked for a sample again and again, and is closed at the end."""

    def sample(self, at: str) -> dict[str, Any]: ...

    def close(self) -> None: ...


class Machine:
    """This machine's conditions; the files of the kernel are read below `root`, `smi` is the path of nvidia-smi.

    A sample says in `sources` which of proc, cpufreq, amdgpu, nvidia-smi, rapl and tenants it is from; what a source
    does not tell is left out. Nothing is waited for: a sample takes milliseconds (`took_ms`).
    """

    def __init__(
        self,
        root: Path = Path("/"),
        smi: str | None = None,
        clock_s: Callable[[], float] = clock.monotonic_s,
        meter_lock: Path | None = None,
    ) -> None:
        self._root = root
        self._clock_s = clock_s
        self._nvidia = NvidiaSmi(smi)
        self._rapl = sensors.Rapl(root)
        self._tenants = Tenants(root, os.getpid(), clock_s, meter_lock)

    def sample(self, at: str) -> dict[str, Any]:
        """Keys: sources, load_1m, cpu_pressure_percent, memory_available_bytes, cpu_mhz, packages (zone, energy_j,
        power_w), tenants, tenants_hidden, and gpus (a list, one object for each device: device, sm_mhz, memory_mhz,
        power_w, power_cap_w, temperature_c, busy_percent, memory_used_bytes, throttle and so on). Never raises."""
        began_s = self._clock_s()
        found: dict[str, Any] = {"at": at}
        amdgpus, nvidia = sensors.amdgpus(self._root), self._nvidia.read(began_s)
        told = {
            "proc": sensors.load(found, self._root),
            "cpufreq": sensors.clocks(found, self._root),
            "rapl": _put_list(found, "packages", self._rapl.read(began_s)),
            "amdgpu": bool(amdgpus),
            "nvidia-smi": bool(nvidia),
        }
        _put_list(found, "gpus", [*amdgpus, *nvidia])
        if (tenants := self._tenants.read(began_s)) is not None:
            found |= tenants
            told["tenants"] = True
        found["sources"] = [name for name, spoke in told.items() if spoke]
        found["took_ms"] = round((self._clock_s() - began_s) * 1000, 2)
        return found

    def close(self) -> None:
        self._nvidia.close()


class Sampler:
    """Appends a sample as a JSON line to `path` at once and then every `interval_s`, until it is left.

    Nothing that goes wrong here fails the run: a file that cannot be written leaves the samples out.
    """

    def __init__(self, path: Path, source: Source, interval_s: float = 1.0) -> None:
        self._path = path
        self._interval_s = interval_s
        self._source = source
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join(timeout=LEAVE_S)

    def _run(self) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                while True:
                    file.write(json.dumps(self._source.sample(clock.utc_now())) + "\n")
                    file.flush()
                    if self._left.wait(self._interval_s):
                        return
        except (OSError, ValueError):
            return
        finally:
            self._source.close()


def _put_list(found: dict[str, Any], key: str, values: list[dict[str, Any]]) -> bool:
    if values:
        found[key] = values
    return bool(values)
