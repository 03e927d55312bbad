"""A campaign file is read whole, or every problem in it is told at once, with its line and a remedy."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.domain.campaign import CommandCheck, PatternCheck
from orchestrator.domain.campaign_file import CampaignProblems, read_campaign
from orchestrator.errors import BadInput, Problem
from orchestrator.settings import shipped_examples

WHOLE = """\
schema = "matins-campaign-1"
name = "decode-50"

[repo]
url = "https://host.example/monorepo.git"
base = "main"

[requires]
tags = ["vulkan"]
vram_gib = 16

[limits]
wall_s = 14400
session_s = 3600
agent_gpu_s = 900
budget_usd = 20.0

[agent]
network = "none"
secrets = ["ANTHROPIC_API_KEY"]

[[session]]
[[session.turn]]
say_file = "handoff.md"
[[session.turn]]
when = "stopped-early"
say = "The specification stands. Finish every item."
[[session]]
[[session.turn]]
say = "Go on."

[[item]]
id = "fuse-o-proj-norm"
title = "One kernel for output projection, residual add and RMSNorm"
  [[item.check]]
  kind = "command"
  run = "cargo test -p kernels 'fused o_proj'"
  files = ["checks/fused_o_proj.rs -> crates/kernels/tests/"]
  hidden = true
  [[item.check]]
  kind = "pattern-absent"
  pattern = '#\\[allow\\('
  paths = "@opened"
  must_include = ["crates/vk/src/queries.rs"]
  [[item.check]]
  kind = "pattern-present"
  pattern = 'vkCmdWriteTimestamp'
  paths = ["crates/**/*.rs"]
[[item]]
id = "timestamps"
title = "Timestamps that fire"
check = [
  { kind = "marker", text = "[GPU PERDISPATCH]" },
  { kind = "tests", must_pass = ["wraps_around"] },
  { kind = "throughput", min_change = 0.5 },
]

[[build]]
run = "cargo build --release --workspace"
[[lint]]
run = "cargo clippy --workspace --all-targets -- -D warnings"
limit_s = 60
[[test]]
run = "cargo test --release --workspace"

[smoke]
run = "ci/gpu-smoke.sh"
env = {}
throughput = "matins"
dispatches = "perdispatch"
must_print = ["[GPU PERDISPATCH]"]

[smoke.measure]
mode = "fixed"
max_s = 360
alpha = 0.05
smallest_effect = 0.02
"""
FILES = {"handoff.md": b"Do all of it.\n", "checks/fused_o_proj.rs": b"#[test] fn fused() {}\n"}

LEAST = """\
schema = "matins-campaign-1"
name = "least"
repo = { url = "../repo" }
smoke = { run = "ci/smoke.sh" }
[[session]]
turn = [{ say = "Do it." }]
[[item]]
id = "one"
title = "One"
check = [{ kind = "command", run = "true" }]
"""


def problems(text: str, files: Any = ()) -> tuple[Problem, ...]:
    with pytest.raises(CampaignProblems) as caught:
        read_campaign(text, files)
    assert all(problem.line >= 1 and problem.message and problem.remedy for problem in caught.value.problems)
    return caught.value.problems


def only_problem(text: str, files: Any = ()) -> Problem:
    (problem,) = problems(text, files)
    return problem


def test_a_whole_file_is_read() -> None:
    campaign = read_campaign(WHOLE, FILES)

    assert campaign.name == "decode-50"
    assert campaign.repo.base == "main"
    assert campaign.requires.vram_gib == 16
    assert [len(session.turns) for session in campaign.sessions] == [2, 1]
    assert campaign.sessions[0].turns[1].when == "stopped-early"
    command, absent, present = campaign.items[0].checks
    assert isinstance(command, CommandCheck)
    assert command.hidden
    assert isinstance(absent, PatternCheck)
    assert absent.opened
    assert isinstance(present, PatternCheck)
    assert not present.opened
    assert present.paths == ("crates/**/*.rs",)
    assert campaign.lint[0].limit_s == 60
    assert campaign.smoke.measure.mode == "fixed"


def test_all_that_may_be_left_out_has_a_default_and_a_bound() -> None:
    campaign = read_campaign(LEAST, ())

    assert campaign.repo.base == "HEAD"
    assert campaign.agent.network == "full"
    assert campaign.limits.wall_s == 14_400
    assert campaign.limits.log_bytes == 16 * 1024**2
    assert campaign.limits.disk_bytes == 20 * 1024**3
    assert campaign.smoke.throughput == "matins"
    assert (campaign.smoke.measure.rounds, campaign.smoke.measure.max_s) == (3, 360)
    assert campaign.build == campaign.lint == campaign.test == ()


def test_every_shipped_campaign_is_read_without_a_problem() -> None:
    for campaign in (shipped_examples() / "campaigns").glob("*.toml"):
        beside = [path for path in campaign.parent.rglob("*") if path.is_file()]
        files = {path.relative_to(campaign.parent).as_posix(): path.read_bytes() for path in beside}

        assert read_campaign(campaign.read_text(), files).items


# Each line that ends in `#! text` has a problem; several texts are parted by `#!`. What stands before `=>`, if there
# is one, is a part of the message, what stands after it a part of the remedy.
BROKEN = """\
schema = "matins-campaign-2" #! "matins-campaign-2" is not known here => schema = "matins-campaign-1"
name = "Decode 50" #! 'Decode 50' is not a name => like 'decode-50'
colour = "red" #! unknown key 'colour' => known here: schema, name, repo
vram_gib = 3 #! unknown key 'vram_gib' => it belongs into [requires]

