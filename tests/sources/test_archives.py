"""Archives under a root: what they hold is found and read as files, and what is hostile gets a reason."""

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from archives import LINK_MODE, ZipMaker, tar_folder, tar_header, tar_of, zip_folder, zip_of

from pipeline.limits import INFLATE_FREE_BYTES, Limits
from pipeline.sources import archives
from pipeline.sources.files import FoundFile, SourceError, open_at_hand, open_stream, open_unchanged
from pipeline.sources.folders import InputOptions, find_files
from pipeline.sources.members import hold_files
from pipeline.sources.spans import NEEDS_ZSTD
from pipeline.vocabulary import Reason

CONTENTS = {"a/1": b"one" * 30_000, "a/2": b"", "b/c/3": bytes(range(256)) * 400, "top": b"t"}
ZIP, TAR = "exam.zip", "exam.tar"


def found(root: Path, limits: Limits | None = None, **options: Any) -> list[FoundFile]:
    return list(find_files(InputOptions((str(root),), **options), limits))


def rows(path: Path, content: bytes, limits: Limits | None = None) -> dict[str, Reason | None]:
    """Return the reason of each file that is found where an archive lies, by its name there."""
    path.write_bytes(content)
    files = found(path, limits)
    names = [file.path.removeprefix(str(path)).removeprefix("!/") for file in files]
    return {name: file.refusal and file.refusal[0] for name, file in zip(names, files, strict=True)}


def refused(path: Path, content: bytes, limits: Limits | None = None) -> tuple[Reason, str]:
    """Return why an archive is refused as a whole."""
    path.write_bytes(content)
    [file] = found(path, limits)
    assert file.path == str(path)
    assert file.refusal is not None
    return file.refusal


def contents(root: Path) -> dict[str, bytes]:
    """Return what every file under a root holds, read in three ways that agree."""
    read = {}
    files = found(root)
    with hold_files(files) as held:
        for file in files:
            with open_stream(file) as stream:
                read[file.path] = stream.read()
            for one in (file, held.get(file.path, file)):
                with open_unchanged(one) as (descriptor, begin):
                    assert os.pread(descriptor, one.size, begin) == read[file.path]
    return read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in CONTENTS.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    return tmp_path / "in"


