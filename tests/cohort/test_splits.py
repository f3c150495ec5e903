from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cohort.splits import NAMES, Member, Split, assign_splits

USUAL = Split(train=0.8, validation=0.1, test=0.1)

members = st.lists(
    st.builds(
        Member,
        series_key=st.uuids().map(str),
        patient=st.integers(0, 30).map(lambda n: ("patient", f"P-{n}")),
        content_hash=st.none() | st.integers(0, 20).map(str),
        group=st.none() | st.sampled_from("AB"),
        stratum=st.none() | st.sampled_from("xyz"),
    ),
    max_size=40,
    unique_by=lambda member: member.series_key,
)


def patients(n: int, **told: str) -> list[Member]:
    return [Member(series_key=str(i), patient=("patient", f"P-{i}"), **told) for i in range(n)]


def by_patient(found: list[Member], split: Split) -> dict[tuple[str, ...], str]:
    names = assign_splits(found, split)
    return {member.patient: names[member.series_key] for member in found}


def test_shares_add_up_within_rounding() -> None:
    assert Split(0.7, 0.1, 0.2).seed == 0


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.0), (1.2, -0.2, 0.0), (0.0, 0.0, 0.0)])
def test_shares_add_up_to_one(shares: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        Split(*shares)


def test_many_patients_are_split_by_the_shares() -> None:
    counts = Counter(assign_splits(patients(4000), USUAL).values())
    assert [counts[name] / 4000 for name in NAMES] == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert USUAL.draw(("patient", "P-1")) == pytest.approx(0.23481930459, abs=1e-10)
    assert USUAL.draw(("patient", "\ud800")) < 1


def test_another_seed_is_another_split() -> None:
    many = patients(200)
    assert assign_splits(many, USUAL) != assign_splits(many, replace(USUAL, seed=1))


def test_a_share_of_nothing_gets_nobody() -> None:
    split = Split(train=0.9999995, validation=0.0000001, test=0)
    assert split.at(0.99999999) == "validation"


@given(members, members)
@settings(max_examples=50)
def test_a_new_patient_moves_nobody_that_it_is_not_tied_to(before: list[Member], more: list[Member]) -> None:
    alone = [replace(member, content_hash=None, group=None) for member in before]
    new = [replace(member, patient=("patient", f"new {n}"), series_key=f"new {n}") for n, member in enumerate(more)]
    then = assign_splits([*alone, *new], USUAL)
    assert {key: then[key] for key in assign_splits(alone, USUAL)} == assign_splits(alone, USUAL)


@given(members, st.sampled_from([USUAL, replace(USUAL, stratify="x")]))
@settings(max_examples=50)
def test_what_is_tied_together_shares_a_split(found: list[Member], split: Split) -> None:
    names, seen = assign_splits(found, split), defaultdict(set)
    for member in found:
        for bond in member.bonds:
            seen[bond].add(names[member.series_key])
    assert all(len(shared) == 1 for shared in seen.values())


@given(members, st.randoms(use_true_random=False), st.sampled_from([USUAL, replace(USUAL, stratify="x")]))
@settings(max_examples=50)
def test_the_order_of_the_series_does_not_matter(found: list[Member], random: object, split: Split) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    assert assign_splits(shuffled, split) == assign_splits(found, split)


def test_of_patients_with_the_same_content_the_fewest_move() -> None:
    many = patients(300)
    alone = by_patient(many, USUAL)
    train = next(member for member in many if alone[member.patient] == "train")
    two_of_test = [member for member in many if alone[member.patient] == "test"][:2]
    tied = {member.patient for member in (train, *two_of_test)}
    linked = [replace(member, content_hash="same") if member.patient in tied else member for member in many]
    after = by_patient(linked, USUAL)
    assert {patient for patient in alone if alone[patient] != after[patient]} == {train.patient}
    assert after[train.patient] == "test"


def test_of_as_many_on_either_side_train_is_taken() -> None:
    many = patients(300)
    alone = by_patient(many, USUAL)
    pair = [next(one for one in many if alone[one.patient] == name) for name in ("test", "train")]
    linked = [replace(member, content_hash="same") for member in pair]
    assert set(assign_splits(linked, USUAL).values()) == {"train"}


def test_a_group_stays_together_and_patients_without_one_draw_alone() -> None:
    hospitals = [replace(member, group=f"H{int(member.series_key) % 7}") for member in patients(100)]
    rest = [replace(one, series_key=f"r{n}", patient=("patient", f"R-{n}")) for n, one in enumerate(patients(200))]
    names = assign_splits([*hospitals, *rest], USUAL)
    together = {(member.group, names[member.series_key]) for member in hospitals}
    assert len(together) == 7
    assert {names[member.series_key] for member in rest} == set(NAMES)


def test_a_stratum_holds_the_shares_to_one_patient() -> None:
    split = Split(train=0.5, validation=0.25, test=0.25, stratify="sex")
    cohort = [replace(member, stratum="F" if int(member.series_key) < 33 else "M") for member in patients(101)]
    names = assign_splits(cohort, split)
    for stratum, n in (("F", 33), ("M", 68)):
        counts = Counter(names[member.series_key] for member in cohort if member.stratum == stratum)
        assert all(abs(counts[name] - n * share) <= 1 for name, share in zip(NAMES, split.shares, strict=True)), counts


def test_strata_of_one_patient_are_not_all_for_training() -> None:
    split = Split(train=0.5, test=0.5, stratify="site")
    cohort = [replace(member, stratum=member.series_key) for member in patients(60)]
    assert 10 < Counter(assign_splits(cohort, split).values())["test"] < 50


def test_with_strata_a_new_patient_moves_only_one_across_a_boundary_of_its_own_stratum() -> None:
    split = replace(USUAL, stratify="sex")
    cohort = [replace(member, stratum="F" if int(member.series_key) % 2 else "M") for member in patients(200)]
    before = assign_splits(cohort, split)
    for n in range(30):
        new = Member(series_key="new", patient=("patient", f"new {n}"), stratum="F")
        after = assign_splits([*cohort, new], split)
        moved = [member for member in cohort if before[member.series_key] != after[member.series_key]]
        assert all(member.stratum == "F" for member in moved)
        assert len(moved) <= 2


def test_no_series_is_no_split() -> None:
    assert assign_splits([], USUAL) == {}
