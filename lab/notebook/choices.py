"""What a reader has chosen, kept in the workspace: for the next time the cell runs, for the next
kernel and for the next day.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

FILE = ".predictions.json"

# A folder that nobody may write to does not keep a reader from predicting: in this kernel it holds.
_in_this_kernel: dict[str, str] = {}


def kept(key: str) -> str | None:
    """The id of the option chosen under ``key``, if one was."""
    chosen = _in_this_kernel.get(key) or _read(_file()).get(key)
    return chosen if isinstance(chosen, str) else None


def keep(key: str, option: str) -> None:
    """Write down the option chosen under ``key``."""
    _in_this_kernel[key] = option
    file = _file()
    part = file.with_name(f"{FILE}.{os.getpid()}")
    text = json.dumps(_read(file) | {key: option}, indent=1, sort_keys=True)
    try:
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(file)
    except OSError:
        with suppress(OSError):  # of a file system that is read-only, also if nothing is there
            part.unlink()


def _file() -> Path:
    """In the workspace: the folder that holds ``course/``; beside the notebook where there is
    none.
    """
    here = Path.cwd()
    return next((one for one in (here, *here.parents) if (one / "course").is_dir()), here) / FILE


def _read(file: Path) -> dict[str, object]:
    try:
        choices = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return choices if isinstance(choices, dict) else {}
