"""Compares the decoders of each transfer syntax on one slice of CT, 512 x 512 of 12 bits with noise, side by side.

Decoders take turns, and the median of their rounds is told.  ``ctprep`` is the way that a series is read: the named
decoder, or for JPEG lossless our own loop, and the checks around it.  `imagecodecs` is measured where it is installed,
and not used: it returns a picture for a codestream that breaks off.

    python benchmarks/decoders.py [--rounds 15]
"""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))  # the phantom series of the tests

import numpy as np
from numpy.typing import NDArray
from phantom_pixels import GDCM_SYNTAX
from phantoms import truth_volume, write_series
from pydicom import dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless
from stored_slices import LIMITS, headers_of

from pipeline.dicom.pixels.decode import decode_frame
from pipeline.dicom.pixels.raw import PixelReader

SIDE = 512
MEGABYTES = SIDE * SIDE * 2 / 1e6
IMAGECODECS = {
    RLELossless: ("dicomrle_decode",),
    JPEGLosslessSV1: ("jpeg8_decode", "ljpeg_decode"),
    JPEGLSLossless: ("jpegls_decode",),
    JPEG2000Lossless: ("jpeg2k_decode",),
}

Decode = Callable[[], Any]


def decoders_of(path: Path, syntax: str) -> Iterator[tuple[str, Decode]]:
    """Yield the name of each decoder there is for a file, and what runs it."""
    (header,) = headers_of(path)
    codestream = bytes(PixelReader(LIMITS).raw_pixels(header))
    yield "ctprep", lambda: decode_frame(codestream, header.pixels)
    dataset, decoder = dcmread(path), get_decoder(syntax)
    for plugin in decoder.available_plugins:
        yield f"pydicom, {plugin}", lambda plugin=plugin: decoder.as_array(dataset, raw=True, decoding_plugin=plugin)[0]
    if find_spec("imagecodecs"):
        import imagecodecs

        options = {"dtype": "<u2"} if syntax == RLELossless else {}
        for name in IMAGECODECS[syntax]:
            decode = getattr(imagecodecs, name)
            yield f"imagecodecs.{name}", lambda decode=decode: decode(codestream, **options)


def is_right(decode: Decode, stored: NDArray[np.int64]) -> bool:
    """Report whether a decoder gives the stored values; one that refuses is left out as well."""
    with suppress(Exception):
        found = decode()
        pixels = np.frombuffer(found, "<u2") if isinstance(found, bytes | bytearray) else np.ravel(found)
        return np.array_equal(pixels, stored)
    return False


def measured(decoders: dict[str, Decode], rounds: int) -> dict[str, float]:
    """Return the milliseconds of CPU of each decoder, the median of rounds in which they take turns."""
    times: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(rounds):
        for name, decode in decoders.items():
            started = process_time()
            decode()
            times[name].append((process_time() - started) * 1000)
    return {name: median(each) for name, each in times.items()}


def main() -> None:
    """Print the table."""
    parser = ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    hu = truth_volume(1, SIDE, SIDE)
    print("| transfer syntax | decoder | ms | MB/s | ctprep = 1 |\n|---|---|---|---|---|")
    with TemporaryDirectory() as scratch:
        for syntax in GDCM_SYNTAX:
            series = write_series(Path(scratch) / syntax, hu=hu, transfer_syntax=syntax)
            stored = series.truth.ravel().astype(int) + 1024
            decoders = {
                name: decode for name, decode in decoders_of(series.paths[0], syntax) if is_right(decode, stored)
            }
            times = measured(decoders, rounds)
            for name, ms in sorted(times.items(), key=lambda each: each[1]):
                rate, ratio = MEGABYTES / ms * 1e3, ms / times["ctprep"]
                print(f"| {syntax.keyword} | {name} | {ms:.2f} | {rate:.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
