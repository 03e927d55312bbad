"""Telling people: a tick settles what is told, and leaves the telling to an act of the outbox. With no database session
open, and never in a tick, is anything sent."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from pydantic import SecretStr
from sqlmodel import Session

from orchestrator.conditions import Condition
from orchestrator.domain.fleet import FleetState
from orchestrator.errors import BadSetting
from orchestrator.machines.messenger import UNKNOWN, Letter
from orchestrator.planning.notices import Change, Draft, change, compose
from orchestrator.planning.noticing import HOME, Bounds, Disk, Seen, find, unsaid
from orchestrator.service.services import Services
from orchestrator.settings import Settings
from orchestrator.store import notices
from orchestrator.store.messages import end_message, load_message, made_lately, note_reached, post
from orchestrator.store.outbox import Act, finish, postpone

log = structlog.get_logger()

TOGETHER = 500
"""Ends of episodes that are settled at once."""

NEWS_S = 86400.0
"""Of an episode that ended before that nobody is told: it is in the list of episodes."""

TRIES_MAX = 12
RETRY_DELAY_MAX_S = 600.0
"""A service that is away is tried for half an hour; then the message is given up."""


@dataclass(frozen=True, kw_only=True)
class News:
    """What a tick changes; nothing where all is empty."""

    noticed: Collection[str] = ()
    change: Change = field(default_factory=Change)
    spending: bool = False


def need_places(services: Services) -> None:
    """Raises BadSetting where a URL in `notify` is none that apprise can use. The URL is a secret, so its place is said
    instead."""
    settings = services.settings
    for place, url in enumerate(settings.notify, start=1):
        if not services.messenger.knows(url.get_secret_value()):
            source = settings.sources()["notify"]
            raise BadSetting(
                f"notify (from {source}): place {place} of {len(settings.notify)} cannot be told: {UNKNOWN}",
                "correct it or leave it out: a service's URL is as apprise's documentation has it",
            )


def notify(services: Services, fleet: FleetState) -> None:
    """Twice, or by two at once, it settles the same once."""
    with services.store.reading() as session:
        if _news(session, services, fleet) == News() and _draft(session, services) is None:
            return
    with services.store.writing() as session:
        news = _news(session, services, fleet)
        _settle(session, services, news)
        draft = _draft(session, services)
        act_id = None
        if draft is not None:
            notices.told(session, draft.notices)
            notices.forget(session, services.now())
            act_id = post(session, draft, services.now())
    if act_id is not None:
        services.doorbell.perform(act_id)
    if len(news.noticed) >= TOGETHER:
        services.doorbell.tick()


def _settle(session: Session, services: Services, news: News) -> None:
    notices.mark_noticed(session, news.noticed)
    notices.apply(session, news.change, services.now())
    if news.spending:
        notices.note_spending(session, services.now())


def _wanted(settings: Settings) -> frozenset[Condition]:
    return frozenset(settings.notify_on if settings.notify else ())


def _news(session: Session, services: Services, fleet: FleetState) -> News:
    settings, now = services.settings, services.now()
    ids = tuple(notices.unnoticed(session, TOGETHER))
    lasting = notices.load_lasting(session)
    wanted = _wanted(settings)
    if not wanted:
        return News(noticed=ids, change=change(lasting, (), wanted=wanted))
    bound = settings.cost_per_signal_max_usd if Condition.COST_HIGH in wanted else 0.0
    seen = Seen(
        now=now,
        fleet=fleet,
        ended=notices.load_ended(session, ids, now - timedelta(seconds=NEWS_S)) if ids else (),
        disks={**notices.load_disks(session), **_home_disk(settings)},
        silent={
            notice.key.partition(":")[2]: notice.seen_at
            for notice in lasting
            if notice.condition is Condition.INSTRUMENT_SILENT
        },
        lasting={notice.key for notice in lasting},
        last_launch_at=notices.last_launch_at(session),
        usd_per_signal=notices.usd_per_signal(session, now) if bound else 0.0,
    )
    bounds = Bounds(
        disk_free_min_ratio=settings.disk_free_min_ratio,
        usd_per_signal=bound,
        submitter=settings.notify_submitter,
    )
    return News(
        noticed=ids,
        change=change(lasting, find(seen, bounds), unsaid=unsaid(seen), wanted=wanted),
        spending=bool(bound) and notices.spending_is_due(session, now),
    )


def _home_disk(settings: Settings) -> dict[str, Disk]:
    try:
        usage = shutil.disk_usage(settings.home)
    except OSError:
        return {}
    return {HOME: Disk(free_bytes=usage.free, size_bytes=usage.total)}


def _draft(session: Session, services: Services) -> Draft | None:
    settings, now = services.settings, services.now()
    wanted = _wanted(settings)
    untold = [notice for notice in notices.load_untold(session) if notice.condition in wanted] if wanted else []
    sent = made_lately(session, now, settings.notify_every_s) if untold else []
    return compose(untold, sent, settings.notify_every_s, now)


def deliver(services: Services, act: Act) -> None:
    """Sends a message to each place that does not have it. Which have it is kept one by one, so that whoever goes on
    after a death sends it at most once more to one of them."""
    with services.store.reading() as session:
        message = load_message(session, act.id)
    if message is None:
        with services.store.writing() as session:
            finish(session, act, services.now())
        return
    letter = Letter(
        title=message.title, body=message.body, severity="warning" if message.severity == "warning" else "info"
    )
    missed: list[str] = []
    for place, url in enumerate(services.settings.notify, start=1):
        if place in message.reached:
            continue
        problem = services.messenger.send(url.get_secret_value(), letter)
        if problem:
            missed.append(f"place {place}: {problem}")
            continue
        with services.store.writing() as session:
            note_reached(session, act.id, place)
    _conclude(services, act, missed)


def _conclude(services: Services, act: Act, missed: list[str]) -> None:
    now, given_up = services.now(), act.tries >= TRIES_MAX
    with services.store.writing() as session:
        if missed and not given_up:
            postpone(session, act, now, min(RETRY_DELAY_MAX_S, 2.0**act.tries), "; ".join(missed))
        else:
            end_message(session, act.id, "failed" if missed else "sent", now)
            finish(session, act, now)
    if missed:
        log.warning("message-given-up" if given_up else "message-postponed", act=act.kind, tries=act.tries, why=missed)
    else:
        log.info("message-sent", act=act.kind, places=len(services.settings.notify))


def send_test(services: Services) -> list[dict[str, object]]:
    """`{"place", "service", "sent", "problem"}` for each place, all asked at once."""
    letter = Letter(title="Matins: a test", body="Somebody asked Matins for a test: messages arrive here.")
    urls = services.settings.notify
    with ThreadPoolExecutor(max_workers=max(1, len(urls))) as pool:
        places = enumerate(urls, start=1)
        return list(pool.map(lambda each: _tested(services, each[0], each[1], letter), places))


def _tested(services: Services, place: int, url: SecretStr, letter: Letter) -> dict[str, object]:
    problem = services.messenger.send(url.get_secret_value(), letter)
    service = url.get_secret_value().partition("://")[0] if problem != UNKNOWN else ""
    return {"place": place, "service": service, "sent": not problem, "problem": problem}
