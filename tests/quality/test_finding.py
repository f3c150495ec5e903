import json
from pathlib import Path

from pipeline.quality.findings import Finding, join_words, write_findings


def test_findings_are_written_in_their_order(tmp_path: Path) -> None:
    one, other = Finding("A", "First", "of two", ("k1", "k2")), Finding("B", "Second", "none")
    write_findings(tmp_path / "findings.json", [one, other])
    told = json.loads((tmp_path / "findings.json").read_text())
    assert [finding["code"] for finding in told] == ["A", "B"]
    assert told[0] == {
        "code": "A", "title": "First", "detail": "of two", "series_keys": ["k1", "k2"], "n_series": 2,
    }  # fmt: skip
    assert other.n_series == 0


def test_a_long_list_is_cut() -> None:
    assert join_words(["a", "b"]) == "a, b"
    assert join_words(["a", "b", "c"], most=2) == "a, b and 1 more"