MAKERS: dict[str, Callable[[Path, Path], Path]] = {
    "stored.zip": zip_folder,
    "deflated.ZIP": lambda path, folder: zip_folder(path, folder, zipfile.ZIP_DEFLATED),
    "plain.tar": tar_folder,
    "gzip.tar.gz": lambda path, folder: tar_folder(path, folder, "w:gz"),
    "bzip2.tbz2": lambda path, folder: tar_folder(path, folder, "w:bz2"),
    "xz.txz": lambda path, folder: tar_folder(path, folder, "w:xz"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_kind_of_archive_holds_what_the_folder_holds(name: str, folder: Path, tmp_path: Path) -> None:
    path = MAKERS[name](tmp_path / name, folder)
    assert contents(path) == {f"{path}!/{member}": content for member, content in CONTENTS.items()}


def test_a_tar_in_zstd_is_read_with_the_extra_and_refused_without(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(9))
    if find_spec("zstandard") is None:
        assert refused(path, path.read_bytes()) == (Reason.UNREADABLE, NEEDS_ZSTD)
    zstandard = pytest.importorskip("zstandard")
    content = zstandard.compress(tar_of(*((name, content) for name, content in CONTENTS.items() if content)))
    path.write_bytes(content)
    assert contents(path) == {f"{path}!/{member}": content for member, content in CONTENTS.items() if content}
    assert refused(path, content[:-50])[0] is Reason.CORRUPT
    assert refused(path, zstandard.compress(tar_of(("a", BOMB))))[0] is Reason.LIMIT


@pytest.mark.parametrize("inner", MAKERS)
@pytest.mark.parametrize("outer", ["stored.zip", "deflated.ZIP", "plain.tar", "gzip.tar.gz"])
def test_an_archive_in_an_archive_is_read(inner: str, outer: str, folder: Path, tmp_path: Path) -> None:
    MAKERS[inner](tmp_path / "between" / "x" / inner, folder)
    path = MAKERS[outer](tmp_path / outer, tmp_path / "between")
    assert contents(path) == {f"{path}!/x/{inner}!/{member}": content for member, content in CONTENTS.items()}


def test_a_zip64_archive_is_read(tmp_path: Path) -> None:
    path = tmp_path / ZIP
    with zipfile.ZipFile(path, "w") as archive, archive.open("big", "w", force_zip64=True) as member:
        member.write(b"zip64")
    assert list(contents(path).values()) == [b"zip64"]
    sizes = struct.pack("<2H2Q", 1, 16, 1, 1)
    made = ZipMaker().add(b"a", size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=sizes)
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(made.directory), len(made.content))
    at = len(made.content) + len(made.directory)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(bytes(made.content + made.directory) + end_64 + locator + end)
    assert list(contents(path).values()) == [b"x"]


def test_an_archive_that_something_stands_before_is_read(tmp_path: Path) -> None:
    assert rows(tmp_path / ZIP, b"#!/bin/sh\nexit\n" + zip_of({"a": b"1"})) == {"a": None}


def test_archives_of_a_folder_come_behind_its_files(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(zip_of({"z": b"1", "x/y": b"2"}))
    for name in ("a", "c", "d/e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    names = [os.path.relpath(file.path, tmp_path) for file in found(tmp_path)]
    assert names == ["a", "c", "b.zip!/z", "b.zip!/x/y", "d/e"]


def test_archives_are_files_where_they_are_to_be_ignored(tmp_path: Path) -> None:
    (tmp_path / ZIP).write_bytes(zip_of({"a": b"1"}))
    assert [file.path for file in found(tmp_path, archives="ignore")] == [str(tmp_path / ZIP)]


@pytest.mark.parametrize("content", [bytes(128) + b"DICM" + b"PK\5\6", b"no archive", b"", b"\x08\0\x05\0CS\x02\0AB"])
def test_what_is_an_archive_by_its_name_alone_is_a_file(content: bytes, tmp_path: Path) -> None:
    for name in (ZIP, TAR, "exam.tar.gz"):
        assert rows(tmp_path / name, content) == {"": None}


def test_a_member_changes_by_its_checksum_and_not_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / ZIP
    path.write_bytes(zip_of({"a": b"1", "b": b"2"}))
    before = {file.path: file for file in found(path)}
    path.write_bytes(zip_of({"new": b"0" * 99, "a": b"1", "b": b"3"}, zipfile.ZIP_DEFLATED))
    after = {file.path: file for file in found(path)}
    same, other = f"{path}!/a", f"{path}!/b"
    assert before[same].state == after[same].state
    assert before[other].state != after[other].state
    with open_stream(before[same]) as stream, open_unchanged(before[same]) as (descriptor, begin):
        assert stream.read() == os.pread(descriptor, 1, begin) == b"1"  # it is found where it lies now
    with pytest.raises(SourceError, match="changed"):
        open_stream(before[other])


def test_a_member_of_a_tar_changes_with_its_archive(tmp_path: Path) -> None:
    path = tmp_path / TAR
    path.write_bytes(tar_of(("a", b"1")))
    [before] = found(path)
    path.write_bytes(tar_of(("a", b"2")))
    os.utime(path, ns=(1, 1))
    assert found(path)[0].state != before.state
    with pytest.raises(SourceError, match="changed"):
        open_stream(before)


def test_a_hard_link_is_the_member_that_it_means(tmp_path: Path) -> None:
    path = tmp_path / TAR
    path.write_bytes(tar_of(("a", b"1"), tar_header("b", tarfile.LNKTYPE, "a"), tar_header("c", tarfile.LNKTYPE, "z")))
    read = {file.path[-1]: file for file in found(path)}
    with open_stream(read["b"]) as stream:
        assert stream.read() == b"1"
    assert read["c"].refusal is not None


def test_a_place_in_an_archive_is_at_hand_as_a_file(folder: Path, tmp_path: Path) -> None:
    for name in ("deflated.ZIP", "gzip.tar.gz"):
        path = MAKERS[name](tmp_path / name, folder)
        with open_at_hand(f"{path}!/b/c/3") as copy:
            assert Path(copy).read_bytes() == CONTENTS["b/c/3"]
    with pytest.raises(FileNotFoundError), open_at_hand(f"{path}!/none"):
        pass


def test_names_are_those_that_an_unpacker_writes(tmp_path: Path) -> None:
    made = ZipMaker()
    made.add("ü".encode()).add("ä".encode("cp437")).add(b"a\\b", host=0).add(b"./c//d").add(b"e\\f").add(b"dir/", b"")
    made.add(b"\xff\xfe", flags=1 << 11)
    assert set(rows(tmp_path / ZIP, made.finish())) == {"ü", "ä", "a/b", "c/d", "e\\f", "\udcff\udcfe"}


BOMB = bytes(INFLATE_FREE_BYTES + 1)


def quine() -> bytes:
    """Return an archive that holds an archive that holds one."""
    content = zip_of({"deep": b"x"})
    for _ in range(4):
        content = zip_of({"r.zip": content})
    return content


def many_alike() -> bytes:
    """Return an archive of which a thousand members share one content, which is small and unpacks to much."""
    made = ZipMaker().add(b"0", BOMB, method=8)
    for number in range(1, 1000):
        made.add(b"%d" % number, b"", method=8, offset=0, packed=1000, size=len(BOMB))
    return made.finish()


WHOLE_REFUSED: dict[str, tuple[str, bytes, Reason]] = {
    "cut in the directory": (ZIP, zip_of(CONTENTS)[:-30], Reason.CORRUPT),
    "cut in a member": (ZIP, zip_of(CONTENTS)[:5000], Reason.CORRUPT),
    "something behind it": (ZIP, zip_of(CONTENTS) + b"more", Reason.CORRUPT),
    "without a member": (ZIP, zip_of({}), Reason.NOT_DICOM),
    "of several parts": (ZIP, ZipMaker().add(b"a").finish(disk=1), Reason.UNREADABLE),
    "more members than it says": (ZIP, ZipMaker().add(b"a").add(b"b").finish(n_members=1), Reason.CORRUPT),
    "fewer members than it says": (ZIP, ZipMaker().add(b"a").finish(n_members=9), Reason.CORRUPT),
    "a member beyond the end": (ZIP, ZipMaker().add(b"a", packed=1 << 30, size=1 << 30).finish(), Reason.CORRUPT),
    "a member before the beginning": (ZIP, ZipMaker().add(b"a", offset=0xFFFFFFF0).finish(), Reason.CORRUPT),
    "sizes that are nowhere": (ZIP, ZipMaker().add(b"a", size=0xFFFFFFFF, extra=b"\1\0\2\0\0\0").finish(),
                               Reason.CORRUPT),
    "members in one another": (ZIP, many_alike(), Reason.CORRUPT),
    "a tar that is cut in a member": (TAR, tar_of(("a", b"x" * 2000))[:1500], Reason.CORRUPT),
    "a tar that is cut in a header": (TAR, tar_of(("a", b"x"), ("b", b"x"))[:1200], Reason.CORRUPT),
    "a tar that is cut between members": (TAR, tar_of(("a", b"x"), end=False), Reason.CORRUPT),
    "a tar with a damaged header": (TAR, tar_of(("a", b"x")).replace(b"\0ustar", b"\1ustar", 1) + b"z" * 512,
                                    Reason.CORRUPT),
    "a tar with rubbish between members": (TAR, tar_of(("a", b"x"), end=False) + b"z" * 512, Reason.CORRUPT),
    "a tar with a name without end": (TAR, tar_of(tar_header("x", tarfile.GNUTYPE_LONGNAME, size=1 << 33)),
                                      Reason.LIMIT),
    "a tar with a pax header that is none": (TAR, tar_of(tar_header("x", tarfile.XHDTYPE, size=4), end=False)
                                             + b"9999" + bytes(508), Reason.CORRUPT),
    "a tar of nothing": (TAR, bytes(1024), Reason.NOT_DICOM),
    "a gzip that is cut": ("a.tar.gz", gzip.compress(tar_of(("a", os.urandom(5000))))[:-2000], Reason.CORRUPT),
    "a gzip that is damaged": ("a.tgz", gzip.compress(tar_of(("a", b"x" * 5000)))[:20] + b"\xff" * 99, Reason.CORRUPT),
    "an xz that is damaged": ("a.tar.xz", lzma.compress(tar_of(("a", b"x" * 5000)))[:-40] + b"\0" * 99, Reason.CORRUPT),
    "a bzip2 that is damaged": ("a.tar.bz2", bz2.compress(tar_of(("a", b"x" * 5000)))[:30] + b"\xff" * 99,
                                Reason.CORRUPT),
    "a bomb of gzip": ("a.tar.gz", gzip.compress(tar_of(("a", BOMB))), Reason.LIMIT),
    "a bomb of bzip2": ("a.tar.bz2", bz2.compress(tar_of(("a", BOMB))), Reason.LIMIT),
    "a bomb of xz": ("a.tar.xz", lzma.compress(tar_of(("a", BOMB))), Reason.LIMIT),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE_REFUSED)
def test_a_hostile_archive_is_one_file_with_a_reason(name: str, tmp_path: Path) -> None:
    file_name, content, reason = WHOLE_REFUSED[name]
    assert refused(tmp_path / file_name, content)[0] is reason


MEMBERS_REFUSED: dict[str, tuple[str, bytes, dict[str, Reason | None]]] = {
    "encrypted": (ZIP, ZipMaker().add(b"a", flags=1).add(b"b").finish(), {"a": Reason.UNREADABLE, "b": None}),
    "encrypted by AES": (ZIP, ZipMaker().add(b"a", method=99).finish(), {"a": Reason.UNREADABLE}),
    "an unknown compression": (ZIP, ZipMaker().add(b"a", method=9).finish(), {"a": Reason.UNREADABLE}),
    "a way out": (ZIP, ZipMaker().add(b"../../up").add(b"b").finish(), {"..%2F..%2Fup": Reason.UNREADABLE, "b": None}),
    "a way out in between": (ZIP, ZipMaker().add(b"a/../../b").finish(), {"a%2F..%2F..%2Fb": Reason.UNREADABLE}),
    "an absolute name": (ZIP, ZipMaker().add(b"/etc/passwd").finish(), {"%2Fetc%2Fpasswd": Reason.UNREADABLE}),
    "a drive of Windows": (ZIP, ZipMaker().add(b"C:\\a", host=0).finish(), {"C%3A%2Fa": Reason.UNREADABLE}),
    "a zero in a name": (ZIP, ZipMaker().add(b"a\0b").finish(), {"a%00b": Reason.UNREADABLE}),
    "no name": (ZIP, ZipMaker().add(b"").add(b"b").finish(), {"": Reason.UNREADABLE, "b": None}),
    "one name twice": (ZIP, ZipMaker().add(b"a", b"1").add(b"a", b"2").add(b"b").finish(),
                       {"a": Reason.UNREADABLE, "b": None}),
    "one member twice": (ZIP, ZipMaker().add(b"a", b"1").add(b"a", b"1").finish(), {"a": None}),
    "one name in two spellings": (ZIP, ZipMaker().add(b"a/b", b"1").add(b"a//b", b"2").finish(),
                                  {"a/b": Reason.UNREADABLE}),
    "a symbolic link": (ZIP, ZipMaker().add(b"a", b"/etc/passwd", mode=LINK_MODE).finish(), {"a": Reason.UNREADABLE}),
    "a device": (ZIP, ZipMaker().add(b"a", mode=0o020666 << 16).finish(), {"a": Reason.UNREADABLE}),
    "two sizes": (ZIP, ZipMaker().add(b"a", b"xyz", size=9).finish(), {"a": Reason.CORRUPT}),
    "itself": (ZIP, quine(), {"r.zip!/r.zip": Reason.LIMIT}),
    "a damaged archive": (ZIP, zip_of({"in.zip": zip_of({"a": b"1"})[:-9], "b": b""}),
                          {"in.zip": Reason.CORRUPT, "b": None}),
    "an archive that is a bomb": (ZIP, zip_of({"in.zip": zip_of({"a": BOMB})}, zipfile.ZIP_DEFLATED),
                                  {"in.zip": Reason.LIMIT}),
    "a tar's way out": (TAR, tar_of(("../up", b"x"), ("b", b"x")), {"..%2Fup": Reason.UNREADABLE, "b": None}),
    "a tar's absolute name": (TAR, tar_of(("/etc/passwd", b"x")), {"%2Fetc%2Fpasswd": Reason.UNREADABLE}),
    "a tar's link": (TAR, tar_of(tar_header("a", tarfile.SYMTYPE, "/etc/passwd")), {"a": Reason.UNREADABLE}),
    "a tar's link to itself": (TAR, tar_of(tar_header("a", tarfile.LNKTYPE, "a")), {"a": Reason.UNREADABLE}),
    "a tar's pipe": (TAR, tar_of(tar_header("a", tarfile.FIFOTYPE)), {"a": Reason.UNREADABLE}),
    "a tar's sparse file": (TAR, tar_of(tar_header("a", tarfile.GNUTYPE_SPARSE)), {"a": Reason.UNREADABLE}),
    "a tar's name twice": (TAR, tar_of(("a", b"1"), ("a", b"2")), {"a": Reason.UNREADABLE}),
}  # fmt: skip


@pytest.mark.parametrize("name", MEMBERS_REFUSED)
def test_a_hostile_member_is_a_file_with_a_reason(name: str, tmp_path: Path) -> None:
    file_name, content, expected = MEMBERS_REFUSED[name]
    assert rows(tmp_path / file_name, content) == expected


LIES: dict[str, bytes] = {
    "another CRC": ZipMaker().add(b"a", b"x" * 99, method=8, crc=7).finish(),
    "more than it says": ZipMaker().add(b"a", b"x" * 99, method=8, size=9).finish(),
    "another CRC of what is stored": ZipMaker().add(b"a", b"x" * 99, crc=7).finish(),
    "less than it says": ZipMaker().add(b"a", b"x" * 99, method=8, size=999).finish(),
    "no stream of deflate": ZipMaker().add(b"a", b"x" * 99, method=8, body=b"\xff" * 99).finish(),
    "no local header": ZipMaker(bytes(99)).add(b"a", method=8, offset=0).finish(),
}


@pytest.mark.parametrize("name", LIES)
def test_a_member_that_is_not_what_its_archive_says_is_corrupt(name: str, tmp_path: Path) -> None:
    path = tmp_path / ZIP
    path.write_bytes(LIES[name])
    with pytest.raises(SourceError) as raised, hold_files(found(path)):
        pass
    assert raised.value.reason is Reason.CORRUPT


def test_an_archive_of_too_many_members_is_over_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    assert refused(tmp_path / ZIP, zip_of(CONTENTS))[0] is Reason.LIMIT
    assert refused(tmp_path / TAR, tar_of(*CONTENTS.items()))[0] is Reason.LIMIT


def test_a_bomb_takes_no_memory_and_no_disk(tmp_path: Path) -> None:
    """Ten gigabytes of zeros in gzip, in gzip: no more comes out than the limit allows."""
    block = gzip.compress(bytes(1 << 24))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar_of(("a", b"x"), end=False) + block * 640))
    tracemalloc.start()
    found(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


def test_nothing_is_left_of_a_private_copy(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    path = MAKERS["gzip.tar.gz"](tmp_path / "gzip.tar.gz", folder)
    files = found(path)
    with hold_files(files) as held:
        assert list(scratch.iterdir()) == []  # it has no name, so a kill leaves nothing
        assert set(held) == {file.path for file in files}


def test_a_folder_of_the_name_that_members_would_have_is_not_mistaken(tmp_path: Path) -> None:
    (tmp_path / ZIP).write_bytes(zip_of({"a": b"1"}))
    (tmp_path / f"{ZIP}!").mkdir()
    (tmp_path / f"{ZIP}!" / "a").write_bytes(b"2")
    reasons = {os.path.relpath(file.path, tmp_path): file.refusal and file.refusal[0] for file in found(tmp_path)}
    assert reasons == {ZIP: Reason.UNREADABLE, f"{ZIP}!/a": None}
