import json
from pathlib import Path

import pytest

from pipeline.errors import DamageError
from pipeline.output.layout import OutputFolder
from pipeline.report.cohort_tables import NO_MODULE, FindingRow, by_module, findings_of, tags_of


def test_an_output_without_a_census_has_no_elements_and_no_findings(tmp_path: Path) -> None:
    assert tags_of(OutputFolder(tmp_path)) == []
    assert findings_of(OutputFolder(tmp_path)) == []


def test_elements_are_sorted_into_modules_and_those_of_none_come_last() -> None:
    tags = [
        {"keyword": "private:X:0011,01", "tag": "0011,1001", "module": None},
        {"keyword": "Rows", "tag": "0028,0010", "module": "Image Pixel"},
        {"keyword": "KVP", "tag": "0018,0060", "module": "CT Image"},
        {"keyword": "BitsStored", "tag": "0028,0101", "module": "Image Pixel"},
    ]
    told = {name: [tag["keyword"] for tag in rows] for name, rows in by_module(tags).items()}
    assert told == {"CT Image": ["KVP"], "Image Pixel": ["Rows", "BitsStored"], NO_MODULE: ["private:X:0011,01"]}
    assert list(told)[-1] == NO_MODULE


def test_findings_are_read_as_the_census_left_them(tmp_path: Path) -> None:
    told = {"code": "X", "title": "Odd", "detail": "so", "n_series": 3, "series_keys": ["a", "b"]}
    (tmp_path / "findings.json").write_text(json.dumps([told]))
    assert findings_of(OutputFolder(tmp_path)) == [FindingRow("X", "Odd", "so", 3, ("a", "b"))]


@pytest.mark.parametrize("content", ["{", "[3]", '[{"code": "X"}]'])
def test_findings_that_cannot_be_read_are_damage(tmp_path: Path, content: str) -> None:
    (tmp_path / "findings.json").write_text(content)
    with pytest.raises(DamageError, match=r"findings\.json"):
        findings_of(OutputFolder(tmp_path))
