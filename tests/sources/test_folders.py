import inspect
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline.sources.folders import FoundFile, InputOptions, empty_roots, find_files
from pipeline.vocabulary import Reason


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def found(*roots: Path, **options: Any) -> list[FoundFile]:
    return list(find_files(InputOptions(tuple(str(root) for root in roots), **options)))


def names(root: Path, **options: Any) -> dict[str, Reason | None]:
    files = found(root, **options)
    return {os.path.relpath(file.path, root): file.refusal and file.refusal[0] for file in files}


def test_files_of_any_name_at_any_depth_are_found_with_size_and_time(tmp_path: Path) -> None:
    expected = [touch(tmp_path / name, name.encode()) for name in ("IM1", "a/.hidden", "a/b c/ü.dcm", "z/Thumbs.db")]
    files = found(tmp_path)
    assert [file.path for file in files] == [str(path) for path in expected]
    for file, path in zip(files, expected, strict=True):
        assert (file.size, file.mtime_ns, file.refusal) == (path.stat().st_size, path.stat().st_mtime_ns, None)
        assert file.folder == str(path.parent)


def test_a_tree_comes_in_one_order_however_it_was_made(tmp_path: Path) -> None:
    listings = []
    for root, order in ((tmp_path / "up", 1), (tmp_path / "down", -1)):
        for name in ("b/2", "b/1", "a/x/3", "c", "a/4")[::order]:
            touch(root / name)
        listings.append(list(names(root)))
    assert listings[0] == listings[1]


def test_overlapping_roots_give_each_file_once(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "1")
    touch(tmp_path / "a" / "2")
    files = found(tmp_path / "a" / "b", tmp_path / "a", tmp_path / "a")
    assert sorted(file.path for file in files) == [str(tmp_path / "a" / "2"), str(tmp_path / "a" / "b" / "1")]


def test_an_empty_root_holds_nothing(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_what_is_no_regular_file_is_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        assert names(tmp_path) == {"pipe": Reason.UNREADABLE, "socket": Reason.UNREADABLE}


def test_links_are_listed_but_not_followed(tmp_path: Path) -> None:
    target = touch(tmp_path / "in" / "1")
    (tmp_path / "in" / "file").symlink_to(target)
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "nowhere").symlink_to("absent")
    assert names(tmp_path / "in") == {"1": None} | dict.fromkeys(("file", "folder", "nowhere"), Reason.UNREADABLE)


def test_links_are_followed_where_asked_but_never_out_of_their_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "in", touch(tmp_path / "out" / "secret")
    touch(root / "series" / "1")
    (root / "again").symlink_to("series")
    (root / "file").symlink_to("series/1")
    (root / "leak").symlink_to(outside)
    (root / "leaks").symlink_to(outside.parent)
    (root / "nowhere").symlink_to("absent")
    refused = dict.fromkeys(("leak", "leaks", "nowhere"), Reason.UNREADABLE)
    assert names(root, follow_symlinks=True) == {"file": None, "again/1": None} | refused


def test_links_that_lead_round_in_circles_end(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    assert names(tmp_path, follow_symlinks=True) == {"a/1": None, "self": Reason.UNREADABLE}


def test_a_tree_deeper_than_the_stack_is_walked_to_its_end(tmp_path: Path) -> None:
    touch(tmp_path.joinpath(*"d" * 150, "file"))
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        files = found(tmp_path)
    finally:
        sys.setrecursionlimit(usual)
    assert [Path(file.path).name for file in files] == ["file"]


def test_a_folder_that_cannot_be_listed_is_reported_in_place_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(tmp_path) == {".": Reason.UNREADABLE}


def test_a_file_that_vanishes_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "1")

    def gone(_: str) -> NoReturn:
        raise FileNotFoundError

    monkeypatch.setattr(os, "lstat", gone)
    (file,) = found(tmp_path)
    assert file.refusal == (Reason.UNREADABLE, "the system refuses the file (FileNotFoundError)")


def test_a_file_that_is_still_young_is_unstable(tmp_path: Path) -> None:
    old, young = touch(tmp_path / "old"), touch(tmp_path / "young")
    os.utime(old, (time.time() - 100, time.time() - 100))
    os.utime(young, (time.time() - 10, time.time() - 10))
    assert names(tmp_path, settle_seconds=50) == {"old": None, "young": Reason.UNSTABLE}
    assert names(tmp_path, settle_seconds=0) == {"old": None, "young": None}


@pytest.mark.parametrize("wrong", [{"roots": ()}, {"roots": ("a",), "settle_seconds": -1}])
def test_impossible_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"roots|settle_seconds"):
        InputOptions(**wrong)


def test_a_root_is_empty_where_no_file_lies_below_it_and_a_bucket_never_is() -> None:
    options = InputOptions(("/in/a", "/in/b", "s3://bucket/in"))
    assert empty_roots(options, ["/in/a/1", "/in/bc/1"]) == ["/in/b"]
    assert empty_roots(options, []) == ["/in/a", "/in/b"]
