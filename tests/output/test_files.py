import os
from hashlib import sha256
from pathlib import Path

from pipeline.output.durable import hash_store, size_of_store


def test_the_hash_is_over_sorted_paths_nul_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"two")
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b.txt").write_bytes(b"three")
    assert hash_store(tmp_path) == sha256(b"a\0oneb.txt\0threeb/c\0two").hexdigest()
    assert size_of_store(tmp_path) == 11


def test_a_hash_does_not_depend_on_times_order_or_where_a_store_lies(tmp_path: Path) -> None:
    hashes = set()
    for place, names in (("a", ("x", "y")), ("b", ("y", "x"))):
        (tmp_path / place).mkdir()
        for name in names:
            (tmp_path / place / name).write_text(name)
            os.utime(tmp_path / place / name, ns=(len(hashes), len(hashes)))
        hashes.add(hash_store(tmp_path / place))
    assert len(hashes) == 1


def test_content_in_another_file_has_another_hash(tmp_path: Path) -> None:
    for place, contents in (("a", ("one", "two")), ("b", ("two", "one")), ("c", ("on", "etwo"))):
        (tmp_path / place).mkdir()
        for name, content in zip(("x", "y"), contents, strict=True):
            (tmp_path / place / name).write_text(content)
    assert len({hash_store(tmp_path / place) for place in "abc"}) == 3


def test_a_file_longer_than_a_block_is_hashed_to_its_end(tmp_path: Path) -> None:
    content = bytes(range(256)) * 2**13
    (tmp_path / "long").write_bytes(content)
    assert hash_store(tmp_path) == sha256(b"long\0" + content).hexdigest()
