"""A Config back to plain data: to be read again, to be published, to be hashed."""

import json
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import yaml

from pipeline.config.dialect import CORE_SCHEMA, TAG
from pipeline.config.model import Config
from pipeline.privacy import ALLOWED_ELEMENTS

HASH_DIGITS = 20

VOXEL_SECTIONS = ("geometry", "hounsfield", "steps", "store")
"""What of a configuration can change a voxel or its description."""

PRIVATE_KEYS = (
    ("input", "roots"),
    ("output", "folder"),
    ("manifest", "labels"),
    ("manifest", "patient_map"),
    ("cluster", "address"),
    ("cluster", "tls"),
    ("cluster", "options"),
    ("on_finish",),
)
"""What names, or may name, a path, a host or an account."""


def config_hash(config: Config) -> str:
    """Return 20 hex digits that stand for all that can change a store: the same for any spelling of the same values."""
    data = _plain(config)
    masks = [_without_path(mask) for mask in (data["manifest"]["labels"] or {}).get("masks", [])]
    voxels = {name: data[name] for name in VOXEL_SECTIONS} | ({"masks": masks} if masks else {})
    canonical = json.dumps(_canonical(voxels), sort_keys=True)
    return sha256(canonical.encode()).hexdigest()[:HASH_DIGITS]


def dump(config: Config, *, paths: bool) -> str:
    """Return the configuration as YAML with every default spelled out; ``load`` of it is the same configuration.

    Without ``paths``, what names a path, a host or an account is left out, and so is what ``select`` asks of elements
    that may identify a person.
    """
    data = _plain(config)
    if not paths:
        _strip(data)
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=120, default_flow_style=None)


def _plain(config: Config) -> dict[str, Any]:
    data = asdict(config) | {"steps": [{step.name: step.parameters} for step in config.steps]}
    plain: dict[str, Any] = json.loads(json.dumps(data))
    return plain


def _without_path(mask: dict[str, Any]) -> dict[str, Any]:
    """Return what of a mask's options is the same wherever its files lie."""
    regions = mask["regions"] and list(mask["regions"].items())  # their order gives their numbers
    return mask | {"nifti": mask["nifti"] is not None, "regions": regions}


def _canonical(value: Any) -> Any:
    """Return the same data with one spelling for each number: -1024 and -1024.0 are one value."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _strip(data: dict[str, Any]) -> None:
    for *sections, key in PRIVATE_KEYS:
        holder = data[sections[0]] if sections else data
        del holder[key]
    select = data["select"]
    select["where"] = {keyword: wanted for keyword, wanted in select["where"].items() if keyword in ALLOWED_ELEMENTS}
    select["prefer"] = [one for one in select["prefer"] if isinstance(one, str) or one.keys() <= ALLOWED_ELEMENTS]


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or the dialect of `load` would read as anything else."""


for _kind, (_pattern, _first_characters) in CORE_SCHEMA.items():
    _Dumper.add_implicit_resolver(TAG + _kind, _pattern, _first_characters)
