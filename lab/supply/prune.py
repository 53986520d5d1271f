"""Uninstalls what the environment's lock does not name: ``python -m lab.supply.prune LOCK``."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from lab.supply.locks import pins

OWN = {"docker-kubernetes-course", "pip", "setuptools"}


def main(lock: Path) -> None:
    """An update of the course can leave packages behind that it no longer needs."""
    wanted = OWN | {canonicalize_name(pin.name) for pin in pins(lock)}
    names = {canonicalize_name(found.name) for found in distributions()}
    if unwanted := sorted(names - wanted):
        command = [sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", *unwanted]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
