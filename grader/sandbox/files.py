"""Files on their way to and from a sandbox: tar archives, some of them claimed."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile

from grader.archive import UntrustedError


def pack(files: Mapping[str, bytes], owner: int) -> bytes:
    """An archive of these files, which belong there to the user ``owner`` and the group of that
    number.
    """
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        for folder in sorted({str(parent) for path in files for parent in _parents(path)}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, owner, owner
            archive.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o644, owner, owner
            archive.addfile(entry, io.BytesIO(content))
    return spool.getvalue()


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")[:-1]
    return ("/".join(parts[:end]) for end in range(1, len(parts) + 1))


def only_file(chunks: Iterable[bytes], most: int) -> bytes:
    content = b""
    for chunk in chunks:
        content += chunk
        if len(content) > most + 20_480:  # headers and padding of one entry
            raise UntrustedError("too large")
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            entry = archive.next()
            opened = archive.extractfile(entry) if entry is not None and entry.isreg() else None
            if opened is None:
                raise UntrustedError("not a regular file")
            return opened.read(most)
    except tarfile.TarError as error:
        raise UntrustedError("cannot be read") from error


def file_in_folder(chunks: Iterable[bytes], path: str, most: int, most_of_all: int) -> bytes:
    """The file at ``path`` out of the archive of its topmost folder, in which a link on the way to
    it is a link and leads nowhere. FileNotFoundError without one.
    """
    with SpooledTemporaryFile(most) as spool:
        for chunk in chunks:
            spool.write(chunk)
            if spool.tell() > most_of_all:
                raise UntrustedError("in a folder that is too large")
        spool.seek(0)
        try:
            with tarfile.open(fileobj=spool) as archive:
                return _member(archive, PurePosixPath(path), most)
        except tarfile.TarError as error:
            raise UntrustedError("cannot be read") from error


def _member(archive: tarfile.TarFile, path: PurePosixPath, most: int) -> bytes:
    for entry in archive:
        name = PurePosixPath(entry.name)
        if name in path.parents and not entry.isdir():
            raise UntrustedError("reached through a link")
        if name != path:
            continue
        opened = archive.extractfile(entry) if entry.isreg() else None
        if opened is None:
            raise UntrustedError("not a regular file")
        if entry.size > most:
            raise UntrustedError(f"larger than {most // 1000} kB")
        return opened.read(most)
    raise FileNotFoundError(str(path))
