"""People are told of each thing once: whatever restarts, whoever ticks beside it, and whichever service is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlmodel import Session, col

from orchestrator.conditions import BY_DEFAULT, Condition
from orchestrator.errors import BadSetting
from orchestrator.machines.messenger import FakeMessenger
from orchestrator.service.notify import TOGETHER, TRIES_MAX, need_places, notify, send_test
from orchestrator.service.services import Services
from orchestrator.settings import Settings
from orchestrator.store.account_tables import TotalRow
from orchestrator.store.engine import Store
from orchestrator.store.fleet import load_fleet
from orchestrator.store.notice_tables import MessageRow, NoticeRow
from orchestrator.store.tables import EpisodeRow, RunnerRow
from orchestrator.store.totals import add_total
from tests.unit.planning.builders import NOW
from tests.unit.service.leavings import leavings
from tests.unit.service.parts import Died, MortalStore
from tests.unit.service.rig import Rig, Toy

MAIL, CHAT = "mailto://ada:geheim@mail.example", "slack://token-a/token-b/token-c"


class Newsroom(Rig):
    """A rig that tells people. What is in `set_to` counts from the next restart on."""

    def __init__(self, toy: Toy, home: Path, runners: tuple[str, ...] = ("local",), slots: int = 2) -> None:
        self.messenger = FakeMessenger()
        self.set_to: dict[str, Any] = {"notify": (MAIL, CHAT), "disk_free_min_ratio": 0.1}
        super().__init__(toy, home, runners, slots)

    def _services(self, store: Store) -> Services:
        given = {**self.set_to, "notify": tuple(SecretStr(url) for url in self.set_to["notify"])}
        settings = Settings(home=self.home / "nowhere", agents_path=(self.toy.folder / "agents",), **given)
        return replace(super()._services(store), settings=settings, messenger=self.messenger)

    def with_settings(self, **given: Any) -> Newsroom:
        self.set_to |= given
        self.restart()
        return self

    def set_runner(self, **values: Any) -> None:
        with self.store.writing() as session:
            session.execute(update(RunnerRow).values(**values))

    def quarantine(self, why: str = "its canary failed") -> None:
        self.set_runner(health="QUARANTINED", detail=why)

    def recover(self) -> None:
        self.set_runner(health="GOOD", detail="")

    def end(self, *episode_ids: str, reason: str = "runner-lost", ago_s: float = 0.0, valid: bool = False) -> None:
        values = {
            "phase": "DONE" if valid else "FAILED",
            "end_reason": reason,
            "ended_at": self.clock() - timedelta(seconds=ago_s),
            "result": {"valid": valid},
        }
        with self.store.writing() as session:
            session.execute(update(EpisodeRow).where(col(EpisodeRow.id).in_(episode_ids)).values(**values))

    def told(self, url: str = CHAT) -> list[str]:
        """The words that arrived at a place."""
        return [letter.body for place, letter in self.messenger.sent if place == url]

    def counted(self) -> dict[str, float]:
        rows = [row for row in self.rows(TotalRow) if row.metric == "matins_notifications"]
        return {row.labels: row.value for row in rows}

    def notify(self, services: Services | None = None) -> None:
        with self.store.reading() as session:
            fleet = load_fleet(session)
        notify(services or self.services, fleet)


@pytest.fixture
def news(the_toy: Toy, tmp_path: Path) -> Newsroom:
    return Newsroom(the_toy, tmp_path / "home")


def test_what_lasts_is_told_once_at_each_place_and_once_that_it_is_over(news: Newsroom) -> None:
    news.quarantine()
    for _ in range(3):
        news.beat(60)
        news.restart()
    assert news.told(MAIL) == news.told(CHAT) == ["local is quarantined: its canary failed"]

    news.recover()
    for _ in range(3):
        news.beat(60)
        news.restart()
    assert news.told(MAIL) == news.told(CHAT)
    assert news.told()[1:] == ["Over after 3 min: local is quarantined: its canary failed"]


def test_what_begins_again_is_told_again(news: Newsroom) -> None:
    for change in (news.quarantine, news.recover, news.quarantine):
        change()
        news.beat(600)
    assert [body.partition(":")[0] for body in news.told()] == [
        "local is quarantined",
        "Over after 10 min",
        "local is quarantined",
    ]


def test_an_episode_without_a_signal_is_told_and_one_that_is_a_signal_is_not(news: Newsroom) -> None:
    first, second = news.submit_accepted(count=2)
    news.end(first, reason="runner-lost")
    news.end(second, reason="completed", valid=True)
    news.beat()
    (body,) = news.told()
    assert body.startswith(f"Episode {first} of ")
    assert "is no signal, runner-lost" in body


def test_every_end_is_told_to_who_asked_for_that(news: Newsroom) -> None:
    news.with_settings(notify_on=(Condition.EPISODE_ENDED,))
    (one,) = news.submit_accepted()
    news.end(one, reason="completed", valid=True)
    news.beat()
    (body,) = news.told()
    assert f"Episode {one} of " in body


def test_a_refused_campaign_is_told_once_for_each_preflight_and_its_episodes_are_not(news: Newsroom) -> None:
    news.with_settings(notify_every_s=0)
    news.leave = lambda spec: leavings(spec, build="failed")
    for times in (1, 2):
        news.submit(count=2)
        news.run()
        assert [body.partition(": ")[0] for body in news.told()] == [
            f"Campaign {news.campaign().name} was refused at preflight"
        ] * times


def test_many_ends_in_a_while_are_one_message(news: Newsroom) -> None:
    first, *others = news.submit_accepted(count=13)
    news.end(first)
    news.beat()
    news.end(*others)
    news.beat(100)
    assert len(news.told()) == 1

    news.beat(300)
    later = news.told()[1].splitlines()
    assert (len(later), later[-1]) == (11, "and 2 more")


def test_another_tick_that_came_between_look_and_write_tells_it_alone(news: Newsroom) -> None:
    news.quarantine()
    other = news.services
    late = Between(news.store, lambda: news.notify(other))
    news.notify(replace(other, store=late))
    assert late.came
    news.answer()
    assert news.told() == ["local is quarantined: its canary failed"]
    assert len(news.rows(MessageRow)) == len(news.rows(NoticeRow)) == 1


class Between(MortalStore):
    """Before the first write, others act."""

    def __init__(self, store: Store, act: Callable[[], None]) -> None:
        super().__init__(store.engine)
        self._act = act
        self.came = False

    @contextmanager
    def writing(self) -> Iterator[Session]:
        if not self.came:
            self.came = True
            self._act()
        with super().writing() as session:
            yield session


def test_two_workers_at_one_message_send_it_once(news: Newsroom) -> None:
    news.quarantine()
    news.notify()
    ((_, act_id),) = [rung for rung in news.bell.rung if rung[0] == "perform"]
    news.messenger = Meanwhile(act=lambda: news.perform(act_id))
    news.services = replace(news.services, messenger=news.messenger)
    news.perform(act_id)
    assert len(news.told(MAIL)) == len(news.told(CHAT)) == 1


class Meanwhile(FakeMessenger):
    """While a message is sent, others act."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act

    def send(self, url: str, letter: Any) -> str:
        self._act()
        return super().send(url, letter)


