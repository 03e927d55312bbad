"""Whether the runner that was just measured is still the machine that it was."""

from __future__ import annotations

import random
from statistics import median
from typing import Any

from orchestrator.measurement.drift import Run, watch
from orchestrator.service.scene import Scene
from orchestrator.service.services import Services
from orchestrator.store.known_good import known_good

SEED = 1
"""The same history gives the same answer."""


def watched(services: Services, scene: Scene, summary: dict[str, Any]) -> str | None:
    """Why the device is not to be trusted any more, after the known-good run that `summary` tells of; None if it is,
    or if nobody can say. Notes beside that run what those before it did, in the median. A device of software is as
    quick as what else its machine does, so it is not judged."""
    now = summary.get("known_good")
    if not now:
        return None
    with services.store.reading() as session:
        before = known_good(session, scene.act.runner, scene.campaign_row.id, now["device"], now["driver"])
    if before:
        now["reference_tok_s"] = median(tok_s for _, tok_s in before)
    if now["software"]:
        return None
    runs = [*(Run(at=at, tok_s=tok_s) for at, tok_s in before), Run(at=services.now(), tok_s=now["tok_s"])]
    found = watch(runs, random.Random(SEED))  # noqa: S311
    return f"it drifted: {found.evidence}" if found.quarantine else None
