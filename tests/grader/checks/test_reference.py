"""docs/checks/: the failures it shows are what the checks really say, on containers and objects
made by the commands of its stage.

`python -m tests.grader.checks.test_reference` (in the lab) writes the pages, one for each noun.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import grader.checks
from grader.checks import (
    CheckFailed,
    ConfigMap,
    Container,
    Deployment,
    Dockerfile,
    File,
    Given,
    Image,
    Pod,
    Secret,
    Service,
)
from grader.checks.cluster_objects import ClusterObject

from .clusters import own_namespace

pytestmark = pytest.mark.engine

FOLDER = Path(__file__).parents[3] / "docs" / "checks"
MARK = "<!-- Written by tests/grader/checks/test_reference.py -->\n"

STAGE = """\
docker run -d --name shop nginx:alpine
docker run --name mailer busybox sh -c 'echo no database; exit 3'
docker commit mailer me/shop:by-hand
docker network create shop-net
printf 'FROM busybox\\nCOPY . .\\nRUN touch /done\\nCMD cat /done\\n' > Dockerfile
docker build -q -t me/shop:1.0 .
printf 'port = 80\\n' > notes.txt
kubectl run shop --image=nginx:alpine --labels=app=shop
kubectl run mailer --image=busybox --restart=Never -- sh -c 'exit 3'
kubectl create deployment news --image=nginx:alpine --replicas=2
kubectl create deployment draft --image=busybox:no-such-tag
kubectl expose pod shop --port=80
kubectl create service clusterip lost --tcp=80
kubectl create configmap settings --from-literal=COLOUR=blue
kubectl create secret generic keys --from-literal=token=unknown
kubectl wait --for=condition=Available deployment/news --timeout=60s
kubectl wait --for=condition=Ready pod/shop --timeout=60s
kubectl rollout pause deployment/news
"""
CLEAN = """\
docker rm -fv shop mailer 2>/dev/null
docker network rm shop-net
docker rmi -f me/shop:1.0 me/shop:by-hand
"""
ANSWERS = {"answer": 80, "why": "no idea"}

# noun → (what calls it in the examples, its class, check → the arguments of a call that fails on
# the stage)
EXAMPLES: dict[str, tuple[str, type, dict[str, str]]] = {
    "container": (
        'container("shop")',
        Container,
        {
            "must_exist": "",
            "must_not_exist": "within_seconds=0",
            "must_be_running": "",
            "must_be_created": "",
            "must_be_paused": "",
            "must_have_exited": "",
            "must_survive_restart": "",
            "must_run_image": '"redis:alpine"',
            "must_have_command": '"sh", "-c", "exit 0"',
            "must_have_env": '"MODE=production"',
            "must_have_label": '"tier=front"',
            "must_mount": '"data:/data"',
            "must_limit_memory": '"64m"',
            "must_limit_pids": "50",
            "must_restart": '"on-failure"',
            "must_be_on_network": '"shop-net"',
            "must_run_as": '"node"',
            "must_publish": '"8080:80"',
            "must_answer": '"http://localhost:8080"',
            "must_log": '"ready", within_seconds=0',
            "must_run": "\"sh -c 'echo no such table; exit 4'\", within_seconds=0",
            "must_have_file": '"/etc/nginx/shop.conf"',
            "must_survive_crash": "within_seconds=0",
        },
    ),
    "image": (
        'image("me/shop:1.0")',
        Image,
        {
            "must_exist": "",
            "must_not_exist": "",
            "must_have_command": '["cat", "/done"]',
            "must_have_entrypoint": '["cat"]',
            "must_expose": "80",
            "must_have_env": '"MODE=production"',
            "must_have_label": '"tier=front"',
            "must_have_workdir": '"/app"',
            "must_run_as": '"node"',
            "must_not_run_as_root": "",
            "must_be_smaller_than_mib": "0.01",
            "must_be_based_on": '"nginx:alpine"',
            "must_be_same_as": '"nginx:alpine"',
            "must_be_built": "",
            "must_be_committed": "",
            "must_contain_file": '"/app/index.js"',
            "must_not_contain_file": '"/done"',
            "must_print": 'containing="hello"',
        },
    ),
    "dockerfile": (
        'dockerfile("Dockerfile")',
        Dockerfile,
        {
            "must_parse": "",
            "must_start_from": '"node:alpine"',
            "must_have": '"EXPOSE 8080"',
            "must_not_have": '"COPY ."',
            "must_have_before": '"RUN touch", "COPY ."',
            "must_use_exec_form": '"CMD"',
            "must_have_stages": "2",
            "must_pass_hadolint": "",
        },
    ),
    "file": (
        'file("notes.txt")',
        File,
        {
            "must_exist": "",
            "must_not_exist": "",
            "must_contain": '"8080"',
            "must_not_contain": '"port"',
            "must_be_json": "",
        },
    ),
    "given": (
        'given("answer")',
        Given,
        {
            "must_equal": '8080, hint="docker port shop"',
            "must_be_one_of": '8080, 8081, hint="docker port shop"',
            "must_be_about": '8080, within=10, hint="docker port shop"',
            "must_contain": (
                '"ended", hint="docker logs mailer", asked="what the main process did."'
            ),
        },
    ),
    "pod": (
        'pod("shop")',
        Pod,
        {
            "must_exist": "",
            "must_not_exist": "within_seconds=0",
            "must_have_label": '"tier=front"',
            "must_not_have_label": '"app"',
            "must_be_ready": "within_seconds=3",
            "must_take_commands": "",
            "must_run_image": '"redis:alpine"',
            "must_run": "\"sh -c 'echo no such table; exit 4'\", within_seconds=0",
            "must_be_restarted_after": '"true", within_seconds=2',
        },
    ),
    "deployment": (
        'deployment("news")',
        Deployment,
        {
            "must_be_rolled_out": "within_seconds=3",
            "must_have_replicas": "3",
            "must_run_image": '"redis:alpine"',
            "must_replace_deleted_pod": "within_seconds=0",
            "must_restart": "",
            "must_undo": "",
            "must_restart_without_a_gap": 'service("lost"), within_seconds=0',
        },
    ),
    "service": (
        'service("shop")',
        Service,
        {
            "must_be_of_type": '"NodePort"',
            "must_listen_on": "8080",
            "must_reach": '"mailer", within_seconds=0',
            "must_answer": "within_seconds=0",
            "must_answer_on_node_port": "",
            "must_select": '"app=press", within_seconds=0',
        },
    ),
    "configmap": ('configmap("settings")', ConfigMap, {"must_have": '"SIZE"'}),
    "secret": ('secret("keys")', Secret, {}),
}
# what a noun takes over from another one is told there
TOLD_ELSEWHERE = {"dockerfile": File, "secret": ConfigMap} | dict.fromkeys(
    ("deployment", "service", "configmap"), ClusterObject
)
# where the stage's own container, image or file would pass
OTHER_NOUN = {
    "container.must_exist": 'container("shopp")',
    "container.must_be_running": 'container("mailer")',
    "container.must_have_exited": 'container("mailer")',
    "container.must_have_command": 'container("mailer")',
    "container.must_log": 'container("mailer")',
    "container.must_survive_restart": 'container("mailer")',
    "image.must_exist": 'image("me/shop:1")',
    "image.must_be_built": 'image("me/shop:by-hand")',
    "image.must_be_smaller_than_mib": 'image("me/shop:1.0")',
    "dockerfile.must_parse": 'dockerfile("notes.txt")',
    "file.must_exist": 'file("answers.txt")',
    "given.must_contain": 'given("why")',
    "pod.must_exist": 'pod("shopp")',
    "pod.must_be_ready": 'pod("mailer")',
    "pod.must_take_commands": 'pod("mailer")',
    "deployment.must_be_rolled_out": 'deployment("draft")',
    "deployment.must_replace_deleted_pod": 'deployment("draft")',
    "deployment.must_undo": 'deployment("draft")',
    "service.must_answer": 'service("lost")',
}


@contextlib.contextmanager
def stage() -> Iterator[None]:
    """What the page's examples look at, made by the commands it shows."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, own_namespace():
        os.chdir(folder)
        try:
            subprocess.run(["bash", "-c", STAGE], capture_output=True)
            yield
        finally:
            subprocess.run(["bash", "-c", CLEAN], capture_output=True)
            os.chdir(before)


