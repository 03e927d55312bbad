"""What an agent's tokens cost: as it reports it, else at prices that an operator set. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol, cast

from orchestrator.accounting.values import Amount, Charge, Label, Line

PER = 1e6
"""Prices are USD per so many tokens."""

PRICE_USD_MOST = 1e6
MODELS_MOST = 1000
FORM = '{"MODEL": {"prompt": USD, "completion": USD, "cached": USD}}, USD per million tokens'


@dataclass(frozen=True, kw_only=True)
class AgentCost:
    """USD over all turns. `unreported` turns said nothing of their cost, so `usd` is a lower bound if there are any."""

    usd: float
    unreported: int


def agent_cost(turns_usd: Iterable[float | None]) -> AgentCost:
    """`turns_usd` holds one entry a turn that took place, None where its cost is not known."""
    known = list(turns_usd)
    return AgentCost(usd=sum(usd for usd in known if usd is not None), unreported=known.count(None))


class Usage(Protocol):
    """`scoring.evidence.Usage`: of one turn; what it did not tell is None. `prompt_tokens` includes cached ones."""

    @property
    def prompt_tokens(self) -> int | None: ...
    @property
    def completion_tokens(self) -> int | None: ...
    @property
    def cached_tokens(self) -> int | None: ...
    @property
    def cost_usd(self) -> float | None: ...


@dataclass(frozen=True, kw_only=True)
class TokenPrice:
    """USD per million tokens. `cached`: of prompt tokens that were read from a cache."""

    prompt: float
    completion: float
    cached: float


@dataclass(frozen=True, kw_only=True)
class TokenCost:
    """USD, as agents reported it (`measured_usd`) and at configured prices. `unpriced` turns are in neither."""

    measured_usd: float = 0.0
    configured_usd: float = 0.0
    unpriced: int = 0

    @property
    def usd(self) -> float:
        return self.measured_usd + self.configured_usd


def token_cost(turns: Iterable[Usage | None], model: str, prices: Mapping[str, TokenPrice]) -> TokenCost:
    """`turns` holds one entry a turn that took place, None where it told nothing. A turn is priced by its tokens only
    if it told no cost, and both its prompt and its completion."""
    price = price_of(model, prices)
    measured: list[float] = []
    configured: list[float] = []
    unpriced = 0
    for turn in turns:
        reckoned = _reckoned(turn, price) if turn and price else None
        if turn and turn.cost_usd is not None and 0 <= turn.cost_usd < math.inf:
            measured.append(turn.cost_usd)
        elif reckoned is not None:
            configured.append(reckoned)
        else:
            unpriced += 1
    return TokenCost(measured_usd=math.fsum(measured), configured_usd=math.fsum(configured), unpriced=unpriced)


def price_of(model: str, prices: Mapping[str, TokenPrice]) -> TokenPrice | None:
    """The price under that very name, else under the longest pattern that fits (`*` stands for any text)."""
    if model in prices:
        return prices[model]
    fitting = [pattern for pattern in prices if model and fnmatchcase(model, pattern)]
    return prices[max(fitting, key=lambda pattern: (len(pattern), pattern))] if fitting else None


def token_lines(cost: TokenCost, *, day: str, runner: str, episode_id: str, attempt_id: str) -> tuple[Line, ...]:
    """What an attempt's tokens add to the ledger, once."""
    amounts: tuple[tuple[Label, float], ...] = (("configured", cost.configured_usd), ("measured", cost.measured_usd))
    return tuple(
        Line(
            day=day,
            runner=runner,
            charge=Charge(phase="tokens", kind="tokens", label=label, episode_id=episode_id, attempt_id=attempt_id),
            amount=Amount(usd=usd),
        )
        for label, usd in amounts
        if usd
    )


def read_token_prices(value: object) -> dict[str, TokenPrice]:
    """The setting `token_prices`: by model, `prompt`, `completion` and, unless it is the prompt's, `cached`. Raises
    ValueError with a sentence that names the model."""
    if not isinstance(value, Mapping):
        raise ValueError(f"token prices are a table: {FORM}")
    given = cast("Mapping[object, object]", value)
    if len(given) > MODELS_MOST:
        raise ValueError(f"these are {len(given)} models with prices, and {MODELS_MOST} is the most")
    return {_model(model): _price(str(model), facts) for model, facts in given.items()}


def _model(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{name!r} is no model's name: write {FORM}")
    return name


def _price(model: str, facts: object) -> TokenPrice:
    if not isinstance(facts, Mapping):
        raise ValueError(f"the price of {model!r} is no table: write {FORM}")
    given = cast("Mapping[str, Any]", facts)
    unknown = sorted(str(name) for name in given if name not in ("prompt", "completion", "cached"))
    if unknown:
        raise ValueError(f"the price of {model!r} has {unknown[0]!r}, which is no kind of token: write {FORM}")
    missing = [name for name in ("prompt", "completion") if name not in given]
    if missing:
        raise ValueError(f"the price of {model!r} lacks {missing[0]!r}: write {FORM}")
    prompt = _usd(model, "prompt", given["prompt"])
    completion = _usd(model, "completion", given["completion"])
    cached = _usd(model, "cached", given.get("cached", prompt))
    return TokenPrice(prompt=prompt, completion=completion, cached=cached)


def _usd(model: str, kind: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= PRICE_USD_MOST:
        raise ValueError(f"{kind} of {model!r} costs {value!r}: a number from 0 to {PRICE_USD_MOST:.0f} is wanted")
    return float(value)


def _reckoned(turn: Usage, price: TokenPrice) -> float | None:
    """At that price; None where a turn did not tell its tokens."""
    if turn.prompt_tokens is None or turn.completion_tokens is None:
        return None
    prompt, completion = max(0, turn.prompt_tokens), max(0, turn.completion_tokens)
    cached = min(prompt, max(0, turn.cached_tokens or 0))
    return ((prompt - cached) * price.prompt + cached * price.cached + completion * price.completion) / PER
