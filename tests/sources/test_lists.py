"""Lists of places as input roots."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archives import zip_of

from pipeline.errors import UsageError
from pipeline.output.tables import write_table
from pipeline.sources.lists import expand_roots

if TYPE_CHECKING:
    from bucket_server import BucketServer


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Write a folder, a file and an archive, to be named by a list beside them."""
    (tmp_path / "p1" / "a").mkdir(parents=True)
    (tmp_path / "p1" / "a" / "IM1").write_bytes(b"1")
    (tmp_path / "IM2").write_bytes(b"2")
    (tmp_path / "ct.zip").write_bytes(zip_of({"a": b"1"}))
    return tmp_path


def expanded(path: Path) -> tuple[list[str], list[str]]:
    said: list[str] = []
    names = [Path(root).relative_to(path.parent).as_posix() for root in expand_roots([str(path)], said.append)]
    return names, said


def write_parquet(path: Path, places: list[str]) -> None:
    write_table(path, {"patient": "integer", "path": "text"}, [{"patient": 1, "path": place} for place in places])


WRITERS: dict[str, Callable[[Path, list[str]], object]] = {
    "cohort.txt": lambda path, places: path.write_text("# the cohort\n\n" + "\n".join(places)),
    "cohort.csv": lambda path, places: path.write_text(
        "\n".join(["patient,Path", *(f"1,{place}" for place in places)])
    ),
    "plain.csv": lambda path, places: path.write_text("\n".join(places)),
    "cohort.parquet": write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_list_names_folders_files_and_archives(name: str, here: Path) -> None:
    WRITERS[name](here / name, ["p1/a", "IM2", str(here / "ct.zip"), "p1/a/*"])
    assert expanded(here / name) == (["p1/a", "IM2", "ct.zip"], [])


def test_a_line_that_finds_nothing_is_counted(here: Path) -> None:
    (here / "cohort.txt").write_text("IM2\nSomebody\n")
    names, said = expanded(here / "cohort.txt")
    assert names == ["IM2"]
    assert said == ["1 of 2 lines of cohort.txt find nothing; the first is line 2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "nothing\n", "no line of a.txt names anything"),
        ("a.txt", "", "no line of a.txt names anything"),
        ("a.csv", "patient,age\n1,2\n", "a.csv has no column of places"),
        ("a.s5cmd", "rm x\n", "line 1 of a.s5cmd copies nothing from a bucket"),
        ("a.parquet", "text", "a.parquet cannot be read as a list"),
        ("a.txt", "gs://bucket/x\n", "a.txt names a place that cannot be read"),
    ],
)
def test_a_list_that_is_none_is_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        expand_roots([str(tmp_path / name)], print)


def test_a_place_below_another_is_named_once(here: Path) -> None:
    (here / "cohort.txt").write_text("p1/a/IM1\np1\np1/a\np1\n")
    assert expanded(here / "cohort.txt") == (["p1"], [])


def test_download_lists_name_prefixes_of_buckets(server: "BucketServer", tmp_path: Path) -> None:
    server.opened("idc").put("series1/1.dcm", b"1")
    said: list[str] = []
    there, missing = server.url("idc/series1/*"), server.url("idc/none/*")
    (tmp_path / "idc.s5cmd").write_text(f"# a manifest\ncp {there} .\ncp '{missing}' .\n")
    (tmp_path / "idc.csv").write_text(f"PatientID,series_aws_url\n1,{there}\n")
    for name in ("idc.s5cmd", "idc.csv"):
        assert expand_roots([str(tmp_path / name)], said.append) == (server.url("idc/series1"),)
    assert said == ["1 of 2 lines of idc.s5cmd find nothing; the first is line 3"]


def test_a_root_in_a_bucket_must_hold_something(server: "BucketServer") -> None:
    with pytest.raises(UsageError, match="nothing lies there"):
        expand_roots([server.url("in")], print)