def test_a_place_that_is_away_gets_it_later_and_the_others_not_again(news: Newsroom) -> None:
    news.messenger.broken[MAIL] = 3
    news.quarantine()
    for _ in range(5):
        news.beat(60)
    assert len(news.told(MAIL)) == len(news.told(CHAT)) == 1
    assert news.counted() == {
        '{"condition":"runner-quarantined","result":"failed"}': 0,
        '{"condition":"runner-quarantined","result":"sent"}': 1,
    }


def test_pauses_between_tries_grow_and_a_place_that_stays_away_is_given_up(
    news: Newsroom, told: list[MutableMapping[str, Any]]
) -> None:
    news.messenger.broken[MAIL] = 1000
    news.quarantine()
    news.beat()
    waits: list[float] = []
    (act,) = news.acts("notify")
    while act.done_at is None:
        waits.append((act.not_before - news.clock()).total_seconds())
        news.clock.advance(waits[-1])
        news.perform(act.id or 0)
        (act,) = news.acts("notify")
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert act.tries == TRIES_MAX
    assert news.counted()['{"condition":"runner-quarantined","result":"failed"}'] == 1
    assert len(news.told(CHAT)) == 1
    assert [entry["event"] for entry in told if entry["event"].startswith("message")][-1] == "message-given-up"


