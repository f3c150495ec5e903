from pipeline.card import About


def test_what_nobody_has_said_is_missing() -> None:
    assert About(licence="CC-BY-4.0", url="https://example.org").missing == (
        "creator",
        "contact",
        "citation",
        "published",
    )
