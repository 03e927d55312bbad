"""Settings, and the only place where the environment is read.

Precedence: flag, environment (`MATINS_…`), `.env`, `matins.toml`, default. `.env` is that of the current folder;
`matins.toml` likewise, or else the one in MATINS_HOME. Importing this costs about 0.1 s of CPU, so `matins --help` does
not do it.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError

from orchestrator import token_file
from orchestrator.conditions import BY_DEFAULT, Condition
from orchestrator.errors import BadSetting
from orchestrator.failpoints import parse as parse_failpoints

PREFIX = "MATINS_"
DEFAULT_URL = "http://127.0.0.1:7437"
PLACES_MOST = 16
"""To which a message goes: each may take its time."""


def shipped_examples() -> Path:
    """The folder with `agents/`, `campaigns/` and the workspace: in the checkout, or in the installed package."""
    package = Path(__file__).resolve().parent
    installed = package / "_examples"
    return installed if installed.is_dir() else package.parent / "examples"


def wants_color(terminal: bool) -> bool:
    """Whether to colour what a terminal shows: not under NO_COLOR, nor on a terminal that says it is dumb."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def wants_tracebacks() -> bool:
    """Whether to show where a fault of Matins itself arose; asked when the settings may not be readable."""
    return os.environ.get(f"{PREFIX}LOG_LEVEL", "").lower() == "debug"


def _default_home() -> Path:
    return Path("~/.matins").expanduser()


def _default_database(known: dict[str, Any]) -> str:
    return f"sqlite:///{known['home']}/matins.sqlite3"


def _default_agents(known: dict[str, Any]) -> tuple[Path, ...]:
    return (known["home"] / "agents", shipped_examples() / "agents")


def _default_python() -> str:
    # Not the one of a virtual environment: that folder may be hidden from the processes of an episode.
    return str(getattr(sys, "_base_executable", None) or sys.executable)


