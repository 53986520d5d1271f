"""Nothing in an exercise that no lesson before it has taught: course/skills.toml says where."""

import tomllib

import pytest

from grader.course import RELEASE
from grader.startpage.notebooks import read_notebook
from lab.course import ROOT
from lab.lessontexts import source

from .exercises import ASSIGNMENTS, EXERCISES, Exercise
from .skills import SKILLS, Skill, skills_of, unlisted, untaught, used
from .test_coverage import COMING, LESSONS, assert_none

SKILLS_TABLE = skills_of(tomllib.loads((ROOT / SKILLS).read_text()))
AFTER = {name: read_notebook(ROOT, f"{RELEASE}/{name}/{name}.ipynb").after for name in ASSIGNMENTS}
SOURCES = {
    number: {cell["id"]: source(cell) for cell in lesson["cells"]}
    for number, lesson in LESSONS.items()
}

SCRIPT = """\
%%shell
### BEGIN SOLUTION
docker run -d --name web -e '' -p 80:80 --env=A=1 \\
  nginx nginx -g 'daemon off;'
docker compose up --build; timeout 9 docker logs web 2>&1 | grep -c docker
docker rm -f $(docker ps -q)
kubectl run box --image=busybox -- ls -l
kubectl create --save-config -f - > /dev/null <<'YAML'
kind: Service
spec:
  selector: {app: box}
  ports:
  - {port: 80}
YAML
kubectl rollout status deployment/web
### END SOLUTION
"""
SCRIPT_USES = {
    *("docker run", "docker run -d", "docker run --name", "docker run -p", "docker run --env"),
    "docker run -e",
    *("docker compose up", "docker compose up --build", "docker logs", "docker rm"),
    *("docker rm -f", "docker ps", "docker ps -q", "kubectl run", "kubectl run --image"),
    *("kind:", "spec:", "selector:", "ports:", "port:"),
    *("kubectl create", "kubectl create --save-config", "kubectl create -f"),
    "kubectl rollout status",
}


def test_each_skill_is_taught_before_its_exercise() -> None:
    assert_none(untaught(SKILLS_TABLE, AFTER, SOURCES, COMING))


@pytest.mark.parametrize("exercise", EXERCISES, ids=ASSIGNMENTS)
def test_what_a_solution_uses_is_in_the_table(exercise: Exercise) -> None:
    assert_none(unlisted(exercise.name, exercise.notebook["cells"], SKILLS_TABLE))


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        (SCRIPT, SCRIPT_USES),
        (
            "%%shell\nkubectl apply -f a.yaml # not --wait\ndocker ps",
            {"kubectl apply", "kubectl apply -f", "docker ps"},
        ),
        (
            "names = 'docker ps'\n%shell --capture out docker inspect --format '{{.Id}}' web",
            {"docker inspect", "docker inspect --format"},
        ),
        ("%%writefile app/Dockerfile\n# FROM a\nFROM b\nRUN a && \\\n  b", {"FROM", "RUN"}),
        ("%%writefile pod.yaml\nmetadata:\n  labels: {app: a}\n", {"metadata:", "labels:"}),
        ("%%writefile .dockerignore\n.env\n", {".dockerignore"}),
        (
            "%%shell\ncat > Dockerfile <<END\nFROM a\nEND\nkubectl create",
            {"FROM", "kubectl create"},
        ),
    ],
    ids=["script", "comment", "line magic", "Dockerfile", "manifest", "other file", "heredoc"],
)
def test_what_a_cell_uses(text: str, uses: set[str]) -> None:
    assert set(used(text)) == uses


@pytest.mark.parametrize(
    ("skill", "fault"),
    [
        (Skill("01-boxes", "docker ps", "02", "list"), None),
        (Skill("01-boxes", "docker ps -a", "02", "list", "--all"), None),
        (Skill("01-boxes", "docker commit", "07"), None),
        (Skill("01-boxes", "docker ps -a", "02", "list"), 'does not contain "docker ps -a"'),
        (Skill("01-boxes", "docker ps", "02", "lost"), 'lesson 02 has no cell "lost"'),
        (Skill("01-boxes", "docker ps", "02"), "lesson 02 is written"),
        (Skill("01-boxes", "docker ps", "04", "again"), "lesson 04 comes later"),
        (Skill("01-boxes", "docker commit", "08"), "lesson 08 is neither in course/ nor in"),
        (Skill("01-boxes", "docker commit", "07", "try"), "there is no course/07-*.ipynb"),
        (Skill("02-boxes", "docker ps", "02", "list"), "there is no such exercise"),
    ],
)
def test_skill_is_taught_before_its_exercise_or_in_a_lesson_to_come(
    skill: Skill, fault: str | None
) -> None:
    sources = {"02": {"list": "docker ps --all"}, "04": {"again": "docker ps"}}
    faults = list(untaught([skill], {"01-boxes": 7 if skill.lesson > "04" else 3}, sources, {"07"}))
    assert len(faults) == (1 if fault else 0)
    assert all(f'{skill.exercise}, "{skill.name}"' in found for found in faults)
    assert all(str(fault) in found for found in faults)


def test_what_is_missing_is_told_with_exercise_cell_and_word() -> None:
    cell = {
        "cell_type": "code",
        "id": "boxes",
        "metadata": {"nbgrader": {"solution": True}},
        "source": "%%shell\ndocker run -e A=1 busybox",
    }
    setup = {
        **cell,
        "metadata": {"nbgrader": {"solution": False}},
        "source": "%shell docker pull a",
    }
    listed = [
        Skill("01-boxes", "docker run", "04", "run"),
        Skill("02-boxes", "docker run -e", "04", "run"),
    ]
    (fault,) = unlisted("01-boxes", [setup, cell], listed)
    assert '01-boxes, cell "boxes": its solution uses "docker run -e"' in fault
    assert "add it to [01-boxes]" in fault


@pytest.mark.parametrize(
    "text", ["%shell docker run 'busybox", "%%writefile pod.yaml\nlabels: {app: a"]
)
def test_solution_that_cannot_be_read_is_told(text: str) -> None:
    cell = {
        "cell_type": "code",
        "id": "boxes",
        "metadata": {"nbgrader": {"solution": True}},
        "source": text,
    }
    (fault,) = unlisted("01-boxes", [cell], [])
    assert '01-boxes, cell "boxes": its solution cannot be read' in fault


def test_entry_with_another_key_is_told() -> None:
    with pytest.raises(ValueError, match='01-boxes, "docker ps"'):
        skills_of({"01-boxes": {"docker ps": {"lesson": "01", "sell": "list"}}})
