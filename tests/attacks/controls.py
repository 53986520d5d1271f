"""Which line of defence each attack falls by, and how its absence shows.

- ``gains``: more points than an honest hand-in with the same answers
- ``gets``: it gets at something that it must not get at
- ``acts``: its page holds something that a browser would run
- ``misleads``: a reader's page holds a link, a class or another attribute of the student's
- ``harms``: points, the reason, or what it is told are not those of a run with the defence
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from . import (
    cluster,
    content,
    engine,
    in_the_kernel,
    in_the_notebook,
    on_readers,
    on_the_guard,
    on_the_kernel,
    on_what_checks_believe,
    reach,
    without_limit,
)
from .attack import Attack
from .without import (
    A_CLIENT,
    CLEANED,
    COLLECTED,
    FRAMES,
    GENUINE,
    GUARD,
    KERNELS_WORD,
    MEMORY,
    NO_NETWORK,
    NOT_THERE,
    PARSED,
    RECORDABLE,
    REPAIR,
    RIGHTS,
    ROLE,
    STRICT,
    TWO_KERNELS,
    WORKED_OUT,
    Defence,
)

Shows = Literal["gains", "gets", "acts", "misleads", "harms"]


@dataclass(frozen=True)
class Control:
    """The same hand-in, graded without one line of defence."""

    defence: Defence
    shows: Shows


def _all(
    attacks: Iterable[Attack],
    defence: Defence,
    shows: Shows,
    others: Mapping[str, Shows] | None = None,
) -> dict[str, Control]:
    """For each of these; ``others``: a word of its name, and how that one shows."""
    return {
        one.name: Control(
            defence, next((how for word, how in (others or {}).items() if word in one.name), shows)
        )
        for one in attacks
    }


def _named(attacks: Iterable[Attack], *words: str) -> list[Attack]:
    return [one for one in attacks if any(word in one.name for word in words)]


CONTROLS: dict[str, Control] = {
    **_all(in_the_notebook.ATTACKS[:9], REPAIR, "harms", {"themselves": "gains", "twin": "gains"}),
    **_all(_named(in_the_notebook.ATTACKS, "tagged", "forged", "easier"), REPAIR, "gains"),
    **_all(in_the_kernel.ATTACKS[:4], TWO_KERNELS, "gains", {"builtins": "harms"}),
    **_all(
        _named(in_the_kernel.ATTACKS, "run cells", "monkeypatched", "equals"), TWO_KERNELS, "gains"
    ),
    **_all(_named(in_the_kernel.ATTACKS, "on PATH"), TWO_KERNELS, "harms"),
    **_all(_named(in_the_kernel.ATTACKS, "A value"), PARSED, "harms", {"even text": "gets"}),
    **_all(_named(on_the_kernel.ATTACKS, "A message", "An answer", "forged"), STRICT, "harms"),
    **_all([*engine.ATTACKS[:3], engine.ATTACKS[4]], GUARD, "gets", {"namespaces": "harms"}),
    **_all(
        _named(cluster.ATTACKS, "A status", "Endpoints", "node made", "admin", "API in"),
        ROLE,
        "gets",
    ),
    **_all(_named(cluster.ATTACKS, "made by hand"), GUARD, "gets"),
    **_all(_named(reach.ATTACKS, "Hidden", "Other submissions", "gradebook"), NOT_THERE, "gets"),
    **_all(_named(reach.ATTACKS, "Services", "Internet", "Other sandboxes"), NO_NETWORK, "gets"),
    **_all(_named(reach.ATTACKS, "More rights"), RIGHTS, "gets"),
    **_all(_named(content.ATTACKS, "in outputs", "raw cells"), CLEANED, "acts"),
    **_all(
        _named(content.ATTACKS, "file is a link", "file is a folder", "GB, sparse"),
        COLLECTED,
        "harms",
    ),
    "A memory bomb": Control(MEMORY, "harms"),
    **_all(_named(on_the_guard.ATTACKS, "refused stream", "every kind"), GUARD, "gets"),
    **_all(_named(engine.ATTACKS, "doctored"), GENUINE, "gains"),
    **_all(_named(on_what_checks_believe.ATTACKS, "Root"), KERNELS_WORD, "gains"),
    **_all(_named(on_what_checks_believe.ATTACKS, "sleeps"), A_CLIENT, "gains"),
    **_all(_named(on_what_checks_believe.ATTACKS, "same answer"), WORKED_OUT, "gains"),
    **_all(_named(on_what_checks_believe.ATTACKS, "linked folder"), COLLECTED, "gains"),
    **_all(_named(on_what_checks_believe.ATTACKS, "link in a folder"), COLLECTED, "harms"),
    **_all(_named(without_limit.ATTACKS, "Output that UTF-8"), RECORDABLE, "harms"),
    **_all(
        [
            one
            for one in on_readers.ATTACKS
            if one.name in (*on_readers.TEXTS, "An error that is a link")
            and one.name not in on_readers.SHOWN_SAFELY
        ],
        FRAMES,
        "misleads",
    ),
}
