import json
import pickle
from enum import Enum
from pathlib import Path

import pytest

from pipeline.vocabulary import ExitCode, Reason, SeriesWarning, Stage, Status, format_count

IN_ORDER = """
UNREADABLE UNSTABLE NOT_DICOM CORRUPT LIMIT TRANSFER_SYNTAX NOT_CT LOCALIZER MULTIFRAME IDENTITY_CONFLICT TAG_MISSING
TAG_INVALID PIXEL_FORMAT PIXELS_MISSING PIXELS_LENGTH PIXEL_DECODE RESCALE_NOT_HU POSITION_MISSING ORIENTATION_INVALID
MIXED_GEOMETRY TOO_FEW_SLICES DUPLICATE_POSITION SLICE_GAP SPACING_NONUNIFORM GANTRY_TILT HU_IMPLAUSIBLE NOT_SELECTED
WORKER_LOST TIMEOUT OUT_OF_MEMORY OUTPUT_IO CANCELLED INTERNAL
""".split()  # noqa: SIM905  as the vocabulary's document has it

EXCLUDED = {"NOT_DICOM", "NOT_CT", "LOCALIZER", "NOT_SELECTED"}
NEWER = {"W_LABEL_MISSING", "W_LABEL_PARTIAL", "W_LABEL_OVERLAP", "W_LABEL_SPARSE", "W_STACK_PART", "W_ID_FILLED"}
"""Warnings that the bad inputs were made without."""

FAILED = {"WORKER_LOST", "TIMEOUT", "OUT_OF_MEMORY", "OUTPUT_IO", "CANCELLED", "INTERNAL"}


def test_reasons_stand_in_the_order_in_which_they_are_checked() -> None:
    assert [reason.value for reason in Reason] == IN_ORDER
    assert [reason.order for reason in Reason] == list(range(len(IN_ORDER)))


def test_the_order_of_reasons_follows_their_stages() -> None:
    stages = list(Stage)
    places = [stages.index(reason.stage) for reason in Reason]
    assert places == sorted(places)
    assert set(places) == set(range(len(stages)))


def test_every_reason_gives_one_status() -> None:
    by_status = {status: {str(reason) for reason in Reason if reason.status is status} for status in Status}
    assert by_status[Status.EXCLUDED] == EXCLUDED
    assert by_status[Status.FAILED] == FAILED
    assert by_status[Status.REJECTED] == set(IN_ORDER) - EXCLUDED - FAILED
    assert by_status[Status.OK] == set()


@pytest.mark.parametrize("word", [*Reason, *SeriesWarning])
def test_a_word_is_its_own_code_and_survives_text_and_pickle(word: Enum) -> None:
    kind = type(word)
    assert word.value == word.name
    assert kind(json.loads(json.dumps(word))) is word
    assert pickle.loads(pickle.dumps(word)) is word  # noqa: S301  our own


@pytest.mark.parametrize("word", [*Reason, *SeriesWarning])
def test_a_word_says_what_it_means_in_a_sentence(word: Reason | SeriesWarning) -> None:
    sentences = [word.meaning] + ([word.advice] if isinstance(word, Reason) else [])
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in sentences)


def test_no_two_words_mean_the_same() -> None:
    meanings = [word.meaning for word in (*Reason, *SeriesWarning)]
    assert len(set(meanings)) == len(meanings)


def test_the_bad_inputs_speak_this_language(bad_inputs: Path) -> None:
    told = json.loads((bad_inputs / "cases.json").read_text())["vocabulary"]
    assert {*told["warnings"], *NEWER} == {str(warning) for warning in SeriesWarning}
    assert {*told["reasons"], *told["excluded"], *told["failed"]} == {str(reason) for reason in Reason}
    assert {int(code) for code in told["exit_codes"]} == set(ExitCode)


def test_a_noun_follows_its_number() -> None:
    counted = [
        format_count(1, "series"),
        format_count(2, "series"),
        format_count(1, "volume"),
        format_count(2, "volume"),
    ]
    assert counted == ["1 series", "2 series", "1 volume", "2 volumes"]
