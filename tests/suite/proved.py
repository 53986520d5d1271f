"""``tests/proved.json``: each item's last green run: its own files, the commit, the seconds."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .history import PROVED, History
from .items import digest

HOW_ON = "Try: bin/lab test --all, or delete its line: then it counts as never proved"


@dataclass(frozen=True)
class Proof:
    """The last green run of an item. ``hash`` is that of its own files in ``commit``."""

    hash: str
    commit: str
    seconds: float


def load(root: Path) -> dict[str, Proof]:
    path = root / PROVED
    return (
        {item: Proof(**proof) for item, proof in json.loads(path.read_text()).items()}
        if path.exists()
        else {}
    )


def save(root: Path, proofs: Mapping[str, Proof]) -> None:
    """One line an item, so that branches merge; in one step, so a killed run breaks nothing."""
    lines = ",\n".join(
        f"{json.dumps(item)}: {json.dumps(asdict(proof))}" for item, proof in sorted(proofs.items())
    )
    new = (root / PROVED).with_suffix(".new")
    new.write_text(f"{{\n{lines}\n}}\n" if lines else "{}\n")
    new.replace(root / PROVED)


def untrue(proofs: Mapping[str, Proof], history: History) -> Iterator[str]:
    """What is wrong with them: each hash is computed again from the commit that the proof names."""
    for item, proof in proofs.items():
        if proof.commit not in history.age:
            yield (
                f"{item}: proved at {proof.commit[:12]}, which is no ancestor of HEAD.\n"
                f"Expected: a commit of this history (was it rebased away, or squashed?).\n{HOW_ON}"
            )
        elif (found := digest(item, history.tree(proof.commit))) != proof.hash:
            yield (
                f"{item}: its own files in {proof.commit[:12]} have the hash {found}.\n"
                f"Expected: {proof.hash}, as {PROVED} says.\n{HOW_ON}"
            )
