"""A launch whose commit or repository is made to be run: the attempt ends and says why, and nothing of it was run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.runner_agent.rig import Rig

pytestmark = pytest.mark.fault(27)

COMMITS = ("--upload-pack=touch WITNESS", "$(touch WITNESS)", "HEAD", "main\ntouch WITNESS", f"{'0' * 40}\n", "")
URLS = (
    "--upload-pack=touch WITNESS",
    "ext::sh -c touch% WITNESS",
    "$(touch WITNESS)",
    "repository\n--upload-pack=touch WITNESS",
    "ssh://-oProxyCommand=touch WITNESS/repository",
    "",
)


def test_no_launch_runs_a_commit_or_a_repository_as_a_command(rig: Rig) -> None:
    witness = rig.root / "witness"
    hostile = [{"commit": commit} for commit in COMMITS] + [{"repo_url": url} for url in URLS]
    specs = [
        replace(
            rig.spec(f"hostile-{number}"),
            base_key=f"hostile-{number}",
            **{key: text.replace("WITNESS", str(witness)) for key, text in each.items()},
        )
        for number, each in enumerate(hostile)
    ]
    for spec in specs:
        rig.link.launch(spec)
    for spec in specs:
        ended = rig.end(spec).exit
        assert ended is not None, spec
        assert ended.reason == "infrastructure", spec
        assert ended.detail, spec
    assert not list(rig.root.rglob("*witness*"))
