"""A campaign: the work that is asked for, how it is checked, and what bounds it. The shape of a campaign file.

Values are made by `campaign_file.read_campaign` and nowhere else. The description of a field is the remedy that a
wrong value gets.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from orchestrator.domain.campaign_parts import (
    DispatchFormat,
    GitName,
    Line,
    Name,
    OverlayEntry,
    Paths,
    Pattern,
    Run,
    Text,
    ThroughputFormat,
    TreePath,
    Variable,
)

SCHEMA = "matins-campaign-1"
DAY_S = 86_400
MIB = 1024**2
GIB = 1024**3

_CLOSED = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _seconds(default: float, longest: float = 7 * DAY_S) -> float:
    return Field(default=default, gt=0, le=longest, description=f"seconds, more than 0 and at most {longest:g}")


def _gpu() -> bool:
    return Field(default=False, description="gpu = true or gpu = false")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Repo:
    """What is worked on. A relative `url` counts from the campaign file; `base` is resolved at submission. With "push"
    the orchestrator brings the commit to a runner; else the runner fetches it."""

    url: GitName = Field(description='whatever git fetches: url = "https://host/repo.git", or a path from this file')
    base: GitName = Field(default="HEAD", description='a branch, tag or commit: base = "main"')
    deliver: Literal["fetch", "push"] = Field(default="fetch", description='deliver = "fetch" or deliver = "push"')


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Requires:
    """What a runner must have reported."""

    tags: tuple[Name, ...] = Field(default=(), max_length=32, description='a list of tags: tags = ["vulkan"]')
    vram_gib: float = Field(default=0.0, ge=0, le=4096, description="GiB of GPU memory, 0 to 4096")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Limits:
    """Bounds of an episode: each has a default, none can be lifted. `smoke_s` is of one smoke command, `grade_s` of one
    check."""

    wall_s: float = _seconds(14_400)
    session_s: float = _seconds(3_600)
    checkout_s: float = _seconds(600)
    build_s: float = _seconds(1_800)
    lint_s: float = _seconds(900)
    test_s: float = _seconds(1_800)
    smoke_s: float = _seconds(900)
    grade_s: float = _seconds(600)
    grade_wait_s: float = _seconds(3_600)
    agent_gpu_s: float = _seconds(900)
    budget_usd: float = Field(default=20.0, gt=0, le=100_000, description="US dollars, more than 0 and at most 100000")
    log_bytes: int = Field(default=16 * MIB, ge=4_096, le=GIB, description="bytes, 4096 to 1073741824")
    disk_bytes: int = Field(default=20 * GIB, ge=MIB, le=16_384 * GIB, description="bytes, 1048576 to 17592186044416")
    processes: int = Field(default=4_096, ge=16, le=65_536, description="a whole number, 16 to 65536")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class AgentRules:
    """What the agent may reach, and the names of the secrets that it is given."""

    network: Literal["none", "full"] = Field(default="full", description='network = "none" or network = "full"')
    secrets: tuple[Variable, ...] = Field(
        default=(), max_length=32, description='a list of names: secrets = ["ANTHROPIC_API_KEY"]'
    )


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Turn:
    """What is said to the agent: exactly one of `say` and `say_file`. "stopped-early": only if it left items open."""

    say: Text | None = Field(default=None, description='what is said: say = "Finish every item."')
    say_file: Line | None = Field(default=None, description='a text file beside this one: say_file = "handoff.md"')
    when: Literal["always", "stopped-early"] = Field(default="always", description='when = "always" or "stopped-early"')


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Session:
    """Turns of one run of the agent. It ends in a commit of the tree, on which the next session goes on."""

    turns: tuple[Turn, ...] = Field(
        validation_alias="turn", min_length=1, max_length=100, description="give each session a [[session.turn]]"
    )


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class CommandCheck:
    """Passes if the command exits with 0 in the graded tree. A hidden one is delivered once the agent is gone. With
    `gpu` it sees the device, and waits for its gate."""

    kind: Literal["command"]
    run: Run = Field(description='a command, split into words as a shell does: run = "cargo test -p kernels"')
    files: tuple[OverlayEntry, ...] = Field(
        default=(), max_length=200, description='a list: files = ["checks/a.rs -> crates/a/tests/"]'
    )
    hidden: bool = Field(default=False, description="hidden = true or hidden = false")
    gpu: bool = _gpu()
    limit_s: float | None = Field(default=None, gt=0, le=DAY_S, description=f"seconds, more than 0, at most {DAY_S}")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class PatternCheck:
    """Passes if the pattern is found in none ("pattern-absent") or some ("pattern-present") of the files.

    No `paths` means every file that the agent opened, which must then include `must_include`.
    """

    kind: Literal["pattern-absent", "pattern-present"]
    pattern: Pattern = Field(description="a regular expression: pattern = '#\\[allow\\('")
    paths: Paths = Field(description='paths = "@opened", or a list of globs like ["crates/**/*.rs"]')
    must_include: tuple[TreePath, ...] = Field(
        default=(), max_length=200, description='a list of files: must_include = ["crates/vk/src/queue.rs"]'
    )

    @property
    def opened(self) -> bool:
        return not self.paths


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class MarkerCheck:
    """Passes if the candidate's smoke log holds the text."""

    kind: Literal["marker"]
    text: Line = Field(description='what the smoke log must hold: text = "[GPU PERDISPATCH]"')


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class TestsCheck:
    """Passes if every test that passed on the base still exists and passes, and those of `must_pass` too."""

    kind: Literal["tests"]
    must_pass: tuple[Line, ...] = Field(default=(), max_length=10_000, description="a list of names of tests")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class ThroughputCheck:
    """Passes if the lower end of the interval of candidate / baseline - 1 reaches `min_change`."""

    kind: Literal["throughput"]
    min_change: float = Field(default=0.20, gt=0, le=1_000, description="a ratio, more than 0: 0.20 is 20 % faster")


