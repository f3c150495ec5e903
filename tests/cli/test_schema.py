import json

import pytest

from pipeline.cli import main


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"input", "output", "steps", "store"} <= set(schema["properties"])
