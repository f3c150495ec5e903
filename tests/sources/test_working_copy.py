from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import LockedError, OutputError
from pipeline.output.layout import OutputFolder
from pipeline.sources.lease import NO_CONDITIONS
from pipeline.sources.working_copy import open_working_copy

if TYPE_CHECKING:
    from bucket_server import BucketServer


def end(output: OutputFolder, error: BaseException) -> None:
    """Write something, and break off."""
    output.root.joinpath("run.json").write_text("{}")
    raise error


def test_a_folder_of_this_machine_is_used_where_it_is(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "out"), print) as output:
        assert output == OutputFolder(tmp_path / "out")
        assert output.remote is None
    assert not (tmp_path / "out").exists()
    assert fetch_root("in", print) == "in"


def test_an_input_root_in_a_bucket_becomes_a_folder_here(server: "BucketServer", tmp_path: Path) -> None:
    server.opened("in").put("a/1.dcm", b"1")
    said: list[str] = []
    mirror = Path(fetch_root(server.url("in"), said.append))
    assert mirror.joinpath("a/1.dcm").read_bytes() == b"1"
    assert mirror.is_relative_to(tmp_path / "cache")
    assert said == [f"fetching 1 objects, 0.0 MB, from {server.url('in')}"]


def test_what_was_written_is_sent_back(server: "BucketServer") -> None:
    with open_output(server.url("out"), print) as output:
        output.root.joinpath("run.json").write_text("{}")
    assert server.tree("out") == {"run.json": b"{}"}


def test_what_was_done_before_an_error_is_sent_back(server: "BucketServer") -> None:
    with pytest.raises(KeyboardInterrupt), open_output(server.url("out"), print) as output:
        end(output, KeyboardInterrupt())
    assert server.tree("out") == {"run.json": b"{}"}


def test_a_bucket_that_was_lost_is_not_asked_again(server: "BucketServer") -> None:
    with pytest.raises(OutputError, match="lost"), open_output(server.url("out"), print) as output:
        end(output, OutputError("lost"))
    assert server.tree("out") == {}


def test_a_reader_sends_nothing_back(server: "BucketServer") -> None:
    with open_output(server.url("out"), print, writes=False) as output:
        output.root.joinpath("run.json").write_text("{}")
        assert output.list_stored() == set()
    assert {method for method, _ in server.seen} == {"GET"}


def test_one_run_at_a_time_works_on_an_output(server: "BucketServer") -> None:
    url = server.url("out")
    with open_output(url, print), pytest.raises(LockedError), open_output(url, print):
        pass


def test_a_server_without_conditional_writes_is_warned_of(
    server: "BucketServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.bucket.Bucket.create", lambda self, name, content: self.put(name, content))
    said: list[str] = []
    with open_output(server.url("out"), said.append):
        pass
    assert said == [NO_CONDITIONS]
