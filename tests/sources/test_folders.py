import inspect
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline.sources.files import FoundFile
from pipeline.sources.folders import CLOCK_GRAIN_NS, NS, InputOptions, LinkCounts, empty_roots, find_files
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


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Move the clock on, that of files excepted."""
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + int(seconds * NS))


def test_a_file_is_as_young_as_the_later_of_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, young = touch(tmp_path / "old"), touch(tmp_path / "young")
    os.utime(old, (time.time() - 1000, time.time() - 1000))
    os.utime(young, (time.time() + 90, time.time() + 90))
    assert names(tmp_path, settle_seconds=50) == {"old": Reason.UNSTABLE, "young": Reason.UNSTABLE}
    assert names(tmp_path, settle_seconds=0) == {"old": None, "young": None}
    later(monkeypatch, 100)
    assert names(tmp_path, settle_seconds=50) == {"old": None, "young": Reason.UNSTABLE}


def test_a_file_that_was_rewritten_with_its_old_size_and_time_is_another(tmp_path: Path) -> None:
    path = touch(tmp_path / "1", b"before")
    (before,) = found(tmp_path)
    for rewrite in (path.write_bytes, lambda content: touch(tmp_path.with_name("copy"), content).replace(path)):
        rewrite(b"behind")
        os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
        (now,) = found(tmp_path)
        assert (now.size, now.mtime_ns) == (before.size, before.mtime_ns)
        assert now.state != before.state
        assert not before.is_of(path.stat())
        before = now
    assert found(tmp_path) == [before]


def test_a_file_within_the_clocks_grain_is_looked_at_again_a_little_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = touch(tmp_path / "1")
    status, waits = path.stat(), []
    monkeypatch.setattr(time, "time_ns", lambda: status.st_ctime_ns + 1)
    monkeypatch.setattr(time, "sleep", waits.append)
    (file,) = found(tmp_path)
    assert waits == [pytest.approx(CLOCK_GRAIN_NS / NS)]
    assert file.looked_ns == status.st_ctime_ns + 1
    monkeypatch.setattr(time, "time_ns", lambda: status.st_ctime_ns + CLOCK_GRAIN_NS)
    (settled,) = found(tmp_path)
    assert len(waits) == 1
    assert settled.looked_ns == 0
    assert settled.state != file.state


def test_a_file_system_of_whole_seconds_has_a_coarser_grain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = touch(tmp_path / "1")
    whole = path.stat().st_ctime_ns // NS * NS
    status = os.stat_result((0o100644, 1, 0, 1, 0, 0, 1, 0, 0, 0), {"st_mtime_ns": whole, "st_ctime_ns": whole})
    monkeypatch.setattr(os, "lstat", lambda _: status)
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(time, "time_ns", lambda: whole + NS)
    found(tmp_path)
    assert waits == [1.0]


def links_in(options: InputOptions) -> list[str]:
    """Return what is said of the links under the roots."""
    links = LinkCounts(options)
    assert list(links.count(find_files(options))) == list(find_files(options))
    return list(links.describe())


def test_links_that_are_left_alone_are_counted_in_one_line_a_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "in", touch(tmp_path / "out" / "1")
    inside = touch(root / "1")
    for number in range(3):
        (root / f"leak{number}").symlink_to(outside)
    (root / "again").symlink_to(inside)
    options = InputOptions((str(root),))
    within, out = links_in(options)
    assert out.startswith(f"3 links lead out of {root} and are not followed")
    assert within.startswith(f"1 link within {root} is not followed")
    followed = InputOptions((str(root),), follow_symlinks=True)
    assert links_in(followed) == [out]
    inside.with_name("again").unlink()
    assert links_in(InputOptions((str(outside.parent),))) == []


@pytest.mark.parametrize("wrong", [{"roots": ()}, {"roots": ("a",), "settle_seconds": -1}])
def test_impossible_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"roots|settle_seconds"):
        InputOptions(**wrong)


def test_a_root_is_empty_where_no_file_lies_below_it_and_a_bucket_never_is() -> None:
    options = InputOptions(("/in/a", "/in/b", "s3://bucket/in"))
    assert empty_roots(options, ["/in/a/1", "/in/bc/1"]) == ["/in/b"]
    assert empty_roots(options, []) == ["/in/a", "/in/b"]
