from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import LockedError, OutputError
from pipeline.output.layout import OutputFolder
from pipeline.sources.bucket_output import piece_name
from pipeline.sources.bucket_stores import store_name
from pipeline.sources.lease import Lease
from pipeline.sources.uploads import MOST_WAITING, Uploads

if TYPE_CHECKING:
    from bucket_server import BucketServer


@pytest.fixture
def uploads(server: "BucketServer", tmp_path: Path) -> Uploads:
    """Give an output in a bucket."""
    output = OutputFolder(tmp_path / "out")
    output.prepare()
    return Uploads(server.opened("out"), output)


def finish(uploads: Uploads, key: str, *, has_store: bool = True) -> None:
    """Do what a state does with a finished series."""
    if has_store:
        uploads.output.store(key).mkdir()
        (uploads.output.store(key) / "zarr.json").write_text(key)
    uploads.send(key, key.encode())


def test_a_finished_series_is_sent_and_its_store_is_here_no_more(uploads: Uploads, server: "BucketServer") -> None:
    finish(uploads, "aa")
    finish(uploads, "bb", has_store=False)
    uploads.settle()
    assert server.tree("out") == {
        f"{store_name('aa')}/zarr.json": b"aa",
        piece_name("aa"): b"aa",
        piece_name("bb"): b"bb",
    }
    assert list(uploads.output.volumes.iterdir()) == []
    assert uploads.list_stored() == {"aa"}


def test_a_store_is_marked_as_begun_before_and_as_there_after(uploads: Uploads, server: "BucketServer") -> None:
    finish(uploads, "aa")
    uploads.settle()
    piece = f"out/{piece_name('aa')}"
    assert server.written() == [piece, f"out/{store_name('aa')}/zarr.json", piece]


def test_a_store_is_at_hand_while_it_is_looked_at(uploads: Uploads) -> None:
    finish(uploads, "aa")
    with uploads.at_hand("aa") as folder:
        assert (folder / "zarr.json").read_text() == "aa"
    assert not folder.exists()


def test_a_refusal_is_raised_by_the_next_series_at_the_latest_by_the_end(
    uploads: Uploads, server: "BucketServer"
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError

    server.before = refuse
    finish(uploads, "aa")
    with pytest.raises(OutputError, match="denies access"):
        uploads.settle()
    assert uploads.output.store("aa").exists()


def test_only_so_many_stores_wait_here(uploads: Uploads) -> None:
    for number in range(3 * MOST_WAITING):
        finish(uploads, f"{number:02}")
        assert len(uploads.waiting) <= MOST_WAITING
    uploads.settle()
    assert len(uploads.list_stored()) == 3 * MOST_WAITING


def test_nothing_is_sent_to_an_output_that_another_run_has_taken(uploads: Uploads, server: "BucketServer") -> None:
    uploads.lease = Lease(uploads.bucket, "one", "", is_lost=True)
    with pytest.raises(LockedError):
        finish(uploads, "aa")
    assert server.tree("out") == {}
