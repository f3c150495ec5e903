"""The whole configuration as one frozen object, put together from the options that the rooms own."""

from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from pydantic import ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, with_config
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from pipeline.cluster.options import ClusterOptions
from pipeline.cohort.options import ManifestOptions
from pipeline.dicom.policy import GeometryOptions, HounsfieldOptions
from pipeline.dicom.select.rules import SelectOptions
from pipeline.limits import Limits
from pipeline.program.step import Step
from pipeline.report.options import ReportOptions
from pipeline.sources.folders import InputOptions
from pipeline.steps import STEPS
from pipeline.store.layout import StoreOptions

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


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
