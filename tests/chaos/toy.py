"""The toy campaign cut down to what chaos needs: one session."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from tests.integration.service.toy import CAMPAIGN, make_toy

SHORTER = {
    '[[session]]\n[[session.turn]]\nwhen = "stopped-early"\nsay = "Finish every item."\n': "",
}


NAPPER = """kind = "replay"
[[session]]
[[session.turn]]
say = "ITEM file: done"
[[session.turn.do]]
run = ["sh", "-c", "sleep 3; echo 80 > speed; touch done.txt"]
"""


def make_quick_toy(folder: Path, token_path: Path, session_s: int = 40) -> Path:
    """The campaign file. `replay:sleeper` works until it is cancelled, or `session_s`; `replay:napper` for three."""
    path = make_toy(folder, token_path)
    (folder / "agents" / "napper").mkdir()
    (folder / "agents" / "napper" / "agent.toml").write_text(NAPPER)
    text = CAMPAIGN
    for old, new in SHORTER.items():
        assert old in text, f"the toy has no {old!r} any more"
        text = text.replace(old, new)
    text = re.sub(r"\bsession_s = \d+", f"session_s = {session_s}", text)
    path.write_text(text)
    return path


def bundle_of(campaign: Path) -> dict[str, Any]:
    """The campaign as the command line sends it."""
    check = campaign.parent / "check.py"
    return {
        "text": campaign.read_text(),
        "filename": campaign.name,
        "directory": str(campaign.parent),
        "files": {"check.py": base64.b64encode(check.read_bytes()).decode()},
    }
