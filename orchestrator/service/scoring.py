"""The score act: judge the received folder, derive its files, and commit what follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session

from orchestrator.accounting.tokens import TokenCost, read_token_prices, token_cost, token_lines
from orchestrator.accounting.values import Line
from orchestrator.artifacts.derive import derive
from orchestrator.artifacts.facts import Facts
from orchestrator.domain.campaign_launch import hidden_checks
from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.domain.health import Finding
from orchestrator.domain.phases import Event, Phase
from orchestrator.domain.reasons import EndReason, meaning
from orchestrator.errors import ArtifactError
from orchestrator.failpoints import reach
from orchestrator.scoring.evidence import Evidence
from orchestrator.scoring.judge import judge_canary, judge_preflight
from orchestrator.scoring.specification import Specification, specification
from orchestrator.scoring.verdict import Canary, Preflight, Verdict
from orchestrator.service.drift import watched
from orchestrator.service.places import attempt_folder
from orchestrator.service.scene import Scene, launch_spec_of, look
from orchestrator.service.services import Services
from orchestrator.service.summary import summarise
from orchestrator.store.acceptance import keep_answer
from orchestrator.store.canary import end_canary
from orchestrator.store.changes import fail_attempt, move_episode, request_act
from orchestrator.store.health import end_attempt, move_health
from orchestrator.store.ledger import add_lines
from orchestrator.store.outbox import Act
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow
from runner_agent.protocol import AttemptStatus, ExitRecord, from_json


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What scoring found. `preflight` is there for a preflight only, `canary` for a canary; `summary` is what the
    database keeps, `tokens` what the agent's cost."""

    verdict: Verdict
    preflight: Preflight | None
    summary: dict[str, Any]
    tokens: TokenCost
    canary: Canary | None = None

    @property
    def reason(self) -> EndReason:
        return self.canary.reason if self.canary else self.verdict.reason

    @property
    def problem(self) -> str:
        """What a canary found missing."""
        return self.canary.problem if self.canary else ""

    def token_lines(self, runner: str, episode_id: str, attempt_id: str, now: datetime) -> tuple[Line, ...]:
        """What the tokens of the attempt add to the ledger, once."""
        day = now.astimezone(UTC).date().isoformat()
        return token_lines(self.tokens, day=day, runner=runner, episode_id=episode_id, attempt_id=attempt_id)


def score(services: Services, act: Act) -> None:
    """A verdict ends the episode. An infrastructure failure is noted for the planner, who may have attempts left."""
    scene = look(services, act)
    reach("act-score-before-call")
    judged = _judge(services, scene, _exit(services, act))
    drift = watched(services, scene, judged.summary)
    reach("act-score-after-call")
    with services.store.writing() as session:
        if _settle(session, services, scene, judged) and drift is not None:
            move_health(session, act.runner, Finding.DRIFTED, drift, services.now(), gpu=scene.gpu)
    reach("act-score-after-commit")


def judge_again(services: Services, attempt: AttemptRow) -> Judged:
    """The verdict on an ended attempt's kept artifacts, and all that is derived from them written anew."""
    act = Act(
        id=0,
        kind="score",
        attempt_id=attempt.id,
        episode_id=attempt.episode_id,
        runner=attempt.runner,
        fence=attempt.fence,
        tries=1,
        created_at=services.now(),
    )
    return _judge(services, look(services, act), _exit(services, act))


def _judge(services: Services, scene: Scene, exit: ExitRecord) -> Judged:
    folder = attempt_folder(services.settings.home, scene.act.attempt_id)
    spec = _specification(services, scene)
    found = derive(folder, _facts(scene), spec, exit)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    preflight = judge_preflight(found.evidence, spec, exit) if scene.is_preflight else None
    canary = judge_canary(found.evidence, spec, exit) if scene.is_canary else None
    alone = preflight.baseline_tok_s if preflight else canary.tok_s if canary else None
    tokens = _tokens(services, scene, found.evidence)
    summary = summarise(found, exit, size, alone) | {"turns_unpriced": tokens.unpriced}
    return Judged(verdict=found.verdict, preflight=preflight, summary=summary, tokens=tokens, canary=canary)