[repo] #! 'url' is missing => url = "https://host/repo.git"
base = "--upload-pack=x" #! option of git => without the leading '-'
branch = "main" #! unknown key 'branch'

[requires]
tags = "vulkan" #! should be a list => tags = ["vulkan"]
vram_gib = -1 #! greater than or equal to 0 => 0 to 4096

[limits]
wall_s = inf #! is no bound => at most 604800
session_s = 0 #! should be greater than 0 => more than 0
build_s = 604801 #! less than or equal to 604800
agent_gpu_s = -5 #! should be greater than 0
budget_usd = "20" #! "20": should be a number => US dollars
grade_s = true #! true: should be a number
procesess = 7 #! unknown key 'procesess' => did you mean 'processes'?
processes = 2.5 #! 2.5: should be a whole number => 16 to 65536

[agent]
network = ["api.example.org"] #! cannot be enforced yet => network = "none" or network = "full"
secrets = ["1KEY"] #! '1KEY' is not the name of a variable

[[session]]
[[session.turn]]
say_file = "hand-off.md" #! there is no file 'hand-off.md' => did you mean 'handoff.md'?
when = "stopped-early" #! the first turn waits for a stop
[[session.turn]] #! has both say and say_file => one of
say = "x"
say_file = "handoff.md"
[[session.turn]] #! says nothing => one of
when = "sometimes" #! "sometimes" is not known here => when = "always" or "stopped-early"
[[session]] #! 'turn' is missing => [[session.turn]]

[[item]]
id = "one"
title = "One"
[[item.check]]
kind = "command"
run = "cargo 'test" #! a quote is not closed => close each quote
files = [
  "checks/a.rs -> ../a.rs", #! '../a.rs' is not a path inside the tree => without '..'
  "checks/a.rs -> /etc/a", #! '/etc/a' is not a path inside the tree
  "checks/a.rs -> .git/hooks/", #! leads into .git
  "../a.rs -> a.rs", #! '../a.rs' is not a path inside the campaign's folder
  "checks/a.rs", #! not of the form 'source -> destination'
  "checks/b.rs -> x/", #! there is no file 'checks/b.rs' => did you mean 'checks/a.rs'?
  "checks/a.rs -> x/b.rs", #! 'x/b.rs' is already written by the entry in line 51
  7, #! should be a text
]
hiden = true #! unknown key 'hiden' => did you mean 'hidden'?
limit_s = 0 #! should be greater than 0
[[item.check]]
kind = "pattern-absent"
pattern = '#\\[allow((' #! is not a regular expression => single quotes
paths = "crates/**" #! is the text 'crates/**' => paths = ["crates/**"]
must_include = ["../x"] #! means nothing without the files that were opened #! '../x' is not a path inside the tree
[[item.check]] #! 'paths' is missing => paths = "@opened"
kind = "pattern-present"
pattern = "x"
[[item.check]]
kind = "marker"
text = "" #! is empty => what the smoke log must hold
files = [] #! kind 'marker' does not take 'files' => it takes kind, text
[[item.check]]
kind = "comand" #! unknown kind of check 'comand' => did you mean 'command'?
[[item.check]] #! 'kind' is missing => command, pattern-absent, pattern-present, marker, tests, throughput
run = "true"