def reference() -> dict[str, str]:
    """The pages by file name: the stage, then for each noun its facts, and its checks with what they say."""
    pages = {
        "stage.md": _page(
            "# The stage of the examples\n",
            "Every example under [Checks](../checks.md) looks at what these commands made:\n",
            "```bash",
            STAGE + "```\n",
            f"The student assigned {_assigned()}.",
        )
    }
    with stage():
        for noun, (call, kind, checks) in EXAMPLES.items():
            pages[f"{noun}.md"] = _page(*_noun(noun, call, kind, checks))
    pages["credit.md"] = _page(
        "# credit\n", _call("credit", grader.checks), _doc(grader.checks.credit)
    )
    return pages


def _page(*parts: str) -> str:
    return MARK + "\n".join(parts).rstrip() + "\n"


def _noun(noun: str, call: str, kind: type, checks: dict[str, str]) -> list[str]:
    parts = [f"# {noun}\n", _call(noun, grader.checks), _doc(getattr(grader.checks, noun)) + "\n"]
    parts += _facts(kind)
    if inherited := [_inherited(kind, check) for check in _checks(kind) if check not in checks]:
        parts += [f"It also has {', '.join(inherited)}.\n"]
    parts += ["The examples look at [this stage](stage.md).\n"] if checks else []
    for check, arguments in checks.items():
        parts += _section(OTHER_NOUN.get(f"{noun}.{check}", call), kind, check, arguments)
    return parts


