"""environment.yml for conda users, written from pyproject.toml."""

import tomllib

from lab.course import ROOT

HEAD = """\
# The course's packages for conda users, written from pyproject.toml by bin/lab lock.
#   conda env create -f environment.yml && conda activate docker-kubernetes-course
#   python -m lab up
name: {name}
channels:
  - conda-forge
dependencies:
  - python{python}
  - pip
  - pip:
"""


def text() -> str:
    """What environment.yml should say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    head = HEAD.format(name=project["name"], python=project["requires-python"])
    return head + "".join(f"      - {wanted}\n" for wanted in project["dependencies"])
