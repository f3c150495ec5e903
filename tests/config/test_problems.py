import json

import pytest
from pydantic import ValidationError

from pipeline.config.dialect import parse
from pipeline.config.model import adapter
from pipeline.config.problems import first_problem

FOLDERS = "input: {roots: [in]}\noutput: {folder: out}\n"


def problem(text: str) -> str:
    document = parse(text, "f.yaml")
    with pytest.raises(ValidationError) as error:
        adapter().validate_json(json.dumps(document.data))
    return str(first_problem(error.value, document))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("geomety: {}", "3:1: geomety: unknown key; allowed: input, output, select, geometry, "),
        ("geomety: {}", "; did you mean geometry?"),
        ("store:\n  levle: 3", "4:3: store.levle: unknown key; allowed: dtype, codec, chunks, shards, level, "),
        ("steps: [{clipp: {}}]", "3:10: steps.0.clipp: unknown key; allowed: orient, resample, clip, "),
        (
            "steps: [{orient: {too: LPS}}]",
            "3:19: steps.0.orient.too: unknown key; allowed: to, oblique; did you mean to?",
        ),
        (
            "geometry: {gap: rejct}",
            '3:12: geometry.gap: found "rejct"; allowed: reject or interpolate; did you mean rej',
        ),
        ("hounsfield: {padding_hu: '3'}", '3:14: hounsfield.padding_hu: found "3"; allowed: a number'),
        ("report: {enabled: yes}", '3:10: report.enabled: found "yes"; allowed: true or false'),
        ("limits: {retries: 2.0}", "3:10: limits.retries: found 2.0; allowed: a whole number"),
        ("limits: {retries: true}", "3:10: limits.retries: found true; allowed: a whole number"),
        ("on_finish: true", "3:1: on_finish: found true; allowed: text or null; quote it to make it text"),
        ("select:", "3:1: select: found null; allowed: a mapping of one_per, "),
        ("steps: [clip]", '3:9: steps.0: found "clip"; allowed: a mapping of orient, resample, '),
        ("store: {chunks: [64, 64]}", "3:9: store.chunks: found [64, 64]; allowed: auto or a list of 3"),
        ("store: {chunks: [1, 2, 3, 4]}", "3:9: store.chunks: found [1, 2, 3, 4]; allowed: auto or a list of 3"),
        ("select: {prefer: [{KVP: 3}]}", "3:20: select.prefer.0.KVP: found 3; allowed: a list"),
        ("steps: [{orient: {}}]", "3:10: steps.0.orient.to: missing; allowed: LPS"),
        ("limits: {retries: -1}", "3:10: limits.retries: found -1; retries must be at least 0"),
        ("steps: [{}]", "3:9: steps.0: an item of the list holds 0 steps; allowed is one"),
        ("steps: [{orient: {to: LPS}, centre: {mean: 0}}]", "3:9: steps.0: an item of the list holds 2 steps"),
        ("on_finish: [" + "long, " * 100 + "]", " ...; allowed: text or null"),
    ],
)
def test_a_problem_names_its_place_what_was_found_and_what_is_allowed(text: str, message: str) -> None:
    assert message in problem(FOLDERS + text)


def test_of_several_problems_the_first_in_the_file_is_reported() -> None:
    assert problem(FOLDERS + "store: {level: x}\ngeometry: {gap: x}").startswith("f.yaml:3:9: store.level")
    assert problem(FOLDERS + "geometry: {gap: x}\nstore: {level: x}").startswith("f.yaml:3:12: geometry.gap")


def test_a_misspelt_key_is_reported_before_the_one_that_is_missing_for_it() -> None:
    assert problem(FOLDERS + "manifest: {split: {trian: 1}}").startswith("f.yaml:3:20: manifest.split.trian: unknown")


@pytest.mark.parametrize(
    ("text", "option"), [("output: {folder: o}", "input DIR"), ("input: {roots: [i]}", "output DIR")]
)
def test_what_the_command_line_may_give_is_said_to_be_missing_there(text: str, option: str) -> None:
    message = problem(text)
    assert message.startswith("f.yaml:1:1: ")
    assert message.endswith(f"; or give --{option}")
