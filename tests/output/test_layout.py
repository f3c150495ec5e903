import os
import stat
from pathlib import Path

import pytest

from pipeline.errors import OutputError
from pipeline.output.layout import OutputFolder


def test_preparing_makes_the_folders_and_keeps_private_to_its_owner(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path / "deep" / "out")
    output.prepare()
    assert sorted(path.name for path in output.root.iterdir()) == ["private", "runs", "volumes"]
    assert stat.S_IMODE(output.private.stat().st_mode) == 0o700


def test_preparing_again_keeps_everything_and_closes_an_opened_private(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path)
    output.prepare()
    output.key.write_text("kept")
    output.private.chmod(0o755)
    output.prepare()
    assert output.key.read_text() == "kept"
    assert stat.S_IMODE(output.private.stat().st_mode) == 0o700


def test_a_file_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="cannot be prepared: File exists"):
        OutputFolder(tmp_path / "out").prepare()


def test_a_folder_that_may_not_be_written_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: path.name != "runs")
    with pytest.raises(OutputError, match="runs is not writable"):
        OutputFolder(tmp_path).prepare()


def test_what_identifies_lies_under_private_alone(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path)
    private = (output.index, output.files, output.state, output.key, output.private_config, output.private_manifest)
    assert all(path.parent == output.private for path in (*private, output.lock))


def test_a_store_and_its_unfinished_self_lie_on_one_file_system_under_two_names(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path)
    finished, unfinished = output.store("ab"), output.unfinished_store("ab")
    assert finished == output.volumes / "ab.zarr"
    assert unfinished.parent == finished.parent
    assert unfinished != finished


def test_an_output_here_shows_its_own_paths_and_hands_nothing_on(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path)
    output.store("ab").mkdir(parents=True)
    output.send("ab", b"")
    with output.at_hand("ab") as folder:
        assert folder == output.store("ab")
    assert output.describe_path(output.manifest) == str(tmp_path / "manifest.parquet")
    assert output.list_stored() == {"ab"}