def _tokens(services: Services, scene: Scene, evidence: Evidence) -> TokenCost:
    prices = read_token_prices(services.settings.token_prices)
    usages = (turn.usage for turn in evidence.turns if not turn.skipped)
    return token_cost(usages, scene.episode.model or "", prices)


def _specification(services: Services, scene: Scene) -> Specification:
    hidden = () if scene.is_canary else hidden_checks(scene.campaign, scene.files)
    launch = launch_spec_of(services, scene, agent=None)
    return specification(launch, hidden)


def _facts(scene: Scene) -> Facts:
    return Facts(
        episode_id=scene.episode.id,
        attempt_id=scene.act.attempt_id,
        campaign=scene.campaign.name,
        agent=scene.episode.agent,
        model=scene.episode.model,
        runner=scene.act.runner,
        submitted_at=scene.episode.submitted_at.isoformat(),
    )


def _exit(services: Services, act: Act) -> ExitRecord:
    with services.store.reading() as session:
        status = session.get_one(AttemptRow, act.attempt_id).status
    exit = from_json(AttemptStatus, status).exit if status else None
    if exit is None:
        raise ArtifactError(f"attempt {act.attempt_id} was collected without an exit record")
    return exit


def _settle(session: Session, services: Services, scene: Scene, judged: Judged) -> bool:
    """Whether that ended the episode."""
    act, reason, now = scene.act, judged.reason, services.now()
    spent = judged.token_lines(act.runner, act.episode_id, act.attempt_id, now)
    cancelled = session.get_one(EpisodeRow, act.episode_id).cancel_requested or reason is EndReason.CANCELLED
    if not cancelled and (meaning(reason).kind == "infrastructure" or meaning(reason).retry is not None):
        if fail_attempt(session, act.attempt_id, reason, judged.verdict.invalid_reason, now=now):
            add_lines(session, spent)
        return False
    ended = EndReason.CANCELLED if cancelled else reason
    moved = move_episode(
        session,
        act.episode_id,
        Event.CANCEL if cancelled else Event.SCORED,
        phase=Phase.SCORING,
        fence=act.fence,
        now=now,
        values={"end_reason": str(ended), "detail": judged.problem, "result": judged.summary},
        data={
            "attempt": act.attempt_id,
            "reason": str(ended),
            "valid": judged.verdict.valid,
            "first_line": judged.verdict.first_line,
        },
    )
    if not moved:
        return False
    add_lines(session, spent)
    end_attempt(session, act.attempt_id, ended, now=now)
    request_act(session, "acknowledge", act.attempt_id, now=now)
    if scene.episode.kind == EpisodeKind.PREFLIGHT:
        _answer_campaign(session, scene, judged, cancelled, now)
    if judged.canary is not None:
        finding = Finding.VOID if cancelled else Finding.PASSED if judged.canary.passed else Finding.FAILED
        why = "it was cancelled" if cancelled else judged.canary.problem
        end_canary(session, session.get_one(EpisodeRow, act.episode_id), finding, why, now)
    return True


def _answer_campaign(session: Session, scene: Scene, judged: Judged, cancelled: bool, now: datetime) -> None:
    """A preflight of one machine answers for that one alone. One that somebody ended says nothing of a machine, and
    must yet answer whoever waits for it."""
    episode, preflight = scene.episode, judged.preflight
    accepted = preflight is not None and preflight.accepted and not cancelled
    found = "its preflight was cancelled" if cancelled else "; ".join(preflight.problems if preflight else ())
    if episode.pinned_runner or not cancelled:
        keep_answer(session, episode, scene.act.attempt_id, "" if accepted else found, now)
    if episode.pinned_runner:
        return
    campaign = session.get_one(CampaignRow, episode.campaign_id)
    problems = f"{found} (`matins episode logs {episode.id}` shows the preflight)"
    campaign.acceptance = str(Acceptance.ACCEPTED if accepted else Acceptance.REFUSED)
    campaign.acceptance_detail = "" if accepted else problems
    session.add(campaign)
