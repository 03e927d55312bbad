"""All series of `/metrics`: names, labels and what they say. Dashboards and alerts are written against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.accounting.histogram import DISPATCH_SECONDS, SECONDS, WAKE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Family:
    """`name`: of a counter without `_total`, as in the roll-ups. `bounds`: of a histogram, its upper bounds."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    says: str
    bounds: Sequence[float] = ()

    @property
    def shown(self) -> str:
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _gauge(name: str, says: str, *labels: str) -> Family:
    return Family(name=f"matins_{name}", kind="gauge", labels=labels, says=says)


def _counter(name: str, says: str, *labels: str) -> Family:
    return Family(name=f"matins_{name}", kind="counter", labels=labels, says=says)


def _histogram(name: str, says: str, bounds: Sequence[float], *labels: str) -> Family:
    return Family(name=f"matins_{name}", kind="histogram", labels=labels, says=says, bounds=bounds)


_FAMILIES = (
    _gauge("exporter_refresh_success", "Whether the database could be read."),
    _gauge("exporter_refresh_timestamp_seconds", "When what is shown was read."),
    _gauge("build_info", "Version of the orchestrator.", "version"),
    # Of runners.
    _gauge("runner_info", "What a runner told of itself.", "runner", "gpu", "vendor", "driver", "vulkan_api", "os"),
    _gauge("runner_state", "1 for the state that is shown.", "runner", "state"),
    _counter("runner_state_seconds", "Time in which a runner was shown so.", "runner", "state"),
    _gauge("runner_health", "1 for the health that it is judged to have.", "runner", "health"),
    _gauge("runner_quarantined", "1 while quarantined for that reason.", "runner", "reason"),
    _gauge("runner_slots", "How many it has of a kind.", "runner", "kind"),
    _gauge("runner_last_seen_timestamp_seconds", "When a runner last answered.", "runner"),
    _counter("link_errors", "Calls to a runner that failed.", "runner", "kind"),
    _counter("runner_energy_joules", "Energy, by where the figure is from.", "runner", "source"),
    _gauge("settled_timestamp_seconds", "Up to when a runner's costs are in the ledger.", "runner"),
    _counter("wake_attempts", "Wakes that ended.", "runner", "result"),
    _histogram("wake_duration_seconds", "Time until a stage of a wake came.", WAKE_SECONDS, "runner", "stage"),
    # What instruments on runners show.
    _gauge("gpu_clock_hertz", "Shader clock.", "runner", "gpu"),
    _gauge("gpu_memory_clock_hertz", "Memory clock.", "runner", "gpu"),
    _gauge("gpu_power_watts", "Power of a device.", "runner", "gpu"),
    _gauge("gpu_temperature_celsius", "Temperature of a device.", "runner", "gpu"),
    _gauge("gpu_utilization_ratio", "Part of the time in which a device was busy.", "runner", "gpu"),
    _gauge("gpu_memory_used_bytes", "Memory of a device in use.", "runner", "gpu"),
    _gauge("runner_power_watts", "Power of all that is measured.", "runner"),
    _gauge("runner_load1", "Load average over a minute.", "runner"),
    _gauge("runner_disk_free_bytes", "Free space where a runner keeps its work.", "runner"),
    _gauge("runner_disk_size_bytes", "Size of that file system.", "runner"),
    _gauge("runner_readings_timestamp_seconds", "When readings last came.", "runner"),
    # Of episodes.
    _gauge("episodes_running", "Episodes on a runner.", "runner"),
    _gauge("episodes_queued", "Episodes without a runner.", "queue"),
    _gauge("queue_oldest_age_seconds", "Age of the oldest queued episode.", "queue"),
    _counter("episodes", "Episodes that ended.", "campaign", "agent", "result"),
    _counter("episode_retries", "Attempts after the first.", "reason"),
    _counter("signals", "Valid verdicts, each measurement once.", "campaign", "agent"),
    _counter("invalid", "Episodes that are no signal.", "campaign", "reason"),
    _counter("items", "Items of judged episodes.", "campaign", "agent", "status"),
    _histogram("episode_queue_duration_seconds", "From submission to first launch.", SECONDS),
    _histogram("episode_duration_seconds", "From first launch to the end.", SECONDS),
    _histogram("episode_phase_duration_seconds", "Time in a stage.", SECONDS, "phase"),
    _counter("agent_tokens", "Tokens that agents used.", "agent", "model", "type"),
    _counter("artifact_bytes", "Bytes of artifacts kept."),
    _counter("artifact_pulls", "Pulls of artifacts.", "result"),
    # Of GPUs.
    _counter("gpu_busy_seconds", "Time in which a GPU gate was held.", "runner"),
    _histogram("gpu_gate_wait_seconds", "Waits for a GPU gate.", SECONDS),
    _counter("smoke_runs", "Smoke stages.", "runner", "result"),
    _histogram("gpu_dispatch_duration_seconds", "Parts of a dispatch.", DISPATCH_SECONDS, "runner", "kind"),
    _counter("generated_tokens", "Tokens generated by smoke runs.", "runner"),
    _counter("generation_seconds", "Time that smoke runs generated for.", "runner"),
    _gauge("smoke_last_tokens_per_second", "Of the newest episode.", "runner", "campaign"),
    _gauge("smoke_baseline_tokens_per_second", "Of the base beside the newest episode.", "runner", "campaign"),
    _gauge("known_good_tokens_per_second", "Of the newest known-good run.", "runner", "campaign"),
    _gauge("known_good_reference_tokens_per_second", "Median of the known-good runs before.", "runner", "campaign"),
    # Of money.
    _counter("cost_usd", "What was spent.", "kind", "agent"),
    _counter("waste_usd", "What was spent without a signal.", "reason"),
    # Of the service.
    _counter("ticks", "Plans that were made."),
    _gauge("last_tick_timestamp_seconds", "When the last plan was made."),
    _gauge("acts_pending", "Acts that were decided and are not done.", "kind"),
    _gauge("act_oldest_age_seconds", "Age of the oldest of them.", "kind"),
    _counter("notifications", "Messages to people.", "condition", "result"),
    _gauge("home_free_bytes", "Free space where the orchestrator keeps its state."),
    _gauge("home_size_bytes", "Size of that file system."),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _FAMILIES}
"""By name, in the order in which they are shown."""
