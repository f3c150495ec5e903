"""What pydantic finds wrong, said at its place in words: what was found, what is allowed, the nearest known name."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from textwrap import shorten
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.allowed import Allowed, nearest
from pipeline.config.document import Document, Keys, about
from pipeline.errors import UsageError

GIVEN_BY_COMMAND: dict[Keys, str] = {("input",): "; or give --input DIR", ("output",): "; or give --output DIR"}
"""What may be given on the command line instead."""


def first_problem(error: ValidationError, document: Document) -> UsageError:
    """Return the first of the errors in the order of the file; what is missing comes last."""
    problems = [Problem(details, document) for details in error.errors(include_url=False, include_input=False)]
    around = {problem.keys[:depth] for problem in problems for depth in range(len(problem.keys))}
    # Of the members of a union, the one that failed deepest knows what the part was meant to be.
    deepest = [problem for problem in problems if problem.is_missing or problem.keys not in around]
    return min(deepest, key=Problem.rank).as_error()


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one part of a document."""

    details: ErrorDetails
    document: Document

    @cached_property
    def keys(self) -> Keys:
        """Where it lies: pydantic's location without the names of the union members it tried."""
        keys: Keys = ()
        for key in self.details["loc"]:
            part = self.document.at(keys)
            if (isinstance(part, dict) and key in part) or (isinstance(part, list) and key in range(len(part))):
                keys = (*keys, key)
        return keys

    @property
    def found(self) -> Any:
        """The part that is wrong."""
        return self.document.at(self.keys)

    @property
    def is_missing(self) -> bool:
        """Whether a key that must be given is not."""
        return self.details["type"] == "missing" and isinstance(self.found, dict)

    def rank(self) -> tuple[bool, int, int]:
        """Return the order in which problems are reported: as in the file, then what is missing."""
        place = self.document.place(self.keys)
        return self.is_missing, place.line, place.column

    def as_error(self) -> UsageError:
        """Return the problem as the error that a person sees."""
        match self.details["type"]:
            case "value_error":
                return self._impossible(str(self.details["ctx"]["error"]))
            case "unexpected_keyword_argument" | "extra_forbidden":
                return self._unknown(str(self.keys[-1]))
            case "missing" if self.is_missing:
                return self._missing((*self.keys, self.details["loc"][-1]))
        allowed = Allowed.at(self.keys)
        message = f"found {_shown(self.found)}; allowed: {allowed.words}{allowed.hint(self.found)}"
        return self.document.place(self.keys).error(about(self.keys, message))

    def _impossible(self, message: str) -> UsageError:
        """Say what a room said, at the first key that it names."""
        found = self.found if isinstance(self.found, dict) else {}
        for name in re.findall(r"\w+", message):
            if name in found:
                keys = (*self.keys, name)
                return self.document.place(keys).error(about(keys, f"found {_shown(found[name])}; {message}"))
        return self.document.place(self.keys).error(about(self.keys, message))

    def _unknown(self, name: str) -> UsageError:
        known = Allowed.at(self.keys[:-1]).names
        message = f"unknown key; allowed: {', '.join(known)}{nearest(name, known)}"
        return self.document.place(self.keys).error(about(self.keys, message))

    def _missing(self, keys: Keys) -> UsageError:
        option = GIVEN_BY_COMMAND.get(keys[:1], "")
        message = f"missing; allowed: {Allowed.at(keys).words}{option}"
        return self.document.place(self.keys).error(about(keys, message))


def _shown(found: Any) -> str:
    """Return a part as it might stand in the file, cut short."""
    return shorten(json.dumps(found, ensure_ascii=False), width=60, placeholder=" ...")
