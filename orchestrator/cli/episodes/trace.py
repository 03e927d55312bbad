"""`matins episode trace`"""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli import terminal
from orchestrator.cli.answers import Episode, Files, RemoteFile, read
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection
from orchestrator.cli.episodes.api import path_of
from orchestrator.cli.episodes.transfer import fetch
from orchestrator.cli.errors import Failed
from orchestrator.cli.patience import Patience
from orchestrator.cli.render import values

TRACE = "smoke/trace.json"


def write_trace(name: str, *, out: Path | None, away_limit_s: float, as_json: bool) -> None:
    """The trace of an episode to `out`, or to standard output, verified. Raises Failed if it has none."""
    import tempfile

    patience = Patience(away_limit_s=away_limit_s)
    with Client(connection()) as client, tempfile.TemporaryDirectory(prefix="matins-trace-") as folder:
        episode = read(Episode, patience.ask(lambda: client.get(path_of(name))))
        files = read(Files, patience.ask(lambda: client.get(path_of(episode.id, "files"))))
        file = _trace(files, episode.id)
        target = Path(folder) / "trace.json"
        fetch(client, path_of(episode.id, "files", *TRACE.split("/")), file, target, Path(folder), patience)
        if out is None:
            terminal.raw(target.read_text("utf-8"))
            return
        _write(out, target.read_bytes())
    if as_json:
        terminal.data_json({"id": episode.id, "path": str(out), "bytes": file.size})
    else:
        terminal.data(f"{episode.id}  {values.size(file.size)}  {out}")
    terminal.note("Open it at https://ui.perfetto.dev or chrome://tracing.")


def _trace(files: Files, episode_id: str) -> RemoteFile:
    for file in files.files:
        if file.path == TRACE:
            return file
    raise Failed(f"Episode {episode_id} has no {TRACE}.", f"`matins episode rescore {episode_id}` makes it anew.")


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise Failed(f"{out} cannot be written: {error.strerror}.", "Name a file in a folder that is there.") from None
