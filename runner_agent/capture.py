"""Takes down what a child writes. The child holds a pipe and never the file, so that it cannot rewrite or cut off what
it said before."""

from __future__ import annotations

import os
from pathlib import Path

from runner_agent.redaction import NOTHING, Redaction

PIECE_BYTES = 65_536
PIPE_PIECES_MOST = 1024
"""More than any pipe holds."""


class Tally:
    """The bytes that several logs may still take together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.left = limit_bytes


class Capture:
    """Appends what comes through `write_end` to `path`, without the secrets in it, up to `limit_bytes` of file and to
    what `tally` has left. `over`: more came than that."""

    def __init__(
        self, path: Path, limit_bytes: int, redaction: Redaction = NOTHING, tally: Tally | None = None
    ) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115  closed by `close`
        self._left = limit_bytes - os.fstat(self._file.fileno()).st_size
        self._limit_bytes = limit_bytes
        self._redactor = redaction.stream()
        self._tally = tally or Tally(self._left)
        self.over = False
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.read_end, False)

    def started(self) -> None:
        """The child has its own copy of the write end: without ours the pipe ends when the last of its writers does."""
        os.close(self.write_end)

    def take(self) -> bool:
        """Move one piece, if there is one; False once there is none, or the pipe has ended."""
        try:
            piece = os.read(self.read_end, PIECE_BYTES)
        except BlockingIOError:
            return False
        self._keep(self._redactor.feed(piece))
        return bool(piece)

    def close(self) -> None:
        """Take what is still in the pipe, and end. A writer that outlives its command is not waited for."""
        try:
            for _ in range(PIPE_PIECES_MOST):
                if not self.take():
                    break
            self._keep(self._redactor.finish())
        finally:
            os.close(self.read_end)
            self._file.close()

    def _keep(self, piece: bytes) -> None:
        """What comes after the limit is dropped."""
        room = max(0, min(self._left, self._tally.left))
        kept = piece[:room]
        self._left -= len(kept)
        self._tally.left -= len(kept)
        # An unbuffered file takes what fits on the disk, and then raises.
        while kept:
            kept = kept[self._file.write(kept) :]
        if len(piece) > room and not self.over:
            self.over = True
            all_logs = " for all logs of its kind" if self._tally.left < self._left else ""
            bound = self._tally.limit_bytes if all_logs else self._limit_bytes
            self._file.write(f"\n[cut by the runner at {bound} bytes{all_logs}]\n".encode())
