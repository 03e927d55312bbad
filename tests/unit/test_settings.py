"""Where settings come from, what becomes of bad ones, and the token that clients find by themselves."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator import logs
from orchestrator.settings import BadSetting, Settings, load, shipped_examples


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a home of its own below it."""
    monkeypatch.setenv("MATINS_HOME", str(tmp_path / "home"))
    return tmp_path


def test_every_setting_has_a_default_and_a_description(tmp_path: Path) -> None:
    settings = load({"home": tmp_path}, directory=tmp_path)

    assert settings.url == "http://127.0.0.1:7437"
    assert (settings.host, settings.port) == ("127.0.0.1", 7437)
    assert settings.database_url == f"sqlite:///{tmp_path}/matins.sqlite3"
    assert settings.agents_path == (tmp_path / "agents", shipped_examples() / "agents")
    assert all(field.description for field in Settings.model_fields.values())


def test_a_flag_beats_the_environment_beats_dotenv_beats_the_file_beats_the_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "matins.toml").write_text(
        "tick_s = 5\nobserve_s = 5\nlog_level = 'error'\nbroker_url = 'redis://file/0'\n"
    )
    (folder / ".env").write_text("MATINS_TICK_S=4\nMATINS_OBSERVE_S=4\nMATINS_LOG_LEVEL=debug\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("MATINS_TICK_S", "3")
    monkeypatch.setenv("MATINS_OBSERVE_S", "3")

    settings = load({"tick_s": 2, "log_format": None}, directory=folder)

    sources = settings.sources()
    assert (settings.tick_s, sources["tick_s"]) == (2, "flag")
    assert (settings.observe_s, sources["observe_s"]) == (3, "environment (MATINS_OBSERVE_S)")
    assert (settings.log_level, sources["log_level"]) == ("debug", ".env")
    assert (settings.broker_url, sources["broker_url"]) == ("redis://file/0", "matins.toml")
    assert (settings.log_format, sources["log_format"]) == ("auto", "default")


def test_the_file_in_home_counts_where_the_current_folder_has_none(folder: Path) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "matins.toml").write_text("tick_s = 7\n")

    assert load(directory=folder).tick_s == 7


def test_folders_of_agents_are_separated_by_colons_in_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATINS_AGENTS_PATH", "/a:/b")

    assert load(directory=folder).agents_path == (Path("/a"), Path("/b"))


def test_an_empty_variable_counts_as_not_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINS_TICK_S", "")

    assert load(directory=folder).sources()["tick_s"] == "default"


def test_every_bad_value_is_named_with_its_source_and_a_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINS_TICK_S", "often")
    (folder / "matins.toml").write_text("url = 'ftp://host'\nlog_level = 'loud'\n")

    with pytest.raises(BadSetting) as caught:
        load(directory=folder)

    assert "tick_s=often (from environment (MATINS_TICK_S)): input should be a valid number" in caught.value.message
    assert "url=ftp://host (from matins.toml): should be like http://127.0.0.1:7437" in caught.value.message
    assert "log_level=loud (from matins.toml)" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.remedy
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "3601"])
def test_a_time_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MATINS_TICK_S", value)

    with pytest.raises(BadSetting, match="tick_s="):
        load(directory=folder)


@pytest.mark.parametrize("url", ["http://host:99999", "http://host:0", "http://host/path", "host:7437", "http://[::1"])
def test_a_url_that_nobody_can_listen_on_is_refused(folder: Path, url: str) -> None:
    with pytest.raises(BadSetting, match="url="):
        load({"url": url}, directory=folder)


def test_an_unknown_key_of_the_file_is_refused_with_the_known_ones(folder: Path) -> None:
    (folder / "matins.toml").write_text("tick = 5\n")

    with pytest.raises(BadSetting, match=r"matins\.toml sets tick") as caught:
        load(directory=folder)
    assert "tick_s" in caught.value.remedy


