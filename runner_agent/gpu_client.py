"""`matins-gpu COMMAND…`, as an agent sees it: asks the supervisor, which runs the command with the GPU.

The command has this process's own stdin, stdout and stderr: their descriptors are sent along (SCM_RIGHTS, unix(7)), so
nothing that it writes goes through the supervisor.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys

from runner_agent.confinement import GPU_SOCKET

LENGTH = struct.Struct("!I")
USAGE = """\
usage: matins-gpu COMMAND [ARGUMENT…]

Runs COMMAND in this folder with the GPU, which no other program of this sandbox can reach. It waits until nobody else
uses the device. The time that it has the device counts against the session's budget: when that is spent the command is
ended, and the exit status is 75. Else the exit status is COMMAND's.
"""
FAILED = 70


def main(argv: list[str]) -> int:
    """The exit status."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 64
    asked = json.dumps({"argv": argv, "cwd": os.getcwd(), "env": dict(os.environ)}).encode()
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(GPU_SOCKET)
            socket.send_fds(link, [LENGTH.pack(len(asked))], [0, 1, 2])
            link.sendall(asked)
            with link.makefile("rb") as answers:
                told = json.loads(answers.readline())
    except (OSError, ValueError) as error:
        print(f"matins-gpu: the supervisor of this session does not answer: {error}", file=sys.stderr)
        return FAILED
    if told["said"]:
        print(f"matins-gpu: {told['said']}", file=sys.stderr)
    return int(told["exit_code"])
