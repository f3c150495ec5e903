"""The two descriptions of an output, written beside what they describe, or elsewhere."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.card.croissant import croissant
from pipeline.card.facts import About, Facts
from pipeline.card.markdown import markdown
from pipeline.errors import OutputError
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder

CROISSANT, CARD = "croissant.json", "DATASET_CARD.md"


def write_card(output: OutputFolder, about: About, folder: Path | None = None) -> list[Path]:
    """Describe an output, in its own folder or another, and return the files; the same output gives the same bytes.

    Paths in the descriptions are relative to the output.  Raises UsageError where there is no output, DamageError where
    a store is missing, OutputError where the folder cannot be written.
    """
    facts = Facts.of(output)
    contents = {
        CROISSANT: _json(croissant(facts, about)),
        CARD: markdown(facts, about).encode(),
    }
    target = folder or output.root
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder {target} cannot be made: {error.strerror}"
        raise OutputError(msg) from error
    for name, content in contents.items():
        write_bytes(target / name, content)
    return [target / name for name in contents]


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
