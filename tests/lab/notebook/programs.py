"""Programs that do what a test writes into them, in place of those that a lesson calls."""

import stat
from pathlib import Path


def put_program(folder: Path, name: str, script: str) -> None:
    """Write a shell script that can be run; on PATH, if the folder is."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
