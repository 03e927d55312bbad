"""`matins top`"""

from __future__ import annotations

import contextlib
import io
import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.live import Live

from orchestrator.cli import terminal
from orchestrator.cli.answers import read
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection
from orchestrator.cli.errors import Unreachable
from orchestrator.cli.render.top import Overview, screen
from orchestrator.settings import wants_color

PATH = "/api/v1/fleet"
PIPED_WIDTH = 10_000
QUIT = frozenset("qQ\x03\x04")


def top(*, every_s: float, once: bool, as_json: bool) -> None:
    with Client(connection()) as client:
        answer = client.get(PATH)
        if as_json:
            terminal.data_json(answer)
        elif once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            terminal.data(_once(read(Overview, answer)))
        else:
            with contextlib.suppress(KeyboardInterrupt):
                _live(client, answer, every_s)


def _once(seen: Overview) -> str:
    """Whole where it is piped, as all that is."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    out = io.StringIO()
    Console(file=out, width=width or PIPED_WIDTH, color_system=None).print(screen(seen, width=width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _live(client: Client, answer: dict[str, Any], every_s: float) -> None:
    """Until somebody presses q. An orchestrator that goes away is waited for, and that is said."""
    console, trouble = _console(), ""
    with _keys(), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            size = console.size
            seen = read(Overview, answer)
            live.update(screen(seen, width=size.width, height=size.height, trouble=trouble), refresh=True)
            if _quits(every_s):
                return
            try:
                answer, trouble = client.get(PATH), ""
            except Unreachable as error:
                trouble = f"{error.message} Shown is what was known last."


def _console() -> Console:
    color = wants_color(sys.stdout.isatty())
    return Console(file=sys.stdout, no_color=not color, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def _keys() -> Iterator[None]:
    """Keys as they are pressed, unseen."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _quits(within_s: float) -> bool:
    """Waits that long, and whether somebody wants to leave meanwhile."""
    deadline = time.monotonic() + within_s
    while (left_s := deadline - time.monotonic()) > 0:
        if not select.select([sys.stdin], [], [], left_s)[0]:
            return False
        pressed = os.read(sys.stdin.fileno(), 64)
        if not pressed or QUIT & set(pressed.decode(errors="replace")):
            return True
    return False
