"""Waking a machine that is made of a script, on a clock that only pausing and looking move."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event

import pytest

from orchestrator.domain.runner import Address
from orchestrator.domain.wake import GpuNeed, WakeAttempt, WakeRecord, WakeStage
from orchestrator.errors import LinkError
from orchestrator.machines.fake import HELLO, FakeLink
from orchestrator.machines.wake_probe import MachineSenses, Sighting, prove
from orchestrator.machines.wol import WakeTarget
from runner_agent.protocol import Gpu, Hello, Report, ReportRequest
from tests.unit.planning.sleepers import NOW, waking

CPU = Gpu(
    name="llvmpipe", vendor="0", device_type="cpu", driver="1", vulkan_api="1.3", device_uuid="0", vram_bytes=1 << 33
)
CARD = replace(CPU, name="RX 7900 XTX", device_type="discrete-gpu", vram_bytes=24 << 30)


@dataclass
class Scripted:
    """`wakes_on`: how many packets it takes; `takes_s`: seconds each stage takes after the one before; a stage that is
    not there never comes."""

    wakes_on: int = 1
    takes_s: dict[WakeStage, float] = field(default_factory=lambda: dict.fromkeys(list(WakeStage)[1:], 4.0))
    says: str = "connection refused"
    now: datetime = NOW
    packets: int = 0
    heard_at: datetime | None = None

    def send(self) -> int:
        self.packets += 1
        if self.packets == self.wakes_on:
            self.heard_at = self.now
        return 1

    def look(self, stage: WakeStage, limit_s: float, age_s: float) -> Sighting:
        self.now += timedelta(seconds=0.1)
        if self.heard_at is None:
            return Sighting(came=False, detail="no answer in time")
        order = list(WakeStage)[1 : list(WakeStage).index(stage) + 1]
        if any(one not in self.takes_s for one in order):
            raise ConnectionRefusedError(111, self.says)
        due = self.heard_at + timedelta(seconds=sum(self.takes_s[one] for one in order))
        return Sighting(came=self.now >= due, detail=self.says, boot_id="boot-7")

    def clock(self) -> datetime:
        return self.now

    def pause(self, pause_s: float) -> None:
        self.now += timedelta(seconds=pause_s)


def proven(machine: Scripted, wake: WakeAttempt | None = None, slice_s: float = 1e6) -> WakeAttempt | WakeRecord:
    return prove(wake or waking(since_s=0, deadline_s=60), machine, machine.clock, machine.pause, slice_s)


def record(machine: Scripted) -> WakeRecord:
    ended = proven(machine)
    assert isinstance(ended, WakeRecord)
    return ended


def test_every_stage_of_a_good_wake_is_seen_and_timed() -> None:
    ended = record(Scripted())
    assert ended.ready and ended.boot_id == "boot-7"
    assert [time.stage for time in ended.stages] == list(WakeStage)
    assert all(abs(time.seconds - 4) < 1 for time in ended.stages[1:])
    assert 24 <= ended.seconds < 26


def test_a_last_look_that_the_deadline_cuts_short_hides_nothing_that_was_seen() -> None:
    @dataclass
    class Hasty(Scripted):
        def look(self, stage: WakeStage, limit_s: float, age_s: float) -> Sighting:
            if stage is WakeStage.SSH and limit_s < 1:
                self.now += timedelta(seconds=limit_s)
                raise LinkError(f"no answer within {limit_s:.1f} s", kind="timeout")
            return super().look(stage, limit_s, age_s)

    found = record(Hasty(takes_s={WakeStage.LINK: 1.0, WakeStage.TCP: 1.0}, says="another key than was pinned"))
    assert found.failed_stage is WakeStage.SSH
    assert "another key than was pinned" in found.reason


def test_packets_go_on_until_the_third_is_heard() -> None:
    ended = record(Scripted(wakes_on=3))
    assert ended.ready and ended.packets >= 3
    assert 10 <= ended.stages[1].seconds < 16


def test_a_machine_that_never_wakes_fails_at_the_link_within_its_deadline() -> None:
    ended = record(Scripted(wakes_on=10**9))
    assert ended.failed_stage is WakeStage.LINK
    assert ended.reason == "sent, but no answer to ARP: no answer in time"
    assert 60 <= ended.seconds < 62 and 10 <= ended.packets <= 13


def test_each_stage_that_does_not_come_gives_its_own_reason() -> None:
    for missing in list(WakeStage)[1:]:
        times = {stage: 1.0 for stage in list(WakeStage)[1:] if stage is not missing}
        ended = record(Scripted(takes_s=times))
        assert ended.failed_stage is missing
        assert [time.stage for time in ended.stages] == list(WakeStage)[: list(WakeStage).index(missing)]


def test_a_machine_that_dies_on_its_way_up_fails_at_the_stage_it_did_not_reach() -> None:
    ended = record(Scripted(takes_s={WakeStage.LINK: 2.0, WakeStage.TCP: 2.0}))
    assert ended.failed_stage is WakeStage.SSH and ended.showed_life


def test_a_packet_that_cannot_be_sent_is_named() -> None:
    class Unplugged(Scripted):
        def send(self) -> int:
            raise LinkError("this host has no network interface eth7")

    ended = record(Unplugged())
    assert ended.failed_stage is WakeStage.PACKET
    assert ended.reason == "the magic packet could not be sent: this host has no network interface eth7"


def test_a_wake_is_gone_on_with_slice_by_slice_as_if_it_had_never_been_put_down() -> None:
    machine, wake, slices = Scripted(), waking(since_s=0, deadline_s=60), 0
    while isinstance(wake, WakeAttempt):
        wake, slices = proven(machine, wake, slice_s=3), slices + 1
    assert wake.ready and slices > 5
    assert 24 <= wake.seconds < 26


def senses(said: Hello, gpu: GpuNeed, refusal: str = "", link: FakeLink | None = None) -> MachineSenses:
    def knock(limit_s: float) -> None:
        if refusal:
            raise LinkError(refusal)

    return MachineSenses(
        Address(runner="gpu01", kind="ssh", host="127.0.0.1"),
        WakeTarget(mac="02:00:00:00:00:01"),
        link or FakeLink(said),
        knock,
        gpu,
    )


def test_boot_id_hello_and_gpu_are_asked_of_the_agent() -> None:
    machine = senses(replace(HELLO, gpus=(CARD,)), GpuNeed.HARDWARE)
    for stage in (WakeStage.SSH, WakeStage.BOOT_ID, WakeStage.HELLO, WakeStage.VULKAN):
        assert machine.look(stage, 5, 5).came
    assert machine.look(WakeStage.BOOT_ID, 5, 5).boot_id == "boot-1"


def test_a_machine_that_dies_under_a_question_holds_up_no_look_beyond_its_limit() -> None:
    healed = Event()

    class Dead(FakeLink):
        def report(self, request: ReportRequest) -> Report:
            healed.wait()
            return super().report(request)

        def hello(self) -> Hello:
            healed.wait()
            return super().hello()

    machine = senses(HELLO, GpuNeed.ANY, link=Dead())
    try:
        for stage in (WakeStage.BOOT_ID, WakeStage.HELLO, WakeStage.VULKAN):
            with pytest.raises(TimeoutError):
                machine.look(stage, 0.05, 5)
    finally:
        healed.set()


def test_a_device_on_the_processors_is_no_card() -> None:
    said = replace(HELLO, gpus=(CPU,))
    lost = senses(said, GpuNeed.HARDWARE).look(WakeStage.VULKAN, 5, 5)
    assert not lost.came and lost.detail == "its driver lists only a device on the processors"
    assert senses(said, GpuNeed.ANY).look(WakeStage.VULKAN, 5, 5).came


def test_no_device_at_all_is_told_with_the_drivers_words() -> None:
    said = replace(HELLO, gpus=(), gpu_problem="VK_ERROR_INITIALIZATION_FAILED")
    assert senses(said, GpuNeed.ANY).look(WakeStage.VULKAN, 5, 5) == Sighting(
        came=False, detail="VK_ERROR_INITIALIZATION_FAILED"
    )


def test_a_wrong_host_key_is_told_as_the_missing_session() -> None:
    class HalfUp(Scripted):
        def look(self, stage: WakeStage, limit_s: float, age_s: float) -> Sighting:
            self.now += timedelta(seconds=1)
            real = senses(HELLO, GpuNeed.ANY, refusal="the host key is ssh-ed25519 AAAAx, not the pinned one")
            return real.look(stage, limit_s, age_s) if stage is WakeStage.SSH else Sighting(came=True)

    ended = record(HalfUp())
    assert ended.failed_stage is WakeStage.SSH
    assert ended.reason.endswith("our own key: the host key is ssh-ed25519 AAAAx, not the pinned one")