@pytest.mark.parametrize(("transaction", "twice"), [(2, MAIL), (3, CHAT), (4, "")])
def test_who_dies_while_sending_leaves_one_place_that_is_told_twice_at_most(
    news: Newsroom, transaction: int, twice: str
) -> None:
    """The claim is the first transaction; each place that has it is one; the last ends the act."""
    news.quarantine()
    news.notify()
    ((_, act_id),) = [rung for rung in news.bell.rung if rung[0] == "perform"]
    news.store.die_in = transaction
    news.perform(act_id)
    assert news.deaths == 1
    news.perform(act_id)
    assert {url: len(news.told(url)) for url in (MAIL, CHAT)} == {MAIL: 1 + (twice == MAIL), CHAT: 1 + (twice == CHAT)}
    assert news.counted()['{"condition":"runner-quarantined","result":"sent"}'] == 1


def test_who_dies_before_the_message_is_written_leaves_all_to_the_next_tick(news: Newsroom) -> None:
    news.quarantine()
    news.store.die_in = 1
    with pytest.raises(Died):
        news.notify()
    assert not news.rows(NoticeRow)
    news.restart()
    news.beat()
    assert len(news.told()) == 1


def test_a_tick_sends_nothing_itself(news: Newsroom) -> None:
    news.quarantine()
    news.tick()
    assert not news.messenger.sent


def test_without_places_nothing_is_told_and_what_ended_meanwhile_is_no_news_later(news: Newsroom) -> None:
    news.with_settings(notify=())
    (one,) = news.submit_accepted()
    news.end(one)
    news.quarantine()
    news.beat()
    assert not news.rows(NoticeRow)
    assert news.episode(one).noticed

    news.with_settings(notify=(CHAT,))
    news.beat()
    assert news.told() == ["local is quarantined: its canary failed"]


def test_what_ended_long_ago_is_no_news(news: Newsroom) -> None:
    (one,) = news.submit_accepted()
    news.end(one, ago_s=90_000)
    news.beat()
    assert news.episode(one).noticed
    assert not news.told()


def test_what_nobody_wants_to_hear_any_more_ends_in_silence(news: Newsroom) -> None:
    news.quarantine()
    news.beat()
    news.with_settings(notify_on=(Condition.DISK_FILLING,))
    news.beat(600)
    assert len(news.told()) == 1
    assert [row.over_at is not None for row in news.rows(NoticeRow)] == [True]


def test_a_silent_instrument_is_told_until_an_hour_after_its_last_silence(news: Newsroom) -> None:
    news.with_settings(notify_on=(Condition.INSTRUMENT_SILENT,), notify_every_s=0)
    first, second = news.submit_accepted(count=2)
    news.end(first, reason="marker-missing")
    news.beat()
    news.end(second, reason="no-dispatches", ago_s=-3000)
    news.beat(3000)
    news.beat(3000)
    assert len(news.told()) == 1
    news.beat(1000)
    assert [body.partition(":")[0] for body in news.told()[1:]] == ["Over after 117 min"]


