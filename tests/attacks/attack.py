"""What an attack is: a hand-in, what an honest hand-in with the same answers earns, and what is
there to stop it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.sandbox.containers import SOCKETS
from grader.sandbox.docker import CHECK, WORK
from grader.sandbox.interface import Reason

Notebook = dict[str, Any]
Change = Callable[[Notebook], None]

TRIAL = "trial"
ANSWERS = {
    "total": "total = sum(NUMBERS)",
    "web": (
        'import subprocess\nserve = "mkdir /www; echo Welcome > /www/index.html; exec httpd -f -h'
        ' /www"\nsubprocess.run(["docker", "run", "-d", "--name", "web", "-p", "8080:80",'
        ' "busybox", "sh", "-c", serve], check=True)'
    ),
    "file": 'open("Dockerfile", "w").write("FROM busybox\\n")',
}
EVERYTHING = tuple(ANSWERS)
PODS = "pods"
SERVE = """import subprocess
serve = "mkdir /www; echo Welcome > /www/index.html; exec httpd -f -h /www"
for words in (
    ["create", "deployment", "web", "--image=busybox", "--replicas=2", "--port=80", "--", "sh", "-c", serve],
    ["create", "service", "nodeport", "web", "--tcp=80", "--node-port=30080"],
    ["rollout", "status", "deployment/web", "--timeout=50s"],
):
    subprocess.run(["kubectl", *words], check=True)"""
BELIEFS = "beliefs"
BELIEFS_ANSWERS = {
    "ignore": 'open(".dockerignore", "w").write(".env\\n")',
    "user": (
        'from subprocess import run\nrun(["docker", "build", "-q", "-t", "app", "-"], check=True,'
        ' input=b\'FROM busybox\\nUSER 1000\\nCMD ["sleep", "600"]\\n\')'
    ),
    "cache": (
        'from subprocess import run\nrun(["docker", "run", "-d", "--name", "cache",'
        ' "redis:alpine"], check=True)'
    ),
    "bell": 'from subprocess import run\nrun(["docker", "start", "-a", "bell"], check=True)',
    "page": (
        'from pathlib import Path\nPath("web").mkdir()\nPath("web/page").write_text("welcome")'
    ),
    "talker": (
        'from subprocess import run\nrun(["docker", "run", "--name", "talker", "busybox", "sh",'
        ' "-c", "echo hello; exit 7"])'
    ),
}
OBJECTS = "objects"
GREETER = """%%shell
kubectl apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: greeter}
spec:
  selector: {matchLabels: {app: greeter}}
  template:
    metadata: {labels: {app: greeter}}
    spec:
      containers:
      - name: greeter
        image: busybox
        command: [sleep, "3600"]
        envFrom: [{configMapRef: {name: greeter}}]