def _inherited(kind: type, check: str) -> str:
    """A link to the page of the noun that shows this same check."""
    noun = next(
        noun
        for noun, (_, other, checks) in EXAMPLES.items()
        if check in checks and getattr(other, check) is getattr(kind, check)
    )
    return f"[{check}]({noun}.md#{check})"


def _call(name: str, owner: object) -> str:
    return f"```python\n{name}{_signature(owner, name)}\n```\n"


def _assigned() -> str:
    return ", ".join(f"`{name} = {value!r}`" for name, value in ANSWERS.items())


def _facts(kind: type) -> list[str]:
    facts = {
        name: each
        for name, each in inspect.getmembers(kind)
        if isinstance(each, property) and name[0] != "_"
    }
    rows = [f"| `{name}` | `{_returns(fact)}` | {_first(fact)} |" for name, fact in facts.items()]
    others = [
        name
        for name in _public(kind)
        if not name.startswith("must_") and name not in facts and name != "max_bytes"
    ]
    rows += [
        f"| `{name}{_signature(kind, name)}` | | {_first(getattr(kind, name))} |".replace(
            " | None", " \\| None"
        )
        for name in others
    ]
    return ["| fact | type | |", "| --- | --- | --- |", *rows, ""] if rows else []


def _section(call: str, kind: type, check: str, arguments: str) -> list[str]:
    source = f"{call}.{check}({arguments})"
    return [
        f"## {check}\n",
        _call(check, kind),
        _doc(getattr(kind, check)) + "\n",
        "For example:\n",
        "```python",
        source,
        "```",
        "```text",
        _failure(source),
        "```\n",
    ]


def _failure(source: str) -> str:
    namespace: dict[str, Any] = {**vars(grader.checks), **ANSWERS}
    try:
        exec(source, namespace)
    except CheckFailed as failure:
        return _without_ids(str(failure))
    raise AssertionError(f"{source} does not fail")


def _without_ids(text: str) -> str:
    """What differs from engine to engine left out: what else is there, sizes, and names that the
    cluster draws.
    """
    text = re.sub(r"has \d+\.\d MiB", "has 1.9 MiB", text)
    text = re.sub(r"\b(draft|news)-[a-z0-9]+-[a-z0-9]{5}\b", r"\1-…", text)
    return re.sub(r"(The (?:containers|images) here): .*\.", r"\1: ….", text)


def _doc(thing: object) -> str:
    """The docstring, its example as a block of code."""
    text, prompt, example = (inspect.getdoc(thing) or "").partition(">>>")
    return f"{text}```python\n{prompt}{example}\n```" if prompt else text


def _first(thing: object) -> str:
    return _doc(thing).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _returns(fact: property) -> str:
    return (
        str(inspect.signature(fact.fget).return_annotation).replace("|", "\\|") if fact.fget else ""
    )


class _Bare(str):
    """An annotation shown as it is written."""

    def __repr__(self) -> str:
        return str(self)


def _signature(owner: object, name: str) -> str:
    signature = inspect.signature(getattr(owner, name))
    parameters = [
        p.replace(annotation=_Bare(p.annotation))
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _checks(kind: type) -> list[str]:
    return [name for name in _public(kind) if name.startswith("must_")]


def _public(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind) if not name.startswith("_")]


@pytest.mark.parametrize("noun", EXAMPLES)
def test_every_check_has_an_example(noun: str) -> None:
    _, kind, checks = EXAMPLES[noun]
    elsewhere = set(_public(TOLD_ELSEWHERE[noun])) if noun in TOLD_ELSEWHERE else set()
    assert set(checks) == set(_checks(kind)) - elsewhere


def test_pages_say_what_the_checks_say() -> None:
    assert {page.name: page.read_text() for page in FOLDER.iterdir()} == reference()


if __name__ == "__main__":
    for _name, _text in reference().items():
        (FOLDER / _name).write_text(_text)
