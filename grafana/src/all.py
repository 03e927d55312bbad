"""All dashboards, and each as the JSON that is committed."""

from __future__ import annotations

import json
from collections.abc import Callable

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.src import cost, episodes, fleet, gpu, runner, service

DASHBOARDS: tuple[Callable[[], Dashboard], ...] = (
    fleet.made,
    episodes.made,
    gpu.made,
    cost.made,
    runner.made,
    service.made,
)


def rendered() -> dict[str, str]:
    """The text of each file by its name: the dashboard's uid without `matins-`, and `.json`."""
    built = [make().build() for make in DASHBOARDS]
    return {
        f"{str(each.uid).removeprefix('matins-')}.json": json.dumps(each, cls=JSONEncoder, indent=2, sort_keys=True)
        + "\n"
        for each in built
    }
