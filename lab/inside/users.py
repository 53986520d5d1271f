"""The users of grading sandboxes: each sandbox that lives has a range of ids that no other has.

The kernel counts much by user: inotify instances, pages of pipes, file descriptors on their way,
bytes in message queues, keys. What one submission uses up of it, no other submission lacks.

Run by path, this adds the users to the lab image: ``newuidmap`` gives a user only the ids that
``/etc/subuid`` lists, and a sandbox cannot write there.
"""

from dataclasses import dataclass
from pathlib import Path

SUBORDINATE = 65_536  # ids of a container beside its root


@dataclass(frozen=True)
class Users:
    """Ids on the machine; a group has the number of its user.

    ``student``: kernel A, the engine, and root in the engine's containers, so what a container
    writes into the student's folder is the student's. ``subordinate``: the first of the ids of
    all others in these containers. ``checker``: kernel B, with the student's group.
    """

    student: int
    checker: int
    subordinate: int

    def template_as_own(self) -> str:
        """What ``mount -o X-mount.idmap=`` takes to show the template's files as these users'."""
        pairs = [
            (TEMPLATE.student, self.student, 1),
            (TEMPLATE.subordinate, self.subordinate, SUBORDINATE),
        ]
        return " ".join(
            f"{kind}:{on_disk}:{shown}:{count}" for kind in "ug" for on_disk, shown, count in pairs
        )


# To these the files of the template belong on the disk: of the images that all sandboxes share.
TEMPLATE = Users(student=1000, checker=1000, subordinate=100_000)

# A container of the engine has ids up to 65,535, and an archive that a student makes in kernel A
# carries their id into it: `docker build` and `docker cp` could not give files to a higher one.
STUDENTS, COUNT = 20_000, 512
# systemd lists these ids as unused, and `useradd` gives none of them away
SUBORDINATES = 0x7000_0000
RANGES = tuple(
    Users(
        student=STUDENTS + 2 * number,
        checker=STUDENTS + 2 * number + 1,
        subordinate=SUBORDINATES + number * SUBORDINATE,
    )
    for number in range(COUNT)
)


def add_to(etc: Path) -> None:
    """Append all users to the files of a folder such as ``/etc``."""
    for name, lines in _lines().items():
        with (etc / name).open("a") as file:
            file.writelines(f"{line}\n" for line in lines)


def _lines() -> dict[str, list[str]]:
    people = [
        (f"{role}{number}", uid, users.student)
        for number, users in enumerate(RANGES)
        for role, uid in (("student", users.student), ("checker", users.checker))
    ]
    subordinate = [
        f"student{number}:{users.subordinate}:{SUBORDINATE}" for number, users in enumerate(RANGES)
    ]
    return {
        "passwd": [f"{name}:x:{uid}:{gid}::/home/student:/bin/bash" for name, uid, gid in people],
        "group": [f"student{number}:x:{users.student}:" for number, users in enumerate(RANGES)],
        "subuid": subordinate,
        "subgid": subordinate,
    }


if __name__ == "__main__":
    add_to(Path("/etc"))
