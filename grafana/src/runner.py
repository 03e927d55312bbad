"""One machine: what Matins sees of it, and what its node_exporter says.

node_exporter's targets carry a label `runner` with the machine's name in Matins (grafana/prometheus/targets/node.yml).
Series as node_exporter 1.5.0 has them with `--collector.drm`: the amdgpu driver's `node_drm_*`, and `node_hwmon_*`.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.src.frame import Section, choice, dashboard, one_of
from grafana.src.panels import About, Query, lines, number, of, rows, series, states
from grafana.src.words import STATES, state_number

THIS = 'runner="$runner"'
NODE = 'job=~"$node_job", runner="$runner"'


def node(metric: str, *matchers: str) -> str:
    return series(metric, NODE, *matchers)


def made() -> Dashboard:
    return dashboard(
        "Runner",
        "One machine: what Matins sees of it, and what its node_exporter says.",
        (_now(), _work(), _readings(), _amdgpu(), _machine()),
        one_of("runner", "Runner", 'label_values(matins_runner_info{job=~"$job", instance=~"$instance"}, runner)'),
        choice("node_job", "Node job", "label_values(node_uname_info, job)"),
        since="now-6h",
    )


def _now() -> Section:
    wide = {"width": 6, "height": 5}
    return Section(
        title="Now",
        panels=(
            rows(
                About(title="What it is", says="As the runner reported itself.", unit="short", width=12, height=5),
                Query(
                    expr=f"max by (runner, gpu, vendor, driver, vulkan_api, os) ({of('matins_runner_info', THIS)})",
                    legend="{{runner}}",
                ),
                "Value",
            ),
            number(
                About(title="Last answered", says="Time since it last answered.", unit="s", **wide),
                Query(expr=f"time() - max({of('matins_runner_last_seen_timestamp_seconds', THIS)})", legend="silence"),
            ),
            number(
                About(
                    title="Disk free",
                    says="Of the file system that the runner's home is on.",
                    unit="percentunit",
                    **wide,
                ),
                Query(
                    expr=f"max({of('matins_runner_disk_free_bytes', THIS)})"
                    f" / max({of('matins_runner_disk_size_bytes', THIS)})",
                    legend="free",
                ),
            ),
            states(
                About(title="State", says="The state that is shown of it, over time.", unit="none", width=24, height=5),
                Query(expr=state_number(THIS), legend="{{runner}}"),
                STATES,
            ),
        ),
    )


def _work() -> Section:
    return Section(
        title="Work",
        panels=(
            lines(
                About(
                    title="Episodes and slots",
                    says="Episodes that run, beside its slots of each kind.",
                    unit="short",
                    width=8,
                ),
                Query(expr=f"max({of('matins_episodes_running', THIS)})", legend="running"),
                Query(expr=f"max by (kind) ({of('matins_runner_slots', THIS)})", legend="{{kind}} slots"),
            ),
            lines(
                About(
                    title="GPU busy in the last hour",
                    says="Share of the time in which its devices' gates were held, counted when an episode ends.",
                    unit="percentunit",
                    width=8,
                ),
                Query(expr=f"max({of('matins:gpu_busy_ratio:1h', THIS)})", legend="busy"),
            ),
            lines(
                About(
                    title="Failed calls in the last hour",
                    says="Calls over the link to it that failed, by kind.",
                    unit="short",
                    width=8,
                ),
                Query(expr=f"sum by (kind) (increase({of('matins_link_errors_total', THIS)}[1h]))", legend="{{kind}}"),
                stacked=True,
            ),
        ),
    )


def _readings() -> Section:
    return Section(
        title="Its own readings, through the orchestrator",
        panels=(
            lines(
                About(
                    title="Power", says="All that is measured of the machine, and of each GPU.", unit="watt", width=8
                ),
                Query(expr=f"max({of('matins_runner_power_watts', THIS)})", legend="machine"),
                Query(expr=f"max by (gpu) ({of('matins_gpu_power_watts', THIS)})", legend="{{gpu}}"),
            ),
            lines(
                About(title="GPU clock", says="Of the shaders, and of the memory.", unit="hertz", width=8),
                Query(expr=f"max by (gpu) ({of('matins_gpu_clock_hertz', THIS)})", legend="{{gpu}}"),
                Query(expr=f"max by (gpu) ({of('matins_gpu_memory_clock_hertz', THIS)})", legend="{{gpu}} memory"),
            ),
            lines(
                About(title="Load", says="Processes that run or wait, in the mean of a minute.", unit="short", width=8),
                Query(expr=f"max({of('matins_runner_load1', THIS)})", legend="load"),
            ),
        ),
    )


def _amdgpu() -> Section:
    named = f"on (job, runner, instance, chip) group_left (chip_name) {node('node_hwmon_chip_names')}"
    return Section(
        title="GPU, by node_exporter",
        panels=(
            lines(
                About(title="GPU busy", says="As the amdgpu driver counts it.", unit="percent", width=6),
                Query(expr=f"max by (card) ({node('node_drm_gpu_busy_percent')})", legend="{{card}}"),
            ),
            lines(
                About(title="GPU memory", says="In use, and size, of each card's own memory.", unit="bytes", width=6),
                Query(expr=f"max by (card) ({node('node_drm_memory_vram_used_bytes')})", legend="{{card}} in use"),
                Query(expr=f"max by (card) ({node('node_drm_memory_vram_size_bytes')})", legend="{{card}} size"),
            ),
            lines(
                About(title="Temperatures", says="Of every sensor of the machine.", unit="celsius", width=6),
                Query(
                    expr=f"max by (chip_name, sensor) ({node('node_hwmon_temp_celsius')} * {named})",
                    legend="{{chip_name}} {{sensor}}",
                ),
            ),
            lines(
                About(
                    title="Power sensors", says="The mean that each chip reports, as amdgpu does.", unit="watt", width=6
                ),
                Query(
                    expr=f"max by (chip_name, sensor) ({node('node_hwmon_power_average_watt')} * {named})",
                    legend="{{chip_name}} {{sensor}}",
                ),
            ),
        ),
    )


def _machine() -> Section:
    real = 'fstype!~"tmpfs|ramfs|overlay|squashfs"'
    work = 'mode!="idle"'
    return Section(
        title="Machine, by node_exporter",
        panels=(
            lines(
                About(title="Processors", says="Processors that are at work, by what at.", unit="short", width=6),
                Query(
                    expr=f"sum by (mode) (rate({node('node_cpu_seconds_total', work)}[$__rate_interval]))",
                    legend="{{mode}}",
                ),
                stacked=True,
            ),
            lines(
                About(title="Memory", says="Of the machine: all, and what could be had.", unit="bytes", width=6),
                Query(expr=f"max({node('node_memory_MemTotal_bytes')})", legend="all"),
                Query(expr=f"max({node('node_memory_MemAvailable_bytes')})", legend="available"),
            ),
            lines(
                About(title="File systems", says="Share that is free, of each.", unit="percentunit", width=6),
                Query(
                    expr=f"min by (mountpoint) ({node('node_filesystem_avail_bytes', real)}"
                    f" / {node('node_filesystem_size_bytes', real)})",
                    legend="{{mountpoint}}",
                ),
            ),
            lines(
                About(title="Disks", says="Read and written, of each device.", unit="Bps", width=6),
                Query(
                    expr=f"sum by (device) (rate({node('node_disk_read_bytes_total')}[$__rate_interval]))",
                    legend="{{device}} read",
                ),
                Query(
                    expr=f"sum by (device) (rate({node('node_disk_written_bytes_total')}[$__rate_interval]))",
                    legend="{{device}} written",
                ),
            ),
        ),
    )
