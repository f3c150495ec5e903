"""The pseudonym key of an output: read from its file, or made where there is none."""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.output.durable import write_bytes
from pipeline.privacy import PseudonymKey

KEY_FILE_VARIABLE = "CTPREP_KEY_FILE"
"""Names a file that holds the pseudonym key, for outputs that shall share one."""

KEY_BYTES = 32


def load_pseudonym_key(path: Path, environment: Mapping[str, str] = os.environ) -> PseudonymKey:
    """Return the key that CTPREP_KEY_FILE names, else the one at ``path``, made if there is none.

    Raises UsageError for a file that holds no key: a new one in its place would rename every series.
    """
    if named := environment.get(KEY_FILE_VARIABLE):
        return PseudonymKey(_read_key(Path(named), f"the file that {KEY_FILE_VARIABLE} names"))
    if not path.exists():
        write_bytes(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode(), private=True)
    return PseudonymKey(_read_key(path, "private/key"))


def find_pseudonym_key(path: Path, environment: Mapping[str, str] = os.environ) -> PseudonymKey:
    """Return the same key without making one: an empty one where there is none yet.  Raises as `load_pseudonym_key`."""
    is_there = path.exists() or KEY_FILE_VARIABLE in environment
    return load_pseudonym_key(path, environment) if is_there else PseudonymKey()


def _read_key(path: Path, name: str) -> bytes:
    try:
        digits = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{name} cannot be read as a pseudonym key: {getattr(error, 'strerror', None) or 'not text'}"
        raise UsageError(msg) from error
    if not re.fullmatch(f"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", digits):
        msg = f"{name} holds no pseudonym key: {2 * KEY_BYTES} hexadecimal digits are due; put the right file back"
        raise UsageError(msg)
    return bytes.fromhex(digits)
