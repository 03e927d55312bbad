"""What counts energy on a machine, from recorded files, a stand-in for NVIDIA's library, and an operator's program."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from runner_agent import metering, power_hook, sensors
from runner_agent.instruments import Instruments, Look
from runner_agent.meter import Count
from runner_agent.nvml import Nvml
from runner_agent.power_hook import Hook
from runner_agent.protocol import GpuReading
from tests.unit.runner_agent.machine_files import CARD, HWMON, PACKAGE, RADEON, metrics, write

RAPL = {f"{PACKAGE}/name": "package-0\n", f"{PACKAGE}/energy_uj": "5000000\n", f"{PACKAGE}/max_energy_range_uj": "99\n"}
PACKAGE_0 = Count(name="package:package-0", counter_uj=5_000_000, wraps_at_uj=99)
CARD_1 = Count(name="gpu:card1", watts=300.0)
LIMIT_S = 60.0
SHELLY = Path(__file__).parents[3] / "examples/power-hooks/shelly.py"
BATTERY = {
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/AC/online": "0\n",
    "sys/class/power_supply/BAT0/type": "Battery\n",
    "sys/class/power_supply/BAT0/status": "Discharging\n",
    "sys/class/power_supply/BAT0/power_now": "-21500000\n",
    "sys/class/power_supply/mouse/type": "Battery\n",
    "sys/class/power_supply/mouse/scope": "Device\n",
    "sys/class/power_supply/mouse/status": "Discharging\n",
    "sys/class/power_supply/mouse/power_now": "9000000\n",
}


def absent() -> Any:
    raise OSError("libnvidia-ml.so.1: cannot open shared object file")


def look(root: Path, loader: Any = absent) -> Look:
    return Instruments(Hook(root / "power-hook", LIMIT_S), root, Nvml(loader)).look(100.0)


def program(path: Path, script: str, mode: int = 0o755) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


def test_packages_and_cards_count_each_by_itself_and_see_not_the_whole(tmp_path: Path) -> None:
    found = look(write(tmp_path, {**RADEON, **RAPL}))
    assert (found.counts, found.whole, found.closed) == ((PACKAGE_0, CARD_1), False, ())
    assert found.gpus == (
        GpuReading(
            gpu="card1",
            clock_hz=2.5e9,
            memory_clock_hz=1.249e9,
            power_w=300.0,
            temperature_c=71.0,
            utilization=0.97,
            memory_used_bytes=1024.0,
        ),
    )


def test_a_machine_without_instruments_counts_nothing(tmp_path: Path) -> None:
    assert look(tmp_path) == Look(counts=(), whole=False, gpus=())


def test_the_zone_of_a_whole_platform_is_not_counted_beside_its_packages(tmp_path: Path) -> None:
    psys = PACKAGE.replace(":0", ":1")
    write(tmp_path, {**RAPL, f"{psys}/name": "psys\n", f"{psys}/energy_uj": "7\n"})
    assert look(tmp_path).counts == (PACKAGE_0,)


def test_a_package_that_only_root_may_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, {f"{PACKAGE}/name": "package-0\n"})
    (tmp_path / PACKAGE / "energy_uj").mkdir()  # unreadable for root, too
    found = look(tmp_path)
    assert (found.counts, found.closed) == ((), ("package:package-0",))


def test_a_card_that_is_part_of_the_processor_is_counted_with_it(tmp_path: Path) -> None:
    write(tmp_path, RADEON)
    (tmp_path / CARD / "gpu_metrics").write_bytes(metrics(0, revisions=(2, 2)))
    assert look(tmp_path).counts == (CARD_1,)
    assert look(write(tmp_path, RAPL)).counts == (PACKAGE_0,)


def test_a_card_of_which_the_power_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, RADEON)
    (tmp_path / HWMON / "power1_average").unlink()
    found = look(tmp_path)
    assert (found.counts, found.gpus[0].power_w) == ((), None)


def test_a_battery_that_alone_feeds_the_machine_sees_the_whole(tmp_path: Path) -> None:
    write(tmp_path, {**RADEON, **BATTERY})
    found = look(tmp_path)
    assert (found.counts, found.whole) == ((Count(name="battery", watts=21.5),), True)


@pytest.mark.parametrize(
    ("path", "text"),
    [("AC/online", "1"), ("BAT0/status", "Charging"), ("BAT0/power_now", "")],
    ids=["a charger is on, too", "it charges", "it does not tell"],
)
def test_a_battery_that_does_not_feed_it_alone_counts_nothing(tmp_path: Path, path: str, text: str) -> None:
    write(tmp_path, {**RADEON, **BATTERY, f"sys/class/power_supply/{path}": text})
    found = look(tmp_path)
    assert (found.counts, found.whole) == ((CARD_1,), False)


def test_a_battery_may_tell_current_and_voltage_instead(tmp_path: Path) -> None:
    write(tmp_path, BATTERY)
    folder = tmp_path / "sys/class/power_supply/BAT0"
    (folder / "power_now").unlink()
    (folder / "current_now").write_text("-2000000\n")
    (folder / "voltage_now").write_text("12000000\n")
    assert look(tmp_path).counts == (Count(name="battery", watts=24.0),)


def test_the_operators_hook_is_the_only_instrument(tmp_path: Path) -> None:
    write(tmp_path, {**RADEON, **RAPL, **BATTERY})
    program(tmp_path / "power-hook", 'echo "watts=143.5 joules=1000.25 volts=230"')
    found = look(tmp_path)
    assert found.counts == (Count(name="plug", counter_uj=1_000_250_000, watts=143.5),)
    assert (found.whole, found.problem) == (True, "")
    assert [gpu.gpu for gpu in found.gpus] == ["card1"]


FAILS = {
    "exit 3": "exit status 3",
    "echo nonsense": "neither",
    "echo watts=": "watts=",
    "echo watts=-5": "watts=-5",
    "echo watts=nan": "nan",
    "echo watts=1e9": "1e9",
    "echo watts=1 watts=2": "watts=2",
    "echo joules=inf": "inf",
    "yes watts=1": "4096 bytes",
    "head -c 100 /dev/urandom | tr -d '='": "neither",
    "exec sleep 1000": "within 0.2 s",
    "sleep 1000 & echo watts=1": "within 0.2 s",
    "exec >&-; exec sleep 1000": "within 0.2 s",
}


@pytest.mark.parametrize("script", FAILS)
def test_a_hook_that_hangs_or_lies_says_what_is_wrong_with_it(tmp_path: Path, script: str) -> None:
    hook = Hook(program(tmp_path / "hook", script), limit_s=0.2 if "within" in FAILS[script] else LIMIT_S)
    assert hook.read(0.0) is None
    assert FAILS[script] in hook.problem
    assert str(tmp_path / "hook") in hook.problem


def test_what_a_hook_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    hook = Hook(program(tmp_path / "hook", f"sleep 1000 >&- & echo $! > {tmp_path}/left; echo watts=1"), LIMIT_S)
    assert hook.read(0.0) == Count(name="plug", watts=1.0)
    left = Path("/proc", (tmp_path / "left").read_text().strip(), "stat")
    until_s = time.monotonic() + LIMIT_S
    while sensors.word(left).rpartition(")")[2].split()[:1] not in ([], ["Z"]):
        assert time.monotonic() < until_s, "it lives"
        time.sleep(0.01)


def test_where_the_hook_fails_nothing_else_stands_in_for_the_whole(tmp_path: Path) -> None:
    program(tmp_path / "power-hook", "exit 3")
    found = look(write(tmp_path, RADEON))
    assert (found.counts, found.whole) == ((), True)
    assert "exit status 3" in found.problem


def test_a_hook_is_asked_every_two_seconds_and_more_seldom_while_it_fails(tmp_path: Path) -> None:
    log = tmp_path / "log"
    hook = Hook(program(tmp_path / "hook", f'echo >> {log}; [ -e {tmp_path}/broken ] || echo "watts=5"'), LIMIT_S)
    told = [second for second in range(10) if hook.read(float(second)) is not None]
    assert told == [0, 2, 4, 6, 8]
    (tmp_path / "broken").touch()
    asked: list[int] = []
    for second in range(10, 200):
        before = log.stat().st_size
        assert hook.read(float(second)) is None
        asked += [second] * (log.stat().st_size - before)
    assert asked == [10, 14, 22, 38, 70, 130, 190]


REFUSED = [(0o775, "written by others"), (0o757, "written by others"), (0o644, "not executable")]


@pytest.mark.parametrize(("mode", "why"), REFUSED)
def test_a_hook_that_others_could_write_is_not_run_and_the_rest_counts(tmp_path: Path, mode: int, why: str) -> None:
    program(tmp_path / "power-hook", f"touch {tmp_path}/ran; echo watts=5", mode)
    found = look(write(tmp_path, RADEON))
    assert (found.counts, found.whole) == ((CARD_1,), False)
    assert why in found.problem
    assert not (tmp_path / "ran").exists()


def test_a_hook_belongs_to_the_runners_account_or_to_root(tmp_path: Path) -> None:
    hook = program(tmp_path / "hook", "echo watts=1")
    assert power_hook.why_refused(hook, os.geteuid()) == ""
    if os.geteuid() == 0:
        os.chown(hook, 4242, -1)
    assert "another account" in power_hook.why_refused(hook, os.geteuid() + 1)
    assert "no file" in power_hook.why_refused(tmp_path, os.geteuid())
    assert "cannot be looked at" in power_hook.why_refused(tmp_path / "absent", os.geteuid())


def test_whether_there_is_anything_to_ask_is_seen_from_files(tmp_path: Path) -> None:
    hook = tmp_path / "power-hook"
    assert not metering.instruments_exist(hook, tmp_path)
    for number, files in enumerate((RADEON, RAPL, BATTERY, {"dev/nvidiactl": ""}, {"power-hook": ""})):
        root = write(tmp_path / str(number), files)
        assert metering.instruments_exist(root / "power-hook", root)


class Library:
    """Two devices: an H100 that counts energy, and an older one that does not, and that tells no load."""

    def __init__(self) -> None:
        self.lost = False
        self.opened = 0

    def nvmlInit_v2(self) -> int:
        self.opened += 1
        return 0

    def nvmlShutdown(self) -> int:
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, device: Any) -> int:
        device._obj.value = index.value + 1
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, device: Any, value: Any) -> int:
        return self._put(value, 123_456) if device.value == 1 else 3

    def nvmlDeviceGetPowerUsage(self, device: Any, value: Any) -> int:
        return self._put(value, 71_250)

    def nvmlDeviceGetClockInfo(self, device: Any, kind: Any, value: Any) -> int:
        return self._put(value, {1: 1980, 2: 2619}[kind.value])

    def nvmlDeviceGetTemperature(self, device: Any, kind: Any, value: Any) -> int:
        return self._put(value, 41)

    def nvmlDeviceGetUtilizationRates(self, device: Any, value: Any) -> int:
        if device.value == 2 or self.lost:
            return 3
        value._obj.gpu = 35
        return 0

    def nvmlDeviceGetMemoryInfo(self, device: Any, value: Any) -> int:
        if self.lost:
            return 15
        value._obj.used = 1 << 30
        return 0

    def _put(self, value: Any, number: int) -> int:
        if self.lost:
            return 15
        value._obj.value = number
        return 0


def test_nvidia_devices_count_energy_where_they_can_and_tell_their_power_elsewhere(tmp_path: Path) -> None:
    found = look(tmp_path, loader=Library)
    assert found.counts == (
        Count(name="gpu:nvidia0", counter_uj=123_456_000, watts=71.25),
        Count(name="gpu:nvidia1", watts=71.25),
    )
    first, second = found.gpus
    assert first == GpuReading(
        gpu="nvidia0",
        clock_hz=1.98e9,
        memory_clock_hz=2.619e9,
        power_w=71.25,
        temperature_c=41.0,
        utilization=0.35,
        memory_used_bytes=float(1 << 30),
    )
    assert (second.gpu, second.utilization) == ("nvidia1", None)


def test_lost_devices_are_left_out_and_looked_for_again_a_minute_later() -> None:
    library = Library()
    nvml = Nvml(lambda: library)
    assert len(nvml.read(0.0)[0]) == 2
    library.lost = True
    assert nvml.read(30.0) == ((), ())
    library.lost = False
    assert nvml.read(59.0) == ((), ())
    assert len(nvml.read(60.0)[0]) == 2
    assert library.opened == 2


def test_an_old_library_and_a_machine_without_one_fail_nothing() -> None:
    assert Nvml(lambda: ctypes.CDLL(None)).read(0.0) == ((), ())
    assert Nvml(absent).read(0.0) == ((), ())


def test_the_example_of_a_hook_tells_what_the_plug_says() -> None:
    asked: list[str] = []

    class Plug(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"id": 0, "output": true, "apower": 143.2, "aenergy": {"total": 50982.1}}')

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Plug) as plug:
        threading.Thread(target=plug.handle_request, daemon=True).start()
        environ = {"PLUG": f"http://127.0.0.1:{plug.server_port}"}
        told = subprocess.run([sys.executable, SHELLY], env=environ, capture_output=True, text=True, check=True)
    assert power_hook.understand(told.stdout) == Count(name="plug", watts=143.2)
    assert asked == ["/rpc/Switch.GetStatus?id=0"]
