"""What may stand at a place of the configuration, read from its JSON Schema and put in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pipeline.config.document import Keys
from pipeline.config.model import schema

JsonSchema = dict[str, Any]

KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}
"""The types of JSON Schema in the words of a message."""


@dataclass(frozen=True)
class Allowed:
    """The possibilities at one place, each a schema of its own; the union of them is what is allowed."""

    schemas: tuple[JsonSchema, ...]

    @classmethod
    def at(cls, keys: Keys) -> "Allowed":
        """Return what may stand at ``keys``; nothing where no such key is known."""
        whole = schema()
        found = list(_members(whole, whole))
        for key in keys:
            found = [member for outer in found for inner in _inner(outer, key) for member in _members(inner, whole)]
        return cls(tuple(found))

    @property
    def names(self) -> list[str]:
        """The keys that a mapping there may have."""
        return [name for schema in self.schemas for name in schema.get("properties", {})]

    @property
    def choices(self) -> list[Any]:
        """The values that may stand there as they are, such as the words of a choice."""
        return [value for schema in self.schemas for value in _choices(schema)]

    @property
    def words(self) -> str:
        """All of it as a person lists it."""
        words = dict.fromkeys(word for schema in self.schemas for word in _words(schema))
        *first, last = words or ["nothing"]
        return f"{', '.join(first)} or {last}" if first else last

    def hint(self, found: Any) -> str:
        """Return what the writer of ``found`` may have meant, empty where that is anyone's guess."""
        wants_text = not self.choices and any(schema.get("type") == "string" for schema in self.schemas)
        if wants_text and isinstance(found, bool | int | float):
            return "; quote it to make it text"
        return nearest(found, self.choices)


def nearest(found: Any, known: Sequence[Any]) -> str:
    """Return the question after the known name that is nearest to ``found``, empty where none is near."""
    near = get_close_matches(str(found), [str(name) for name in known], n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _members(part: JsonSchema, whole: JsonSchema) -> Iterator[JsonSchema]:
    """Yield the members of a union, or the one schema itself, with references followed."""
    if "$ref" in part:
        part = whole["$defs"][part["$ref"].rpartition("/")[2]]
    if "anyOf" not in part:
        yield part
    for member in part.get("anyOf", []):
        yield from _members(member, whole)


def _inner(outer: JsonSchema, key: str | int) -> Iterator[JsonSchema]:
    """Yield the schema of what lies at ``key``, if anything may."""
    if isinstance(key, str):
        inner = outer.get("properties", {}).get(key, outer.get("additionalProperties"))
    else:
        inner = dict(enumerate(outer.get("prefixItems", []))).get(key, outer.get("items"))
    if isinstance(inner, dict):
        yield inner


def _choices(schema: JsonSchema) -> list[Any]:
    return [schema["const"]] if "const" in schema else schema.get("enum", [])


def _words(schema: JsonSchema) -> list[str]:
    if "type" not in schema:
        return ["anything"]
    if schema["type"] == "boolean":
        return ["true", "false"]
    if choices := _choices(schema):
        return [str(choice) for choice in choices]
    return [_kind(schema)]


def _kind(schema: JsonSchema) -> str:
    kind = KINDS[schema["type"]]
    if "prefixItems" in schema:
        kind += f" of {len(schema['prefixItems'])}"
    if "properties" in schema:
        kind += f" of {', '.join(schema['properties'])}"
    return kind
