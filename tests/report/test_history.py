from typing import Any

from pipeline.report.cohort_tables import HistoryTable, history

QUIET: dict[str, Any] = {
    "since": "yesterday",
    "figures": {},
    "gone": 0,
    "new_series": 0,
    "new_patients": 0,
    "new_scanners": [],
    "new_kernels": [],
    "drifted": [],
    "refused": [],
}


def told(plan: dict[str, int] | None = None, **changes: Any) -> HistoryTable:
    found = history({"plan": plan or {}, "changes": QUIET | changes})
    assert found is not None
    return found


def test_a_first_run_has_none_before_it() -> None:
    assert history({}) is None
    assert history({"changes": {}}) is None


def test_a_quiet_night_has_nothing_to_tell() -> None:
    assert told({"done": 7}) == HistoryTable("yesterday", (), ())


def test_what_was_done_is_one_sentence() -> None:
    found = told({"new": 5, "changed": 1, "stale": 2, "gone": 9, "done": 9}, gone=3, new_series=4, new_patients=1)
    told_of = "4 new series, 1 new patient; 1 whose files changed; 2 made again for a new configuration or program"
    assert found.sentences == (f"{told_of}; 3 gone from the input.",)


def test_scanners_and_kernels_are_named_but_not_endlessly() -> None:
    found = told(new_scanners=["ACME One"], new_kernels=[f"K{n}" for n in range(7)])
    assert found.sentences == (
        "Scanner never seen before: ACME One.",
        "Kernels never seen before: K0, K1, K2, K3, K4 and 2 more.",
    )


def test_shares_are_reported_beside_those_before() -> None:
    drift = {"keyword": "KVP", "value": "100", "before": 0.1, "now": 0.6}
    absent = {"keyword": "FilterType", "value": "", "before": 0.0, "now": 1.0}
    refused = {"reason": "SLICE_GAP", "before": 0.02, "now": 0.5}
    sentences = told(drifted=[drift, absent], refused=[refused]).sentences
    assert [sentence.replace("\N{NARROW NO-BREAK SPACE}", " ") for sentence in sentences] == [
        "SLICE_GAP: 50 % of the new series, 2 % of those before.",
        "KVP 100: 60 % of the new series, 10 % of those before.",
        "No FilterType: 100 % of the new series, 0 % of those before.",
    ]


def test_counts_that_are_other_now_are_rows() -> None:
    assert told(figures={"ok": ["2", "3"]}).rows == (("ok", "2", "3"),)
