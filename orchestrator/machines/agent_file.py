"""The runner agent as one file for `python3 -I -S`: the same sources give the same bytes, and so the same name."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import os
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import runner_agent

ENTRANCE = b"import sys\n\nfrom runner_agent.__main__ import main\n\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)
UNCHECKED_HASH = (1).to_bytes(4, "little")


@dataclass(frozen=True, kw_only=True)
class AgentFile:
    """`name` carries the first 16 digits of `sha256`, and is what the file is called on a runner."""

    content: bytes
    sha256: str

    @property
    def name(self) -> str:
        return f"agent-{self.sha256[:16]}.pyz"


@cache
def build() -> AgentFile:
    """Packs the installed `runner_agent`, once in a process."""
    return pack(sources())


def sources() -> dict[str, bytes]:
    """The installed `runner_agent`, by the names that its modules have in the file."""
    package = Path(runner_agent.__file__).parent
    return {f"runner_agent/{path.relative_to(package).as_posix()}": path.read_bytes() for path in package.rglob("*.py")}


def pack(modules: Mapping[str, bytes]) -> AgentFile:
    """Sorted names, fixed dates and rights, stored without compression. Beside each module lies what this Python makes
    of it: a runner with the same one need not compile it at every call, and any other passes it over."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", ENTRANCE)
        for name in sorted(modules):
            _add(archive, name, modules[name])
            _add(archive, f"{name}c", _compiled(name, modules[name]))
    content = buffer.getvalue()
    return AgentFile(content=content, sha256=hashlib.sha256(content).hexdigest())


def place(agent: AgentFile, folder: Path) -> Path:
    """Puts the file into `folder` under its name, unless it is there already; returns its path."""
    path = folder / agent.name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        waiting = folder / f".{agent.name}.{os.getpid()}.{threading.get_ident()}"
        with waiting.open("wb") as file:
            file.write(agent.content)
            file.flush()
            os.fsync(file.fileno())
        waiting.rename(path)
    return path


def _compiled(name: str, source: bytes) -> bytes:
    """A module as bytecode that is not checked against its source (PEP 552), which lies beside it. Of the formats of
    marshal the second is the newest without references, whose bytes do not depend on what else the process holds."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    return importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source) + marshal.dumps(code, 2)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=EPOCH)
    info.external_attr = 0o644 << 16
    info.create_system = 3
    archive.writestr(info, content)
