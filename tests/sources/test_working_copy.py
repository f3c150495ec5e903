from typing import TYPE_CHECKING

import pytest

from pipeline.errors import LockedError, OutputError
from pipeline.output.layout import OutputFolder
from pipeline.sources.address import Address
from pipeline.sources.lease import NO_CONDITIONS
from pipeline.sources.working_copy import open_working_copy

if TYPE_CHECKING:
    from bucket_server import BucketServer


def end(output: OutputFolder, error: BaseException) -> None:
    """Write something, and break off."""
    output.root.joinpath("run.json").write_text("{}")
    raise error


def test_what_was_written_is_sent_back(server: "BucketServer") -> None:
    with open_working_copy(Address(server.bucket, "out"), print) as output:
        output.root.joinpath("run.json").write_text("{}")
    assert server.tree("out") == {"run.json": b"{}"}


def test_what_was_done_before_an_error_is_sent_back(server: "BucketServer") -> None:
    with pytest.raises(KeyboardInterrupt), open_working_copy(Address(server.bucket, "out"), print) as output:
        end(output, KeyboardInterrupt())
    assert server.tree("out") == {"run.json": b"{}"}


def test_a_bucket_that_was_lost_is_not_asked_again(server: "BucketServer") -> None:
    with pytest.raises(OutputError, match="lost"), open_working_copy(Address(server.bucket, "out"), print) as output:
        end(output, OutputError("lost"))
    assert server.tree("out") == {}


def test_a_reader_sends_nothing_back(server: "BucketServer") -> None:
    with open_working_copy(Address(server.bucket, "out"), print, writes=False) as output:
        output.root.joinpath("run.json").write_text("{}")
        assert output.list_stored() == set()
    assert {method for method, _ in server.seen} == {"GET"}


def test_one_run_at_a_time_works_on_an_output(server: "BucketServer") -> None:
    address = Address(server.bucket, "out")
    with open_working_copy(address, print), pytest.raises(LockedError), open_working_copy(address, print):
        pass


def test_a_server_without_conditional_writes_is_warned_of(
    server: "BucketServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.bucket.Bucket.create", lambda self, name, content: self.put(name, content))
    said: list[str] = []
    with open_working_copy(Address(server.bucket, "out"), said.append):
        pass
    assert said == [NO_CONDITIONS]
