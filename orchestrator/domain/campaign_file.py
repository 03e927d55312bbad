"""From the text of a campaign file to a Campaign, or to every problem in it at once, each with line and remedy."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from orchestrator.domain import campaign as shape
from orchestrator.domain.campaign import Campaign
from orchestrator.domain.campaign_lines import Lines, Path
from orchestrator.domain.campaign_parts import OPENED, overlay
from orchestrator.errors import BadInput, Problem

PROBLEMS_MAX = 200
_LONG_NUMBER = re.compile(r"[0-9_]{1000}")

Table = dict[str, Any]

_READER = TypeAdapter(Campaign)
_CHECK_TYPES = (
    shape.CommandCheck,
    shape.PatternCheck,
    shape.MarkerCheck,
    shape.TestsCheck,
    shape.ThroughputCheck,
)
_CHECKS: dict[str, type] = {kind: check for check in _CHECK_TYPES for kind in get_args(get_type_hints(check)["kind"])}
_TABLES: dict[tuple[str, ...], type] = {
    (): Campaign,
    ("repo",): shape.Repo,
    ("requires",): shape.Requires,
    ("limits",): shape.Limits,
    ("agent",): shape.AgentRules,
    ("session",): shape.Session,
    ("session", "turn"): shape.Turn,
    ("item",): shape.Item,
    ("build",): shape.Step,
    ("lint",): shape.Step,
    ("test",): shape.Step,
    ("smoke",): shape.Smoke,
    ("smoke", "measure"): shape.Measure,
    ("compare",): shape.Compare,
}


class CampaignProblems(BadInput):
    """A campaign file that cannot be used; `problems` in the order of their lines."""

    kind = "bad-campaign"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"the campaign file has {count}", "correct each of them and check the file again", problems)


def read_campaign(text: str, files: Collection[str]) -> Campaign:
    """The campaign that `text` describes. `files` names the attached files, as they are spelled in the text; where it
    is a mapping to their bytes, texts among them are checked too.

    Raises CampaignProblems with every problem of the file.
    """
    try:
        return _read(text, files)
    except RecursionError:
        raise _refused("values are nested too deeply", "nest less") from None


def _read(text: str, files: Collection[str]) -> Campaign:
    data = _parse(text)
    lines = Lines(text)
    found = list(_cross_problems(data, files, lines))
    campaign: Campaign | None = None
    try:
        campaign = _READER.validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        found += [problem for fault in faults if (problem := _problem(fault, data, lines)) is not None]
    if found or campaign is None:
        unique = sorted(dict.fromkeys(found), key=lambda problem: (problem.line, problem.where))
        raise CampaignProblems(tuple(unique[:PROBLEMS_MAX]))
    return campaign


def _parse(text: str) -> Table:
    try:
        text.encode()
        return tomllib.loads(text)
    except UnicodeEncodeError:
        raise _refused("the text holds half a surrogate pair", "save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise CampaignProblems(_syntax_problems(text, str(error))) from None
    except ValueError:
        # The parser hands every number to int(), which refuses thousands of digits.
        raise CampaignProblems((_long_number(text),)) from None


def _long_number(text: str) -> Problem:
    found = next((n for n, line in enumerate(text.splitlines(), 1) if _LONG_NUMBER.search(line)), 1)
    return Problem(line=found, where="", message="a number of thousands of digits", remedy="write a smaller number")


def _refused(message: str, remedy: str) -> CampaignProblems:
    return CampaignProblems((Problem(line=1, where="", message=message, remedy=remedy),))


def _syntax_problems(text: str, message: str) -> tuple[Problem, ...]:
    """The parser's own fault, which is the first, and the lines after it that the grammar cannot read either."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    last = max(1, len(text.splitlines()))
    line = int(place[1]) if place and place[1] else last
    said = message[: place.start()] if place else message
    first = Problem(
        line=line,
        where="",
        message=f"not TOML: {said[:1].lower()}{said[1:]}",
        remedy="write key = value, texts in quotes, tables as [name] or [[name]]; each key once",
    )
    others = (
        Problem(line=other, where="", message="not TOML: this line cannot be read", remedy="write key = value")
        for other in Lines(text).errors
        if other > line
    )
    return (first, *others)


