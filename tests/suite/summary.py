"""What a run says of its plan: in its first lines, at its end, and with ``--plan``."""

from collections import Counter
from collections.abc import Iterable, Iterator

from .history import PROVED
from .items import Item
from .ledger import Ledger
from .turns import BUDGET, PARTS, SET_UP, Facts, Plan


def header(facts: Facts, ledger: Ledger | None) -> list[str]:
    if facts.mode == "turns":
        return [
            f"by turns: part {facts.part} of 0 to {PARTS - 1} "
            f"({facts.commits} commits modulo {PARTS})"
        ]
    if ledger and ledger.refused:
        return [f"everything, but {PROVED} will not be written: {ledger.refused}"]
    return [f"everything that is not green already, into {PROVED}"] if facts.mode == "all" else []


def lines(plan: Plan, facts: Facts, ledger: Ledger | None, seconds: float | None) -> Iterator[str]:
    """``seconds`` that the run took; None: it is only planned, so each item is named."""
    planned = seconds is None
    for reason, number in Counter(plan.taken.values()).items():
        yield f"{number:4} items, {minutes(plan.together(reason), facts)}: {reason}"
        if planned and reason not in ("always", "all"):
            yield from named((item for item, why in plan.taken.items() if why == reason), plan)
    yield f"together {minutes(plan.together(), facts)} by the seconds written" + (
        "" if planned else f", {(seconds or 0) / 60:.1f} minutes in truth"
    )
    if plan.estimated or plan.unknown:
        yield (
            f"not measured yet (bin/lab test --all does): {plan.estimated} items, which count as "
            f"the mean of their kind, and {plan.unknown} of kinds without any, which count as 0"
        )
    yield from left(plan, planned)
    if plan.left and not planned:
        yield "bin/lab test --plan names them; bin/lab test --all runs what is not green already"
    if facts.mode == "turns":
        yield from budget(plan, facts)
    if ledger:
        yield f"{PROVED}: {len(ledger.written)} items written" + (
            f"; no more: {ledger.refused}" if ledger.refused else ""
        )


def left(plan: Plan, planned: bool) -> Iterator[str]:
    """What this run does not say anything about."""
    for reason, number in sorted(Counter(plan.left.values()).items()):
        items = [item for item, why in plan.left.items() if why == reason]
        kinds = ", ".join(
            f"{count} of kind {kind!r}"
            for kind, count in Counter(item.kind for item in items).items()
        )
        yield f"left to other runs, neither passed nor skipped: {number} items ({reason}): {kinds}"
        if planned:
            yield from named(items, plan)


def budget(plan: Plan, facts: Facts) -> Iterator[str]:
    """Whether each part fits, whatever this run adds."""
    yield f"budget: {BUDGET / 60:.0f} minutes, {SET_UP / 60:.0f} of them to set up from nothing"
    for part, spent in enumerate(plan.parts):
        verdict = "fits" if fit(spent, facts) else "DOES NOT FIT"
        verdict += ", as far as it is measured" if plan.estimated or plan.unknown else ""
        yield f"  part {part}: {minutes(spent, facts)} with what is always taken: {verdict}"


def fits(plan: Plan, facts: Facts) -> bool:
    return all(fit(spent, facts) for spent in plan.parts)


def fit(spent: float, facts: Facts) -> bool:
    return spent / facts.workers + SET_UP <= BUDGET


def minutes(spent: float, facts: Facts) -> str:
    """Seconds of tests as minutes of a run whose workers share them."""
    return f"{spent / facts.workers / 60:.1f} minutes"


def named(items: Iterable[Item], plan: Plan) -> Iterator[str]:
    for item in items:
        yield f"      {item}" + (f" ({plan.seconds[item]:.1f} s)" if item in plan.seconds else "")
