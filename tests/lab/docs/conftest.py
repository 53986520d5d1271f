"""The site, built once from these pages."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.course import ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, as the command leaves it, which fails when Sphinx warns of anything."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "lab", "docs", "--build-only", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder
