"""How a Dockerfile is read: a port of the parser in BuildKit 0.13, the builder of Docker 26.

Ported from github.com/moby/buildkit, frontend/dockerfile/parser and frontend/dockerfile/shell,
Apache License 2.0 (LICENSES/Apache-2.0.txt). Changed: what a build alone needs is left out, and
text is read by characters, where the original reads flags byte by byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

# What Go's unicode.IsSpace takes for a space; Python's str.isspace knows four more.
SPACES = (
    " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
WHITESPACE = re.compile(r"[\t\v\f\r ]+")
DIRECTIVE = re.compile(r"#[\t\n\f\r ]*([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=(.+)", re.DOTALL)
HEREDOC = re.compile(r"[0-9]*<<(-?)([^<]+)")
SHELL_PIECE = re.compile(
    r"""\\(?P<escaped>.?) | '(?P<single>[^']*)' | "(?P<double>(?:\\.|[^"\\])*)" | (?P<plain>.)""",
    re.DOTALL | re.VERBOSE,
)
BAD_SUBSTITUTION = re.compile(r"(?<!\\)\$\{(?![\w@*#?!$-]+(?:[:+?#%/-][^}]*)?\})")


class DockerfileSyntaxError(ValueError):
    """What BuildKit says of a Dockerfile that it cannot read, and the line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Statement:
    """One instruction as BuildKit reads it; of ONBUILD the values begin with the inner keyword."""

    keyword: str
    values: tuple[str, ...]
    flags: tuple[str, ...]
    line: int
    exec_form: bool = False
    heredocs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heredoc:
    """The mark of a here-document, `<<EOF` or `<<-EOF`: the word that ends it, and whether tabs
    go.
    """

    name: str
    without_tabs: bool


def read(text: str) -> list[Statement]:
    """The instructions of a Dockerfile; raises DockerfileSyntaxError where BuildKit does."""
    reader = _Reader(text.removeprefix("\ufeff"))
    statements = list(reader.statements())
    if not statements:
        raise DockerfileSyntaxError("file with no instructions", 1)
    return statements


class _Reader:
    """Goes through the lines once; directives come before the first instruction."""

    def __init__(self, text: str) -> None:
        self.lines: list[str] = re.findall(r"[^\n]*\n|[^\n]+", text)
        self.position = 0
        self.escape = "\\"
        self.directives: set[str] | None = set()  # those seen; None once they are over

    def statements(self) -> Iterator[Statement]:
        while self.position < len(self.lines):
            start = self.position + 1
            try:
                if (line := self._logical_line()) is not None:
                    found = _statement(line, self.escape, start)
                    yield replace(found, heredocs=tuple(self._heredocs(found, line)))
            except DockerfileSyntaxError:
                raise
            except ValueError as error:
                raise DockerfileSyntaxError(str(error), start) from None

    def _next(self) -> str:
        self.position += 1
        return self.lines[self.position - 1]

    def _logical_line(self) -> str | None:
        """The next line with those that continue it; None for a comment, a directive, an empty
        line.
        """
        line = self._next().rstrip("\r\n").lstrip(SPACES)
        self._take_directive(line)
        first, ended = self._without_continuation("" if _is_comment(line) else line)
        if ended and not first:
            return None
        parts = [first]
        while not ended and self.position < len(self.lines):
            line = self._next().rstrip("\r\n")
            if line.strip(SPACES) and not _is_comment(line):
                part, ended = self._without_continuation(line)
                parts.append(part)
        return "".join(parts)

    def _without_continuation(self, line: str) -> tuple[str, bool]:
        """The line without an escape character at its end, unless that is escaped; whether it
        ended.
        """
        stripped = line.rstrip(" \t")
        if stripped.endswith(self.escape) and not stripped.endswith(self.escape * 2):
            return stripped.removesuffix(self.escape), False
        return line, True

    def _take_directive(self, line: str) -> None:
        match = DIRECTIVE.match(line) if self.directives is not None else None
        name = match[1].lower() if match else ""
        if match is None or self.directives is None or name not in {"syntax", "escape"}:
            self.directives = None
            return
        if name in self.directives:
            raise ValueError(f"only one {name} parser directive can be used")
        self.directives.add(name)
        if name == "escape":
            value = match[2].strip("\t\n\f\r ") or match[2][-1]
            if value not in {"\\", "`"}:
                raise ValueError(f"invalid escape token '{value}' does not match ` or \\")
            self.escape = value

    def _heredocs(self, statement: Statement, line: str) -> Iterator[str]:
        keyword = statement.keyword
        if keyword == "ONBUILD" and statement.values:
            keyword = statement.values[0]
        if keyword not in {"ADD", "COPY", "RUN"} or statement.exec_form:
            return
        for heredoc in _heredocs_of(line):
            yield self._until(heredoc)

    def _until(self, heredoc: Heredoc) -> str:
        content: list[str] = []
        while self.position < len(self.lines):
            line = self._next()
            end = line.rstrip("\r\n")
            if (end.lstrip("\t") if heredoc.without_tabs else end) == heredoc.name:
                return "".join(content)
            content.append(line)
        raise ValueError("unterminated heredoc")


def _is_comment(line: str) -> bool:
    return line.lstrip(SPACES).startswith("#")


def _statement(text: str, escape: str, line: int) -> Statement:
    keyword, flags, rest = _split(text, escape)
    if keyword == "ONBUILD" and rest:
        inner_keyword, inner_flags, inner_rest = _split(rest, escape)
        values, exec_form = _arguments(inner_keyword, inner_rest, escape)
        return Statement(keyword, (inner_keyword, *values), (*flags, *inner_flags), line, exec_form)
    values, exec_form = _arguments(keyword, rest, escape)
    return Statement(keyword, tuple(values), flags, line, exec_form)


def _split(text: str, escape: str) -> tuple[str, tuple[str, ...], str]:
    """The keyword in capitals, the flags (`--name=value`, without quotes), and what follows
    them.
    """
    keyword, *following = WHITESPACE.split(text.strip(SPACES), maxsplit=1)
    rest = following[0].lstrip(SPACES) if following else ""
    flags = []
    while rest.startswith("--"):
        flag, _, end = _word(rest, 0, escape, raw=False)
        rest = rest[end:].lstrip(SPACES)
        if flag == "--":
            break
        flags.append(flag)
    return keyword.upper(), tuple(flags), rest.strip(SPACES)


def _word(text: str, position: int, escape: str, *, raw: bool) -> tuple[str, bool, int]:
    """A word up to a space that is not quoted: itself, whether any of it was quoted, its end.

    A raw word keeps its quotes and escape characters; in a flag these escape between ' as well.
    """
    word: list[str] = []
    quote, quoted = "", False
    while position < len(text) and (quote or text[position] not in SPACES):
        char = text[position]
        position += 1
        if char == escape and not (raw and quote == "'"):
            if position < len(text):
                word.append(char + text[position] if raw else text[position])
            position += 1
        elif char == quote or (not quote and char in "'\""):
            quote, quoted = "" if quote else char, True
            word.append(char if raw else "")
        else:
            word.append(char)
    return "".join(word), quoted, min(position, len(text))


def _words(text: str, escape: str) -> list[str]:
    words = []
    position = 0
    while position < len(text):
        if text[position] in SPACES:
            position += 1
            continue
        word, quoted, position = _word(text, position, escape, raw=True)
        if word or quoted:
            words.append(word)
    return words


def _arguments(keyword: str, rest: str, escape: str) -> tuple[list[str], bool]:
    """The arguments of an instruction, and whether they are a JSON list."""
    read = ARGUMENTS.get(keyword)
    return read(rest, escape) if read and rest else ([], False)


def _text(rest: str, escape: str) -> tuple[list[str], bool]:
    return [rest], False


def _delimited(rest: str, escape: str) -> tuple[list[str], bool]:
    return WHITESPACE.split(rest), False


def _json_or_text(rest: str, escape: str) -> tuple[list[str], bool]:
    listed = _json_list(rest)
    return ([rest], False) if listed is None else (listed, True)


def _json_or_delimited(rest: str, escape: str) -> tuple[list[str], bool]:
    listed = _json_list(rest)
    return _delimited(rest, escape) if listed is None else (listed, True)


def _health(rest: str, escape: str) -> tuple[list[str], bool]:
    kind = rest[: next((n for n, char in enumerate(rest) if char in SPACES), len(rest))]
    command = rest.removeprefix(kind).lstrip(SPACES)
    values, exec_form = _json_or_text(command, escape) if command else ([], False)
    return [kind, *values], exec_form


def _names(rest: str, escape: str) -> tuple[list[str], bool]:
    return _words(rest, escape), False


def _pairs(rest: str, escape: str, *, keyword: str) -> tuple[list[str], bool]:
    """Names and values in turn: `name=value …`, or the old `name value`."""
    words = _words(rest, escape)
    if words and "=" not in words[0]:
        name, *value = WHITESPACE.split(rest, maxsplit=1)
        if not value:
            raise ValueError(f"{keyword} must have two arguments")
        return [name, *value], False
    pairs = []
    for word in words:
        name, equals, assigned = word.partition("=")
        if not equals:
            raise ValueError(
                f"Syntax error - can't find = in {json.dumps(word, ensure_ascii=False)}."
                " Must be of the form: name=value"
            )
        pairs += [name, assigned]
    return pairs, False


def _env(rest: str, escape: str) -> tuple[list[str], bool]:
    return _pairs(rest, escape, keyword="ENV")


def _label(rest: str, escape: str) -> tuple[list[str], bool]:
    return _pairs(rest, escape, keyword="LABEL")


def _json_list(rest: str) -> list[str] | None:
    """The strings of a JSON list, whatever follows it; None where there is no JSON list."""
    if not rest.startswith("["):
        return None
    try:
        found, _ = json.JSONDecoder(parse_constant=_no_constant).raw_decode(rest)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in found):
        raise ValueError("when using JSON array syntax, arrays must be comprised of strings only")
    # Half of a surrogate pair is no character: Go puts U+FFFD there.
    return [re.sub("[\ud800-\udfff]", "\ufffd", item) for item in found]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


ARGUMENTS: dict[str, Callable[[str, str], tuple[list[str], bool]]] = {
    "ADD": _json_or_delimited,
    "ARG": _names,
    "CMD": _json_or_text,
    "COPY": _json_or_delimited,
    "ENTRYPOINT": _json_or_text,
    "ENV": _env,
    "EXPOSE": _delimited,
    "FROM": _delimited,
    "HEALTHCHECK": _health,
    "LABEL": _label,
    "MAINTAINER": _text,
    "RUN": _json_or_text,
    "SHELL": _json_or_text,
    "STOPSIGNAL": _text,
    "USER": _text,
    "VOLUME": _json_or_delimited,
    "WORKDIR": _text,
}


def _heredocs_of(line: str) -> list[Heredoc]:
    """The here-documents that a line begins; none where a shell could not split it into words."""
    if "<<" not in line:
        return []
    try:
        words = _shell_words(line, raw=True)
    except ValueError:
        return []
    matches = [match for match in map(HEREDOC.fullmatch, words) if match]
    names = [(_shell_words(match[2], raw=False), match[1] == "-") for match in matches]
    return [Heredoc(name[0], dash) for name, dash in names if len(name) == 1]


def _shell_words(text: str, *, raw: bool) -> list[str]:
    """The words of a shell's line; raw words keep quotes and escapes. ValueError: it is
    malformed.
    """
    if BAD_SUBSTITUTION.search(re.sub(r"'[^']*'", "", text)):
        raise ValueError("bad substitution")
    words = [""]
    for piece in SHELL_PIECE.finditer(text):
        if piece.lastgroup == "plain" and piece["plain"] in SPACES:
            words.append("")
        elif piece["plain"] in {"'", '"'}:
            raise ValueError("unexpected end while looking for a matching quote")
        elif raw:
            words[-1] += piece[0]
        elif piece.lastgroup == "double":
            words[-1] += re.sub(r'\\(["$\\])', r"\1", piece["double"])
        else:
            words[-1] += piece[str(piece.lastgroup)]
    return [word for word in words if word]