Check = Annotated[
    CommandCheck | PatternCheck | MarkerCheck | TestsCheck | ThroughputCheck,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Item:
    """One part of the work. It is done if and only if every check passes."""

    id: Name = Field(description='a short name: id = "fuse-o-proj-norm"')
    title: Line = Field(description='what is asked, in a line: title = "One submit per token"')
    checks: tuple[Check, ...] = Field(
        validation_alias="check", min_length=1, max_length=100, description="give each item an [[item.check]]"
    )


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Step:
    """One command of build, lint or test. Without `limit_s` the limit of its stage holds. With `gpu` it sees the
    device, and waits for its gate."""

    run: Run = Field(description='a command, split into words as a shell does: run = "cargo build --release"')
    gpu: bool = _gpu()
    limit_s: float | None = Field(default=None, gt=0, le=DAY_S, description=f"seconds, more than 0, at most {DAY_S}")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Measure:
    """How a change of throughput is measured: `rounds` pairs of baseline and candidate, or with "adaptive" as many as
    it takes to settle it; no pair begins after `max_s`.

    `alpha` is the false-positive rate of a verdict; below the relative change `smallest_effect` two trees are the same.
    """

    mode: Literal["fixed", "adaptive"] = Field(
        default="fixed", description='mode = "adaptive", or mode = "fixed" with rounds = 3'
    )
    rounds: int = Field(default=3, ge=1, le=100, description="a whole number, 1 to 100")
    max_s: float = _seconds(360, DAY_S)
    alpha: float = Field(default=0.05, gt=0, le=0.5, description="a probability, more than 0 and at most 0.5")
    smallest_effect: float = Field(default=0.02, gt=0, lt=1, description="a ratio between 0 and 1: 0.02 is 2 %")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Smoke:
    """The smoke test, run with a cleared environment plus `env`. An empty format: no such lines are expected."""

    run: Run = Field(description='a command, split into words as a shell does: run = "ci/gpu-smoke.sh"')
    env: dict[Variable, Line] = Field(
        default_factory=dict, max_length=64, description='a table of texts: env = { A = "1" }'
    )
    throughput: ThroughputFormat = Field(
        default="matins", description='a known format, or a regular expression with (?P<tok_s>…): throughput = "matins"'
    )
    dispatches: DispatchFormat = Field(
        default="perdispatch",
        description="a known format, or a regular expression with (?P<name>…) and (?P<shader_ns>…)",
    )
    must_print: tuple[Line, ...] = Field(
        default=(), max_length=100, description='a list of texts: must_print = ["[GPU PERDISPATCH]"]'
    )
    equal: tuple[Line, ...] = Field(default=(), max_length=100, description='a list of texts: equal = ["[GPU OUTPUT]"]')
    ceiling_tok_s: float | None = Field(
        default=None, gt=0, le=1e12, description="tokens a second, more than 0: what the device cannot exceed"
    )
    limit_s: float | None = Field(default=None, gt=0, le=DAY_S, description=f"seconds, more than 0, at most {DAY_S}")
    isolation: Literal["shared", "quiet"] = Field(
        default="shared", description='isolation = "shared" or isolation = "quiet"'
    )
    reuse: bool = Field(default=False, description="reuse = true or reuse = false")
    preload: tuple[Line, ...] = Field(
        default=(), max_length=100, description='a list of paths of files: preload = ["weights/7b.gguf"]'
    )
    measure: Measure = Field(default_factory=Measure, description="a table: [smoke.measure]")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Compare:
    """How its episodes are compared with each other: at which `alpha`, and within which `subgroups` besides."""

    alpha: float = Field(default=0.05, gt=0, le=0.5, description="a probability, more than 0 and at most 0.5")
    subgroups: tuple[Literal["agent", "model", "runner"], ...] = Field(
        default=(), max_length=3, description='a list of "agent", "model", "runner": subgroups = ["runner"]'
    )


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Campaign:
    """A whole campaign file."""

    schema_: Literal["matins-campaign-1"] = Field(validation_alias="schema", description=f'schema = "{SCHEMA}"')
    name: Name = Field(description='a short name: name = "decode-50"')
    repo: Repo = Field(description='a table: [repo] with url = "…"')
    requires: Requires = Field(default_factory=Requires, description="a table: [requires]")
    limits: Limits = Field(default_factory=Limits, description="a table: [limits]")
    agent: AgentRules = Field(default_factory=AgentRules, description="a table: [agent]")
    sessions: tuple[Session, ...] = Field(
        validation_alias="session",
        min_length=1,
        max_length=100,
        description="add a [[session]] with a [[session.turn]]",
    )
    items: tuple[Item, ...] = Field(
        validation_alias="item", min_length=1, max_length=500, description="add an [[item]] with an [[item.check]]"
    )
    build: tuple[Step, ...] = Field(default=(), max_length=20, description='[[build]] with run = "…"')
    lint: tuple[Step, ...] = Field(default=(), max_length=20, description='[[lint]] with run = "…"')
    test: tuple[Step, ...] = Field(default=(), max_length=20, description='[[test]] with run = "…"')
    smoke: Smoke = Field(description='a table: [smoke] with run = "…"')
    compare: Compare = Field(default_factory=Compare, description="a table: [compare]")