[[item]] #! 'check' is missing => [[item.check]]
id = "one" #! 'one' is already the id of the item in line 40
title = 3 #! 3: should be a text

[[item]] #! 'id' is missing #! 'title' is missing
check = [] #! is empty => [[item.check]]

[[build]]
run = "A=1 make" #! begins with 'A=1', and no shell sets it => run: env A=1 make
[[build]]
run = "make && make install" #! holds '&&', and no shell runs it => bash -c
[[build]]
run = "make $TARGET" #! holds '$T', and no shell runs it
[[build]] #! 'run' is missing => run = "cargo build --release"
[lint] #! should be a list => [[lint]]
run = "true"
[[test]]
run = "" #! is empty => a command

[smoke]
run = "ci/smoke.sh > log" #! holds '>', and no shell runs it
env = { "A B" = "1", C = 2 } #! 'A B' is not the name of a variable #! 2: should be a text
throughput = "llama-bech" #! known throughput formats are matins, llama-bench => (?P
dispatches = "(?P<x>" #! is not a regular expression
must_print = [""] #! is empty => must_print
limits = 3 #! unknown key 'limits' => did you mean 'limit_s'?
[smoke.measure]
mode = "adaptiv" #! "adaptiv" is not known here => mode = "adaptive", or mode = "fixed"
alpha = 0 #! should be greater than 0
rounds = 0 #! greater than or equal to 1
"""


def test_every_problem_is_told_with_its_line_and_a_remedy() -> None:
    text = "\n".join(line.split(" #! ")[0] for line in BROKEN.splitlines())
    expected = [
        (number, *said.partition(" => ")[::2])
        for number, line in enumerate(BROKEN.splitlines(), 1)
        for said in line.split(" #! ")[1:]
    ]

    found = list(problems(text, ["handoff.md", "checks/a.rs"]))

    for line, message, remedy in expected:
        match = next(
            (one for one in found if one.line == line and message in one.message and remedy in one.remedy), None
        )
        assert match, f"line {line} lacks {message!r} => {remedy!r} among {[one for one in found if one.line == line]}"
        found.remove(match)
    assert found == []


def test_a_problem_says_where_as_a_path_of_keys() -> None:
    problem = only_problem(LEAST.replace('run = "true"', 'run = ""'))

    assert problem.where == "item[0].check[0].run"


def test_problems_are_bad_input_and_stand_in_the_order_of_lines() -> None:
    with pytest.raises(BadInput, match="the campaign file has 6 problems") as caught:
        read_campaign("", ())
    assert [problem.where for problem in caught.value.problems] == [
        "item",
        "name",
        "repo",
        "schema",
        "session",
        "smoke",
    ]

    lines = [problem.line for problem in problems(BROKEN)]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a = 1\nb = = 2\n", 2, "invalid value"),
        ("a = 1\na = 2\n", 2, "cannot overwrite"),
        ("[a]\nb = 1\n[a]\n", 3, "cannot declare"),
        ('a = 1\nb = """\nnever closed\n', 3, "unterminated"),
        ("a = 1\r\nb\r\n", 2, "expected '='"),
    ],
)
def test_text_that_is_not_toml_is_told_with_its_line(text: str, line: int, message: str) -> None:
    first = problems(text)[0]

    assert first.line == line
    assert message in first.message


def test_later_lines_that_cannot_be_read_are_told_too() -> None:
    found = problems("a = = 1\nb = 2\nc = = 3\n")

    assert [problem.line for problem in found] == [1, 3]


