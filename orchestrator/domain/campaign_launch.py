"""From a campaign to what a runner is sent. Pure; hidden checks are kept out of the launch and go with `grade`."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from orchestrator.domain import campaign as shape
from orchestrator.domain.campaign import Campaign
from orchestrator.domain.campaign_parts import overlay, split_command
from runner_agent import protocol


def launch_spec(
    campaign: Campaign,
    *,
    attempt_id: str,
    episode_id: str,
    fence: int,
    kind: Literal["episode", "preflight"],
    commit: str,
    repo_url: str,
    agent: protocol.Agent | None,
    files: Mapping[str, bytes],
    hide: Iterable[str] = (),
    gpu: str = "",
    build_slots: int = 1,
    alone: bool = False,
    deliver: Literal["fetch", "push"] = "fetch",
    cache_bytes: int = 100 << 30,
) -> protocol.LaunchSpec:
    """What a runner needs for one attempt. A preflight has no sessions and no agent, and the same checks.

    `files` are the attached files by the names that the campaign was read with.
    """
    preflight = kind == "preflight"
    build = _commands(campaign.build, campaign.limits.build_s)
    test = _commands(campaign.test, campaign.limits.test_s)
    checks = all_checks(campaign, files)
    hidden = {check.id for check in hidden_checks(campaign, files)}
    return protocol.LaunchSpec(
        attempt_id=attempt_id,
        episode_id=episode_id,
        fence=fence,
        kind=kind,
        repo_url=repo_url,
        commit=commit,
        base_key=base_key(repo_url, commit, (*build, *test)),
        agent=None if preflight else agent,
        sessions=() if preflight else tuple(_session(session, files) for session in campaign.sessions),
        items=tuple(protocol.Item(id=item.id, title=item.title) for item in campaign.items),
        checks=tuple(check for check in checks if check.id not in hidden),
        hidden_checks=len(hidden),
        build=build,
        lint=_commands(campaign.lint, campaign.limits.lint_s),
        test=test,
        smoke=_smoke(campaign),
        limits=_limits(campaign.limits),
        network=campaign.agent.network,
        hide=tuple(hide),
        gpu=gpu,
        isolation=campaign.smoke.isolation,
        alone=alone,
        build_slots=build_slots,
        reuse=campaign.smoke.reuse,
        deliver=deliver,
        cache_bytes=cache_bytes,
    )


def canary_spec(spec: protocol.LaunchSpec) -> protocol.LaunchSpec:
    """Of a preflight, what shows that a machine is sound: its base is built and smoked. No lint, test, item or check.
    The base has a name of its own, as on this one nothing is tested."""
    key = base_key(spec.repo_url, spec.commit, spec.build)
    return replace(
        spec, kind="preflight", base_key=key, lint=(), test=(), items=(), checks=(), hidden_checks=0, sessions=()
    )


def all_checks(campaign: Campaign, files: Mapping[str, bytes]) -> tuple[protocol.Check, ...]:
    """Every check, item by item, as `<item id>/<position from 0>`."""
    return tuple(
        _check(check, item.id, position, campaign.limits.grade_s, files)
        for item in campaign.items
        for position, check in enumerate(item.checks)
    )


def hidden_checks(campaign: Campaign, files: Mapping[str, bytes]) -> tuple[protocol.Check, ...]:
    """The checks that the runner must not have while the agent lives."""
    return tuple(
        _check(check, item.id, position, campaign.limits.grade_s, files)
        for item in campaign.items
        for position, check in enumerate(item.checks)
        if isinstance(check, shape.CommandCheck) and check.hidden
    )


def base_key(repo_url: str, commit: str, commands: Iterable[protocol.Command]) -> str:
    """The name of the built base tree: the same for every attempt that would build and test the same base alike."""
    told = [[command.argv, "gpu"] if command.gpu else command.argv for command in commands]
    return hashlib.sha256(json.dumps([repo_url, commit, told]).encode()).hexdigest()[:32]


def _session(session: shape.Session, files: Mapping[str, bytes]) -> protocol.Session:
    return protocol.Session(
        turns=tuple(protocol.Turn(say=_said(turn, files), when=turn.when) for turn in session.turns)
    )


def _said(turn: shape.Turn, files: Mapping[str, bytes]) -> str:
    return files[turn.say_file].decode() if turn.say_file is not None else turn.say or ""


def _commands(steps: tuple[shape.Step, ...], limit_s: float) -> tuple[protocol.Command, ...]:
    return tuple(_command(step.run, step.limit_s, limit_s, gpu=step.gpu) for step in steps)


def _command(run: str, own_limit_s: float | None, limit_s: float, *, gpu: bool = False) -> protocol.Command:
    return protocol.Command(argv=split_command(run), limit_s=limit_s if own_limit_s is None else own_limit_s, gpu=gpu)


def _smoke(campaign: Campaign) -> protocol.Smoke:
    smoke = campaign.smoke
    return protocol.Smoke(
        command=_command(smoke.run, smoke.limit_s, campaign.limits.smoke_s),
        env=dict(smoke.env),
        throughput=smoke.throughput,
        dispatches=smoke.dispatches,
        must_print=smoke.must_print,
        equal=smoke.equal,
        ceiling_tok_s=smoke.ceiling_tok_s,
        preload=smoke.preload,
        measure=protocol.Measure(
            mode=smoke.measure.mode,
            rounds=smoke.measure.rounds,
            max_s=smoke.measure.max_s,
            alpha=smoke.measure.alpha,
            smallest_effect=smoke.measure.smallest_effect,
        ),
    )


def _limits(limits: shape.Limits) -> protocol.Limits:
    return protocol.Limits(
        wall_s=limits.wall_s,
        session_s=limits.session_s,
        checkout_s=limits.checkout_s,
        smoke_s=limits.smoke_s,
        grade_s=limits.grade_s,
        grade_wait_s=limits.grade_wait_s,
        log_bytes=limits.log_bytes,
        disk_bytes=limits.disk_bytes,
        processes=limits.processes,
        agent_gpu_s=limits.agent_gpu_s,
        budget_usd=limits.budget_usd,
    )


def _check(check: shape.Check, item: str, position: int, grade_s: float, files: Mapping[str, bytes]) -> protocol.Check:
    name = f"{item}/{position}"
    match check:
        case shape.CommandCheck():
            return protocol.Check(
                id=name,
                item=item,
                kind=check.kind,
                command=_command(check.run, check.limit_s, grade_s, gpu=check.gpu),
                files=tuple(_overlay(entry, files) for entry in check.files),
            )
        case shape.PatternCheck():
            return protocol.Check(
                id=name,
                item=item,
                kind=check.kind,
                pattern=check.pattern,
                paths=check.paths,
                opened=check.opened,
                must_include=check.must_include,
            )
        case shape.MarkerCheck():
            return protocol.Check(id=name, item=item, kind=check.kind, text=check.text)
        case shape.TestsCheck():
            return protocol.Check(id=name, item=item, kind=check.kind, must_pass=check.must_pass)
        case shape.ThroughputCheck():
            return protocol.Check(id=name, item=item, kind=check.kind, min_change=check.min_change)


def _overlay(entry: str, files: Mapping[str, bytes]) -> protocol.OverlayFile:
    source, destination = overlay(entry)
    return protocol.OverlayFile(
        path=destination,
        content=base64.b64encode(files[source]).decode("ascii"),
        executable=destination.endswith(".sh"),
    )
