"""`dockerfile("Dockerfile")`: what a Dockerfile says, read as BuildKit does; it is never run."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from grader.checks import dockerfile_syntax, hadolint
from grader.checks.dockerfile_syntax import DockerfileSyntaxError
from grader.checks.files import File
from grader.checks.references import expand, same_image
from grader.checks.verdict import CheckFailed, listed, quoted

MAX_DOCKERFILE_BYTES = 64 * 1024
INSTRUCTIONS = frozenset({*dockerfile_syntax.ARGUMENTS, "ONBUILD"})


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, its values, its flags, and the line it begins
    on.
    """

    keyword: str
    values: tuple[str, ...]
    flags: tuple[str, ...]
    line: int
    exec_form: bool
    heredocs: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Values and here-documents, word by word, paths without `./` and final `/`."""
        return tuple(
            _plain(word) for text in (*self.values, *self.heredocs) for word in text.split()
        )

    def matches(self, wanted: Instruction) -> bool:
        """Whether it has the keyword, the flags, and somewhere in a row the words of the wanted
        one.
        """
        if self.keyword != wanted.keyword or not set(wanted.flags) <= set(self.flags):
            return False
        words, sought = self.words, wanted.words
        width = len(sought)
        return any(words[i : i + width] == sought for i in range(len(words) - width + 1))

    def __str__(self) -> str:
        return " ".join((self.keyword, *self.flags, *self.values))


@dataclass(frozen=True)
class Stage:
    """One build stage, from a FROM to the next: `base` as written with ARGs resolved, `name` from
    `AS`, or None.
    """

    index: int
    base: str
    name: str | None
    instructions: tuple[Instruction, ...]


def dockerfile(path: str = "Dockerfile") -> Dockerfile:
    """A Dockerfile by its path, from the notebook's folder; reads nothing yet.

    >>> dockerfile("Dockerfile.dev")
    dockerfile('Dockerfile.dev')
    """
    return Dockerfile(path)


class Dockerfile(File):
    """A Dockerfile: facts as properties, `must_*` raise `CheckFailed` when they do not hold.

    An instruction is asked for as one writes it: `"EXPOSE 8080"`; words left out are free (`"COPY
    package.json"`, `"CMD"`).
    """

    max_bytes = MAX_DOCKERFILE_BYTES

    def __repr__(self) -> str:
        return f"dockerfile({self.path!r})"

    @property
    def instructions(self) -> list[Instruction]:
        """All its instructions in order. Raises `CheckFailed` with the line if Docker could not
        read it.
        """
        try:
            found = parse(self.text)
        except DockerfileSyntaxError as error:
            raise self._broken(f"Line {error.line}", quoted(str(error)), error.line) from None
        for each in found:
            if each.keyword not in INSTRUCTIONS:
                meant = difflib.get_close_matches(each.keyword[:40], INSTRUCTIONS, n=1)
                guess = f" Did you mean {quoted(meant[0])}?" if meant else ""
                raise self._broken(
                    f"Line {each.line}",
                    f"there is no instruction {quoted(each.keyword)}",
                    each.line,
                    guess,
                )
        return found

    @property
    def stages(self) -> list[Stage]:
        """Its build stages in order. Raises `CheckFailed` if it does not begin with FROM (only ARG
        may come before).
        """
        found = self.instructions
        starts = [i for i, each in enumerate(found) if each.keyword == "FROM"]
        before = found[: starts[0]] if starts else found
        if not starts or any(each.keyword != "ARG" for each in before):
            first = next((each for each in before if each.keyword != "ARG"), None)
            raise self._broken(
                f"Line {first.line}" if first else "The file",
                f"{quoted(str(first))} comes before any FROM" if first else "there is no FROM",
                first.line if first else None,
            )
        args = _defaults(before)
        ends = [*starts[1:], len(found)]
        return [
            _stage(i, found[start], tuple(found[start + 1 : end]), args)
            for i, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]

    @property
    def base_images(self) -> list[str]:
        """The images its stages stand on, each once, in order; `scratch` is none."""
        return list(dict.fromkeys(base for base in self._roots() if base != "scratch"))

    @property
    def base_image(self) -> str:
        """The image under the final stage, the one that is built: stages built on stages are
        followed down.
        """
        return self._roots()[-1]

    def must_parse(self) -> None:
        """Docker could read it: every instruction exists, and the first is FROM (or ARG)."""
        self.stages  # noqa: B018  (reading is the check)

    def must_start_from(self, ref: str) -> None:
        """The image that is built stands on this one (final stage; ARGs resolved; digest and
        `docker.io/library/` free).
        """
        found = self.base_image
        if not same_image(found, ref):
            raise CheckFailed(
                f"{quoted(self.path)} starts from {quoted(found)}.",
                f"{quoted(ref)} in the FROM line of the image that is built (the last stage).",
                f"FROM {ref} in {self.path}, then docker build again.",
            )

    def must_have(self, instruction: str) -> None:
        """An instruction like this is in it, in any stage."""
        if not self._all_like(instruction):
            keyword = parse(instruction)[0].keyword
            same = [
                f"{each} (line {each.line})"
                for each in self.instructions
                if each.keyword == keyword
            ]
            raise CheckFailed(
                (
                    f"{quoted(self.path)} has no {quoted(instruction)}; its {keyword} instructions:"
                    f" {listed(same)}."
                    if same
                    else f"{quoted(self.path)} has no {keyword} instruction."
                ),
                f"{quoted(instruction)}.",
                f"add it to {self.path}, then docker build again.",
            )

    def must_not_have(self, instruction: str) -> None:
        """No instruction like this is in it, in any stage."""
        for each in self._all_like(instruction):
            raise CheckFailed(
                f"Line {each.line} of {quoted(self.path)} is {quoted(str(each))}.",
                f"no {quoted(instruction)}.",
                f"change line {each.line} of {self.path}, then docker build again.",
            )

    def must_have_before(self, first: str, then: str) -> None:
        """Some instruction like `first` comes before every one like `then`."""
        self.must_have(first)
        self.must_have(then)
        earliest, other = self._all_like(first)[0], self._all_like(then)[0]
        if earliest.line >= other.line:
            raise CheckFailed(
                f"In {quoted(self.path)} {quoted(str(other))} (line {other.line}) comes before"
                f" {quoted(str(earliest))} (line {earliest.line}).",
                f"{quoted(first)} before {quoted(then)}.",
                f"move line {earliest.line} of {self.path} above line {other.line}.",
            )

    def must_use_exec_form(self, keyword: str) -> None:
        """The last instruction of this keyword (CMD, ENTRYPOINT, RUN) is a JSON list, so no shell
        comes in between.
        """
        self.must_have(keyword)
        last = self._all_like(keyword)[-1]
        if not last.exec_form:
            words = ", ".join(f'"{word}"' for word in last.words)
            raise CheckFailed(
                f"Line {last.line} of {quoted(self.path)} is {quoted(str(last))}: the shell form.",
                f"the exec form: {keyword.upper()} with a JSON list.",
                f"{keyword.upper()} [{words}]",
            )

    def must_have_stages(self, count: int) -> None:
        """It has this many stages at least."""
        if len(self.stages) < count:
            raise CheckFailed(
                f"{quoted(self.path)} has {_counted(len(self.stages))}:"
                f" {listed([s.base for s in self.stages])}.",
                f"{_counted(count)}, each beginning with FROM.",
                f"a FROM … AS build stage, and COPY --from=build in the next, in {self.path}.",
            )

    def hints(self) -> list[hadolint.Finding]:
        """What hadolint advises, in order of lines. Never a failure by itself."""
        return hadolint.findings(self.text)

    def must_pass_hadolint(self, *, ignore: list[str] | None = None) -> None:
        """hadolint has nothing to say, apart from the rules ignored (`DL3008`)."""
        for each in self.hints():
            if each.code not in (ignore or []):
                raise CheckFailed(
                    f"Line {each.line} of {quoted(self.path)}: {each.message} ({each.code}).",
                    "nothing that hadolint advises against.",
                    f"hadolint {self.path}",
                )

    def _roots(self) -> list[str]:
        """For each stage the image under it, at the bottom of the stages it is built on."""
        roots: list[str] = []
        by_name: dict[str, str] = {}
        for stage in self.stages:
            roots.append(by_name.get(stage.base.lower(), stage.base))
            if stage.name:
                by_name[stage.name.lower()] = roots[-1]
        return roots

    def _all_like(self, instruction: str) -> list[Instruction]:
        wanted = parse(instruction)[0]
        return [each for each in self.instructions if each.matches(wanted)]

    def _broken(self, where: str, why: str, line: int | None, guess: str = "") -> CheckFailed:
        return CheckFailed(
            f"{where} of {quoted(self.path)} cannot be read: {why}.{guess}",
            "a Dockerfile that Docker can build.",
            (
                f"edit line {line} of {self.path}."
                if line
                else f"docker build -f {self.path} . says more."
            ),
        )


def parse(text: str) -> list[Instruction]:
    """The instructions of a text; raises `DockerfileSyntaxError` where BuildKit does."""
    return [
        Instruction(
            found.keyword, found.values, found.flags, found.line, found.exec_form, found.heredocs
        )
        for found in dockerfile_syntax.read(text)
    ]


def _defaults(args: list[Instruction]) -> dict[str, str]:
    defaults: dict[str, str] = {}
    for each in args:
        for value in each.values:
            name, _, default = value.partition("=")
            defaults[name] = expand(default.strip("\"'"), defaults)
    return defaults


def _stage(
    index: int, start: Instruction, body: tuple[Instruction, ...], args: dict[str, str]
) -> Stage:
    base = expand(start.values[0], args) if start.values else ""
    named = len(start.values) == 3 and start.values[1].upper() == "AS"
    return Stage(index, base, start.values[2] if named else None, body)


def _counted(stages: int) -> str:
    return "1 stage" if stages == 1 else f"{stages} stages"


def _plain(word: str) -> str:
    """A path as people mean it: `./src/` and `src` are the same."""
    return word.removeprefix("./").rstrip("/") or ("/" if word.startswith("/") else ".")
