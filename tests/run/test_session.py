from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.config.model import Config, OutputOptions
from pipeline.errors import LockedError, OutputError
from pipeline.output.layout import OutputFolder
from pipeline.run.session import WorkingCopy, working_copy
from pipeline.sources.folders import InputOptions
from pipeline.sources.lease import NO_CONDITIONS

if TYPE_CHECKING:
    from bucket_server import BucketServer


def config(output: str, *roots: str) -> Config:
    return Config(InputOptions(roots), OutputOptions(output))


def end(work: WorkingCopy, error: BaseException) -> None:
    """Write something, and break off."""
    work.output.root.joinpath("run.json").write_text("{}")
    raise error


def test_folders_of_this_machine_are_used_where_they_are(tmp_path: Path) -> None:
    given = config(str(tmp_path / "out"), "in")
    with working_copy(given) as work:
        assert work.config == given
        assert work.output == OutputFolder(tmp_path / "out")
        assert work.output.far is None
    assert not (tmp_path / "out").exists()


def test_folders_in_a_bucket_become_folders_here(server: "BucketServer", tmp_path: Path) -> None:
    server.opened("in").put("a/1.dcm", b"1")
    said: list[str] = []
    with working_copy(config(server.url("out"), server.url("in"), "near"), said.append) as work:
        mirror, near = work.config.input.roots
        assert near == "near"
        assert Path(mirror, "a/1.dcm").read_bytes() == b"1"
        assert Path(mirror).is_relative_to(tmp_path / "cache")
        assert Path(work.config.output.folder) == work.output.root
        work.output.root.joinpath("run.json").write_text("{}")
    assert server.tree("out") == {"run.json": b"{}"}
    assert said == [f"fetching 1 objects, 0.0 MB, from {server.url('in')}"]


def test_what_was_done_before_an_error_is_sent_back(server: "BucketServer") -> None:
    with pytest.raises(KeyboardInterrupt), working_copy(config(server.url("out"), "near")) as work:
        end(work, KeyboardInterrupt())
    assert server.tree("out") == {"run.json": b"{}"}


def test_a_bucket_that_was_lost_is_not_asked_again(server: "BucketServer") -> None:
    with pytest.raises(OutputError, match="lost"), working_copy(config(server.url("out"), "near")) as work:
        end(work, OutputError("lost"))
    assert server.tree("out") == {}


def test_who_only_looks_sends_nothing_back(server: "BucketServer") -> None:
    with working_copy(config(server.url("out"), "near"), writes=False) as work:
        work.output.root.joinpath("run.json").write_text("{}")
        assert work.output.stored() == set()
    assert {method for method, _ in server.seen} == {"GET"}


def test_one_run_at_a_time_works_on_an_output(server: "BucketServer") -> None:
    given = config(server.url("out"), "near")
    with working_copy(given), pytest.raises(LockedError), working_copy(given):
        pass


def test_a_server_that_keeps_nobody_out_is_warned_of(server: "BucketServer", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sources.bucket.Bucket.create", lambda self, name, content: self.put(name, content))
    said: list[str] = []
    with working_copy(config(server.url("out"), "near"), said.append):
        pass
    assert said == [NO_CONDITIONS]
