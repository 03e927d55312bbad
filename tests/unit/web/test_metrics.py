"""/metrics: names as promised, values as they happened."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, Metric
from prometheus_client import generate_latest as text_format
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_format
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from structlog.testing import capture_logs

import orchestrator
from orchestrator.accounting.families import FAMILIES, Family
from orchestrator.domain.runner import SHOWN_STATES
from orchestrator.web.app import create_app
from orchestrator.web.collector import DatabaseCollector, Picture, families_of
from orchestrator.web.exposition import Exposition
from orchestrator.web.rollups import Counts
from runner_agent.protocol import LaunchSpec
from tests.components import need
from tests.unit.service.leavings import Leavings, broke_down, leavings
from tests.unit.service.rig import Rig, toy
from tests.unit.web.conftest import TOKEN

PROMISED = {
    "matins_runner_info": {"runner", "gpu", "vendor", "driver", "vulkan_api", "os"},
    "matins_runner_state": {"runner", "state"},
    "matins_runner_state_seconds_total": {"runner", "state"},
    "matins_runner_last_seen_timestamp_seconds": {"runner"},
    "matins_runner_energy_joules_total": {"runner", "source"},
    "matins_wake_attempts_total": {"runner", "result"},
    "matins_wake_duration_seconds": {"runner", "stage"},
    "matins_episodes_queued": {"queue"},
    "matins_queue_oldest_age_seconds": {"queue"},
    "matins_episodes_running": {"runner"},
    "matins_episodes_total": {"campaign", "agent", "result"},
    "matins_episode_retries_total": {"reason"},
    "matins_episode_queue_duration_seconds": set(),
    "matins_episode_duration_seconds": set(),
    "matins_episode_phase_duration_seconds": {"phase"},
    "matins_gpu_busy_seconds_total": {"runner"},
    "matins_gpu_gate_wait_seconds": set(),
    "matins_smoke_runs_total": {"runner", "result"},
    "matins_gpu_dispatch_duration_seconds": {"runner", "kind"},
    "matins_generated_tokens_total": {"runner"},
    "matins_generation_seconds_total": {"runner"},
    "matins_smoke_last_tokens_per_second": {"runner", "campaign"},
    "matins_agent_tokens_total": {"agent", "model", "type"},
    "matins_cost_usd_total": {"kind", "agent"},
    "matins_waste_usd_total": {"reason"},
    "matins_signals_total": {"campaign", "agent"},
    "matins_invalid_total": {"campaign", "reason"},
    "matins_items_total": {"campaign", "agent", "status"},
    "matins_artifact_bytes_total": set(),
    "matins_artifact_pulls_total": {"result"},
    "matins_link_errors_total": {"runner", "kind"},
    "matins_exporter_refresh_success": set(),
    "matins_exporter_refresh_timestamp_seconds": set(),
    "matins_build_info": {"version"},
    "matins_runner_health": {"runner", "health"},
    "matins_runner_quarantined": {"runner", "reason"},
    "matins_runner_slots": {"runner", "kind"},
    "matins_gpu_clock_hertz": {"runner", "gpu"},
    "matins_gpu_memory_clock_hertz": {"runner", "gpu"},
    "matins_gpu_power_watts": {"runner", "gpu"},
    "matins_gpu_temperature_celsius": {"runner", "gpu"},
    "matins_gpu_utilization_ratio": {"runner", "gpu"},
    "matins_gpu_memory_used_bytes": {"runner", "gpu"},
    "matins_runner_power_watts": {"runner"},
    "matins_runner_load1": {"runner"},
    "matins_runner_disk_free_bytes": {"runner"},
    "matins_runner_disk_size_bytes": {"runner"},
    "matins_runner_readings_timestamp_seconds": {"runner"},
    "matins_home_free_bytes": set(),
    "matins_home_size_bytes": set(),
    "matins_smoke_baseline_tokens_per_second": {"runner", "campaign"},
    "matins_known_good_tokens_per_second": {"runner", "campaign"},
    "matins_known_good_reference_tokens_per_second": {"runner", "campaign"},
    "matins_ticks_total": set(),
    "matins_last_tick_timestamp_seconds": set(),
    "matins_acts_pending": {"kind"},
    "matins_act_oldest_age_seconds": {"kind"},
    "matins_settled_timestamp_seconds": {"runner"},
    "matins_notifications_total": {"condition", "result"},
}
"""The contract: names and labels that dashboards and alerts are written against."""


def scrape(api: TestClient) -> dict[str, Metric]:
    answer = api.get("/metrics", headers={"accept": "text/plain"})
    assert answer.status_code == 200
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(families: Iterable[Metric], name: str, **labels: str) -> float:
    (found,) = (
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    )
    return found


@dataclass(frozen=True, kw_only=True)
class Past:
    """A service that is only looked at: `ids` are of its episodes, `api` has the token."""

    rig: Rig
    ids: list[str]
    stranger: TestClient
    api: TestClient


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """A preflight and three episodes: one valid, one whose smoke crashed, one that no runner could confine, so that the
    machine proved itself by a canary after each of its three attempts."""
    need("git")
    folder = tmp_path_factory.mktemp("past")
    with capture_logs():
        rig = Rig(toy(folder), folder / "home")
        ids = rig.submit("replay:doer", "replay:crasher", "replay:snooper")

        def leave(spec: LaunchSpec) -> Leavings:
            name = spec.agent.name if spec.agent else ""
            if name == "snooper":
                return broke_down(spec, "SANDBOX_UNAVAILABLE: none")
            return leavings(spec, smoke="crashed") if name == "crasher" else leavings(spec)

        rig.leave = leave
        rig.run()
        rig.cut()
        rig.beat(70)
    stranger, api = (TestClient(create_app(rig.services, TOKEN), raise_server_exceptions=False) for _ in range(2))
    api.headers["authorization"] = f"Bearer {TOKEN}"
    return Past(rig=rig, ids=ids, stranger=stranger, api=api)


def test_metrics_need_no_token_and_parse(past: Past) -> None:
    assert "matins_exporter_refresh_success" in scrape(past.stranger)


def test_open_metrics_parse_too(past: Past) -> None:
    answer = past.stranger.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert "openmetrics" in answer.headers["content-type"]
    assert "matins_episodes" in {family.name for family in parse_openmetrics(answer.text)}


def test_the_series_and_their_labels_are_those_of_the_contract() -> None:
    assert {family.shown: set(family.labels) for family in FAMILIES.values()} == PROMISED


@pytest.mark.parametrize("seeded", [False, True])
def test_every_name_and_label_is_in_the_contract(api: TestClient, past: Past, seeded: bool) -> None:
    for family in scrape(past.api if seeded else api).values():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name in PROMISED
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == PROMISED[name], sample


def test_no_episode_commit_or_path_is_in_a_label(past: Past) -> None:
    text = past.api.get("/metrics").text
    assert not any(one in text for one in past.ids)
    assert past.rig.campaign().commit not in text
    assert str(past.rig.home) not in text


def test_counters_say_what_happened(past: Past) -> None:
    seen = scrape(past.api).values()

    def of(agent: str, name: str, **labels: str) -> float:
        return value(seen, name, campaign="toy", agent=f"replay:{agent}", **labels)

    results = ("valid", "invalid", "failed", "cancelled")
    outcomes = {a: [of(a, "matins_episodes_total", result=r) for r in results] for a in ("doer", "crasher", "snooper")}
    assert outcomes == {"doer": [1, 0, 0, 0], "crasher": [0, 1, 0, 0], "snooper": [0, 0, 1, 0]}
    assert [of(a, "matins_signals_total") for a in ("doer", "crasher", "snooper")] == [1, 0, 0]
    assert value(seen, "matins_invalid_total", campaign="toy", reason="smoke-crashed") == 1
    assert of("doer", "matins_items_total", status="done") == 2
    assert of("crasher", "matins_items_total", status="invalid") == 2
    assert value(seen, "matins_episode_retries_total", reason="sandbox-unavailable") == 2
    assert value(seen, "matins_artifact_pulls_total", result="ok") == 6 + 3
    assert value(seen, "matins_artifact_pulls_total", result="failed") == 0
    assert value(seen, "matins_link_errors_total", runner="local", kind="unreachable") == 1
    assert value(seen, "matins_build_info", version=orchestrator.__version__) == 1


def test_what_smoke_runs_did_is_counted_with_preflights_and_canaries(past: Past) -> None:
    seen = scrape(past.api).values()
    # Preflight, valid episode, the one that crashed, three canaries: four rounds of 100 tokens each, in 1 s each.
    assert value(seen, "matins_generated_tokens_total", runner="local") == 6 * 400
    assert value(seen, "matins_generation_seconds_total", runner="local") == 6 * 4
    assert value(seen, "matins_gpu_busy_seconds_total", runner="local") == 6 * 8
    assert value(seen, "matins_gpu_gate_wait_seconds_count") == 6
    assert value(seen, "matins_smoke_runs_total", runner="local", result="ok") == 5
    assert value(seen, "matins_smoke_runs_total", runner="local", result="crashed") == 1
    assert value(seen, "matins_gpu_dispatch_duration_seconds_count", runner="local", kind="shader") == 6 * 4
    assert value(seen, "matins_gpu_dispatch_duration_seconds_sum", runner="local", kind="shader") == pytest.approx(
        6 * 4 * 2e-6
    )


def test_a_runner_is_in_one_state_and_the_queue_is_counted(api: TestClient, rig: Rig) -> None:
    rig.submit(count=2)
    seen = scrape(api).values()
    states = {state: value(seen, "matins_runner_state", runner="local", state=state) for state in SHOWN_STATES}
    assert sum(states.values()) == states["unknown"] == 1
    assert value(seen, "matins_episodes_queued", queue="episode") == 2
    assert value(seen, "matins_episodes_queued", queue="preflight") == 1
    rig.settle()
    seen = scrape(api).values()
    assert value(seen, "matins_runner_state", runner="local", state="busy") == 1
    assert value(seen, "matins_episodes_running", runner="local") == 1
    assert value(seen, "matins_queue_oldest_age_seconds", queue="episode") > 0


def test_a_fresh_database_shows_what_it_can_count_at_zero(api: TestClient) -> None:
    seen = scrape(api).values()
    assert value(seen, "matins_link_errors_total", runner="local", kind="unreachable") == 0
    assert value(seen, "matins_artifact_pulls_total", result="failed") == 0
    assert value(seen, "matins_gpu_busy_seconds_total", runner="local") == 0
    assert value(seen, "matins_episode_duration_seconds_count") == 0


def test_a_scrape_after_a_restart_says_the_same(past: Past) -> None:
    before = past.api.get("/metrics").content
    past.rig.restart()
    assert but_the_disk(past.api.get("/metrics").content) == but_the_disk(before)


def but_the_disk(told: bytes) -> list[bytes]:
    """The lines without how much is free: others write to it too."""
    return [line for line in told.splitlines() if not line.startswith(b"matins_home_free_bytes ")]


def test_what_is_written_is_what_prometheus_client_would_write(past: Past) -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DatabaseCollector(past.rig.services))

    assert but_the_disk(past.api.get("/metrics").content) == but_the_disk(text_format(registry))
    answer = past.api.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert but_the_disk(answer.content) == but_the_disk(openmetrics_format(registry))
    assert b'# {episode_id="' in answer.content


def test_lines_that_are_written_anew_are_written_right_too(past: Past) -> None:
    """Of a fleet whose names try to break out, over looks between which some values change and series come and go."""
    dice, exposition = random.Random(7), Exposition()
    names = ["plain", 'with "quotes"', "a\\b", "two\nlines", "le spaces 1.0", "ünïcode"]
    values, counts = {}, {}
    for _ in range(5):
        for family in FAMILIES.values():
            chosen = dice.sample(names, 3)
            keys = [tuple(name for _ in family.labels) for name in chosen] if family.labels else [()]
            numbers = {key: dice.choice((0, 1, 0.5, 1e-9, 123456789.25, 1e300)) for key in keys}
            if family.kind == "histogram":
                counts[family.name] = {key: some_counts(family, dice) for key in keys}
            else:
                values[family.name] = numbers
        shown = Shown(Picture(values=values, counts=counts))
        assert exposition.text(values, counts) == text_format(shown)
        assert exposition.openmetrics(values, counts) == openmetrics_format(shown)


def some_counts(family: Family, dice: random.Random) -> Counts:
    counts = tuple(dice.randrange(5) for _ in range(len(family.bounds) + 1))
    return Counts(counts, dice.random(), {"1": ['e"1', family.bounds[1], 1_772_366_400.5]})


class Shown(Collector):
    def __init__(self, picture: Picture) -> None:
        self.picture = picture

    def collect(self) -> Iterator[Metric]:
        return families_of(self.picture)
