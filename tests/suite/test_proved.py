"""``tests/proved.json`` says the truth, or a sentence says what is not true."""

import dataclasses
from pathlib import Path

import pytest

from lab.course import ROOT

from .conftest import Repository
from .history import PROVED, History, NoHistoryError
from .items import Item, digest
from .proved import Proof, load, save, untrue
from .turns import Facts, Standing, standings

ITEM = Item("exercise", "01-boxes")


def proof(history: History) -> Proof:
    found = digest(str(ITEM), history.tree(history.head))
    assert found
    return Proof(found, history.head, 12.5)


def standing(history: History, proofs: dict[str, Proof]) -> Standing:
    facts = Facts("turns", 1, len(history.commits), history.changed(), proofs)
    return standings([ITEM], facts, history)[ITEM]


def test_proofs_of_this_repository_are_true() -> None:
    proofs = load(ROOT)
    problems = list(untrue(proofs, History(ROOT))) if proofs else []
    assert not problems, "\n\n".join(problems)


def test_what_is_saved_is_loaded(repository: Repository) -> None:
    proofs = {"b": Proof("1", "c", 1.0), "a": Proof("2", "d", 2.0)}
    save(repository.root, proofs)
    assert load(repository.root) == proofs
    assert [line[:3] for line in (repository.root / PROVED).read_text().splitlines()] == [
        "{",
        '"a"',
        '"b"',
        "}",
    ]
    save(repository.root, {})
    assert load(repository.root) == {}


def test_true_proof_stays_true_when_the_files_go_on(repository: Repository) -> None:
    proofs = {str(ITEM): proof(History(repository.root))}
    repository.commit({"solutions/01-boxes/start.sh": "# more"})
    assert list(untrue(proofs, History(repository.root))) == []


def test_another_hash_is_untrue(repository: Repository) -> None:
    history = History(repository.root)
    forged = dataclasses.replace(proof(history), hash="0123456789abcdef")
    (sentence,) = untrue({str(ITEM): forged}, history)
    assert "exercise: 01-boxes: its own files in" in sentence
    assert "Expected: 0123456789abcdef" in sentence


def test_proof_of_what_the_work_tree_alone_holds_is_untrue(repository: Repository) -> None:
    before = History(repository.root)
    repository.commit({"solutions/01-boxes/start.sh": "# more"})
    after = proof(History(repository.root))
    assert (
        len(list(untrue({str(ITEM): dataclasses.replace(after, commit=before.head)}, before))) == 1
    )


def test_commit_of_another_branch_is_untrue(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "other")
    repository.commit()
    proofs = {str(ITEM): proof(History(repository.root))}
    assert list(untrue(proofs, History(repository.root))) == []
    repository.git("checkout", "--quiet", "main")
    (sentence,) = untrue(proofs, History(repository.root))
    assert "no ancestor of HEAD" in sentence
    repository.git("merge", "--quiet", "--no-ff", "other")
    assert list(untrue(proofs, History(repository.root))) == []


def test_item_that_is_no_more_keeps_its_proof_and_one_that_never_was_has_none(
    repository: Repository,
) -> None:
    proofs = {str(ITEM): proof(History(repository.root))}
    repository.git("rm", "-r", "--quiet", "solutions/01-boxes", "tests/wrong")
    repository.commit()
    history = History(repository.root)
    assert list(untrue(proofs, history)) == []
    assert len(list(untrue({"exercise: 99-gone": proofs[str(ITEM)]}, history))) == 1


def test_item_stands_by_its_last_proof(repository: Repository) -> None:
    first = History(repository.root)
    assert standing(first, {}) == Standing()
    proofs = {str(ITEM): proof(first)}
    assert standing(first, proofs) == Standing(12.5, age=0, done=True)
    repository.commit({PROVED: "{}\n"})  # the proofs themselves change nothing
    assert standing(History(repository.root), proofs) == Standing(12.5, age=1, done=True)
    repository.commit({"grader/checks/partial.py": "# core"})
    assert standing(History(repository.root), proofs) == Standing(12.5, age=2)
    repository.commit({"tests/wrong/01-boxes.toml": "# more"})
    assert standing(History(repository.root), proofs) == Standing(12.5, age=3, changed=True)


def test_edited_files_are_in_doubt_before_they_are_committed(repository: Repository) -> None:
    proofs = {str(ITEM): proof(History(repository.root))}
    repository.write({"solutions/01-boxes/start.sh": "# edited"})
    assert standing(History(repository.root), proofs) == Standing(12.5, age=0, changed=True)


def test_changes_are_what_no_commit_holds(repository: Repository) -> None:
    repository.write({"grader/checks/images.py": "# more", "tests/new file.py": "", PROVED: "{}"})
    assert History(repository.root).changed() == ["grader/checks/images.py", "tests/new file.py"]


def test_shallow_clone_gets_a_sentence(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    repository.git(
        "clone", "--quiet", "--depth=1", f"file://{repository.root}", str(tmp_path / "shallow")
    )
    with pytest.raises(NoHistoryError, match=r"shallow clone(.|\n)*Try: git fetch --unshallow"):
        History(tmp_path / "shallow")


def test_folder_without_git_gets_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(NoHistoryError, match=r"no git history(.|\n)*Expected: a clone(.|\n)*Try: "):
        History(tmp_path)