def _cross_problems(data: Table, files: Collection[str], lines: Lines) -> Iterator[Problem]:
    """What no single value shows. `data` may have any shape; whatever has a wrong one is reported elsewhere."""
    yield from _duplicate_items(data, lines)
    for position, (path, turn) in enumerate(_inner(data, "session", "turn")):
        yield from _turn_problems(path, turn, position == 0, files, lines)
    measure = _table(_table(data.get("smoke")).get("measure"))
    if measure.get("mode") == "adaptive" and "rounds" in measure:
        yield _at(
            lines,
            ("smoke", "measure", "rounds"),
            'means nothing with mode = "adaptive", which takes as many rounds as settle the change',
            'leave it out and bound the time with max_s, or say mode = "fixed"',
        )
    for path, check in _inner(data, "item", "check"):
        yield from _overlay_problems(path, check, files, lines)
        if check.get("must_include") and check.get("paths") not in (OPENED, [OPENED]):
            yield _at(
                lines,
                (*path, "must_include"),
                "means nothing without the files that were opened",
                f'say paths = "{OPENED}"',
            )
        if check.get("kind") == "throughput" and _table(data.get("smoke")).get("throughput") == "":
            yield _at(
                lines, path, "is on throughput, and the smoke test prints none", 'name a format: throughput = "matins"'
            )


def _duplicate_items(data: Table, lines: Lines) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for path, item in _elements(data, "item"):
        name = item.get("id")
        if not isinstance(name, str):
            continue
        line = lines.of((*path, "id"))
        if name in first:
            message = f"{name!r} is already the id of the item in line {first[name]}"
            yield _at(lines, (*path, "id"), message, "give each item an id of its own")
        first.setdefault(name, line)


def _turn_problems(path: Path, turn: Table, opening: bool, files: Collection[str], lines: Lines) -> Iterator[Problem]:
    if ("say" in turn) == ("say_file" in turn):
        both = "has both say and say_file" if "say" in turn else "says nothing"
        yield _at(lines, path, both, 'give it one of say = "…" and say_file = "…"')
    if opening and turn.get("when") == "stopped-early":
        message = "the first turn waits for a stop, and nothing was said that the agent could stop"
        yield _at(lines, (*path, "when"), message, "let the first turn be said always")
    source = turn.get("say_file")
    if isinstance(source, str):
        yield from _attachment_problems((*path, "say_file"), source, files, lines)
        if isinstance(files, Mapping) and isinstance(content := cast(Mapping[str, object], files).get(source), bytes):
            yield from _text_problems((*path, "say_file"), source, content, lines)


def _text_problems(path: Path, source: str, content: bytes, lines: Lines) -> Iterator[Problem]:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        yield _at(lines, path, f"{source!r} is not UTF-8 text (byte {error.start})", "save it as UTF-8")
        return
    if not text.strip():
        yield _at(lines, path, f"{source!r} is empty", "write what the agent is told")


def _overlay_problems(path: Path, check: Table, files: Collection[str], lines: Lines) -> Iterator[Problem]:
    if check.get("kind") != "command":
        return
    first: dict[str, int] = {}
    for position, entry in enumerate(_list(check.get("files"))):
        place: Path = (*path, "files", position)
        try:
            source, destination = overlay(entry) if isinstance(entry, str) else ("", "")
        except PydanticCustomError:
            continue
        if not source:
            continue
        yield from _attachment_problems(place, source, files, lines)
        if destination in first:
            message = f"{destination!r} is already written by the entry in line {first[destination]}"
            yield _at(lines, place, message, "give each file a destination of its own")
        first.setdefault(destination, lines.of(place))


