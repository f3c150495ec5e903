"""The dialect of YAML a configuration is written in: the core schema of YAML 1.2, narrowed to what cannot surprise.

``yes``, ``on``, ``1:30``, ``2024-01-01`` and numbers with leading zeros are text.  Tags, aliases, merge keys, repeated
keys and numbers that are not finite are refused, each at its place.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any, NoReturn

import yaml

from pipeline.config.document import Document, Keys, Place, about

MAX_DEPTH = 32
"""Far deeper than any configuration, far less deep than what exhausts the stack."""

TAG = "tag:yaml.org,2002:"

NODES = {yaml.ScalarNode: "one value", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}

CORE_SCHEMA = {
    "null": (re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    "int": (re.compile(r"^[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789")),
    "float": (
        re.compile(
            r"""^[-+]?(
                (\.[0-9]+ | (0|[1-9][0-9]*)(\.[0-9]*)?) ([eE][-+]?[0-9]+)?
                | \.(inf|Inf|INF|nan|NaN|NAN)
            )$""",
            re.VERBOSE,
        ),
        list("-+.0123456789"),
    ),
}
"""The plain scalars that are not text, and the characters they begin with (YAML 1.2.2, section 10.3.2)."""


def parse(text: str, source: str) -> Document:
    """Read the text of a configuration.

    Raises
    ------
    ConfigError
        Where the text is not YAML, uses what the dialect refuses, or is not one mapping.
    """
    top = Place(source, 1, 1)
    node = _compose(text, top)
    if node is None:
        message = "the file is empty; it needs a mapping of sections such as input, output and steps"
        raise top.error(message)
    if not isinstance(node, yaml.MappingNode):
        message = (
            f"found {NODES[type(node)]} at the top; allowed is a mapping of sections such as input, output and steps"
        )
        raise _place(node, top).error(message)
    places: dict[Keys, Place] = {(): top}
    return Document(_mapping(node, (), top, places), places)


def parse_value(text: str, place: Place) -> Any:
    """Read one value as a command line gives it; ``place`` is where its errors lie."""
    node = _compose(text, place)
    return None if node is None else _plain(node, (), place, {})


def is_encodable(text: str) -> bool:
    """Tell whether a text can stand in a file and name one: no NUL, no unpaired surrogate."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


class _Loader(yaml.SafeLoader):
    """Composes nodes in the dialect; PyYAML's constructors are never called."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's name for what `add_implicit_resolver` fills below

    def __init__(self, text: str, top: Place) -> None:
        super().__init__(text)
        self.top = top
        self.keys: Keys = ()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node, unless the dialect refuses it; ``index`` is its key's node or its place in a list."""
        with self._inside("?" if index is None and parent is not None else index):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            if isinstance(event, yaml.AliasEvent):
                self._refuse(event, f"found the alias *{event.anchor}; aliases are not allowed: write the value out")
            if getattr(event, "tag", None) is not None:
                self._refuse(event, f"found the tag {event.tag}; tags are not allowed: write plain values")
            if len(self.keys) > MAX_DEPTH:
                self._refuse(event, f"nested more than {MAX_DEPTH} deep")
            return super().compose_node(parent, index)

    @contextmanager
    def _inside(self, index: Any) -> Iterator[None]:
        outer = self.keys
        if index is not None:
            self.keys = (*outer, str(index.value) if isinstance(index, yaml.Node) else index)
        yield
        self.keys = outer

    def _refuse(self, event: yaml.Event, message: str) -> NoReturn:
        raise _place(event, self.top).error(about(self.keys, message))


for _kind, (_pattern, _first_characters) in CORE_SCHEMA.items():
    _Loader.add_implicit_resolver(TAG + _kind, _pattern, _first_characters)


def _compose(text: str, top: Place) -> yaml.Node | None:
    try:
        return _Loader(text, top).get_single_node()
    except yaml.MarkedYAMLError as error:
        message = "not YAML: " + "; ".join(filter(None, [error.context, error.problem]))
        mark = error.problem_mark or error.context_mark
        raise (top.inner(mark.line, mark.column) if mark else top).error(message) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = top.inner(before.count("\n"), error.position - before.rfind("\n") - 1)
        message = f"the character U+{error.character:04X} is not allowed; allowed are printable characters in UTF-8"
        raise place.error(message) from None


def _place(thing: yaml.Node | yaml.Event, top: Place) -> Place:
    start: Any = thing.start_mark
    return top.inner(start.line, start.column)


def _plain(node: yaml.Node, keys: Keys, top: Place, places: dict[Keys, Place]) -> Any:
    """Return a node as plain data, and note the places of what it holds."""
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, keys, top, places)
    if isinstance(node, yaml.SequenceNode):
        return _list(node, keys, top, places)
    return _scalar(node, keys, top)


def _mapping(node: yaml.MappingNode, keys: Keys, top: Place, places: dict[Keys, Place]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value in node.value:
        place = _place(key_node, top)
        key = _key(key_node, keys, top)
        if key in mapping:
            raise place.error(about((*keys, key), "given twice; keep one of the two"))
        places[*keys, key] = place
        mapping[key] = _plain(value, (*keys, key), top, places)
    return mapping


def _list(node: yaml.SequenceNode, keys: Keys, top: Place, places: dict[Keys, Place]) -> list[Any]:
    items = []
    for index, item in enumerate(node.value):
        places[*keys, index] = _place(item, top)
        items.append(_plain(item, (*keys, index), top, places))
    return items


def _key(node: yaml.Node, keys: Keys, top: Place) -> str:
    key = _scalar(node, keys, top) if isinstance(node, yaml.ScalarNode) else None
    if not isinstance(key, str):
        shown = repr(node.value) if isinstance(node, yaml.ScalarNode) else NODES[type(node)]
        raise _place(node, top).error(about(keys, f"found {shown} as a key; allowed is text (quote it)"))
    if key == "<<":
        raise _place(node, top).error(about((*keys, key), "merge keys are not allowed; write the values out"))
    return key


def _scalar(node: yaml.Node, keys: Keys, top: Place) -> Any:
    try:
        return _READERS[node.tag.removeprefix(TAG)](node.value)
    except ValueError as error:
        raise _place(node, top).error(about(keys, f"found {node.value[:40]!r}; {error}")) from None


def _number(text: str) -> float:
    if text[-1].isalpha() or not isfinite(float(text)):
        message = "allowed is a finite number"
        raise ValueError(message)
    return float(text)


def _whole_number(text: str) -> int:
    _number(text)
    return int(text)


def _text(text: str) -> str:
    if not is_encodable(text):
        message = "allowed is text without NUL and unpaired surrogates"
        raise ValueError(message)
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _whole_number,
    "float": _number,
    "str": _text,
}
