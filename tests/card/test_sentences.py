from collections import Counter

import pytest

from pipeline.card.facts import Facts, Processing
from pipeline.card.markdown import (
    STEP_WORDS,
    limitations,
    parameter_words,
    processing,
    sort_reasons,
    statuses,
    step_words,
    summary,
)
from pipeline.steps import STEPS
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.even_slices import InterpolateGap, ResampleSlices

READY = {"store": "volumes/a.zarr", "patient": "p", "status": "ok", "reason": None, "qc": "look"}
GAP = {"store": None, "patient": "q", "status": "rejected", "reason": "SLICE_GAP", "qc": None}
CLIP = Processing("clip", 2, {"low_hu": -1000.0, "high_hu": 400.0})
FACTS = Facts((), (), (READY, READY, GAP), (CLIP,))


@pytest.mark.parametrize("step", [*STEPS, CorrectTilt.name, InterpolateGap.name, ResampleSlices.name, "unwrap"])
def test_every_step_and_repair_has_its_words(step: str) -> None:
    assert STEP_WORDS[step].endswith(".")


def test_the_summary_counts_volumes_patients_and_series() -> None:
    assert summary(FACTS) == "2 CT volumes of 1 patient as OME-Zarr stores, and a manifest that accounts for 3 series."


def test_steps_are_reported_in_words_with_their_parameters() -> None:
    told = "Values are limited to a range of Hounsfield units (2 series; low_hu: -1000, high_hu: 400)."
    assert step_words(CLIP) == told
    assert processing(FACTS) == f"1. {told}"
    assert "differ between series" in step_words(Processing("correct_tilt", 1, None))
    assert processing(Facts((), (), (), ())) == "None: Hounsfield units as they were read."


def test_parameters_are_reported_whatever_they_hold() -> None:
    told = parameter_words({"spacing_mm": (1.0, None, 0.5), "antialias": True, "channels": [{"preset": "brain"}]})
    assert told == "spacing_mm: 1 / None / 0.5, antialias: true, channels: (preset: brain)"
    assert parameter_words({}) == "no parameters"


def test_limits_name_every_reason_and_what_to_look_at() -> None:
    told = limitations(FACTS)
    assert "1 SLICE_GAP: " in told
    assert "2 volumes to be looked at" in told


def test_reasons_come_in_the_order_of_the_vocabulary() -> None:
    assert sort_reasons(Counter(SLICE_GAP=2, UNREADABLE=1)) == [("UNREADABLE", 1), ("SLICE_GAP", 2)]


def test_every_status_is_counted() -> None:
    assert dict(statuses(FACTS)) == {"ok": 2, "rejected": 1, "failed": 0, "excluded": 0}
