"""Where things are: this checkout, and the names of what it makes on the machine's Docker."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".lab"  # ignored by git: logs, the pid file of an engine that the lab started
WORKSPACE = ROOT / "workspace"
RECORD = ".course.json"  # in a workspace: which files the course put there

REPOSITORY = "docker-course/lab"  # of the lab image, whichever checkout built it
# on every container, volume and image of the lab; its value is the checkout's name
LABEL = "course.lab"
# so that two checkouts do not interfere
NAME = f"docker-course-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
