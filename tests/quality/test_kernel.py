import pytest

from pipeline.quality.verdicts import KERNEL_CLASSES, PATTERNS, classify_kernel
from pipeline.record import ElementValue


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("B31f", "smooth"),
        (["Br38f", "3"], "smooth"),
        ("H30s", "smooth"),
        ("B45f", "medium"),
        ("Br40d", "medium"),
        ("B70f", "sharp"),
        ("Bl57d", "sharp"),
        ("SOFT", "smooth"),
        ("STANDARD", "medium"),
        ("BONEPLUS", "sharp"),
        ("Lung", "sharp"),
        ("UB", "medium"),
        ("YC", "sharp"),
        ("FC12", "smooth"),
        ("FC07", "medium"),
        ("FC51", "sharp"),
    ],
)
def test_a_kernel_is_classed_by_its_vendors_name(kernel: ElementValue, expected: str) -> None:
    assert classify_kernel(kernel) == expected


@pytest.mark.parametrize("kernel", [None, "", [], "unknown", 5, "B3", "FC99x"])
def test_a_kernel_that_is_not_known_has_no_class(kernel: ElementValue) -> None:
    assert classify_kernel(kernel) is None


def test_no_name_has_two_classes() -> None:
    words = [word for names in KERNEL_CLASSES.values() for word in names.split() if word.isalpha()]
    assert len(words) == len(set(words))
    numbers = [f"FC{n:02d}" for n in range(100)] + [f"B{n}f" for n in range(100)]
    matches = [sum(bool(pattern.fullmatch(name)) for pattern in PATTERNS.values()) for name in numbers]
    assert set(matches) == {0, 1}