def test_a_disk_is_told_as_its_runner_last_reported_it(news: Newsroom) -> None:
    readings = {"at": NOW.isoformat(), "disk_size_bytes": 100 * 2**30}
    news.set_runner(readings={**readings, "disk_free_bytes": 5 * 2**30})
    news.beat()
    news.set_runner(readings={**readings, "disk_free_bytes": 50 * 2**30})
    news.beat(600)
    full = "The disk of local has 5% free (5.0 GiB)"
    assert news.told() == [full, f"Over after 10 min: {full}"]


def test_the_price_of_a_signal_is_that_of_the_last_day(news: Newsroom) -> None:
    news.with_settings(cost_per_signal_max_usd=2.0, notify_every_s=0)

    def spend(usd: float, signals: float) -> None:
        with news.store.writing() as session:
            add_total(session, "matins_cost_usd", {"kind": "energy", "agent": ""}, usd)
            add_total(session, "matins_signals", {"campaign": "c", "agent": "a"}, signals)

    spend(1000.0, 1)
    news.beat()
    spend(30.0, 0)
    news.beat(3600)
    assert not news.told()

    spend(0.0, 10)
    news.beat(3600)
    assert news.told() == ["A signal of the last 24 hours cost 3.00 USD; the bound is 2.00"]

    spend(0.0, 20)
    news.beat(3600)
    assert len(news.told()) == 2


def test_what_is_over_and_told_is_forgotten_after_a_week(news: Newsroom) -> None:
    news.quarantine()
    news.beat()
    news.recover()
    news.beat(600)
    news.quarantine("its canary failed again")
    news.beat(8 * 86400)
    assert [row.says for row in news.rows(NoticeRow)] == ["local is quarantined: its canary failed again"]
    assert len(news.rows(MessageRow)) == len(news.acts("notify")) == 1


def test_a_great_many_ends_are_settled_over_several_ticks(news: Newsroom) -> None:
    (one,) = news.submit_accepted()
    news.end(one)
    row = news.episode(one)
    with news.store.writing() as session:
        session.add_all(EpisodeRow(**{**row.model_dump(), "id": f"{number:012}"}) for number in range(TOGETHER + 10))
    news.bell.rung.clear()
    news.notify()
    assert ("tick", None) in news.bell.rung
    assert sum(row.noticed for row in news.rows(EpisodeRow)) == TOGETHER
    news.notify()
    assert all(row.noticed for row in news.rows(EpisodeRow) if row.ended_at)


def test_a_place_that_cannot_be_told_is_refused_at_the_start_by_its_number(news: Newsroom) -> None:
    news.messenger.unknown.add(CHAT)
    with pytest.raises(BadSetting, match="place 2 of 2 cannot be told") as raised:
        need_places(news.services)
    assert not [word for word in ("slack", "token", "geheim", "mail.example") if word in str(raised.value)]


def test_a_test_says_of_each_place_whether_it_took_it_and_goes_by_no_limit(news: Newsroom) -> None:
    news.messenger.broken[MAIL] = 1
    refused = {"place": 1, "service": "mailto", "sent": False}
    (first, second) = send_test(news.services)
    assert {key: first[key] for key in refused} == refused
    assert second == {"place": 2, "service": "slack", "sent": True, "problem": ""}
    assert all(place["sent"] for place in send_test(news.services))


def test_nothing_that_is_logged_or_stored_holds_a_part_of_a_url(
    news: Newsroom, told: list[MutableMapping[str, Any]]
) -> None:
    news.messenger.broken[MAIL] = 1
    news.quarantine()
    for _ in range(3):
        news.beat(60)
    kept = f"{told}{news.acts('notify')}{news.rows(MessageRow)}{news.rows(NoticeRow)}{send_test(news.services)}"
    assert "message-postponed" in kept
    assert not [word for word in ("geheim", "mail.example", "token-a") if word in kept]


def test_all_but_the_end_of_each_episode_is_told_by_default() -> None:
    assert Settings().notify_on == BY_DEFAULT
