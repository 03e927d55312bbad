"""The one program that the orchestrator runs on a runner over SSH: it opens the agent file that is asked for.

It travels as text, `python3 -I -S -c DOOR HOME`, and is the same for every call, so that `restrict,command="…"` in an
authorized_keys can allow exactly this. The first line on standard input says what to do:

    VERB AGENT                   become that agent with this verb; the rest of standard input is its request
    push AGENT SHA256 BYTES      take that many bytes as the agent file, if they have that hash

A HOME that is not absolute counts from the account's home folder. Python 3.7 must be able to read this, so that an old
one can be told apart.
"""

import os
import sys

SCHEMA = "matins-link-1"
VERBS = ("hello", "launch", "report", "cancel", "grade", "pull", "acknowledge", "suspend", "doctor", "bundle")
NO_AGENT = "no-agent"
HEADER_BYTES_MOST = 256
AGENT_BYTES_MOST = 16 * 1024 * 1024


def main():  # type: ignore[no-untyped-def]
    home = os.path.join(os.path.expanduser("~"), sys.argv[1])
    words = header().split()
    if sys.version_info < (3, 10):  # noqa: UP036  the runner's Python may be older than ours
        refuse("runner-fault", "python3 of the runner is {}.{}; 3.10 or newer is needed".format(*sys.version_info))
    if len(words) == 2 and words[0] in VERBS and is_agent(words[1]):
        become(home, *words)
    elif len(words) == 4 and words[0] == "push" and is_agent(words[1]) and words[3].isdigit():
        take(os.path.join(home, "agent"), words[1], words[2], min(int(words[3]), AGENT_BYTES_MOST))
    else:
        refuse("bad-request", f"the door does not know {words!r}")


def header() -> str:
    # Byte by byte: what follows is for the agent.
    line = b""
    while len(line) < HEADER_BYTES_MOST and not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    return line.decode("ascii", "replace")


def is_agent(name: str) -> bool:
    return len(name) == 26 and name[:6] == "agent-" and name[-4:] == ".pyz" and name[6:22].isalnum()


def become(home: str, verb: str, agent: str) -> None:
    path = os.path.join(home, "agent", agent)
    if not os.path.exists(path):
        refuse(NO_AGENT, f"{path} is not there")
    os.chdir("/")
    python = os.path.realpath(sys.executable)
    os.execv(python, [python, "-I", "-S", path, verb, "--home", home])  # noqa: S606  no shell is meant


def take(folder: str, agent: str, sha256: str, size: int) -> None:
    import hashlib

    content = sys.stdin.buffer.read(size)
    if hashlib.sha256(content).hexdigest() != sha256 or sha256[:16] != agent[6:22]:
        refuse("bad-request", f"{len(content)} bytes came that are not {agent}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    waiting = os.path.join(folder, f".{agent}.{os.getpid()}")
    with open(waiting, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(waiting, os.path.join(folder, agent))
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    say({"placed": agent})


def refuse(kind: str, message: str) -> None:
    say({"error": {"kind": kind, "message": message}})
    sys.exit(1)


def say(data) -> None:  # type: ignore[no-untyped-def]
    import json

    print(json.dumps(dict(data, schema=SCHEMA)), flush=True)


if __name__ == "__main__":
    main()
