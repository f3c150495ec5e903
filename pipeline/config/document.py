"""Plain data that remembers where each of its parts was written; knows neither YAML nor any option by name."""

from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigError, UsageError

Keys = tuple[str | int, ...]
"""The way from the top of a document to one of its parts: names of keys and indices of lists."""


def join_keys(keys: Keys) -> str:
    """Return ``("steps", 0, "clip")`` as ``steps.0.clip``."""
    return ".".join(map(str, keys))


def about(keys: Keys, message: str) -> str:
    """Return a message with the key it is about in front."""
    return f"{join_keys(keys)}: {message}" if keys else message


@dataclass(frozen=True)
class Place:
    """Where something was written: in a file, line and column counted from 1, or in an option of a command (line 0)."""

    source: str
    line: int = 0
    column: int = 0

    def inner(self, line: int, column: int) -> "Place":
        """Return the place so far, from 0, into the same file; inside an option there are none."""
        return Place(self.source, line + 1, column + 1) if self.line else self

    def error(self, message: str) -> UsageError:
        """Return the error that names this place."""
        if self.line == 0:
            return UsageError(f"{self.source}: {message}")
        return ConfigError(self.source, self.line, self.column, message)


@dataclass
class Document:
    """Plain data and the place of each of its parts; what a mapping holds lies where its key does."""

    data: dict[str, Any]
    places: dict[Keys, Place]

    def place(self, keys: Keys) -> Place:
        """Return where a part was written or, where it was not, the nearest part around it."""
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places[keys]

    def at(self, keys: Keys) -> Any:
        """Return one part."""
        part: Any = self.data
        for key in keys:
            part = part[key]
        return part

    def put(self, keys: Keys, value: Any, place: Place) -> None:
        """Set one part as if it had been written at ``place``; mappings that lack on the way to it are made."""
        for depth in range(1, len(keys)):
            if self._step(keys[:depth], place) is None:
                self._set(keys[:depth], {}, place)
        self._step(keys, place)
        self._set(keys, value, place)

    def _step(self, keys: Keys, place: Place) -> Any:
        """Return what lies at the last key, None where nothing does.

        Raises
        ------
        UsageError
            Where nothing can lie there: a number that is no index of the list, a name inside a list or a scalar.
        """
        holder, key = self.at(keys[:-1]), keys[-1]
        if isinstance(holder, dict) and isinstance(key, str):
            return holder.get(key)
        if isinstance(holder, list) and isinstance(key, int) and key < len(holder):
            return holder[key]
        found = _shape(holder)
        raise place.error(about(keys[:-1], f"found {found}, which holds nothing at {key!r}"))

    def _set(self, keys: Keys, value: Any, place: Place) -> None:
        self.at(keys[:-1])[keys[-1]] = value
        self.places = {written: at for written, at in self.places.items() if written[: len(keys)] != keys}
        self.places[keys] = place


def _shape(part: Any) -> str:
    if isinstance(part, dict):
        return f"a mapping of {', '.join(part)}"
    return f"a list of {len(part)}" if isinstance(part, list) else repr(part)
