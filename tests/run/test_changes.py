from typing import Any

import pytest

from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import publish
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.record import SeriesRecord
from pipeline.run.history import CATEGORICAL, Snapshot, describe_changes
from pipeline.vocabulary import Reason, Status

LAST = {"finished_at": "yesterday", "counts": {"ok": 2, "failed": 0}, "reasons": {}, "config_hash": "a"}
NOW = {"counts": {"ok": 3, "failed": 0}, "reasons": {"SLICE_GAP": 1}, "config_hash": "a"}


def row(key: str, **cells: Any) -> dict[str, Any]:
    return {"series_key": key, "status": "ok", "reason": None, "patient": f"patient {key[:1]}"} | cells


def rows(prefix: str, n: int, **cells: Any) -> list[dict[str, Any]]:
    return [row(f"{prefix}{number}", **cells) for number in range(n)]


def news(before: list[dict[str, Any]], fresh: list[dict[str, Any]]) -> dict[str, Any]:
    return describe_changes(LAST, NOW, Snapshot(tuple(before)), Snapshot((*before, *fresh)))


def test_a_first_run_has_no_news() -> None:
    assert describe_changes({}, NOW, Snapshot(), Snapshot(tuple(rows("a", 3)))) == {}


def test_counts_and_settings_that_are_other_now_are_reported() -> None:
    told = news(rows("a", 1), [])
    assert told["since"] == "yesterday"
    assert told["figures"] == {"ok": ["2", "3"], "SLICE_GAP": ["0", "1"]}


def test_patients_scanners_and_kernels_are_new_once() -> None:
    one = {"Manufacturer": "ACME", "ManufacturerModelName": "One", "ConvolutionKernel": ["B30f", "3"]}
    two = one | {"ManufacturerModelName": "Two", "ConvolutionKernel": ["B70f"]}
    told = news([row("a", **one)], [row("a2", **one), row("b", **two), row("b2", **two), row("c")])
    assert (told["new_series"], told["new_patients"]) == (4, 2)
    assert told["new_scanners"] == ["ACME Two"]
    assert told["new_kernels"] == ["B70f"]


def test_what_is_no_ct_is_no_patient_and_no_scanner() -> None:
    told = news([row("a")], [row("b", status="excluded", reason="NOT_CT", Manufacturer="MR Works")])
    assert (told["new_series"], told["new_patients"], told["new_scanners"]) == (1, 0, [])


def test_the_value_that_drifted_farthest_is_reported() -> None:
    before = rows("a", 9, KVP=120.0) + rows("b", 1, KVP=100.0)
    told = news(before, rows("c", 4, KVP=120.0) + rows("d", 4, KVP=100.0) + rows("e", 2, KVP=80.0))
    assert told["drifted"] == [{"keyword": "KVP", "value": "120", "before": 0.9, "now": 0.4}]


def test_of_two_that_drifted_as_far_the_one_that_came_is_reported() -> None:
    (drift,) = news(rows("a", 10, KVP=120.0), rows("b", 10, KVP=100.0))["drifted"]
    assert drift["value"] == "100"


def test_what_was_gone_before_is_not_news() -> None:
    snapshot = Snapshot(tuple(rows("a", 2)))
    gone = [
        describe_changes(LAST | {"plan": {"gone": n}}, NOW | {"plan": {"gone": 3}}, snapshot, snapshot)
        for n in (0, 2, 3, 4)
    ]
    assert [told["gone"] for told in gone] == [3, 1, 0, 0]


def test_of_few_series_nothing_drifts() -> None:
    assert news(rows("a", 20, KVP=120.0), rows("c", 9, KVP=80.0))["drifted"] == []


def test_each_reason_of_a_new_series_stands_beside_its_share_before() -> None:
    gap = {"status": "rejected", "reason": "SLICE_GAP"}
    told = news(rows("a", 3) + rows("b", 1, **gap), rows("c", 1) + rows("d", 1, **gap))
    assert told["refused"] == [{"reason": "SLICE_GAP", "before": 0.25, "now": 0.5}]


def test_only_elements_that_may_leave_private_are_looked_at() -> None:
    assert set(CATEGORICAL) <= ALLOWED_ELEMENTS
    assert "PatientAge" not in CATEGORICAL


@pytest.fixture
def output(tmp_path: Any) -> OutputFolder:
    output = OutputFolder(tmp_path)
    output.prepare()
    return output


def test_a_snapshot_holds_what_the_manifest_holds(output: OutputFolder) -> None:
    record = SeriesRecord(series_key="a", status=Status.REJECTED, reason=Reason.SLICE_GAP, elements={"KVP": 120})
    publish(output, [record])
    (told,) = Snapshot.of(output).rows
    assert (told["series_key"], told["reason"], told["KVP"]) == ("a", "SLICE_GAP", 120.0)


def test_where_there_is_no_manifest_or_a_damaged_one_nothing_was_published(output: OutputFolder) -> None:
    assert Snapshot.of(output).rows == ()
    output.manifest.write_bytes(b"PAR1")
    assert Snapshot.of(output).rows == ()
