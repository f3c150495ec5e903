"""What the fuzzer found, as small as it could be made; each is mended, and stays so."""

from pathlib import Path

from fuzz_files import Mutation, Spoilt
from fuzz_reading import Reading, Seen, read_folder
from pydicom.uid import RLELossless

from pipeline.vocabulary import Reason, Status


def seen(spoilt: Spoilt, folder: Path) -> tuple[Seen, ...]:
    source = folder / "in"
    source.mkdir()
    spoilt.write(source)
    return read_folder(Reading(str(source), spoilt.repair))


def test_an_rle_segment_beyond_its_frame_is_refused_although_the_decoder_panics(tmp_path: Path) -> None:
    spoilt = Spoilt(RLELossless, [Mutation("codestream", 114, 140, b"1e-320")])
    assert seen(spoilt, tmp_path) == (Seen(Status.REJECTED, Reason.PIXEL_DECODE),)
