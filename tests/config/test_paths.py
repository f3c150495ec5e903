from pathlib import Path

import pytest

from pipeline.config.model import Config, OutputOptions
from pipeline.config.paths import (
    check_paths,
    find_folder_clash,
    find_unknown_place,
    resolve_file_urls,
    with_absolute_paths,
)
from pipeline.errors import UsageError
from pipeline.sources.folders import InputOptions


def config(output: Path, *roots: Path) -> Config:
    return Config(InputOptions(tuple(map(str, roots))), OutputOptions(str(output)))


def test_folders_beside_each_other_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    check_paths(config(tmp_path / "out", tmp_path / "in"))
    assert not (tmp_path / "out").exists()


def test_a_name_that_begins_like_a_root_is_not_inside_it(tmp_path: Path) -> None:
    assert find_folder_clash(config(tmp_path / "in_out", tmp_path / "in")) is None


@pytest.mark.parametrize("output", ["in", "in/out", "in/deep/out", "other/../in/out"])
def test_the_output_may_not_lie_inside_a_root(tmp_path: Path, output: str) -> None:
    clash = find_folder_clash(config(tmp_path / output, tmp_path / "other", tmp_path / "in"))
    assert clash is not None
    assert "lies inside the input root" in clash


def test_a_root_may_not_lie_inside_the_output(tmp_path: Path) -> None:
    clash = find_folder_clash(config(tmp_path / "all", tmp_path / "all" / "in"))
    assert clash is not None
    assert "holds the input root" in clash


def test_relative_folders_count_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_folder_clash(config(Path("in/out"), tmp_path / "in")) is not None


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert find_folder_clash(config(tmp_path / "link" / "out", tmp_path / "in")) is not None
    assert find_folder_clash(config(tmp_path / "loop", tmp_path / "in")) is None


def test_the_root_of_a_file_system_is_no_output(tmp_path: Path) -> None:
    clash = find_folder_clash(config(Path("/"), tmp_path))
    assert clash is not None
    assert "root of a file system" in clash


def test_a_root_that_is_no_folder_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in ("gone", "file"):
        with pytest.raises(UsageError, match=f"{root} is not a folder"):
            check_paths(config(tmp_path / "out", tmp_path / root))


def test_a_clash_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies inside"):
        check_paths(config(tmp_path / "out", tmp_path))


def test_absolute_paths_mean_the_same_folders_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    absolute = with_absolute_paths(config(Path("out"), Path("in"), tmp_path / "more"))
    assert absolute.input.roots == (str(tmp_path / "in"), str(tmp_path / "more"))
    assert absolute.output.folder == str(tmp_path / "out")


def in_bucket(output: str, *roots: str) -> Config:
    return Config(InputOptions(roots), OutputOptions(output))


def test_what_lies_in_a_bucket_is_judged_by_its_name() -> None:
    check_paths(in_bucket("s3://box/out", "s3://box/in", "s3://other/out"))


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        ("s3://box/in/out", "lies inside the input root s3://box/in"),
        ("s3://box/in", "lies inside"),
        ("s3://box/out", "holds the input root s3://box/out/in"),
        ("s3://box", "is the root of a bucket"),
    ],
)
def test_folders_of_a_bucket_keep_out_of_each_others_way(output: str, fault: str) -> None:
    clash = find_folder_clash(in_bucket(output, "s3://box/in", "s3://box/out/in"))
    assert clash is not None
    assert fault in clash


def test_a_bucket_and_a_file_system_cannot_clash(tmp_path: Path) -> None:
    assert find_folder_clash(in_bucket("s3://box/out", str(tmp_path), "/")) is None


def test_a_url_that_nothing_can_reach_has_its_place() -> None:
    assert find_unknown_place(in_bucket("s3://box/out", "in")) is None
    known, unknown = "file:///data/in", "https://host/in"
    found = find_unknown_place(in_bucket("out", known, unknown))
    assert found is not None
    assert found[0] == ("input", "roots", 1)
    assert "allowed are a path, file:///PATH and s3://BUCKET/PREFIX" in found[1]
    assert find_unknown_place(in_bucket("gs://box/out", known)) is not None


def test_a_file_url_is_a_path_from_the_start() -> None:
    config = resolve_file_urls(in_bucket("file:///data/out", "file:///data/in", "s3://box/in"))
    assert config.output.folder == "/data/out"
    assert config.input.roots == ("/data/in", "s3://box/in")


def test_absolute_paths_leave_urls_as_they_are() -> None:
    urls = in_bucket("s3://box/out", "s3://box/in")
    assert with_absolute_paths(urls) == urls
