from typing import Any

from pipeline.card.facts import Processing, summarise_processing


def entry(step: str, **parameters: Any) -> dict[str, Any]:
    return {"step": step, "parameters": parameters}


ORIENT, CLIP = entry("orient", to="LPS"), entry("clip", low_hu=-1000, high_hu=400)


def test_steps_are_counted_in_their_order_and_a_repair_comes_before_what_it_precedes() -> None:
    repaired = [entry("unwrap"), ORIENT, CLIP]
    tilted = [entry("correct_tilt", tilt_deg=5), ORIENT, CLIP]
    found = summarise_processing([[ORIENT, CLIP], repaired, tilted])
    assert [(step.step, step.n_series) for step in found][2:] == [("orient", 3), ("clip", 3)]
    assert {step.step for step in found[:2]} == {"unwrap", "correct_tilt"}


def test_parameters_that_differ_are_not_told() -> None:
    found = summarise_processing([[entry("correct_tilt", tilt_deg=5), CLIP], [entry("correct_tilt", tilt_deg=6), CLIP]])
    assert found == (Processing("correct_tilt", 2, None), Processing("clip", 2, {"low_hu": -1000, "high_hu": 400}))


def test_a_step_that_is_taken_twice_stands_there_twice() -> None:
    coarse, fine = entry("resample", factor=(1, 0.5, 0.5)), entry("resample", factor=(1, 2, 2))
    assert [step.parameters for step in summarise_processing([[coarse, CLIP, fine]])] == [
        {"factor": (1, 0.5, 0.5)},
        {"low_hu": -1000, "high_hu": 400},
        {"factor": (1, 2, 2)},
    ]


def test_no_trail_is_no_step() -> None:
    assert summarise_processing([]) == summarise_processing([[]]) == ()