class Settings(BaseSettings):
    """All that can be set. Made by `load`; units stand last in names."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    home: Path = Field(default_factory=_default_home, description="folder that holds all state")
    url: str = Field(default=DEFAULT_URL, description="where the API is: clients ask there, the server listens there")
    token: SecretStr | None = Field(default=None, description="token of the API; otherwise the file `token` in home")
    database_url: str = Field(default_factory=_default_database, description="SQLAlchemy URL of the database")
    broker_url: str = Field(
        default="memory://localhost/", description="Celery broker; memory:// lives inside `matins up`"
    )
    agents_path: Annotated[tuple[Path, ...], NoDecode] = Field(
        default_factory=_default_agents,
        description="folders searched for <name>/agent.toml, first match wins; separated by colons in the environment",
    )
    tick_s: float = Field(default=1.0, gt=0, le=3600, description="longest time between two plans, seconds")
    observe_s: float = Field(default=1.0, gt=0, le=3600, description="time between two reports of a runner, seconds")
    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="text for people, json for machines; auto: text on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")
    worker_threads: int = Field(default=8, ge=1, le=64, description="acts and questions that a worker does at once")
    claim_s: float = Field(
        default=300.0, ge=1, le=86400, description="an act whose worker died is done by another after this, seconds"
    )
    sleep_rule: Literal["break-even", "fixed", "never"] = Field(
        default="break-even", description="when an idle machine sleeps: by its own prices, after sleep_idle_s, or never"
    )
    sleep_idle_s: float = Field(
        default=1800.0,
        ge=0,
        le=604800,
        description="idle time before sleep where the rule is fixed, or prices do not say what sleep saves, seconds",
    )
    keep_warm: int = Field(default=0, ge=0, le=10_000, description="idle machines that are kept awake")
    waking_max: int = Field(default=8, ge=1, le=10_000, description="machines that may be waking at once")
    wake_back_off_s: float = Field(
        default=30.0, gt=0, le=1800, description="pause after a failed wake, doubled with each more in a row, seconds"
    )
    wake_settle_s: float = Field(
        default=15.0, ge=0, le=600, description="a machine that fell asleep is not woken sooner than this, seconds"
    )
    wake_limit_s: float = Field(
        default=3600.0, ge=1, le=3600, description="most that a wake may take, whatever was learned of it, seconds"
    )
    suspend_limit_s: float = Field(
        default=60.0, ge=1, le=600, description="a machine that said it would sleep has this long to do so, seconds"
    )
    canary_every_s: float = Field(
        default=0.0,
        ge=0,
        le=31_536_000,
        description="an idle runner whose last canary is older than this gets another, seconds; 0: never",
    )
    preflight_on: Literal["every-runner", "first-runner"] = Field(
        default="every-runner",
        description="a campaign is proven on each runner before its first episode there, or on the first for all",
    )
    runner_cache_gib: float = Field(
        default=100.0, gt=0, le=1_000_000, description="built bases and mirrors that a runner keeps in sum, GiB"
    )
    runner_python: str = Field(default_factory=_default_python, description="Python (≥ 3.10) of the local runner")
    token_prices: dict[str, dict[Literal["prompt", "completion", "cached"], Annotated[float, Field(ge=0, le=1e6)]]] = (
        Field(
            default_factory=dict,
            description='tokens that no agent priced: {"MODEL": {"prompt": USD, "completion": USD, "cached": USD}}, '
            "USD per million",
        )
    )

    notify: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        max_length=PLACES_MOST,
        description="URLs of the places that are told of conditions, as apprise knows them, separated by spaces",
    )
    notify_on: Annotated[tuple[Condition, ...], NoDecode] = Field(
        default=BY_DEFAULT, description="the conditions that are told, separated by spaces"
    )
    notify_submitter: str = Field(default="", description="whose episodes' ends are told; empty: everybody's")
    notify_every_s: float = Field(
        default=300.0, ge=0, le=86400, description="least time between two messages about one condition, seconds"
    )
    cost_per_signal_max_usd: float = Field(
        default=5.0, ge=0, le=1_000_000, description="what a signal of the last day may cost, USD; 0: no bound"
    )
    disk_free_min_ratio: float = Field(
        default=0.1, ge=0, le=1, description="least part of a disk that should be free, of runners and of home; 0: none"
    )
    metrics_cache_s: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="how often /metrics is made from the database while it is scraped, seconds; 0: at each scrape",
    )

    failpoints: str = Field(
        default="", description="for tests: where this process dies or freezes, like act-claimed=kill,act-done=stop:3"
    )

    _origins: dict[str, str] = PrivateAttr(default_factory=dict[str, str])

    @property
    def host(self) -> str:
        """The host of `url`, to listen on."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port of `url`, to listen on."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def token_path(self) -> Path:
        return self.home / "token"

    def sources(self) -> dict[str, str]:
        """Setting → where its value came from: "flag", "environment (MATINS_X)", ".env", "matins.toml" or "default"."""
        return {name: self._origins.get(name, "default") for name in type(self).model_fields}

    def shown(self) -> list[dict[str, str]]:
        """`{"name", "value", "source"}` per setting, secrets masked."""
        return [
            {"name": name, "value": _shown(name, getattr(self, name)), "source": source}
            for name, source in self.sources().items()
        ]

    def masked(self, name: str) -> str:
        """The value of a setting as it may be shown."""
        return _shown(name, getattr(self, name))

    def ensure_home(self) -> Path:
        """The home folder, made with mode 0700 if it is not there. Raises BadSetting."""
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(
                "home", f"cannot be made: {error.strerror}", "name a folder that you may write"
            ) from None
        return self.home

    def find_token(self) -> str | None:
        """The API token: the setting, else the token file; None if neither is there. Raises BadSetting."""
        return self.token.get_secret_value() if self.token else token_file.read(self.token_path)

    def ensure_token(self) -> str:
        """The API token, made if there is none. Of many processes that make one at once all get the same. Raises
        BadSetting."""
        if token := self.find_token():
            return token
        self.ensure_home()
        return token_file.make(self.token_path)

    def _unusable(self, name: str, problem: str, remedy: str) -> BadSetting:
        value = _shown(name, getattr(self, name))
        return BadSetting(f"{name}={value} (from {self.sources()[name]}) {problem}", remedy)

    @field_validator("home", mode="after")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        return Path(os.path.abspath(value.expanduser()))

    @field_validator("url", mode="after")
    @classmethod
    def _usable_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"should be like {DEFAULT_URL}")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
            raise ValueError(f"should hold a host and a port and nothing else, like {DEFAULT_URL}")
        if parts.port == 0:
            raise ValueError("port should be 1 to 65535")
        try:
            parts.hostname.encode("idna")
        except UnicodeError:
            raise ValueError(f"the host is no name that can be looked up; should be like {DEFAULT_URL}") from None
        return value.rstrip("/")

    @field_validator("token", mode="after")
    @classmethod
    def _usable_token(cls, value: SecretStr | None) -> SecretStr | None:
        secret = value.get_secret_value() if value else ""
        if value and (not secret.isascii() or not secret.isprintable() or " " in secret or not secret):
            raise ValueError("should be printable ASCII without spaces")
        return value

    @field_validator("database_url", "broker_url", mode="after")
    @classmethod
    def _has_scheme(cls, value: str) -> str:
        if "://" not in value:
            raise ValueError("should be a URL, like sqlite:///file or redis://host/0")
        return value

    @field_validator("agents_path", mode="before")
    @classmethod
    def _split_path(cls, value: object) -> object:
        return tuple(part for part in value.split(":") if part) if isinstance(value, str) else value

    @field_validator("agents_path", mode="after")
    @classmethod
    def _absolute_paths(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(Path(os.path.abspath(path.expanduser())) for path in value)

    @field_validator("notify", "notify_on", mode="before")
    @classmethod
    def _split_words(cls, value: object) -> object:
        return tuple(dict.fromkeys(value.split())) if isinstance(value, str) else value

    @field_validator("notify", mode="after")
    @classmethod
    def _are_urls(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for place, url in enumerate(value, start=1):
            if "://" not in url.get_secret_value():
                raise ValueError(f"place {place} should be a URL, like mailto://user:password@host")
        return value

    @field_validator("token_prices", mode="after")
    @classmethod
    def _whole_prices(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for model, price in value.items():
            if missing := {"prompt", "completion"} - price.keys():
                raise ValueError(f"the price of {model!r} lacks {min(missing)!r}")
        return value

    @field_validator("failpoints", mode="after")
    @classmethod
    def _known_failpoints(cls, value: str) -> str:
        parse_failpoints(value)
        return value

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load` asks the sources itself, so that it knows which of them each value came from.
        return (init_settings,)


def load(flags: Mapping[str, object] | None = None, *, directory: Path | None = None) -> Settings:
    """The settings in force. `flags` that are None count as not given; `directory` stands in for the current folder.

    Raises BadSetting, which names every unusable value and where it came from.
    """
    folder = directory or _current_folder()
    layers: list[tuple[str, Mapping[str, object]]] = [
        ("flag", {name: value for name, value in (flags or {}).items() if value is not None}),
        ("environment", _ask(EnvSettingsSource(Settings), "the environment")),
        (".env", _ask_file(folder / ".env")),
    ]
    home = next((Path(str(layer["home"])).expanduser() for _, layer in layers if "home" in layer), _default_home())
    layers.append(("matins.toml", _read_toml(folder / "matins.toml", home / "matins.toml")))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in reversed(layers):
        for name, value in layer.items():
            values[name] = value
            origins[name] = f"environment ({PREFIX}{name.upper()})" if origin == "environment" else origin
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _bad_settings(error, values, origins) from None
    settings._origins.update(origins)
    return settings


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise BadSetting(f"the current folder cannot be used: {error.strerror}", "go to another folder") from None


def _ask(source: PydanticBaseSettingsSource, name: str) -> Mapping[str, object]:
    try:
        return {key: value for key, value in source().items() if key in Settings.model_fields}
    except (SettingsError, OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"settings could not be read from {name}: {error}", "mend it") from None


def _ask_file(path: Path) -> Mapping[str, object]:
    try:
        return _ask(DotEnvSettingsSource(Settings, env_file=path), str(path))
    except (OSError, ValueError) as error:  # it is read as the source is made
        raise BadSetting(f"settings could not be read from {path}: {error}", "mend or remove it") from None


def _read_toml(*candidates: Path) -> Mapping[str, object]:
    path = candidates[0]
    try:
        for path in candidates:
            if path.is_file():
                table = tomllib.loads(path.read_text(encoding="utf-8"))
                break
        else:
            return {}
    except (OSError, ValueError, RecursionError) as error:
        raise BadSetting(f"{path} could not be read: {error}", "mend or remove it") from None
    if unknown := sorted(table.keys() - Settings.model_fields.keys()):
        known = ", ".join(Settings.model_fields)
        raise BadSetting(f"{path} sets {', '.join(unknown)}, which Matins does not know", f"known settings: {known}")
    return table


def _bad_settings(error: ValidationError, values: Mapping[str, object], origins: Mapping[str, str]) -> BadSetting:
    lines: list[str] = []
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0])
        if name not in values:
            continue  # a default that could not be derived from another bad value
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{name}={_shown(name, values[name])} (from {origins[name]}): {message[:1].lower()}{message[1:]}")
    first = str(error.errors()[0]["loc"][0])
    remedy = f"correct it or leave it out: {first} is {Settings.model_fields[first].description}"
    return BadSetting("; ".join(dict.fromkeys(lines)), remedy)


def _shown(name: str, value: object) -> str:
    if value is None:
        return "(not set)" if name != "token" else "(the file `token` in home)"
    if name == "notify" and isinstance(value, tuple):
        return " ".join("********" for _ in cast(tuple[object, ...], value)) or "(not set)"
    if name in ("token", "notify"):
        return "********"
    if isinstance(value, (tuple, list)):
        return (":" if name == "agents_path" else " ").join(str(part) for part in cast(Iterable[object], value))
    text = str(value)
    return _without_password(text) if name.endswith("_url") else text


def _without_password(url: str) -> str:
    try:
        password = urlsplit(url).password
    except ValueError:
        return url
    return url.replace(f":{password}@", ":********@", 1) if password else url
