"""Spoilt files cost a series at most: no error, no hang, no memory beyond the limit, and a reason of the vocabulary.

FUZZ_SECONDS says for how long it is tried (a few by default, five minutes in ``make fuzz``), FUZZ_SEED where to begin.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import pytest
from fuzz_files import ARCHIVES, SYNTAXES, Mutation, Spoilt, clean_files, spoilt_series
from fuzz_reading import JOB_LIMITS, Reading
from hypothesis import HealthCheck, Phase, given, seed, settings

from pipeline.cluster.dispatcher import Dispatcher
from pipeline.cluster.jobs import JobFailure, Task
from pipeline.cluster.options import ClusterOptions, Folders
from pipeline.vocabulary import Status

SECONDS = float(os.environ.get("FUZZ_SECONDS", "4"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
EXAMPLES_A_ROUND = 500
READ_FOLDER = Task("read-folder", "fuzz_reading:read_folder")


@pytest.fixture(scope="module")
def dispatcher() -> Iterator[Dispatcher]:
    with Dispatcher(ClusterOptions("serial"), JOB_LIMITS, (), Folders(), lambda _: None) as opened:
        yield opened


def outcome_of(dispatcher: Dispatcher, spoilt: Spoilt) -> str:
    """Return what the program made of a series, or what is wrong with that."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "in"
        folder.mkdir()
        spoilt.write(folder)
        [(_, seen)] = dispatcher.run(READ_FOLDER, [Reading(str(folder), spoilt.repair)])
        if isinstance(seen, JobFailure):
            return f"{seen.reason}: {seen.detail}\n{seen.traceback}"
        wrong = [one.wrong for one in seen if one.wrong]
        wrong += [f"{one.status}, {one.reason}" for one in seen if one.status is Status.FAILED]
        wrong += [f"{one.status}, {one.reason}" for one in seen if one.reason and one.reason.status is not one.status]
        return "; ".join(wrong)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_not_spoilt_is_accepted(dispatcher: Dispatcher, syntax: str, tmp_path: Path) -> None:
    Spoilt(syntax, ()).write(tmp_path)
    [(_, seen)] = dispatcher.run(READ_FOLDER, [Reading(str(tmp_path))])
    assert [one.status for one in seen] == [Status.OK]


@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_archive_that_is_not_spoilt_is_accepted(dispatcher: Dispatcher, archive: str, tmp_path: Path) -> None:
    Spoilt(SYNTAXES[0], (), archive=archive).write(tmp_path)
    [(_, seen)] = dispatcher.run(READ_FOLDER, [Reading(str(tmp_path))])
    assert [one.status for one in seen] == [Status.OK]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_file_taken_apart_can_be_joined_again(syntax: str) -> None:
    assert all(file.elements for file in clean_files(syntax))


def test_a_spoiling_spoils() -> None:
    [clean, *_] = clean_files(SYNTAXES[0])
    for kind in ("length", "value", "swap", "drop", "nest", "codestream"):
        assert Mutation(kind, 3, 5, b"\x01").of_elements(clean).joined() != clean.joined()
    for kind in ("flip", "cut", "insert", "remove"):
        assert Mutation(kind, 200, 5, b"\x01").of_bytes(clean.joined()) != clean.joined()


def test_no_spoilt_file_costs_more_than_its_series(dispatcher: Dispatcher) -> None:
    until = monotonic() + SECONDS
    failed = False

    @given(spoilt_series())
    @settings(
        max_examples=EXAMPLES_A_ROUND,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    def holds(spoilt: Spoilt) -> None:
        nonlocal failed
        if monotonic() < until or failed:  # once something is found it is made small, however long that takes
            wrong = outcome_of(dispatcher, spoilt)
            failed = failed or bool(wrong)
            assert wrong == ""

    number = SEED
    while monotonic() < until:
        seed(number)(holds)()
        number += 1
