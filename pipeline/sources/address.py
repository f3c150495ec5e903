"""Where a folder lies: on this machine, or in a bucket.  Knows names, and reaches for nothing."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pipeline.errors import UsageError

ALLOWED = "allowed are a path, file:///PATH and s3://BUCKET/PREFIX"

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,62}")
_HERE = ("", "localhost")


@dataclass(frozen=True)
class Address:
    """The objects of a bucket whose names begin with ``prefix`` and a slash; all of them where it is empty."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def holds(self, other: "Address") -> bool:
        """Tell whether the other is this one, or lies in it."""
        return self.bucket == other.bucket and f"{other.prefix}/".startswith(f"{self.prefix}/" if self.prefix else "")


def parse_address(folder: str) -> Address | None:
    """Return where in a bucket a folder lies, None for one of this machine; raises UsageError for any other URL."""
    if not _URL.match(folder) or is_file_url(folder):
        return None
    scheme, _, place = folder.partition("://")
    bucket, _, prefix = place.partition("/")
    prefix = prefix.rstrip("/")
    is_plain = not prefix or all(part not in {"", ".", ".."} for part in prefix.split("/"))
    if scheme.lower() != "s3" or not _BUCKET.fullmatch(bucket) or not is_plain:
        msg = f"{folder} is no folder that can be reached; {ALLOWED}"
        raise UsageError(msg)
    return Address(bucket, prefix)


def is_file_url(folder: str) -> bool:
    """Tell whether a folder is named by a URL, and lies on this machine."""
    return folder[:7].lower() == "file://"


def resolve_file_url(folder: str) -> str:
    """Return the path that a ``file://`` URL names, anything else as it is; raises UsageError for another machine's."""
    if not is_file_url(folder):
        return folder
    parts = urlsplit(folder)
    if parts.netloc.lower() not in _HERE or not parts.path.startswith("/"):
        msg = f"{folder} names no folder of this machine; {ALLOWED}"
        raise UsageError(msg)
    return unquote(parts.path)