def _attachment_problems(path: Path, source: str, files: Collection[str], lines: Lines) -> Iterator[Problem]:
    if source not in files:
        near = difflib.get_close_matches(source, list(files), n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "put it where the path says, counted from the campaign file"
        yield _at(lines, path, f"there is no file {source!r} beside the campaign file", remedy)


def _problem(fault: ErrorDetails, data: Table, lines: Lines) -> Problem | None:
    """A validation fault in a user's words; None for one that only follows from others."""
    path = _data_path(fault["loc"])
    kind = fault["type"]
    value: object = fault["input"]
    key = str(path[-1]) if path else ""
    described = _described(path, data)
    match kind:
        case "campaign_fault":
            context = fault.get("ctx", {})
            return _at(lines, path, context["message"], context["remedy"] or described)
        case "json_invalid":
            return _at(lines, (), "values are nested too deeply", "nest less")
        case "unexpected_keyword_argument":
            return _unknown_key(path, data, lines)
        case "missing":
            return _at(lines, path[:-1], f"{key!r} is missing", described, where=path)
        case "union_tag_invalid":
            return _unknown_kind(path, str(_table(value).get("kind")), lines)
        case "union_tag_not_found":
            return _at(
                lines, path, "'kind' is missing", f"name a kind of check: {', '.join(_CHECKS)}", where=(*path, "kind")
            )
        case "too_short" if _list(value):
            return None  # it holds elements, and their own faults are told
        case "too_short":
            return _at(lines, path, "is empty", described)
        case "literal_error":
            return _wrong_word(path, value, described, lines)
        case _:
            return _at(lines, path, f"{_shown(value)}: {_reason(fault)}", described)


def _unknown_key(path: Path, data: Table, lines: Lines) -> Problem:
    key, parent = str(path[-1]), path[:-1]
    known = list(_fields(_table_type(parent, data)))
    check_kind = _table(_get(data, parent)).get("kind") if _names(parent) == ("item", "check") else None
    if check_kind and any(key in _fields(other) for other in _CHECK_TYPES):
        return _at(lines, path, f"a check of kind {check_kind!r} does not take {key!r}", f"it takes {', '.join(known)}")
    elsewhere = next((names for names, table in _TABLES.items() if key in _fields(table)), None)
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        remedy = f"did you mean {near[0]!r}?"
    elif elsewhere is not None and elsewhere != _names(parent):
        remedy = f"it belongs into {'[' + '.'.join(elsewhere) + ']' if elsewhere else 'the top of the file'}"
    else:
        remedy = f"known here: {', '.join(known)}"
    return _at(lines, path, f"unknown key {key!r}", remedy)


def _unknown_kind(path: Path, kind: str, lines: Lines) -> Problem:
    near = difflib.get_close_matches(kind, list(_CHECKS), n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"kinds are {', '.join(_CHECKS)}"
    return _at(lines, (*path, "kind"), f"unknown kind of check {kind!r}", remedy)


def _wrong_word(path: Path, value: object, described: str, lines: Lines) -> Problem:
    if _names(path) == ("agent", "network") and _is_list(value):
        return _at(lines, path, "a list of hosts cannot be enforced yet", 'say network = "none" or network = "full"')
    return _at(lines, path, f"{_shown(value)} is not known here", described)


def _reason(fault: ErrorDetails) -> str:
    """What a value should be, without the validator's own idiom."""
    context = fault.get("ctx", {})
    match fault["type"]:
        case "tuple_type":
            return "should be a list"
        case "dict_type" | "dataclass_type" | "dataclass_exact_type":
            return "should be a table"
        case "string_type":
            return "should be a text, in quotes"
        case "bool_type":
            return "should be true or false"
        case "float_type" | "int_type" | "int_from_float":
            return "should be a whole number" if fault["type"] != "float_type" else "should be a number"
        case "finite_number":
            return "is no bound: everything is bounded"
        case "too_long":
            return f"holds more than {context.get('max_length')} entries"
        case "string_too_long":
            return f"is longer than {context.get('max_length')} characters"
        case "string_too_short":
            return "is empty"
        case _:
            return fault["msg"].replace("Input should", "should")


def _at(lines: Lines, path: Path, message: str, remedy: str, *, where: Path | None = None) -> Problem:
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in (where or path)).removeprefix(".")
    return Problem(line=lines.of(path), where=shown, message=message, remedy=remedy)


def _data_path(location: tuple[int | str, ...]) -> Path:
    """A validator's location without the tag that follows the position of a check, and without `[key]`."""
    if len(location) > 4 and (location[0], location[2]) == ("item", "check"):
        location = (*location[:4], *location[5:])
    return location[:-1] if location[-1:] == ("[key]",) else location


def _described(path: Path, data: Table) -> str:
    """The remedy that the field of `path` carries, or that of the nearest field around it."""
    while path:
        if isinstance(path[-1], str):
            field = _fields(_table_type(path[:-1], data)).get(path[-1])
            if field is not None and field.description:
                return field.description
        path = path[:-1]
    return "see the description of the campaign file"


def _table_type(path: Path, data: Table) -> type | None:
    names = _names(path)
    if names == ("item", "check"):
        return _CHECKS.get(str(_table(_get(data, path)).get("kind")))
    return _TABLES.get(names)


def _fields(table: type | None) -> dict[str, FieldInfo]:
    """The fields of a table by the names that they have in the file."""
    known = cast(dict[str, FieldInfo], getattr(table, "__pydantic_fields__", {}))
    return {str(field.validation_alias or name): field for name, field in known.items()}


def _names(path: Path) -> tuple[str, ...]:
    return tuple(part for part in path if isinstance(part, str))


def _get(data: object, path: Path) -> object:
    for part in path:
        if isinstance(part, int):
            elements = _list(data)
            data = elements[part] if part < len(elements) else None
        else:
            data = _table(data).get(part)
    return data


def _inner(data: Table, outer: str, inner: str) -> Iterator[tuple[Path, Table]]:
    for path, parent in _elements(data, outer):
        for rest, child in _elements(parent, inner):
            yield (*path, *rest), child


def _elements(data: Table, key: str) -> Iterator[tuple[Path, Table]]:
    for position, element in enumerate(_list(data.get(key))):
        if isinstance(element, dict):
            yield (key, position), cast(Table, element)


def _table(value: object) -> Table:
    return cast(Table, value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str).replace("Infinity", "inf").replace("NaN", "nan")
    return text if len(text) <= 80 else f"{text[:77]}…"