@pytest.mark.parametrize("depth", [150, 400, 990, 5000])
@pytest.mark.parametrize("shape", ["list", "keys"])
def test_deep_nesting_is_refused_and_not_followed(depth: int, shape: str) -> None:
    text = f"a = {'[' * depth}{']' * depth}" if shape == "list" else f"{'.'.join('a' * depth)} = 1"

    assert problems(text)[0].line == 1


def test_half_a_surrogate_pair_is_refused() -> None:
    assert "surrogate" in only_problem('a = "\ud800"').message


def test_an_attached_text_must_be_text() -> None:
    assert "not UTF-8" in only_problem(WHOLE, {**FILES, "handoff.md": b"\xff"}).message
    assert only_problem(WHOLE, {**FILES, "handoff.md": b" \n"}).message == "'handoff.md' is empty"


def test_a_missing_attachment_is_told_where_it_is_named() -> None:
    problem = only_problem(WHOLE, {"handoff.md": b"x"})

    assert WHOLE.splitlines()[problem.line - 1].strip().startswith("files = ")


def test_a_number_of_rounds_beside_adaptive_mode_is_told_with_its_line() -> None:
    adaptive = WHOLE.replace('mode = "fixed"', 'mode = "adaptive"')
    assert read_campaign(adaptive, FILES).smoke.measure.mode == "adaptive"

    text = adaptive.replace("max_s = 360", "rounds = 4\nmax_s = 360")
    problem = only_problem(text, FILES)
    assert text.splitlines()[problem.line - 1] == "rounds = 4"
    assert problem.where == "smoke.measure.rounds"
    assert 'means nothing with mode = "adaptive"' in problem.message
    assert "leave it out" in problem.remedy


def test_a_throughput_check_needs_a_smoke_test_that_prints_one() -> None:
    text = LEAST.replace('{ kind = "command", run = "true" }', '{ kind = "throughput" }')
    assert read_campaign(text, ())

    problem = only_problem(text.replace('"ci/smoke.sh"', '"ci/smoke.sh", throughput = ""'))
    assert "prints none" in problem.message


@pytest.mark.parametrize(
    "run",
    [
        "grep '|' file",
        'grep "a && b" file',
        "echo a\\;b",
        "cargo test foo$",
        "bash -c 'make && make install > log'",
        "cargo clippy -- -D warnings",
    ],
)
def test_signs_that_a_shell_would_read_may_be_quoted(run: str) -> None:
    assert read_campaign(LEAST.replace('run = "true"', f"run = '''{run}'''"), ())


@pytest.mark.parametrize(
    "run", ["a | b", "a; b", "a ;b", "a > b", "a 2>&1", "a &", "a `b`", "a $(b)", "a ${B}", "a < b"]
)
def test_signs_that_only_a_shell_reads_are_refused(run: str) -> None:
    assert "no shell" in only_problem(LEAST.replace('"true"', f'"{run}"')).message


@given(st.text(max_size=200))
@example("[[item]]\n[item]")
@example("=")
def test_any_text_is_read_or_refused_with_problems(text: str) -> None:
    assert problems(text, FILES)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["@opened", "adaptive"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_any_change_of_one_value_is_accepted_or_told_and_never_crashes(data: st.DataObject) -> None:
    paths = list(_paths(tomllib.loads(WHOLE)))
    path = data.draw(st.sampled_from(paths))
    text = _toml(_changed(tomllib.loads(WHOLE), path, data.draw(VALUES)))
    try:
        read_campaign(text, FILES)
    except CampaignProblems as error:
        assert all(problem.message and problem.remedy for problem in error.problems)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from _paths(child, (*path, key))


def _changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    value[path[0]] = _changed(value[path[0]], path[1:], new)
    return value


def _toml(table: dict[str, Any]) -> str:
    return "".join(f"{_quoted(key)} = {_value(part)}\n" for key, part in table.items() if part is not None)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(k)} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(part) for part in value if part is not None) + "]"
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(sign):08x}" for sign in text) + '"'
