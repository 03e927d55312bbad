"""Who samples a machine, how long, and what a report tells of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner_agent import locks, metering, sampling
from runner_agent.home import Home
from runner_agent.instruments import Instruments, Look
from runner_agent.meter import Count, Moment
from runner_agent.metering import Kept
from runner_agent.nvml import Nvml
from runner_agent.power_hook import Hook
from runner_agent.protocol import GpuReading
from runner_agent.sampling import LINGER_S, Watch

NOW = Moment(boot_id="b1", boottime_s=1000.0, slept_s=0.0, epoch_s=1_767_225_600.0)
CARD = GpuReading(gpu="card0", power_w=300.0)
GPU = Count(name="gpu:card0", watts=300.0)
LOOK = Look(counts=(GPU,), whole=False, gpus=(CARD,))


class Counting(Instruments):
    """Each look is the next second's; after `ends` looks nobody asks any more."""

    def __init__(self, home: Home, during: Callable[[], None] = lambda: None, looks: int = 1) -> None:
        super().__init__(Hook(home.power_hook), home.root, Nvml(lambda: None))
        self._home = home
        self._during = during
        self._left = looks
        self.looks = 0

    def look(self, now_s: float) -> Look:
        self.looks += 1
        self._during()
        if self.looks == self._left:
            self._home.meter_asked.write_text("another agent")
        return LOOK


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "meter.asked").write_text("agent")
    return Home(tmp_path)


def later(seconds: float, boot_id: str = "b1") -> Moment:
    boottime_s, epoch_s = NOW.boottime_s + seconds, NOW.epoch_s + seconds
    return replace(NOW, boot_id=boot_id, boottime_s=boottime_s, epoch_s=epoch_s)


def test_of_many_that_would_sample_one_does(home: Home) -> None:
    others = [Counting(home) for _ in range(7)]

    def meanwhile() -> None:
        threads = [threading.Thread(target=sampling.keep, args=(home, "agent", other, 0.0)) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    only = Counting(home, meanwhile)
    assert sampling.keep(home, "agent", only, 0.0) == 0
    assert [only.looks, *(other.looks for other in others)] == [1, 0, 0, 0, 0, 0, 0, 0]


def test_whoever_samples_next_goes_on_from_what_is_kept(home: Home) -> None:
    sampling.keep(home, "agent", Counting(home, looks=3), 0.0)
    first = metering.read(home).tally
    home.meter_asked.write_text("agent")
    sampling.keep(home, "agent", Counting(home, looks=3), 0.0)
    second = metering.read(home).tally
    assert first
    assert second
    assert second.epoch == first.epoch
    assert second.covered_s > first.covered_s > 0
    assert second.joules["gpu:card0"] == pytest.approx(300 * second.covered_s)


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"tally": 5}', b'{"power_w": NaN}', b'{"schema": "2"}', None])
def test_a_lost_or_damaged_file_begins_a_new_epoch(home: Home, damage: bytes | None) -> None:
    sampling.keep(home, "agent", Counting(home, looks=2), 0.0)
    before = metering.read(home).tally
    if damage is None:
        home.meter.unlink()
    else:
        home.meter.write_bytes(damage)
    assert metering.read(home) == Kept()
    home.meter_asked.write_text("agent")
    sampling.keep(home, "agent", Counting(home), 0.0)
    after = metering.read(home).tally
    assert before
    assert after
    assert after.epoch != before.epoch
    assert after.joules == {"gpu:card0": 0.0}


def test_a_meter_that_cannot_be_written_ends_the_sampling(home: Home) -> None:
    home.meter.mkdir()
    assert sampling.keep(home, "agent", Counting(home, looks=9), 0.0) == 1
    assert not locks.is_held(home.meter_lock)


def watch(home: Home) -> Watch:
    return Watch(home, "agent", locks.take(home.meter_lock))


def test_it_goes_on_for_some_seconds_after_the_last_report(home: Home) -> None:
    watched = watch(home)
    assert watched.wanted(100.0)
    assert watched.wanted(100.0 + LINGER_S - 0.1)
    assert not watched.wanted(100.0 + LINGER_S)


def test_it_goes_on_while_an_attempt_lives_whoever_asks(home: Home) -> None:
    watched = watch(home)
    alive = home.attempt("a1").alive
    alive.parent.mkdir(parents=True)
    handle = locks.take(alive)
    assert watched.wanted(100.0)
    assert watched.wanted(9999.0)
    locks.release(handle)
    assert not watched.wanted(9999.0)


def test_it_ends_once_another_agent_file_asks_or_the_home_is_another(home: Home) -> None:
    watched = watch(home)
    home.meter_asked.write_text("newer agent")
    assert not watched.wanted(100.0)
    home.meter_asked.write_text("agent")
    assert watched.wanted(100.0)
    home.meter_lock.unlink()
    home.meter_lock.touch()
    assert not watched.wanted(100.0)


def test_a_report_tells_what_was_kept_while_it_is_fresh(home: Home) -> None:
    kept = sampling.add(sampling.add(Kept(), LOOK, NOW, "e1"), LOOK, later(1), "e2")
    meter, readings = metering.shown(kept, home, later(2))
    assert meter
    assert (meter.epoch, meter.joules, meter.covered_s) == ("e1", {"gpu:card0": 300.0}, 1.0)
    assert (readings.at, readings.gpus, readings.power_w) == ("2026-01-01T00:00:02.000Z", (CARD,), 300.0)
    assert readings.disk_size_bytes >= readings.disk_free_bytes > 0
    assert readings.load1 is not None
    for old in (later(1 + metering.FRESH_S + 0.1), later(2, boot_id="b2")):
        meter, readings = metering.shown(kept, home, old)
        assert meter, "what was counted stays counted"
        assert (readings.gpus, readings.power_w) == ((), None)


def test_a_hook_that_says_nothing_for_once_leaves_what_it_said(home: Home) -> None:
    silent = replace(LOOK, counts=(), problem="it did not end")
    kept = sampling.add(sampling.add(Kept(), LOOK, NOW, "e1"), silent, later(1), "e2")
    assert kept.problem == "it did not end"
    assert metering.shown(kept, home, later(2))[1].power_w == 300.0
    assert metering.shown(kept, home, later(metering.FRESH_S + 0.1))[1].power_w is None


def test_before_anything_was_sampled_a_report_tells_load_and_disk_alone(tmp_path: Path) -> None:
    meter, readings = metering.shown(Kept(), Home(tmp_path), NOW)
    assert meter is None
    assert (readings.gpus, readings.power_w) == ((), None)
    _, readings = metering.shown(Kept(), Home(tmp_path / "absent"), NOW)
    assert (readings.disk_free_bytes, readings.disk_size_bytes) == (0, 0)
