"""The whole configuration as one frozen object, put together from the options that the rooms own.

It goes back to plain data to be read again, to be published, or to be hashed.
"""

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, with_config
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from pipeline.cluster.options import ClusterOptions
from pipeline.cohort.options import ManifestOptions
from pipeline.config.dialect import CORE_SCHEMA, TAG
from pipeline.dicom.policy import GeometryOptions, HounsfieldOptions
from pipeline.dicom.select.options import SelectOptions
from pipeline.limits import Limits
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.program.step import Step
from pipeline.report.options import ReportOptions
from pipeline.sources.folders import InputOptions
from pipeline.steps import STEPS
from pipeline.store.layout import StoreOptions

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

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


class StepBlocks:
    """Tells pydantic how the list of steps is written: each a mapping of one known name to that step's parameters."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of a list of blocks that become steps."""
        blocks = {
            name: core_schema.typed_dict_field(handler.generate_schema(step), required=False)
            for name, step in STEPS.items()
        }
        block = core_schema.typed_dict_schema(blocks, extra_behavior="forbid")
        return core_schema.tuple_variable_schema(core_schema.no_info_after_validator_function(_only, block))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the same as JSON Schema."""
        blocks = handler(schema)
        blocks["items"] |= {"minProperties": 1, "maxProperties": 1}
        return blocks


def _only(block: dict[str, Step]) -> Step:
    if len(block) != 1:
        message = f"an item of the list holds {len(block)} steps; allowed is one, each after a dash of its own"
        raise ValueError(message)
    return next(iter(block.values()))


@dataclass(frozen=True)
class OutputOptions:
    """``output:`` of the configuration."""

    folder: str

    def __post_init__(self) -> None:
        if not self.folder:
            msg = "folder must not be empty"
            raise ValueError(msg)


@with_config(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
@dataclass(frozen=True)
class Config:
    """Everything a run depends on; each field is one section of the file."""

    input: InputOptions
    output: OutputOptions
    select: SelectOptions = field(default_factory=SelectOptions)
    geometry: GeometryOptions = field(default_factory=GeometryOptions)
    hounsfield: HounsfieldOptions = field(default_factory=HounsfieldOptions)
    steps: Annotated[tuple[Step, ...], StepBlocks()] = ()
    store: StoreOptions = field(default_factory=StoreOptions)
    manifest: ManifestOptions = field(default_factory=ManifestOptions)
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    limits: Limits = field(default_factory=Limits)
    on_finish: str | None = None
    report: ReportOptions = field(default_factory=ReportOptions)


@cache
def adapter() -> TypeAdapter[Config]:
    """Return what turns plain data into a Config."""
    return TypeAdapter(Config)


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes up from the names of keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return that none shall be set."""
        del schema
        return False


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) by which editors check and complete a configuration.

    ``input`` and ``output`` are not required in it: the command line may give them.
    """
    whole = adapter().json_schema(schema_generator=_Untitled)
    definitions = whole.pop("$defs")
    for options in definitions.values():
        options["additionalProperties"] = False
    for given_by_command in (whole, definitions["InputOptions"], definitions["OutputOptions"]):
        del given_by_command["required"]
    return {"$schema": SCHEMA_DIALECT, **whole, "title": "ctprep configuration", "$defs": definitions}


def config_hash(config: Config) -> str:
    """Return 20 hex digits that stand for all that can change a store: the same for any spelling of the same values."""
    data = _plain(config)
    masks = [_without_path(mask) for mask in (data["manifest"]["labels"] or {}).get("masks", [])]
    if data["store"]["axes"] == "zyx":  # as before there was a choice, so that stores made before it stay
        del data["store"]["axes"]
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
