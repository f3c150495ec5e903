"""A store's files: what they weigh, and the hash over all of them."""

from hashlib import sha256
from pathlib import Path

_READ_BYTES = 2**20


def hash_store(path: Path) -> str:
    """Return the SHA-256 over the sorted relative POSIX paths, each followed by NUL and the file's bytes."""
    digest = sha256()
    for name, file_path in sorted((file.relative_to(path).as_posix(), file) for file in _files(path)):
        digest.update(name.encode() + b"\0")
        with file_path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def size_of_store(path: Path) -> int:
    """Return the bytes of all files of a store."""
    return sum(file.stat().st_size for file in _files(path))


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if not file.is_dir()]
