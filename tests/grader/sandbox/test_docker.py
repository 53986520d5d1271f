"""What crosses between the host and a sandbox, without one."""

import io
import tarfile

import pytest

from grader.archive import UntrustedError
from grader.sandbox.containers import SandboxImage
from grader.sandbox.files import only_file, pack
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


def test_files_belong_to_the_student_with_their_folders() -> None:
    with tarfile.open(
        fileobj=io.BytesIO(pack({"web/src/app.py": b"1", "Dockerfile": b"2"}))
    ) as tar:
        members = {entry.name: (entry.isdir(), entry.uid) for entry in tar.getmembers()}
    assert members == {
        "web": (True, 1000),
        "web/src": (True, 1000),
        "web/src/app.py": (False, 1000),
        "Dockerfile": (False, 1000),
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
