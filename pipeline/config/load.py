"""A configuration file and the options of a command to a Config, or to one error that says where and what."""

import json
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

from pydantic import ValidationError

from pipeline.config.allowed import nearest
from pipeline.config.dialect import MAX_DEPTH, is_encodable, parse, parse_value
from pipeline.config.document import Document, Keys, Place, about
from pipeline.config.model import Config, adapter
from pipeline.config.order import check_program
from pipeline.config.paths import find_folder_clash, find_unknown_place, resolve_file_urls
from pipeline.config.problems import first_problem
from pipeline.errors import UsageError

MODELS = "models"
"""The folder of the configurations that prepare the input of published models: ``models/merlin`` names one."""

MAX_BYTES = 1 << 20
"""Far more than any configuration needs."""


def load(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    inputs: Sequence[str | PathLike[str]] = (),
    output: str | PathLike[str] | None = None,
    cluster: str | None = None,
) -> Config:
    """Read a configuration; ``overrides`` (``a.b=VALUE``, the value in YAML) and the other options win over the file.

    ``path`` is a file, or the name of a configuration that comes with the program.

    Raises
    ------
    UsageError
        Where anything is wrong; a `ConfigError` where it is wrong in the file.
    """
    path = find_config(path)
    document = parse(_text(path), str(path))
    for override in overrides:
        _override(document, override)
    if inputs:
        document.put(("input", "roots"), [_folder(root, "--input") for root in inputs], Place("--input"))
    if output is not None:
        document.put(("output", "folder"), _folder(output, "--output"), Place("--output"))
    if cluster is not None:
        _put_cluster(document, cluster)
    return _build(document)


def find_on_finish(path: Path, overrides: Sequence[str] = ()) -> str | None:
    """Return ``on_finish`` of a configuration that is wrong elsewhere; None where it has none that could be read."""
    try:
        document = parse(_text(find_config(path)), str(path))
        for override in overrides:
            _override(document, override)
    except UsageError:
        return None
    command = document.data.get("on_finish")
    return command if isinstance(command, str) else None


def find_config(path: Path) -> Path:
    """Return the file that a command line means: the one of that path, else the one that comes with the program.

    Raises UsageError for a plain name of neither.
    """
    folder, name = _own_folder(), path.as_posix()
    known = {config.relative_to(folder).with_suffix("").as_posix(): config for config in sorted(folder.rglob("*.yaml"))}
    if path.exists() or path.suffix or (path.name != name and path.parts[0] != MODELS):
        return path
    if name in known:
        return known[name]
    message = f"{path}: no such file, and no configuration that comes with ctprep: {', '.join(known)}"
    raise UsageError(message + nearest(name, list(known)))


def _own_folder() -> Path:
    """Return the folder of the configurations: in the package where it is installed, beside it in a clone."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise UsageError(message) from None
    if len(content) > MAX_BYTES:
        message = f"{path}: longer than {MAX_BYTES} bytes; this is no configuration"
        raise UsageError(message)
    # What is not UTF-8 becomes surrogates, which the dialect refuses at their place.
    return content.decode("utf-8-sig", "surrogateescape")


def _override(document: Document, override: str) -> None:
    name, equals, value = override.partition("=")
    place = Place(f"--set {name}")
    parts = name.split(".")
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        message = "allowed is KEY=VALUE with a dotted key, as in store.level=3 or steps.clip.low_hu=-500"
        raise place.error(message)
    keys: Keys = tuple(int(key) if key.isdecimal() else key for key in parts)
    document.put(_find_step(document, keys, place), parse_value(value, place), place)


def _find_step(document: Document, keys: Keys, place: Place) -> Keys:
    """Return keys that name a step, as in ``steps.resample.spacing_mm``, with its place in the list before the name."""
    steps = document.data.get("steps")
    if len(keys) < 2 or keys[0] != "steps" or isinstance(keys[1], int) or not isinstance(steps, list):
        return keys
    places = [n for n, step in enumerate(steps) if isinstance(step, dict) and keys[1] in step]
    if len(places) == 1:
        return ("steps", places[0], *keys[1:])
    names = ", ".join(f"steps.{n}.{name}" for n, step in enumerate(steps) if isinstance(step, dict) for name in step)
    message = f"found {len(places)} steps called {keys[1]}; allowed: {names or 'none, as the list is empty'}"
    raise place.error(about(("steps",), message))


def _folder(path: str | PathLike[str], option: str) -> str:
    folder = fspath(path)
    if not folder or not is_encodable(folder):
        message = f"found {folder!r}; allowed is the name of a folder, in UTF-8"
        raise Place(option).error(message)
    return folder


def _put_cluster(document: Document, cluster: str) -> None:
    in_process = cluster in {"serial", "local"}
    document.put(("cluster", "kind"), cluster if in_process else "address", Place("--cluster"))
    document.put(("cluster", "address"), None if in_process else cluster, Place("--cluster"))


def _build(document: Document) -> Config:
    try:
        config = adapter().validate_json(json.dumps(document.data))
    except ValidationError as error:
        raise first_problem(error, document) from None
    if impossible := check_program(config):
        keys, message = impossible
        raise document.place(keys).error(about(keys, message))
    if unknown := find_unknown_place(config):
        keys, message = unknown
        raise document.place(keys).error(about(keys, message))
    config = resolve_file_urls(config)
    if clash := find_folder_clash(config):
        raise document.place(("output", "folder")).error(clash)
    return config
