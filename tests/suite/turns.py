"""Which items a run takes: what is always proved, what has its turn, then what is most in doubt."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from .history import History
from .items import Item, digest, own_files
from .proved import Proof

PARTS = 4
BUDGET = 35 * 60.0  # seconds of a whole run on two cores; 60 minutes when all content is there
SET_UP = (
    5 * 60.0
)  # kept free of it: from nothing, environment and images took 4 to 5 minutes (two cores, 6baec8d)

Mode = Literal["turns", "all", "named"]


@dataclass(frozen=True)
class Facts:
    """What a selection depends on, besides the tests: found out once, and given to each worker."""

    mode: Mode
    workers: int
    commits: int
    changed: list[str]
    proofs: dict[str, Proof]

    @property
    def part(self) -> int:
        return self.commits % PARTS


@dataclass(frozen=True)
class Standing:
    """What is known of an item: seconds of its last green run, and how much that run still says."""

    seconds: float | None = None
    age: int | None = None  # in commits; None: never proved
    changed: bool = False  # its own files are others by now
    done: bool = False  # proved with the very files that are here, its own and all others


@dataclass(frozen=True)
class Plan:
    """What a run takes and leaves, each with its reason; ``seconds`` where they are known."""

    taken: dict[Item, str]
    left: dict[Item, str]
    seconds: dict[Item, float]
    parts: list[float]  # of each part, with what is always taken, in seconds of one worker
    estimated: int  # items never measured, which count as the mean of their kind
    unknown: int  # items of a kind of which none was measured: they count as nothing

    def together(self, reason: str | None = None) -> float:
        return sum(
            self.seconds.get(item, 0.0) for item, why in self.taken.items() if reason in (None, why)
        )


def standings(items: Iterable[Item], facts: Facts, history: History) -> dict[Item, Standing]:
    """How each item stands at HEAD, by its last proof."""
    return {item: _standing(item, facts, history) for item in items}


def _standing(item: Item, facts: Facts, history: History) -> Standing:
    proof = facts.proofs.get(str(item))
    if not proof or proof.commit not in history.age:
        return Standing()
    here = history.tree(history.head)
    edited = set(own_files(str(item), here)) & set(facts.changed)
    return Standing(
        proof.seconds,
        history.age[proof.commit],
        bool(edited) or digest(str(item), here) != proof.hash,
        not facts.changed and history.same_files(proof.commit),
    )


def parts(items: Sequence[Item]) -> dict[Item, int]:
    """The part of each item that goes by turns: dealt like cards, kind by kind, so that all parts
    take about as long.
    """
    dealt: dict[str, int] = {}
    part = {}
    for item in items:
        if item.turn == "by turns":
            part[item] = dealt.get(item.kind, 0) % PARTS
            dealt[item.kind] = dealt.get(item.kind, 0) + 1
    return part


def plan(items: Iterable[Item], known: Mapping[Item, Standing], facts: Facts) -> Plan:
    """The plan of a run of these items: the same in each process, in whatever order it has
    collected the tests.
    """
    items = sorted(items)
    seconds = _seconds(items, known)
    part = parts(items)
    always = sum(seconds.get(item, 0.0) for item in items if item.turn == "always")
    each = [
        always + sum(seconds.get(item, 0.0) for item in part if part[item] == number)
        for number in range(PARTS)
    ]
    taken, left = (
        _by_turns(items, part, known, seconds, facts)
        if facts.mode == "turns"
        else _all(items, known)
    )
    due = [item for item in items if item.turn != "all only"]
    return Plan(
        taken,
        left,
        seconds,
        each,
        estimated=sum(item in seconds and known[item].seconds is None for item in due),
        unknown=sum(item not in seconds for item in due),
    )


def _all(
    items: Sequence[Item], known: Mapping[Item, Standing]
) -> tuple[dict[Item, str], dict[Item, str]]:
    done = {item: "green already, with the same files" for item in items if known[item].done}
    return {item: "all" for item in items if item not in done}, done


def _by_turns(
    items: Sequence[Item],
    part: Mapping[Item, int],
    known: Mapping[Item, Standing],
    seconds: Mapping[Item, float],
    facts: Facts,
) -> tuple[dict[Item, str], dict[Item, str]]:
    taken = {item: "always" for item in items if item.turn == "always"}
    taken |= {item: f"part {facts.part}" for item in items if part.get(item) == facts.part}
    rest = [item for item in items if item.turn == "by turns" and item not in taken]
    # While an item's seconds are unknown nobody can say what fits, so nothing is added.
    free = (BUDGET - SET_UP) * facts.workers - sum(
        seconds.get(item, float("inf")) for item in taken
    )
    for item in sorted(rest, key=lambda item: _doubt(known[item])):
        cost = seconds.get(item, float("inf"))
        if cost <= free:
            taken[item] = _why(known[item])
            free -= cost
    left = {item: f"part {part[item]}" for item in rest if item not in taken}
    return taken, left | {item: "only with --all" for item in items if item.turn == "all only"}


def _doubt(known: Standing) -> tuple[int, int]:
    """Smaller is more in doubt; among equals the names decide."""
    if known.age is None:
        return 0, 0
    return (1 if known.changed else 2), -known.age


def _why(known: Standing) -> str:
    if known.age is None:
        return "never proved"
    return "own files changed since the last proof" if known.changed else "proved longest ago"


def _seconds(items: Sequence[Item], known: Mapping[Item, Standing]) -> dict[Item, float]:
    """Measured seconds; where an item has none, the mean of its kind; if there is one."""
    measured: dict[str, list[float]] = {}
    for item in items:
        if (taken := known[item].seconds) is not None:
            measured.setdefault(item.kind, []).append(taken)
    mean = {kind: fmean(values) for kind, values in measured.items()}
    own = {item: known[item].seconds for item in items}
    found = {item: own[item] if own[item] is not None else mean.get(item.kind) for item in items}
    return {item: value for item, value in found.items() if value is not None}
