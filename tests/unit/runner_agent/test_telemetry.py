"""The conditions of a measurement: what a machine tells, and what of it is written down."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner_agent import locks, nvidia, sensors, telemetry
from runner_agent.tenants import Tenants
from tests.unit.runner_agent.machine_files import CARD, HWMON, PACKAGE, RADEON, metrics, nvidia_smi, process, write

ROW = "0, 1980, 2619, 113.53, 700.00, 41, 35, 1024"
MIB = 1024**2


class Ticks:
    """A clock that goes on by `step_s` with each look."""

    def __init__(self, step_s: float = 0.001) -> None:
        self.now_s = 0.0
        self.step_s = step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


@pytest.fixture
def radeon(tmp_path: Path) -> Path:
    return write(tmp_path / "root", RADEON)


def soon(read: Callable[[], Any]) -> Any:
    """What `read` returns once it returns something."""
    until_s = time.monotonic() + 60
    while not (found := read()):
        assert time.monotonic() < until_s, "it never did"
        time.sleep(0.01)
    return found


def test_a_sample_tells_load_clocks_memory_and_the_card_and_where_from(radeon: Path) -> None:
    (radeon / f"{CARD}/gpu_metrics").write_bytes(metrics(1 << 36 | 1))
    assert telemetry.Machine(radeon, clock_s=Ticks()).sample("2026-01-02T03:04:05Z") == {
        "at": "2026-01-02T03:04:05Z",
        "load_1m": 1.5,
        "cpu_pressure_percent": 2.5,
        "cpu_mhz": 2000.0,
        "memory_available_bytes": 51200,
        "gpus": [
            {
                "device": "card1",
                "sm_mhz": 2500.0,
                "memory_mhz": 1249.0,
                "busy_percent": 97,
                "memory_used_bytes": 1024,
                "level": "manual",
                "throttle": ["power", "thermal"],
                "power_w": 300.0,
                "power_cap_w": 339.0,
                "temperature_c": 71.0,
                "hotspot_c": 88.0,
            }
        ],
        "sources": ["proc", "cpufreq", "amdgpu"],
        "took_ms": 1.0,
    }


def test_an_empty_machine_tells_nothing_rather_than_zeros(tmp_path: Path) -> None:
    sample = telemetry.Machine(tmp_path, clock_s=Ticks()).sample("t")
    assert sample == {"at": "t", "sources": [], "took_ms": 1.0}


def test_without_frequency_files_the_clocks_come_from_cpuinfo(tmp_path: Path) -> None:
    text = "processor : 0\ncpu MHz\t\t: 2400.5\nprocessor : 1\ncpu MHz\t\t: 2600.5\n"
    assert telemetry.Machine(write(tmp_path, {"proc/cpuinfo": text})).sample("t")["cpu_mhz"] == 2500.5


def test_without_a_measured_clock_or_mean_power_the_card_tells_the_level_and_the_power_of_the_moment(
    radeon: Path,
) -> None:
    (radeon / f"{HWMON}/freq1_input").unlink()
    (radeon / f"{HWMON}/power1_average").unlink()
    write(radeon, {f"{HWMON}/power1_input": "250000000\n"})
    (gpu,) = sensors.amdgpus(radeon)
    assert (gpu["sm_mhz"], gpu["power_w"]) == (2330.0, 250.0)


@pytest.mark.parametrize(
    ("table", "reasons"),
    [
        (metrics(0), []),
        (
            metrics(1 << 16 | 1 << 45 | 1 << 46 | 1 << 57),
            ["current", "voltage-regulator-hot", "processor-hot", "other"],
        ),
        (metrics(2**64 - 1), None),
        (metrics(1, revisions=(2, 2)), None),
        (metrics(1, size=104), None),
        (metrics(1)[:-1], None),
        (b"", None),
    ],
    ids=["none", "many", "unsupported", "an APU's", "an older table", "cut short", "empty"],
)
def test_throttling_of_a_card_is_told_or_absent(radeon: Path, table: bytes, reasons: list[str] | None) -> None:
    (radeon / f"{CARD}/gpu_metrics").write_bytes(table)
    (gpu,) = sensors.amdgpus(radeon)
    assert gpu.get("throttle") == reasons


def test_what_a_machine_does_not_offer_or_garbles_is_left_out(radeon: Path) -> None:
    garbled = {
        "proc/loadavg": "",
        "proc/meminfo": "MemAvailable: many kB",
        "proc/pressure/cpu": "",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "<unknown>",
        f"{HWMON}/power1_average": "",
        f"{CARD}/pp_dpm_mclk": "*",
    }
    sample = telemetry.Machine(write(radeon, garbled)).sample("t")
    assert sample["sources"] == ["amdgpu"]
    assert set(sample) == {"at", "gpus", "sources", "took_ms"}
    assert not {"power_w", "memory_mhz"} & set(sample["gpus"][0])


def test_this_machine_can_be_read() -> None:
    assert telemetry.Machine().sample("t")["load_1m"] >= 0


@pytest.mark.parametrize(
    ("before", "now", "range_uj", "spent"),
    [(5, 9, 100, 4), (5, 5, None, 0), (95, 4, 99, 9), (95, 4, None, None), (95, 4, 50, None)],
    ids=["went on", "stood", "wrapped", "fell, range unknown", "fell, range below it"],
)
def test_energy_is_the_difference_of_a_counter_that_wraps(
    before: int, now: int, range_uj: int | None, spent: int | None
) -> None:
    assert sensors.energy_spent_uj(before, now, range_uj) == spent


def test_power_of_a_package_is_told_from_the_second_reading_on_and_across_a_wrap(tmp_path: Path) -> None:
    files = {"name": "package-0\n", "max_energy_range_uj": "99999999\n", "energy_uj": "90000000\n"}
    write(tmp_path, {f"{PACKAGE}/{name}": text for name, text in files.items()})
    write(tmp_path, {"sys/class/powercap/intel-rapl:0:0/energy_uj": "1\n"})
    rapl = sensors.Rapl(tmp_path)
    assert rapl.read(10.0) == []
    write(tmp_path, {f"{PACKAGE}/energy_uj": "30000000\n"})
    assert rapl.read(12.0) == [{"zone": "package-0", "energy_j": 40.0, "power_w": 20.0}]
    assert rapl.read(200.0) == [], "nobody knows how often it wrapped meanwhile"


def test_a_line_of_nvidia_smi_is_read_and_unsupported_fields_are_left_out() -> None:
    assert nvidia.row(f"{ROW}, 0x0000000000000044") == {
        "device": "nvidia0",
        "sm_mhz": 1980.0,
        "memory_mhz": 2619.0,
        "power_w": 113.53,
        "power_cap_w": 700.0,
        "temperature_c": 41.0,
        "busy_percent": 35.0,
        "memory_used_bytes": 1024 * MIB,
        "throttle": ["power", "thermal-hardware"],
    }
    unsupported = "1, [N/A], 5001, [Not Supported], nan, [N/A], [N/A], inf, [N/A]"
    assert nvidia.row(unsupported) == {"device": "nvidia1", "memory_mhz": 5001.0}


@pytest.mark.parametrize("line", ["", "No devices were found", "Field x is not a valid field to query.", "0, 1"])
def test_what_is_no_line_of_a_device_is_passed_over(line: str) -> None:
    assert nvidia.row(line) is None


def test_one_nvidia_smi_tells_again_and_again_and_ends_with_the_sampling(tmp_path: Path) -> None:
    script = f'echo $$ > {tmp_path}/pid\necho "{ROW}, 0x0000000000000000"; exec sleep 1000'
    smi = nvidia.NvidiaSmi(nvidia_smi(tmp_path, script))
    (gpu,) = soon(lambda: smi.read(1.0))
    assert (gpu["sm_mhz"], gpu["throttle"]) == (1980.0, [])
    assert smi.read(3.0) == [gpu]
    assert smi.read(4.0) == [], "what was said long ago says nothing of now"
    pid = int((tmp_path / "pid").read_text())
    smi.close()
    assert not Path(f"/proc/{pid}").exists()
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert asked.endswith("--format=csv,noheader,nounits -lms 1000")


def test_an_nvidia_smi_that_does_not_know_a_field_is_asked_without_it(tmp_path: Path) -> None:
    script = f'case "$*" in *reasons*) echo "Field is not valid."; exit 2;; esac\necho "{ROW}"; exec sleep 1000'
    smi = nvidia.NvidiaSmi(nvidia_smi(tmp_path, script))
    (gpu,) = soon(lambda: smi.read(1.0))
    smi.close()
    assert gpu["sm_mhz"] == 1980.0
    assert "throttle" not in gpu
    assert len((tmp_path / "asked").read_text().splitlines()) == 3


def test_an_nvidia_smi_that_only_fails_is_asked_three_times_and_then_no_more(tmp_path: Path) -> None:
    smi = nvidia.NvidiaSmi(nvidia_smi(tmp_path, "exit 9"))
    soon(lambda: not smi.read(1.0) and smi.silent)
    smi.close()
    assert len((tmp_path / "asked").read_text().splitlines()) == 3


def test_a_program_that_cannot_be_started_fails_nothing(tmp_path: Path) -> None:
    smi = nvidia.NvidiaSmi(str(tmp_path / "gone"))
    assert [smi.read(1.0), smi.read(2.0)] == [[], []]
    smi.close()


def test_other_processes_on_the_gpu_are_told_with_the_time_they_took_and_ours_are_not(tmp_path: Path) -> None:
    (tmp_path / "dev/dri").mkdir(parents=True)
    process(tmp_path, 1, parent=0, name="init")
    process(tmp_path, 70, parent=1, name="supervisor")
    process(tmp_path, 71, parent=70, name="smoke", opens="/dev/dri/renderD128", engine_ns=5)
    process(tmp_path, 80, parent=1, name="Xorg", opens="/dev/dri/card0")
    process(tmp_path, 81, parent=1, name="trainer (2)", opens="/dev/dri/renderD128", engine_ns=10**9)
    process(tmp_path, 82, parent=1, name="editor", opens="/dev/null")
    tenants = Tenants(tmp_path, 70, Ticks(0.0))
    assert tenants.read(1.0) == {"tenants": [{"pid": 80, "name": "Xorg"}, {"pid": 81, "name": "trainer (2)"}]}
    process(tmp_path, 81, parent=1, name="trainer (2)", opens="/dev/dri/renderD128", engine_ns=3 * 10**9)
    told = tenants.read(5.0)
    assert told is not None
    assert told["tenants"][1] == {"pid": 81, "name": "trainer (2)", "gpu_share": 0.5}


def test_the_process_that_counts_energy_is_no_tenant_while_it_does(tmp_path: Path) -> None:
    write(tmp_path, {"dev/nvidiactl": ""})
    process(tmp_path, os.getpid(), parent=0, name="python3", opens="/dev/nvidia0")
    lock = tmp_path / "meter.lock"
    tenants = Tenants(tmp_path, 1, Ticks(0.0), lock)
    counted = {"tenants": [{"pid": os.getpid(), "name": "python3"}]}
    assert tenants.read(1.0) == counted
    handle = locks.take(lock)
    locks.sign(handle)
    assert tenants.read(2.0) == {"tenants": []}
    locks.release(handle)
    assert tenants.read(3.0) == counted


def test_a_walk_over_many_processes_is_taken_in_slices(tmp_path: Path) -> None:
    (tmp_path / "dev/dri").mkdir(parents=True)
    for pid in range(100, 130):
        process(tmp_path, pid, parent=0, name="x", opens="/dev/dri/renderD128" if pid == 129 else "")
        (tmp_path / f"proc/{pid}/fd").mkdir(exist_ok=True)
    tenants = Tenants(tmp_path, 7, Ticks(0.002))
    told = [tenants.read(float(n)) for n in range(12)]
    assert told[0] is None
    assert {"tenants": [{"pid": 129, "name": "x"}]} in told


def test_without_a_device_nobody_is_looked_for(tmp_path: Path) -> None:
    process(tmp_path, 80, parent=1, name="Xorg", opens="/dev/dri/card0")
    assert Tenants(tmp_path, 1, Ticks()).read(1.0) is None


def test_processes_that_may_not_be_looked_into_are_counted(tmp_path: Path) -> None:
    (tmp_path / "dev/dri").mkdir(parents=True)
    for pid, line in ((80, "other\0"), (81, "")):
        write(tmp_path, {f"proc/{pid}/cmdline": line})
        (tmp_path / f"proc/{pid}/fd").symlink_to("fd")
    assert Tenants(tmp_path, 1, Ticks()).read(1.0) == {"tenants": [], "tenants_hidden": 1}


class Counting:
    def __init__(self) -> None:
        self.samples = 0
        self.closed = 0
        self.three = threading.Event()

    def sample(self, at: str) -> dict[str, Any]:
        self.samples += 1
        if self.samples == 3:
            self.three.set()
        return {"at": at, "n": self.samples}

    def close(self) -> None:
        self.closed += 1


def test_the_sampler_writes_lines_until_it_is_left_and_closes_its_source(tmp_path: Path) -> None:
    source = Counting()
    with telemetry.Sampler(tmp_path / "c.jsonl", source, interval_s=0.001):
        assert source.three.wait(60)
    lines = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert [line["n"] for line in lines] == list(range(1, source.samples + 1))
    assert lines[0]["at"].endswith("Z")
    assert source.closed == 1


def test_a_sampler_that_cannot_write_fails_nothing(tmp_path: Path) -> None:
    source = Counting()
    with telemetry.Sampler(tmp_path / "absent" / "c.jsonl", source):
        pass
    assert list(tmp_path.iterdir()) == []
    assert source.closed == 1


def test_a_sampler_that_is_left_at_once_has_taken_one_sample(tmp_path: Path) -> None:
    with telemetry.Sampler(tmp_path / "c.jsonl", telemetry.Machine(), interval_s=3600):
        pass
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 1
