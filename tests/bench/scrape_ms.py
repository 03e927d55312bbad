"""`bench scrape_ms sqlite_p50=… …`: milliseconds of one GET /metrics from a server process, to its last byte.

The database holds 1,000 runners that can all be woken, 1,000,000 episodes that ended with an attempt and an act each, a
queue of 5,000, and every series that such a fleet has: each runner woke, was in all states, measured and is read by its
instruments. Between two scrapes the clients of the database write what a scrape interval brings: a report and a
settlement of each runner, and twenty episodes that ended.

- `p50`, `p95`: as it is shipped: every `metrics_cache_s` (5 s) the server looks at the database ahead, and a scrape
  gives what the newest look gave;
- `look_p50`, `look_p95`: with `metrics_cache_s` 0, where each scrape looks for itself, after such writes; `look_cpu` is
  the processor time of the server for one of these;
- `cold`: the first scrape of a process, which reads and writes everything.

`openmetrics_*`: the same in OpenMetrics. Needs `redis-server` and PostgreSQL: `make test-parts`.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import String, cast, func, insert, literal, select, text, true, update
from sqlmodel import Session

from orchestrator.accounting.additions import Additions
from orchestrator.accounting.counting import EndedEpisode, EndedWake, count_episode, count_wake
from orchestrator.accounting.histogram import DISPATCH_SECONDS
from orchestrator.domain.runner import SHOWN_STATES
from orchestrator.domain.wake import WakeStage
from orchestrator.store.account_tables import SpanRow, WatchRow
from orchestrator.store.engine import Store, open_store
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, OutboxRow, RunnerRow
from orchestrator.store.totals import write
from runner_agent.protocol import to_json
from tests.bench.plan_ms import _runner as a_runner
from tests.orchestrator import free_port
from tests.servers import running_postgresql, running_redis

RUNNERS = int(os.environ.get("SCRAPE_RUNNERS", "1000"))
EPISODES = int(os.environ.get("SCRAPE_EPISODES", "1000000"))
QUEUED = 5_000
CAMPAIGNS = 10
AGENTS = ("claude-code", "codex", "replay:finisher", "gemini", "own")
ENDED_BETWEEN = 20
SCRAPES = 40
LIMIT_MS = 100
START_LIMIT_S = 60.0
NOW = datetime.now(UTC)
MATINS = str(Path(sys.executable).with_name("matins"))
ACCEPT = {"text": "text/plain;version=0.0.4", "openmetrics": "application/openmetrics-text;version=1.0.0"}
NAMES = [f"gpu{number:04d}" for number in range(RUNNERS)]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="matins-bench-") as folder, running_redis() as redis:
        server = Server(folder=Path(folder), broker_url=redis.url)
        shown = _measured("sqlite", f"sqlite:///{folder}/matins.sqlite3", server)
        with running_postgresql() as postgresql:
            shown |= _measured("postgresql", postgresql.create("bench"), server)
    size = f"runners={RUNNERS} episodes={EPISODES} limit={LIMIT_MS} scrapes={SCRAPES}"
    print(f"bench scrape_ms {' '.join(f'{name}={value}' for name, value in shown.items())} {size}")


def _measured(kind: str, url: str, server: Server) -> dict[str, str]:
    store = open_store(url)
    begun = time.monotonic()
    _seed(store)
    print(f"{kind}: seeded in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    with server.running(url, cache_s=0) as api:
        cold_ms, body = _scrape(api, "text")
        before_ms = api.cpu_ms()
        looks = [_after_writes(store, api, "text") for _ in range(SCRAPES)]
        cpu_ms = (api.cpu_ms() - before_ms) / SCRAPES
    with server.running(url, cache_s=5) as api:
        openmetrics_cold_ms, _ = _scrape(api, "openmetrics")
        others = [_after_writes(store, api, "openmetrics") for _ in range(SCRAPES)]
        _scrape(api, "text")
        shipped = [_after_writes(store, api, "text") for _ in range(SCRAPES)]
    store.close()
    lines = sum(not line.startswith(b"#") for line in body.splitlines())
    if lines < 150 * RUNNERS:
        raise SystemExit(f"only {lines} series: the benchmark measures less than it says")
    spreads = {"": shipped, "openmetrics_": others, "look_": looks}
    shown = {f"{kind}_{of}{n}": f"{v:.0f}" for of, took in spreads.items() for n, v in _spread(took).items()}
    shown |= {f"{kind}_look_cpu": f"{cpu_ms:.0f}", f"{kind}_cold": f"{cold_ms:.0f}"}
    shown |= {f"{kind}_openmetrics_cold": f"{openmetrics_cold_ms:.0f}"}
    return shown | {f"{kind}_series": str(lines), f"{kind}_mb": f"{len(body) / 1e6:.1f}"}


def _spread(took_ms: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(took_ms), "p95": sorted(took_ms)[int(0.95 * len(took_ms))]}


def _after_writes(store: Store, api: Api, kind: str) -> float:
    with store.writing() as session:
        _report(session)
        additions = Additions()
        _settle(additions)
        for number in range(ENDED_BETWEEN):
            count_episode(additions, _ended(random.Random(), f"new-{time.monotonic_ns()}-{number}"))
        write(session, additions)
    return _scrape(api, kind)[0]


def _scrape(api: Api, kind: str) -> tuple[float, bytes]:
    connection = http.client.HTTPConnection(urlsplit(api.address).netloc, timeout=120)
    begun = time.perf_counter()
    connection.request("GET", "/metrics", headers={"accept": ACCEPT[kind]})
    answer = connection.getresponse()
    body = answer.read()
    took_ms = (time.perf_counter() - begun) * 1000
    connection.close()
    if answer.status != 200 or b"matins_exporter_refresh_success 1.0" not in body:
        raise SystemExit(f"the scrape failed: {answer.status} {body[:300]!r}")
    return took_ms, body


# The database.


def _seed(store: Store) -> None:
    dice = random.Random(1)
    with store.writing() as session:
        session.execute(insert(CampaignRow), [_campaign(number) for number in range(CAMPAIGNS)])
        session.execute(insert(RunnerRow), [_runner(number, dice) for number in range(RUNNERS)])
        session.add(WatchRow(at=NOW, ticks=1_000_000))
        spans = [
            {"runner": n, "state": "busy", "draw": "awake", "started_at": NOW - timedelta(minutes=9)} for n in NAMES
        ]
        session.execute(insert(SpanRow), spans)
        _report(session)
    with store.writing() as session:
        for row in _first():
            session.add(row)
            session.flush()
    for start in range(1, EPISODES, 100_000):
        with store.writing() as session:
            _seed_ended(session, start, min(EPISODES, start + 100_000))
    with store.writing() as session:
        session.execute(insert(EpisodeRow), [_queued(number, dice) for number in range(QUEUED)])
        write(session, _history(dice))
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT", matins_read=True) as connection:
            connection.execute(text("ANALYZE"))


def _seed_ended(session: Session, start: int, end: int) -> None:
    """Copies of the first episode, its attempt and its act, but for ids, runners and campaigns: made by the database
    itself, since a million rows by hand take minutes."""
    numbers = select(literal(start).label("i")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.i + 1).where(numbers.c.i + 1 < end))
    i = cast(numbers.c.i, String)
    runner = "gpu" + func.substr(cast(10_000 + numbers.c.i % RUNNERS, String), 2, 4)
    campaign = "c" + cast(numbers.c.i % CAMPAIGNS, String)
    changed: tuple[tuple[Any, dict[str, Any]], ...] = (
        (EpisodeRow, {"id": "e" + i, "runner": runner, "campaign_id": campaign, "attempt_id": "a" + i}),
        (AttemptRow, {"id": "a" + i, "runner": runner, "episode_id": "e" + i}),
        (OutboxRow, {"attempt_id": "a" + i}),
    )
    for table, values in changed:
        columns = [column for column in table.__table__.columns if column.name in values or column.name != "id"]
        which = EpisodeRow.id == "e0" if table is EpisodeRow else OutboxRow.attempt_id == "a0"
        which = AttemptRow.id == "a0" if table is AttemptRow else which
        source = table.__table__.join(numbers, true())
        copied = select(*(values.get(column.name, column) for column in columns)).select_from(source)
        session.execute(insert(table).from_select([column.name for column in columns], copied.where(which)))


def _first() -> list[Any]:
    dice = random.Random(2)
    times = dict.fromkeys(("phase_since", "submitted_at", "started_at", "ended_at"), NOW)
    of = {
        "campaign_id": "c0",
        "kind": "episode",
        "agent": "codex",
        "phase": "DONE",
        "end_reason": "completed",
        "fence": 1,
    }
    about = {"runner": NAMES[0], "created_at": NOW, "ended": "completed", "ended_at": NOW, "acknowledged_at": NOW}
    done = {"created_at": NOW, "not_before": NOW, "done_at": NOW, "tries": 1}
    return [
        EpisodeRow(id="e0", attempt_id="a0", runner=NAMES[0], result=_result(dice), counted=True, **of, **times),
        AttemptRow(id="a0", episode_id="e0", fence=1, counted=True, costed=True, **about),
        OutboxRow(kind="collect", attempt_id="a0", counted=True, **done),
    ]


def _campaign(number: int) -> dict[str, Any]:
    texts = dict.fromkeys(("text", "filename", "directory", "repo_url", "commit", "acceptance_detail"), "")
    name = f"campaign-{number}"
    facts = {"files": {}, "needs_tags": [], "needs_vram_bytes": 0, "acceptance": "accepted", "submitted_at": NOW}
    return {"id": f"c{number}", "key": name, "name": name, **texts, **facts}


def _runner(number: int, dice: random.Random) -> dict[str, Any]:
    hello = a_runner(number, dice).hello
    return RunnerRow(
        name=NAMES[number],
        kind="ssh",
        power="AWAKE",
        operation="NONE",
        service="IN_SERVICE",
        health="GOOD",
        agent_slots=4,
        tags=[],
        prices={},
        hello=to_json(hello),
        hello_at=NOW,
        mac="02:00:00:00:00:01",
        link_errors={"timeout": 3, "unreachable": 2},
        observe_after=NOW,
        added_at=NOW,
        last_seen=NOW,
        settled_until=NOW,
    ).model_dump()


def _queued(number: int, dice: random.Random) -> dict[str, Any]:
    return EpisodeRow(
        id=f"q{number}",
        campaign_id=f"c{dice.randrange(CAMPAIGNS)}",
        kind="episode",
        agent=dice.choice(AGENTS),
        phase="RUNNING" if number < RUNNERS else "QUEUED",
        runner=NAMES[number] if number < RUNNERS else None,
        phase_since=NOW,
        submitted_at=NOW,
    ).model_dump()


def _result(dice: random.Random) -> dict[str, Any]:
    stages = ("checkout", "session", "quiesce", "build", "lint", "test", "smoke", "grade", "pack")
    kinds = ("bubble", "shader", "submit")
    counts = {kind: ([dice.randrange(500) for _ in range(len(DISPATCH_SECONDS) + 1)], 1.5) for kind in kinds}
    smoke = {"result": "ok", "tokens": 5e3, "seconds": 99.0, "gate_held_s": 120.0, "gate_waits_s": [dice.random() * 60]}
    return {
        "valid": True,
        "items": {"done": 5, "failed": 2},
        "tok_s": dice.uniform(20, 60),
        "baseline_tok_s": 19.0,
        "known_good": {"tok_s": 19.0, "reference_tok_s": 19.2},
        "stages": [{"stage": stage, "seconds": dice.uniform(0, 900)} for stage in stages],
        "smoke": {**smoke, "dispatches": counts, "slowest_s": dict.fromkeys(kinds, 2e-4)},
        "agent_tokens": {"prompt": 500_000, "completion": 20_000, "cached": 400_000},
        "artifact_bytes": 3_000_000,
    }


def _ended(dice: random.Random, episode_id: str, runner: str = "", campaign: int = -1) -> EndedEpisode:
    return EndedEpisode(
        id=episode_id,
        campaign=f"campaign-{campaign if campaign >= 0 else dice.randrange(CAMPAIGNS)}",
        agent=dice.choice(AGENTS),
        model="a-model",
        kind="episode",
        phase="DONE",
        end_reason="completed",
        runner=runner or dice.choice(NAMES),
        submitted_at=NOW - timedelta(hours=2),
        started_at=NOW - timedelta(hours=1),
        ended_at=NOW,
        result=_result(dice),
    )


def _history(dice: random.Random) -> Additions:
    """Every series that such a fleet has."""
    additions = Additions()
    for runner, campaign in product(NAMES, range(CAMPAIGNS)):
        count_episode(additions, _ended(dice, f"old-{runner}-{campaign}", runner, campaign))
    for runner in NAMES:
        stages = [(str(stage), dice.uniform(0, 60)) for stage in WakeStage]
        count_wake(additions, EndedWake(runner=runner, ready=True, stages=stages))
        for state in SHOWN_STATES:
            additions.add("matins_runner_state_seconds", {"runner": runner, "state": state}, dice.random() * 1e6)
    _settle(additions)
    return additions


def _settle(additions: Additions) -> None:
    """Of each runner once, as every fifteen seconds."""
    for runner, source in product(NAMES, ("measured", "estimated")):
        additions.add("matins_runner_energy_joules", {"runner": runner, "source": source}, random.random() * 5000)
    for kind, agent in product(("hardware", "energy", "idle", "wake", "tokens"), ("", *AGENTS)):
        additions.add("matins_cost_usd", {"kind": kind, "agent": agent}, random.random())


def _report(session: Session) -> None:
    """Every runner told its readings a moment ago."""
    now = datetime.now(UTC)
    told = {"last_seen": now, "settled_until": now, "readings_at": now}
    session.execute(update(RunnerRow), [{"name": name, **told, "readings": _readings()} for name in NAMES])
    session.execute(update(WatchRow).values(at=now))


def _readings() -> dict[str, Any]:
    keys = ("clock_hz", "memory_clock_hz", "power_w", "temperature_c", "utilization", "memory_used_bytes")
    gpu = {"gpu": "card0", **{key: random.random() * 100 for key in keys}}
    disk = {"disk_free_bytes": random.randrange(10**12), "disk_size_bytes": 10**12}
    return {"at": "", "gpus": [gpu], "power_w": random.random() * 400, "load1": random.random(), **disk}


# The server.


@dataclass(frozen=True, kw_only=True)
class Api:
    address: str
    pid: int

    def cpu_ms(self) -> float:
        """Of the whole process until now, in user and kernel mode."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1000


@dataclass(frozen=True, kw_only=True)
class Server:
    folder: Path
    broker_url: str

    @contextlib.contextmanager
    def running(self, database_url: str, cache_s: float) -> Iterator[Api]:
        address = f"http://127.0.0.1:{free_port()}"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MATINS_")},
            "MATINS_HOME": str(self.folder / "home"),
            "MATINS_URL": address,
            "MATINS_DATABASE_URL": database_url,
            "MATINS_BROKER_URL": self.broker_url,
            "MATINS_METRICS_CACHE_S": str(cache_s),
        }
        log = self.folder / "api.log"
        with log.open("ab") as output:
            process = subprocess.Popen([MATINS, "api"], stdout=output, stderr=output, env=environment)
        try:
            _await_answer(process, address, log)
            yield Api(address=address, pid=process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _await_answer(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=5)
            connection.request("GET", "/api/v1/health")
            if connection.getresponse().status == 200:
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"matins api does not answer\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
