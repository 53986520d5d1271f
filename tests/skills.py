"""What the solutions of the exercises use, and where the lessons teach it.

``course/skills.toml`` holds the skills; a fault says what is wrong, and what to do.
"""

import itertools
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lab.lessontexts import source

from .study_notes import wrong_place

SKILLS = "course/skills.toml"

Cell = dict[str, Any]

# A command's name has two words after these: docker compose up, kubectl set env.
_GROUPS = {
    *("docker builder", "docker buildx", "docker compose", "docker container", "docker context"),
    *("docker image", "docker network", "docker system", "docker volume"),
    *("kubectl config", "kubectl create", "kubectl rollout", "kubectl set"),
}
# What comes after the image or the container is a command inside it, with its own options.
_OTHERS_FOLLOW = {"docker create", "docker exec", "docker run"}
_WITHOUT_VALUE = {"-d", "--detach", "-i", "-t", "-it", "--interactive", "--tty", "--rm", "--init"}
# The names below these fields are the author's own.
_OWN_NAMES = {"annotations", "data", "labels", "matchLabels", "selector", "stringData"}
_HEREDOC = re.compile(r"^(.*)<<-?\s*(['\"]?)(\w+)\2(.*)\n((?:.*\n)*?)[ \t]*\3$", re.MULTILINE)
# shlex takes the end of the line for a part of the comment, and joins the next line.
_COMMENT = re.compile(r"^\s*#.*$|\s#[^'\"\n]*$", re.MULTILINE)
_END_OF_COMMAND = ";|&()<>\n"


@dataclass(frozen=True)
class Skill:
    """Something that an exercise needs, and where it is taught.

    ``words`` are in the cell as they are here; None: the name is. Without a cell, the lesson is
    to come.
    """

    exercise: str
    name: str
    lesson: str
    cell: str | None = None
    words: str | None = None


def skills_of(table: Mapping[str, Mapping[str, Mapping[str, str]]]) -> list[Skill]:
    """The skills of a table by exercise and name; raises ValueError if one has another key."""
    skills = []
    for exercise, entries in table.items():
        for name, entry in entries.items():
            try:
                skills.append(Skill(exercise, name, **entry))
            except TypeError:
                raise ValueError(
                    f'{SKILLS}: {exercise}, "{name}": {dict(entry)}\n'
                    "  Try: give it a lesson and, if the lesson is written, a cell and, if the"
                    " cell\n  says it in other words, these words; nothing else."
                ) from None
    return skills


def untaught(
    skills: Collection[Skill],
    after: Mapping[str, int],
    lessons: Mapping[str, Mapping[str, str]],
    coming: Collection[str],
) -> Iterator[str]:
    """A fault for each skill that is not taught where it says, before the exercise.

    ``after`` holds the number of the last lesson before each exercise; ``lessons`` the source of
    each lesson's cells, by number ("07") and id; ``coming`` the lessons still to be written.
    """
    for skill in skills:
        fault = _fault(skill, after, lessons, coming)
        if fault:
            yield f'{SKILLS}: {skill.exercise}, "{skill.name}":\n  {fault}'


def unlisted(exercise: str, cells: Collection[Cell], skills: Collection[Skill]) -> Iterator[str]:
    """A fault for each thing that a solution of the exercise uses and the table does not have."""
    listed = {skill.name for skill in skills if skill.exercise == exercise}
    for cell in cells:
        if cell["cell_type"] != "code" or not cell["metadata"].get("nbgrader", {}).get("solution"):
            continue
        place = f'{exercise}, cell "{cell["id"]}":'
        try:
            names = dict.fromkeys(used(source(cell)))
        except (ValueError, yaml.YAMLError) as error:
            yield (
                f"{place} its solution cannot be read: {error}.\n"
                "  Try: close each quote and bracket; put a comment on a line of its own."
            )
            continue
        for name in names:
            if name not in listed:
                yield (
                    f'{place} its solution uses "{name}", which is not in {SKILLS}.\n'
                    f"  Try: add it to [{exercise}], with the lesson and the cell that teach it.\n"
                    "  If no lesson does, add a sentence to one, or find another solution."
                )


def used(text: str) -> Iterator[str]:
    """What the text of a cell uses.

    Commands and options of ``docker`` and ``kubectl`` as they are written in shell cells and after
    ``%shell``; instructions of Dockerfiles; fields of manifests, with a colon; names of other files
    that ``%%writefile`` makes. What is in quotes, such as ``sh -c '…'``, is not looked into.
    """
    first, _, rest = text.partition("\n")
    if first.startswith("%%writefile"):
        name = first.split()[-1]
        yield from _in_file(name, rest) or [name]
    elif first.startswith("%%shell"):
        yield from _in_script(rest)
    else:
        for line in text.splitlines():
            if line.lstrip().startswith("%shell"):
                yield from _in_script(line)


def _fault(
    skill: Skill,
    after: Mapping[str, int],
    lessons: Mapping[str, Mapping[str, str]],
    coming: Collection[str],
) -> str | None:
    if skill.exercise not in after:
        return "there is no such exercise. Try: use the name of its folder in solutions/."
    misplaced = wrong_place(skill.lesson, skill.cell, lessons, coming)
    if misplaced:
        return misplaced
    if int(skill.lesson) > after[skill.exercise]:
        return (
            f"lesson {skill.lesson} comes later: the exercise is after lesson"
            f" {after[skill.exercise]:02}. Try: name a cell of an earlier lesson."
        )
    words = skill.words or skill.name
    if skill.cell and words not in lessons[skill.lesson][skill.cell]:
        return (
            f'cell "{skill.cell}" of lesson {skill.lesson} does not contain "{words}".'
            " Try: name a cell that does, or give the words with which this one teaches it."
        )
    return None


def _in_file(name: str, text: str) -> list[str]:
    """What a file uses: a Dockerfile, or a manifest. ``name`` may be the command that reads it."""
    if "Dockerfile" in name:
        return re.findall(r"^([A-Z]+)\s", text, re.MULTILINE)
    if "kubectl" in name or re.search(r"\.ya?ml\b", name):
        return [f"{field}:" for part in yaml.safe_load_all(text) for field in _fields(part)]
    return []


def _fields(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _fields(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            yield name
            if name not in _OWN_NAMES:
                yield from _fields(value)


def _in_script(script: str) -> Iterator[str]:
    script = _COMMENT.sub("", script.replace("\\\n", " "))
    for found in _HEREDOC.finditer(script):
        yield from _in_file(found[1], found[5])
    lexer = shlex.shlex(
        _HEREDOC.sub(r"\1\4", script), posix=True, punctuation_chars=_END_OF_COMMAND
    )
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    for ends, words in itertools.groupby(lexer, _ends_command):
        if not ends:
            yield from _in_command(list(words))


def _ends_command(word: str) -> bool:
    return word != "" and set(word) <= set(_END_OF_COMMAND)


def _in_command(words: list[str]) -> Iterator[str]:
    words = list(itertools.dropwhile(lambda word: word not in {"docker", "kubectl"}, words))
    if len(words) < 2:
        return
    command, rest = " ".join(words[:2]), words[2:]
    if command in _GROUPS and rest and not rest[0].startswith("-"):
        command = f"{command} {rest.pop(0)}"
    yield command
    remaining = iter(rest)
    for word in remaining:
        if word == "--" or (command in _OTHERS_FOLLOW and not word.startswith("-")):
            return
        if word.startswith("-") and word != "-":
            yield f"{command} {word.partition('=')[0]}"
            if command in _OTHERS_FOLLOW and "=" not in word and word not in _WITHOUT_VALUE:
                next(remaining, None)