def test_a_file_that_is_not_toml_is_refused_with_its_line(folder: Path) -> None:
    (folder / "matins.toml").write_text("tick_s = 1\nobserve_s = = 2\n")

    with pytest.raises(BadSetting, match="line 2"):
        load(directory=folder)


def test_secrets_and_passwords_are_never_shown(folder: Path) -> None:
    settings = load(
        {"token": "abcdef", "broker_url": "redis://me:pass:word@host/0", "url": "http://localhost:1"}, directory=folder
    )
    text = json.dumps(settings.shown()) + repr(settings)

    assert "abcdef" not in text
    assert "pass:word@" not in json.dumps(settings.shown())

    with pytest.raises(BadSetting) as caught:
        load({"token": "abc def"}, directory=folder)
    assert "abc def" not in caught.value.message


def test_the_home_is_closed_to_others(folder: Path) -> None:
    home = load(directory=folder).ensure_home()

    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_says_so(folder: Path) -> None:
    (folder / "file").write_text("")

    with pytest.raises(BadSetting, match=r"home=.*from flag.*cannot be made"):
        load({"home": folder / "file" / "home"}, directory=folder).ensure_home()


def test_a_token_is_made_once_and_found_again(folder: Path) -> None:
    settings = load(directory=folder)
    assert settings.find_token() is None

    token = settings.ensure_token()

    assert len(token) >= 40
    assert settings.ensure_token() == settings.find_token() == token
    assert stat.S_IMODE(settings.token_path.stat().st_mode) == 0o600
    assert os.listdir(settings.home) == ["token"]


def test_all_who_make_a_token_at_once_get_the_same(folder: Path) -> None:
    settings = load(directory=folder)
    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(lambda _: settings.ensure_token(), range(64)))

    assert len(tokens) == 1
    assert os.listdir(settings.home) == ["token"]


def test_a_given_token_is_used_and_no_file_is_made(folder: Path) -> None:
    settings = load({"token": "given"}, directory=folder)

    assert settings.ensure_token() == "given"
    assert not settings.home.exists()


def test_a_token_file_that_others_may_read_is_refused_with_the_remedy(folder: Path) -> None:
    settings = load(directory=folder)
    settings.ensure_token()
    settings.token_path.chmod(0o644)

    with pytest.raises(BadSetting, match="others may read it") as caught:
        settings.find_token()
    assert f"chmod 600 {settings.token_path}" in caught.value.remedy


def test_a_log_line_is_json_where_no_person_looks() -> None:
    lines = _logged("auto")

    assert [line["event"] for line in lines] == ["attempt-launched", "library-log"]
    assert lines[0]["episode_id"] == "e1"
    assert lines[0]["runner"] == "box"
    assert lines[0]["at"].endswith("Z")
    assert lines[1] == {**lines[1], "level": "warning", "library": "some.library", "message": "it is 3"}


def _logged(log_format: str) -> list[dict[str, str]]:
    """Logs in a process of its own, since the set-up is the process's; its standard error as JSON lines."""
    script = (
        "import logging\n"
        "from orchestrator import logs, settings\n"
        f"logs.configure(settings.load({{'log_format': {log_format!r}}}))\n"
        "logs.get_logger(runner='box').info('attempt-launched', episode_id='e1')\n"
        "logs.get_logger(runner='box').debug('not-shown')\n"
        "logging.getLogger('some.library').warning('it is %d', 3)\n"
        "logging.getLogger('httpx').info('not shown')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_log_line_is_text_where_a_person_asked_for_it(folder: Path) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        logs.configure(load({"log_format": "text"}, directory=folder), stream)
        logs.get_logger(runner="box").info("attempt-launched", episode_id="e1")
    finally:
        root.handlers[:] = before
        root.setLevel(level)

    assert "attempt-launched" in stream.getvalue()
    assert "episode_id=e1 runner=box" in stream.getvalue()
