from pathlib import Path

import pytest

from pipeline.cohort.cohort import keep_table, list_kept_tables
from pipeline.cohort.options import TableOptions
from pipeline.errors import DamageError
from pipeline.output.layout import OutputFolder


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path / "out")
    output.prepare()
    return output


def write(folder: Path, name: str, text: str) -> TableOptions:
    (folder / name).write_text(text)
    return TableOptions(folder / name, "PatientID", "who")


def test_at_first_nothing_is_kept(output: OutputFolder) -> None:
    assert list_kept_tables(output) == []


def test_a_kept_table_outlives_its_file(output: OutputFolder, tmp_path: Path) -> None:
    options = write(tmp_path, "a.csv", "who,x\nA,1\n")
    kept = keep_table(output, options)
    options.path.unlink()
    assert list_kept_tables(output) == [kept]
    assert (kept.path.read_text(), kept.on, kept.column) == ("who,x\nA,1\n", "PatientID", "who")
    assert kept.path.stat().st_mode & 0o077 == 0


def test_a_table_of_the_same_name_takes_its_place(output: OutputFolder, tmp_path: Path) -> None:
    keep_table(output, write(tmp_path, "a.csv", "old"))
    keep_table(output, write(tmp_path, "b.csv", "other"))
    keep_table(output, write(tmp_path, "a.csv", "new"))
    assert [table.path.read_text() for table in list_kept_tables(output)] == ["new", "other"]


@pytest.mark.parametrize("content", ["", "{}x", '[{"file": "a.csv"}]', "[1]"])
def test_a_damaged_list_says_how_to_mend_it(output: OutputFolder, tmp_path: Path, content: str) -> None:
    keep_table(output, write(tmp_path, "a.csv", "x"))
    (output.private / "labels" / "tables.json").write_text(content)
    with pytest.raises(DamageError, match="remove private/labels"):
        list_kept_tables(output)
