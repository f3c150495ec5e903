"""Which patients train, validate and test: decided by hashes, so that a new patient moves nobody."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from math import isclose

NAMES = ("train", "validation", "test")

Token = tuple[str, ...]
"""What a draw is made for: a kind and a name, as in ("patient", "P-1")."""


@dataclass(frozen=True)
class Split:
    """``manifest.split:`` shares of the patients, decided by a hash of PatientID and seed.

    ``group`` and ``stratify`` name columns of the manifest.
    """

    train: float
    validation: float = 0
    test: float = 0
    seed: int = 0
    group: str | None = None
    stratify: str | None = None

    def __post_init__(self) -> None:
        if min(self.shares) < 0 or not isclose(sum(self.shares), 1, abs_tol=1e-6):
            msg = f"train, validation and test must be shares that add up to 1, not to {sum(self.shares):g}"
            raise ValueError(msg)

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares in the order of NAMES."""
        return self.train, self.validation, self.test

    def at(self, place: float) -> str:
        """Return the split at a place from 0 up to, not with, 1."""
        ends = zip(NAMES, self.shares, accumulate(self.shares), strict=True)
        taken = [(name, end) for name, share, end in ends if share > 0]
        return next((name for name, end in taken if place < end), taken[-1][0])

    def draw(self, token: Token) -> float:
        """Return the place of a token from 0 up to, not with, 1: the same on every machine and in every cohort."""
        digest = sha256("\0".join((str(self.seed), *token)).encode("utf-8", "surrogatepass")).digest()
        return (int.from_bytes(digest[:8]) >> 11) / 2**53


@dataclass(frozen=True)
class Member:
    """What decides the split of a series; ``patient`` is the private identifier of its patient."""

    series_key: str
    patient: Token
    content_hash: str | None = None
    group: str | None = None
    stratum: str | None = None

    @property
    def token(self) -> Token:
        """What the draw is made for: the group, else the patient."""
        return self.patient if self.group is None else ("group", self.group)

    @property
    def bonds(self) -> set[Token]:
        """What ties the series to others: its patient, its group, its content."""
        content = set() if self.content_hash is None else {("content", self.content_hash)}
        return {self.patient, self.token, *content}


def assign_splits(members: Iterable[Member], split: Split) -> dict[str, str]:
    """Return the split of every series, by key; who shares a patient, a group or content shares it.

    Each patient (or group) draws alone.  Of those whom content ties together the majority decides, and of equal
    numbers the first of train, validation and test: so the fewest move.  Law: a patient tied to nobody new keeps its
    split when others join or leave.

    With ``stratify`` every stratum holds the shares to one patient: those tied together count as one, are ordered by
    their draws, and split at even steps.  A new patient may then move others of its own stratum, one across each
    boundary at most, and nobody of another.
    """
    families = _families(list(members))
    names = _by_vote(families, split) if split.stratify is None else _by_stratum(families, split)
    return {member.series_key: name for family, name in zip(families, names, strict=True) for member in family}


def _by_vote(families: Sequence[Sequence[Member]], split: Split) -> list[str]:
    return [_majority(split.at(split.draw(token)) for token in _tokens(family)) for family in families]


def _by_stratum(families: Sequence[Sequence[Member]], split: Split) -> list[str]:
    strata: dict[str, list[int]] = defaultdict(list)
    for n, family in enumerate(families):
        strata[_stratum(family)].append(n)
    places = dict(place for name, numbers in strata.items() for place in _even_steps(name, numbers, families, split))
    return [split.at(places[n]) for n in range(len(families))]


def _even_steps(
    name: str, numbers: Sequence[int], families: Sequence[Sequence[Member]], split: Split
) -> Iterator[tuple[int, float]]:
    """Yield the place of each family of a stratum; where the steps begin is drawn, so that small strata are fair."""
    ordered = sorted(numbers, key=lambda n: min(map(split.draw, _tokens(families[n]))))
    begin = split.draw(("stratum", name))
    for rank, n in enumerate(ordered):
        yield n, (rank + begin) / len(ordered)


def _majority(names: Iterable[str]) -> str:
    counts = Counter(names)
    return max(NAMES, key=lambda name: counts[name])


def _stratum(family: Sequence[Member]) -> str:
    """Return the stratum of most of a family's series, of equal numbers the first in order; none is one of its own."""
    counts = Counter("" if member.stratum is None else f"={member.stratum}" for member in family)
    return min(counts, key=lambda stratum: (-counts[stratum], stratum))


def _tokens(family: Sequence[Member]) -> list[Token]:
    return sorted({member.token for member in family})


def _families(members: Sequence[Member]) -> list[list[Member]]:
    """Return the series in families: what hangs together by any chain of bonds."""
    above: dict[Token, Token] = {}

    def top(bond: Token) -> Token:
        while (higher := above.setdefault(bond, bond)) != bond:
            above[bond] = above[higher]
            bond = above[bond]
        return bond

    for member in members:
        for bond in member.bonds:
            above[top(bond)] = top(member.patient)
    families: dict[Token, list[Member]] = defaultdict(list)
    for member in members:
        families[top(member.patient)].append(member)
    return list(families.values())
