"""Files on their way to and from a sandbox: tar archives, some of them claimed."""

import io
import tarfile
from collections.abc import Iterable, Mapping

from grader.archive import UntrustedError

USER = 1000  # who owns the files there: the user of both kernels


def pack(files: Mapping[str, bytes]) -> bytes:
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        for folder in sorted({str(parent) for path in files for parent in _parents(path)}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, USER, USER
            archive.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o644, USER, USER
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
