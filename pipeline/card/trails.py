"""The trails of many stores as one list of steps."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Trail = Sequence[Mapping[str, Any]]
"""A store's own list of ``{"step": name, "parameters": {...}}``."""

NthStep = tuple[str, int]
"""A step's name, and how often it has come before in its trail."""


@dataclass(frozen=True)
class Processing:
    """A step: how many series went through it, and with which parameters; None where they differ."""

    step: str
    n_series: int
    parameters: Mapping[str, Any] | None


def processing_of(trails: Sequence[Trail]) -> tuple[Processing, ...]:
    """Return the steps of all trails, each behind those that it follows."""
    order: list[NthStep] = []
    parameters: dict[NthStep, list[Mapping[str, Any]]] = defaultdict(list)
    for trail in sorted(trails, key=len, reverse=True):
        steps = _numbered(trail)
        _insert(order, steps)
        for step, entry in zip(steps, trail, strict=True):
            parameters[step].append(entry["parameters"])
    return tuple(Processing(step[0], len(parameters[step]), _only(parameters[step])) for step in order)


def _numbered(trail: Trail) -> list[NthStep]:
    seen: Counter[str] = Counter()
    numbered = []
    for name in (entry["step"] for entry in trail):
        numbered.append((name, seen[name]))
        seen[name] += 1
    return numbered


def _insert(order: list[NthStep], steps: Iterable[NthStep]) -> None:
    """Put the steps that are not in the order yet behind those that come before them."""
    place = 0
    for step in steps:
        if step not in order:
            order.insert(place, step)
        place = order.index(step) + 1


def _only(parameters: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return parameters[0] if all(one == parameters[0] for one in parameters) else None
