"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write_whole(target: Path, content: bytes, owner: tuple[int, int]) -> None:
    """Replace a file in one step: an interrupted run leaves the old one or the new one, whole.

    It belongs to ``owner`` (uid, gid). A link in the place of the file is replaced, not followed.
    """
    scratch = target.with_name(f".{target.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    os.chown(scratch, *owner)
    scratch.replace(target)
