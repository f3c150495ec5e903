from pipeline.masks.source import MaskSource


def test_sources_are_compared_by_what_they_say() -> None:
    source = MaskSource("gtv", "RTSTRUCT", ("/in/rs.dcm",), "GTV")
    assert source == MaskSource("gtv", "RTSTRUCT", ("/in/rs.dcm",), "GTV")
    assert len({source, MaskSource("gtv", "SEG", ("/in/rs.dcm",), "GTV")}) == 2
