import json

import pytest
from pydantic import ValidationError

from pipeline.config.model import Config, adapter, schema
from pipeline.steps import STEPS
from pipeline.steps.clip import Clip
from pipeline.steps.orient import Orient
from pipeline.store.layout import StoreOptions

FOLDERS = {"input": {"roots": ["in"]}, "output": {"folder": "out"}}


def build(**sections: object) -> Config:
    return adapter().validate_json(json.dumps(FOLDERS | sections))


def test_input_and_output_alone_are_a_configuration() -> None:
    config = build()
    assert config.input.roots == ("in",)
    assert config.output.folder == "out"
    assert config.steps == ()
    assert config.store == StoreOptions()


def test_each_block_becomes_the_step_of_its_name_in_the_order_written() -> None:
    steps = [{"clip": {"low_hu": -1000, "high_hu": 400}}, {"orient": {"to": "LPS"}}]
    assert build(steps=steps).steps == (Clip(low_hu=-1000, high_hu=400), Orient(to="LPS"))


@pytest.mark.parametrize(
    "sections",
    [
        {"stroe": {}},
        {"store": {"levle": 1}},
        {"store": {"level": "1"}},
        {"store": {"level": 1.0}},
        {"store": {"level": True}},
        {"report": {"enabled": 1}},
        {"hounsfield": {"padding_hu": None}},
        {"manifest": {"split": {"train": 0.8, "tset": 0.2}}},
        {"steps": [{"blur": {}}]},
        {"steps": {"orient": {"to": "LPS"}}},
        {"output": {"folder": ""}},
    ],
)
def test_nothing_is_converted_and_nothing_unknown_is_accepted(sections: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        build(**sections)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(number: str) -> None:
    with pytest.raises(ValidationError):
        adapter().validate_json(json.dumps(FOLDERS)[:-1] + f', "hounsfield": {{"padding_hu": {number}}}}}')


def test_the_schema_is_strict_everywhere() -> None:
    found = schema()
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["additionalProperties"] is False
    assert all(part["additionalProperties"] is False for part in found["$defs"].values())


def test_the_schema_knows_every_step_and_wants_one_an_item() -> None:
    item = schema()["properties"]["steps"]["items"]
    assert list(item["properties"]) == list(STEPS)
    assert (item["minProperties"], item["maxProperties"]) == (1, 1)


def test_the_schema_leaves_input_and_output_to_the_command_line() -> None:
    found = schema()
    assert "required" not in found
    assert "required" not in found["$defs"]["InputOptions"]
    assert found["$defs"]["Orient"]["required"] == ["to"]
