"""Hand-ins for tests: sound ones, and the parts that hostile ones are made of."""

import io
import json
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from grader.commands.collect import collect_command
from grader.handin.manifest import describe, pack

FIXTURE = Path(__file__).parents[1] / "fixtures" / "release"
BOOK = "01-boxes.ipynb"
INSIDE = f"01-boxes/{BOOK}"
NOON = datetime(2025, 11, 24, 12, 0, tzinfo=UTC)
ANSWER = (FIXTURE / "assignments/01-boxes" / BOOK).read_bytes()
SECRET = "outside"


def answered(text: str = "FROM busybox") -> bytes:
    """The notebook of 01-boxes with its first answer filled in."""
    content = json.loads((FIXTURE / "assignments/01-boxes" / BOOK).read_text())
    content["cells"][1]["source"] = text
    return json.dumps(content).encode()


def hand_in(student: str, time: datetime = NOON, text: str = "FROM busybox") -> bytes:
    files = {BOOK: answered(text), "Dockerfile": text.encode()}
    return pack(describe(student, "01-boxes", time, files), files)


def stored(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def entry(name: str, mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2025, 11, 24, 12, 0, 0))
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def manifest(**changed: Any) -> bytes:
    content = json.loads(describe("ada", "01-boxes", NOON, {BOOK: ANSWER}).to_json())
    return json.dumps({**content, **changed}).encode()


def zipped(*more: tuple[zipfile.ZipInfo, bytes], described_by: bytes | None = None) -> bytes:
    """A hand-in of ada with more entries than its manifest lists."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", manifest() if described_by is None else described_by)
        archive.writestr(INSIDE, ANSWER)
        for info, content in more:
            archive.writestr(info, content)
    return stream.getvalue()


class Inbox:
    """A course, a folder of handed-in files, and a secret that must neither be read nor changed."""

    def __init__(self, root: Path) -> None:
        self.course = root / "course"
        self.folder = root / "inbox"
        self.folder.mkdir()
        self.secret = root / "secret.txt"
        self.secret.write_text(SECRET)
        shutil.copytree(FIXTURE / "assignments", self.course / "assignments")

    def collect(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """Collect the whole folder; fails when anything outside submitted/ has changed."""
        before = self._outside()
        result = CliRunner().invoke(
            collect_command,
            [str(self.folder), *map(str, arguments), "--json", "--course", str(self.course)],
        )
        assert result.exit_code == 0, (result.output, result.exception)
        assert self._outside() == before
        assert not [
            path
            for path in self.submitted.rglob("*")
            if not (path.is_dir() or path.is_file()) or path.is_symlink()
        ]
        assert all(
            SECRET.encode() not in path.read_bytes()
            for path in self.submitted.rglob("*")
            if path.is_file()
        )
        hand_ins: list[dict[str, Any]] = json.loads(result.output)["hand_ins"]
        return hand_ins

    @property
    def submitted(self) -> Path:
        return self.course / "submitted"

    def taken(self) -> list[str]:
        return sorted(
            path.relative_to(self.submitted).as_posix()
            for path in self.submitted.rglob("*")
            if path.is_file() and path.name not in (".lock", "timestamp.txt")
        )

    def _outside(self) -> dict[str, bytes]:
        root = self.course.parent
        return {
            str(path): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and not path.is_symlink() and self.submitted not in path.parents
        }


def collect(course: Path, *arguments: str | Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(
        collect_command, [*map(str, arguments), "--json", "--course", str(course)]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert sum(document["counts"].values()) == len(document["hand_ins"])
    hand_ins: list[dict[str, Any]] = document["hand_ins"]
    return hand_ins


def tree(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    )
