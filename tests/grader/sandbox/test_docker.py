"""What crosses between the host and a sandbox, without one."""

import io
import tarfile

import pytest

from grader.archive import UntrustedError
from grader.sandbox.containers import SandboxImage
from grader.sandbox.files import file_in_folder, only_file, pack
from grader.sandbox.interface import SandboxLimits


def archive(kind: bytes, content: bytes = b"", name: str = "Dockerfile") -> list[bytes]:
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.size, entry.linkname = kind, len(content), "/etc/passwd"
        tar.addfile(entry, io.BytesIO(content))
    return [spool.getvalue()]


def test_small_regular_file_is_read() -> None:
    assert only_file(archive(tarfile.REGTYPE, b"FROM busybox"), 100) == b"FROM busybox"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_anything_else_is_refused(kind: bytes) -> None:
    with pytest.raises(UntrustedError):
        only_file(archive(kind), 100)


def test_archive_that_goes_on_is_not_read_to_its_end() -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 10_000

    with pytest.raises(UntrustedError, match="too large"):
        only_file(endless(), 100_000)  # type: ignore[arg-type]
    assert taken < 20


def test_garbage_is_refused() -> None:
    with pytest.raises(UntrustedError):
        only_file([b"not a tar at all" * 100], 10_000)


def folder(*entries: tuple[str, bytes, bytes]) -> list[bytes]:
    """An archive of entries: name, kind, content."""
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as tar:
        for name, kind, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(content), "/etc"
            tar.addfile(entry, io.BytesIO(content))
    return [spool.getvalue()]


WEB = ("web", tarfile.DIRTYPE, b"")
PAGE = ("web/src/page", tarfile.REGTYPE, b"hello")


def test_file_in_a_folder_is_read() -> None:
    there = folder(WEB, ("web/src", tarfile.DIRTYPE, b""), PAGE)
    assert file_in_folder(there, "web/src/page", 100, 100_000) == b"hello"
    assert file_in_folder(there, "./web//src/page", 100, 100_000) == b"hello"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([("web", tarfile.SYMTYPE, b"")], "through a link"),
        ([WEB, ("web/src", tarfile.SYMTYPE, b"")], "through a link"),
        ([WEB, ("web/src", tarfile.SYMTYPE, b""), PAGE], "through a link"),
        ([WEB, ("web/src/page", tarfile.SYMTYPE, b"")], "not a regular file"),
        ([WEB, ("web/src/page", tarfile.FIFOTYPE, b"")], "not a regular file"),
        ([("web/src/page", tarfile.REGTYPE, b"x" * 101)], "larger than"),
        ([("web/other", tarfile.REGTYPE, b"x" * 200_000)], "too large"),
    ],
)
def test_no_link_on_the_way_is_followed(entries: list[tuple[str, bytes, bytes]], why: str) -> None:
    with pytest.raises(UntrustedError, match=why):
        file_in_folder(folder(*entries), "web/src/page", 100, 100_000)


def test_missing_file_in_a_folder_is_missing() -> None:
    with pytest.raises(FileNotFoundError):
        file_in_folder(folder(WEB), "web/src/page", 100, 100_000)


def test_files_belong_to_the_student_with_their_folders() -> None:
    with tarfile.open(
        fileobj=io.BytesIO(pack({"web/src/app.py": b"1", "Dockerfile": b"2"}, 1_879_048_192))
    ) as tar:
        members = {entry.name: (entry.isdir(), entry.uid) for entry in tar.getmembers()}
    assert members == {
        "web": (True, 1_879_048_192),
        "web/src": (True, 1_879_048_192),
        "web/src/app.py": (False, 1_879_048_192),
        "Dockerfile": (False, 1_879_048_192),
    }


def test_volumes_of_images_are_mounted_read_only() -> None:
    mounts = SandboxImage("image", "layers", "registry").mounts()
    assert [(mount["Target"], mount["ReadOnly"]) for mount in mounts] == [
        ("/template", True),
        ("/lab-template", True),
    ]
    assert SandboxImage("image").mounts() == []


@pytest.mark.parametrize(("processors", "gib", "workers"), [(2, 24, 2), (64, 16, 6), (4, 1, 1)])
def test_workers_are_as_many_as_processors_and_memory_carry(
    processors: int, gib: int, workers: int
) -> None:
    assert SandboxLimits().workers_for({"NCPU": processors, "MemTotal": gib << 30}) == workers
