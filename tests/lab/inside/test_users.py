"""The users of sandboxes: no id belongs to two ranges, and the image lists each one."""

from itertools import pairwise
from pathlib import Path

from lab.inside.users import RANGES, SUBORDINATE, TEMPLATE, add_to

MOST = 2**31  # what Docker takes for a user
# `useradd` gives out subordinate ids up to here; systemd's containers end below RANGES
USERADD_MOST = 600_100_000


def test_no_id_belongs_to_two() -> None:
    ids = [
        (first, first + count)
        for users in (TEMPLATE, *RANGES)
        for first, count in ((users.student, 1), (users.subordinate, SUBORDINATE))
    ]
    ids += [(users.checker, users.checker + 1) for users in RANGES]
    ordered = sorted(ids)
    assert [one for one, after in pairwise(ordered) if one[1] > after[0]] == []


def test_an_archive_of_a_student_can_give_files_to_them_inside_the_engine() -> None:
    assert max(users.student for users in RANGES) < SUBORDINATE


def test_subordinate_ids_are_nobodys_on_the_machine_and_docker_takes_them() -> None:
    assert min(users.subordinate for users in RANGES) > USERADD_MOST
    assert max(users.subordinate for users in RANGES) + SUBORDINATE < MOST


def test_image_lists_each_with_the_ids_that_it_may_map(tmp_path: Path) -> None:
    for name in ("passwd", "group", "subuid", "subgid"):
        (tmp_path / name).write_text("root:x:0:0\n")
    add_to(tmp_path)
    people = rows(tmp_path / "passwd")
    maps = {name: (int(first), int(count)) for name, first, count in rows(tmp_path / "subuid")}
    # rows() leaves out the line that was there
    assert (tmp_path / "subgid").read_text() == (tmp_path / "subuid").read_text()
    assert len({row[0] for row in people}) == len(people) == 2 * len(RANGES)
    groups = {row[0]: int(row[2]) for row in rows(tmp_path / "group")}
    for users in RANGES:
        name, gid = next((row[0], int(row[3])) for row in people if int(row[2]) == users.student)
        assert maps[name] == (users.subordinate, SUBORDINATE)
        assert gid == groups[name] == users.student
        assert [int(row[3]) for row in people if int(row[2]) == users.checker] == [users.student]


def test_files_of_the_template_are_shown_as_a_sandboxs_own() -> None:
    student, first = RANGES[3].student, RANGES[3].subordinate
    assert RANGES[3].template_as_own() == (
        f"u:1000:{student}:1 u:100000:{first}:65536 g:1000:{student}:1 g:100000:{first}:65536"
    )


def rows(path: Path) -> list[list[str]]:
    return [line.split(":") for line in path.read_text().splitlines()[1:]]
