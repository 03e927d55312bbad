"""`matins demo`, with a small workspace and an orchestrator that ends every episode at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.cli.demo.run import DemoOptions, run_demo
from orchestrator.cli.errors import Failed, WrongInput
from runner_agent import locks
from tests.components import need
from tests.integration.cli.conftest import Matins
from tests.integration.cli.fake_api import COST, FakeApi
from tests.integration.cli.fake_demo import answer_submissions
from tests.orchestrator import Part, free_port, wait_for

Demo = Callable[..., int]

CAMPAIGN = """schema = "matins-campaign-1"
name = "decode"

[repo]  # the demo points this elsewhere
base = "main"
url = "https://example.invalid/decode.git"

[[session]]
[[session.turn]]
say_file = "say.md"
"""


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    root = tmp_path / "examples"
    for name, text in {
        "decode-workspace/Cargo.toml": "[workspace]\n",
        "decode-workspace/ci/gpu-smoke.sh": "#!/bin/sh\ntrue\n",
        "decode-workspace/.github/workflows/ci.yml": "on: push\n",
        "decode-workspace/target/debug/smoke": "built",
        "campaigns/decode.toml": CAMPAIGN,
        "campaigns/say.md": "Make it fast.",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def demo(matins: Matins, api: FakeApi, examples: Path) -> Demo:
    need("git")
    answer_submissions(api)
    return lambda **options: run_demo(DemoOptions(examples=examples, every_s=0.05, **options))


@pytest.fixture
def home(matins: Matins) -> Path:
    return Path(os.environ["MATINS_HOME"])


def test_the_demo_shows_what_each_agent_is_worth_and_verifies_the_artifacts(
    demo: Demo, api: FakeApi, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo() == 0
    out, err = capsys.readouterr()
    for line in (
        "AGENT                ITEMS  TOK/S        CHANGE VALID",
        "replay:finisher        7/7  31.2 → 52.1  +67 % [+60, +74]  yes",
        "replay:half-shipper    0/7  -            -                        no: marker-missing",
        "SECONDS  finisher  fabricator  half-shipper  cherry-picker  lawyer",
        "build  2.5  2.5  2.5  2.5  2.5",
        "together  3.5  3.5  3.5  3.5  3.5",
        "half-shipper  The instrument never fired.",
    ):
        assert " ".join(line.split()) in [" ".join(found.split()) for found in out.splitlines()]
    assert out.count("verified") == 5
    assert "sha256sum -c SHA256SUMS" in out
    assert "build ok" in err
    assert (home / "demo/artifacts/decode" / ("0" * 12) / "result.json").read_bytes() == b"{}"
    submitted = next(body for method, path, body in api.asked if (method, path) == ("POST", "/api/v1/episodes"))
    assert submitted["agents"] == [
        "replay:finisher",
        "replay:fabricator",
        "replay:half-shipper",
        "replay:cherry-picker",
        "replay:lawyer",
    ]
    assert f'url = "{home}/demo/decode-workspace"' in submitted["bundle"]["text"]
    assert [runner["name"] for runner in api.runners] == ["local"]


def test_the_demo_ends_with_what_a_signal_cost_once_that_is_settled(
    demo: Demo, api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([{**COST, "unsettled": 2}, COST])
    api.override = lambda _method, path: (200, next(answers)) if path == "/api/v1/cost" else None
    assert demo() == 0
    out = capsys.readouterr().out
    said = out.index("What that cost, at prices that are examples: 0.50 USD for an hour of this machine")
    assert said < out.index("0.5000 USD for 4 signals: 0.1250 USD per signal")
    assert "not settled" not in out
    (added,) = [body for method, path, body in api.asked if (method, path) == ("POST", "/api/v1/runners")]
    assert (added["price_per_hour"], added["watts"]["busy"]) == (0.5, 120.0)


def test_of_a_runner_that_was_there_the_demo_says_no_prices(
    demo: Demo, api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.runners.append({"name": "local", "kind": "local", "state": "idle", "prices": {"hardware_usd_per_h": 2.0}})
    assert demo() == 0
    assert "examples" not in capsys.readouterr().out


def test_a_second_demo_keeps_the_repository_and_the_runner(demo: Demo, api: FakeApi, home: Path) -> None:
    demo()
    repository = home / "demo/decode-workspace"
    first, inode = _git(repository, "rev-parse", "main"), repository.stat().st_ino
    demo()
    assert (_git(repository, "rev-parse", "main"), repository.stat().st_ino) == (first, inode)
    assert len(api.runners) == 1


def test_the_commit_depends_on_the_files_alone(
    demo: Demo, home: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo()
    repository = home / "demo/decode-workspace"
    first = _git(repository, "rev-parse", "main")
    assert _git(repository, "ls-tree", "-r", "--name-only", "main").split() == [
        ".github/workflows/ci.yml",
        "Cargo.toml",
        "ci/gpu-smoke.sh",
    ]
    assert _git(repository, "ls-tree", "main", "ci/gpu-smoke.sh").startswith("100755")
    (examples / "decode-workspace/ci/gpu-smoke.sh").chmod(0o600)
    (examples / "decode-workspace/Cargo.toml").chmod(0o777)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Someone Else")
    _git(repository, "-c", "user.name=x", "-c", "user.email=x", "commit", "--quiet", "--allow-empty", "-m", "mine")
    demo()
    assert _git(repository, "rev-parse", "main") == first
    (examples / "decode-workspace/Cargo.toml").write_text("[workspace]\nmembers = []\n", encoding="utf-8")
    demo()
    assert _git(repository, "rev-parse", "main") != first


def test_the_demo_as_json_is_one_object(demo: Demo, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    demo(as_json=True, out=tmp_path / "elsewhere")
    shown = json.loads(capsys.readouterr().out)
    assert [episode["items_done"] for episode in shown["episodes"]] == [7, 1, 0, 2, 0]
    assert [pulled["verified"] for pulled in shown["pulled"]] == [True] * 5
    assert shown["artifacts"] == str(tmp_path / "elsewhere")


def test_an_episode_without_a_verdict_makes_the_demo_1_and_is_shown_all_the_same(
    demo: Demo, api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_submissions(api, lawyer={"phase": "FAILED", "end_reason": "runner-lost", "first_line": "", "detail": "gone"})
    assert demo() == 1
    out = capsys.readouterr().out
    assert "FAILED: runner-lost" in out and "gone" in out
    assert out.count("verified") == 4


def test_the_demo_outlives_an_orchestrator_that_is_away_for_a_while(
    demo: Demo, api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def away(_method: str, path: str) -> None:
        asked.extend([path] if path.endswith("/events") else [])
        if len(asked) == 2:
            api.drops = 2

    api.override = away
    assert demo() == 0
    assert "matins up" in capsys.readouterr().err


def test_the_demo_starts_an_orchestrator_and_stops_the_one_it_started(
    demo: Demo, api: FakeApi, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = _free_port(api, monkeypatch)
    assert demo(up=_up(port, "well")) == 0
    assert (home / "ended").exists()
    assert (home / "up.log").stat().st_mode & 0o777 == 0o600
    assert "started `matins up`" in capsys.readouterr().err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=60)


def test_an_orchestrator_that_is_kept_is_not_bound_to_the_demo(
    demo: Demo, api: FakeApi, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = _free_port(api, monkeypatch)
    assert demo(up=_up(port, "well"), keep=True) == 0
    pid, *arguments = (home / "arguments").read_text("ascii").split()
    os.kill(int(pid), signal.SIGTERM)
    os.waitpid(int(pid), 0)
    assert arguments == []


@pytest.fixture
def under_way(tmp_path: Path) -> Iterator[Part]:
    """A demo as a process of its own that has started a real `matins up`, and waits for a git that never ends."""
    home, waits, asked = tmp_path / "home", tmp_path / "waits", tmp_path / "asked"
    git = tmp_path / "bin/git"
    git.parent.mkdir()
    os.mkfifo(waits)
    git.write_text(f"#!/bin/sh\n: > '{asked}'\nread -r _ < '{waits}'\n", encoding="utf-8")
    git.chmod(0o755)
    lock, url = home / "up.lock", f"http://127.0.0.1:{free_port()}"
    settings = {"MATINS_HOME": str(home), "MATINS_URL": url, "PATH": f"{git.parent}:{os.environ['PATH']}"}
    part = Part("demo", {**os.environ, **settings}, tmp_path / "demo.log")
    part.start()
    try:
        wait_for(lambda: asked.exists() or not part.runs(), 60, part.tail)
        assert part.runs(), part.tail()
        yield part
    finally:
        part.stop()
        if lock.exists() and locks.is_held(lock):
            os.kill(int(part.tail().partition("started `matins up` (pid ")[2].partition(",")[0]), signal.SIGKILL)
        with contextlib.suppress(OSError):  # that git may have been killed
            os.close(os.open(waits, os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_the_orchestrator_of_a_demo_ends_in_order_with_it_however_that_ends(
    under_way: Part, tmp_path: Path, ending: signal.Signals, status: int
) -> None:
    lock, log = tmp_path / "home/up.lock", tmp_path / "home/up.log"
    assert locks.is_held(lock)
    under_way.signal(ending)
    wait_for(lambda: not locks.is_held(lock), 30, under_way.tail)
    assert "up-stopped" in log.read_text("utf-8")
    assert under_way.process is not None
    assert under_way.process.wait(300) == status


def test_the_demo_leaves_alone_what_it_did_not_start(demo: Demo, matins: Matins) -> None:
    demo()
    assert matins("episode", "list").status == 0


def test_an_orchestrator_that_does_not_start_is_1_with_the_end_of_its_log(
    demo: Demo, api: FakeApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = _free_port(api, monkeypatch)
    with pytest.raises(Failed, match="ended with status 3"):
        demo(up=_up(port, "broken"))
    assert "the database is locked" in capsys.readouterr().err


def test_the_demo_refuses_an_orchestrator_on_another_machine(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINS_URL", "http://192.0.2.1:7437")
    with pytest.raises(WrongInput, match="on this machine"):
        demo()


def _up(port: int, mood: str) -> tuple[str, ...]:
    # Run by path: the demo is called in a folder of its own.
    root = Path(__file__).resolve().parents[3]
    code = f"import sys; sys.path.insert(0, {str(root)!r}); import tests.integration.cli.fake_up"
    return (sys.executable, "-c", code, str(port), mood)


def _free_port(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> int:
    """A port on which nothing answers any more."""
    api.stop()
    monkeypatch.setenv("MATINS_URL", api.url)
    return int(api.url.rpartition(":")[2])


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=150
    ).stdout.strip()