YAML"""
OBJECTS_ANSWERS = {
    "crates": (
        "%shell kubectl label pods -l cargo,size=large ship=now\n"
        "%shell kubectl delete pods -l cargo,size=small --now"
    ),
    "orders": "%shell kubectl set selector service orders app=orders",
    "greeter": GREETER,
}
# What an attack aims at, as the grader has it: one at a place that has moved would prove nothing.
PLACES = {
    "@WORK@": WORK,
    "@CHECK@": CHECK,
    "@SOCKETS@": str(Path(SOCKETS["student"]).parent),
    "@STUDENT@": SOCKETS["student"],
    "@CHECKER@": SOCKETS["checker"],
}
ATTEMPTED, SUCCEEDED = "attempted", "SUCCEEDED"


@dataclass(frozen=True)
class Trial:
    """An assignment that is attacked: honest answers by question; for each test its question and
    its points. ``by_hand``: points that a person gives.
    """

    answers: Mapping[str, str]
    earned: Mapping[str, tuple[str, float]]
    by_hand: float = 0.0

    @property
    def max_points(self) -> float:
        return sum(points for _, points in self.earned.values()) + self.by_hand


TRIALS = {
    TRIAL: Trial(
        ANSWERS,
        {
            "total-test": ("total", 3.0),
            "web-test": ("web", 3.0),
            "web-page-test": ("web", 2.0),
            "file-test": ("file", 2.0),
        },
        by_hand=2.0,
    ),
    BELIEFS: Trial(
        BELIEFS_ANSWERS,
        {
            "ignore-test": ("ignore", 2.0),
            "user-test": ("user", 1.0),
            "cache-test": ("cache", 2.0),
            "bell-test": ("bell", 1.0),
            "page-test": ("page", 1.0),
            "talker-test": ("talker", 3.0),
        },
    ),
    PODS: Trial(
        {"web": SERVE},
        {
            "ready-test": ("web", 2.0),
            "endpoints-test": ("web", 2.0),
            "port-test": ("web", 2.0),
            "replaced-test": ("web", 2.0),
            "node-test": ("", 1.0),
        },
    ),
    OBJECTS: Trial(
        OBJECTS_ANSWERS,
        {
            "crates-test": ("crates", 2.0),
            "orders-test": ("orders", 2.0),
            "greeter-test": ("greeter", 2.0),
        },
    ),
}


@dataclass(frozen=True)
class Attack:
    """One hand-in. ``code`` stands before the answer to the question ``at``; an attack that has
    done what it could prints ``attempted``.

    ``answers`` are the questions that it answers honestly, ``earns`` the tests whose requirements
    the forged work meets in truth, or the part of their points that it earns. ``code`` prints ``SUCCEEDED`` where it gets at something that it
    must not get at.
    """

    name: str
    stopped_by: str
    code: str = ""
    at: str = "total"
    answers: tuple[str, ...] = ()
    change: Change | None = None
    place: Callable[[Path], None] | None = None
    earns: tuple[str, ...] | Mapping[str, float] = ()
    reason: tuple[Reason | None, ...] = (None,)
    attempts: bool = True
    note: str = ""
    says: Mapping[str, str] = field(default_factory=dict)
    stock: bool = False
    named: str = ""
    trial: str = TRIAL

    @property
    def student(self) -> str:
        """The name of its folder in ``submitted/``."""
        return self.named or re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60]

    @property
    def earned(self) -> dict[str, float]:
        """The points of an honest hand-in with the same answers, by test."""
        full = {test: points for test, (_, points) in TRIALS[self.trial].earned.items()}
        met = (
            self.earns
            if isinstance(self.earns, Mapping)
            else {one: full[one] for one in self.earns}
        )
        return {
            test: points if not question or question in self.answers else met.get(test, 0.0)
            for test, (question, points) in TRIALS[self.trial].earned.items()
        }

    @property
    def expects_attempt(self) -> bool:
        """Whether its own output has to show that it came to its end."""
        return bool(self.code) and self.attempts

    def hand_in(self, released: Notebook) -> Notebook:
        """The release, answered and forged; ``released`` is changed."""
        for question in self.answers:
            cell(released, question)["source"] = TRIALS[self.trial].answers[question]
        if self.code:
            answer = cell(released, self.at)["source"] if self.at in self.answers else ""
            end = f"\nprint({ATTEMPTED!r})\n" if self.attempts else "\n"
            cell(released, self.at)["source"] = aimed(self.code.strip()) + end + answer
        if self.change:
            self.change(released)
        return released


def cell(notebook: Notebook, grade_id: str) -> dict[str, Any]:
    """The cell with this id."""
    return next(one for one in notebook["cells"] if meta(one).get("grade_id") == grade_id)


def meta(one: dict[str, Any]) -> dict[str, Any]:
    """What nbgrader knows of a cell, as it is in the notebook."""
    known: dict[str, Any] = one["metadata"].setdefault("nbgrader", {})
    return known


def tests(notebook: Notebook) -> list[dict[str, Any]]:
    """The test cells."""
    return [one for one in notebook["cells"] if meta(one).get("grade") and meta(one).get("locked")]


def aimed(code: str) -> str:
    """The code with the places of a sandbox in it."""
    for mark, path in PLACES.items():
        code = code.replace(mark, path)
    return code


def code_cell(source: str, **metadata: Any) -> dict[str, Any]:
    """A new code cell."""
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
