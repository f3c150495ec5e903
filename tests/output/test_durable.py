import stat
from pathlib import Path

import pytest

from pipeline.errors import OutputError
from pipeline.output.durable import make_folder, move_folder, remove, replacing, sync_tree, write_bytes


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old and longer")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"half of the ne", None])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_its_owners_alone_even_over_an_open_leftover(tmp_path: Path) -> None:
    leftover = tmp_path / ".a.unfinished"
    leftover.write_bytes(b"left by a kill")
    leftover.chmod(0o644)
    write_bytes(tmp_path / "a", b"secret", private=True)
    assert _mode(tmp_path / "a") == 0o600


def test_a_link_in_the_place_of_the_file_aside_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / ".a.unfinished").symlink_to(victim)
    with pytest.raises(OutputError, match="cannot write a"):
        write_bytes(tmp_path / "a", b"theirs")
    assert victim.read_bytes() == b"mine"


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write a: No such file or directory"):
        write_bytes(tmp_path / "absent" / "a", b"")


def test_a_folder_moves_into_the_place_of_another(tmp_path: Path) -> None:
    source, target = tmp_path / ".x.unfinished", tmp_path / "x.zarr"
    for folder, content in ((source, "new"), (target, "old"), (tmp_path / ".x.zarr.unfinished", "left by a kill")):
        folder.mkdir()
        (folder / "file").write_text(content)
    move_folder(source, target)
    assert (target / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_cannot_be_moved_and_the_old_one_stays_in_reach(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write x\.zarr"):
        move_folder(tmp_path / "absent", tmp_path / "x.zarr")


def test_every_file_and_folder_of_a_tree_is_forced_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("c")
    synced = []
    monkeypatch.setattr("pipeline.output.durable._sync", synced.append)
    sync_tree(tmp_path)
    assert synced == [tmp_path / "a" / "b" / "c", tmp_path / "a" / "b", tmp_path / "a", tmp_path]


def test_a_folder_is_made_and_a_file_removed_once(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a", 0o700)
    assert _mode(tmp_path / "a") == 0o700
    (tmp_path / "b").touch()
    for _ in range(2):
        remove(tmp_path / "b")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_what_the_system_refuses_to_make_or_remove_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write b"):
        make_folder(tmp_path / "a" / "b")
    with pytest.raises(OutputError, match="cannot write"):
        remove(tmp_path)
