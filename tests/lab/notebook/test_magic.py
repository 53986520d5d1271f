"""`%%shell` as a reader meets it; no engine needed."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import start_new_kernel

from lab.notebook import command, unload_ipython_extension
from lab.notebook.errors import LessonError
from lab.notebook.output import FoldedOutput, plain

from .conftest import RunCell

ROOT = Path(__file__).parents[3]


def test_braces_dollars_quotes_and_heredocs_reach_bash_unchanged(cell: RunCell) -> None:
    ran = cell(
        "%%shell\nname=you\necho '{{.Names}}' \"{$name}\" {a,b}\ncat <<'END'\n{x} $name"
        ' "q"\nEND\n'
    )
    assert ran.error is None
    assert ran.output == '{{.Names}} {you} a b\n{x} $name "q"\n'


def test_line_form_keeps_braces_inside_a_python_block(cell: RunCell) -> None:
    ran = cell("for name in ['x']:\n    %shell echo '{{.Names}}' {name}\n")
    assert ran.output == "{{.Names}} {name}\n"


def test_a_failing_line_ends_the_cell_and_is_named(cell: RunCell) -> None:
    ran = cell("%%shell\necho before\n\nls --no-such-option 2>/dev/null\necho after")
    assert ran.output.startswith("before\n")
    assert "after\n" not in ran.output
    assert str(ran.error).splitlines()[:2] == [
        "line 3: ls --no-such-option 2> /dev/null",
        "ended with exit status 2.",
    ]


def test_a_continued_line_is_named_whole(cell: RunCell) -> None:
    ran = cell("%%shell\ntrue\nls \\\n  --no-such-option \\\n  /tmp 2>/dev/null")
    assert "ls --no-such-option /tmp" in str(ran.error)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("false | cat", "the commands of its pipe: 1, 0"),
        ("echo $no_such_variable", "exit status 1"),
        ("nosuchcommand", "no command of this name was found"),
        ("exit 7", "The cell ended with exit status 7."),
        ("kill -KILL $$", "exit status 137"),
        ("f() { false; }\nf", "exit status 1"),
        ("if true; then", "exit status 2"),
        ("(exit 125)", "the Docker engine refused"),
    ],
)
def test_every_kind_of_failure_is_seen(cell: RunCell, script: str, says: str) -> None:
    assert says in str(cell(f"%%shell\n{script}\n").error)


@pytest.mark.parametrize(
    "pipe",
    [
        "seq 100000 | head -n 1",
        "seq 100000 | grep -m 1 1",
        "x=$(seq 100000 | head -n 1); echo $x",
        "(seq 100000 | head -n 1)",
    ],
)
def test_who_reads_enough_of_a_pipe_fails_nobody(cell: RunCell, pipe: str) -> None:
    """`docker logs web | head` ends one time with 141 and another with 0, as it happens."""
    assert (ran := cell(f"%%shell\n{pipe}\necho after")).error is None
    assert ran.output == "1\nafter\n"
    assert cell(f"%%shell\necho before\n{pipe}").error is None
    ran = cell(f"%%shell\n{pipe}\nfalse\necho unreached")
    assert "line 2: false" in str(ran.error)
    assert "unreached" not in ran.output
    assert "line 1" in str(
        cell("%%shell\nseq 100000 | head -n 1 | grep nothing\necho unreached").error
    )


def test_the_error_has_no_python_traceback(cell: RunCell, ipython: InteractiveShell) -> None:
    error = cell("%%shell\nfalse").error
    assert isinstance(error, LessonError)
    assert "Traceback" not in "".join(error._render_traceback_())


def test_stdin_is_empty_so_nothing_swallows_the_rest(cell: RunCell) -> None:
    assert cell("%%shell\ncat\necho after").output == "after\n"


def test_stdin_text_is_read(cell: RunCell) -> None:
    assert cell("%%shell --stdin 'one\\ntwo'\nsort -r").output == "two\none\n"


def test_stderr_and_stdout_keep_their_order(cell: RunCell) -> None:
    assert cell("%%shell\necho 1; echo 2 >&2; echo 3; echo 4 >&2").output == "1\n2\n3\n4\n"


def test_an_expected_failure_passes_and_says_so(cell: RunCell) -> None:
    ran = cell("%%shell --expect-exit 3\necho out\nexit 3")
    assert (ran.output, ran.error) == ("out\nexit status 3 (expected)\n", None)


@pytest.mark.parametrize("status", [0, 4])
def test_any_other_status_than_the_expected_fails(cell: RunCell, status: int) -> None:
    assert "Expected: exit status 3" in str(cell(f"%%shell --expect-exit 3\nexit {status}").error)


def test_a_time_limit_ends_the_whole_process_group(cell: RunCell, tmp_path: Path) -> None:
    witness = tmp_path / "lived-on"
    ran = cell(f"%%shell --timeout 0.5\n(sleep 2; touch {witness}) | cat")
    assert "ended after 0.5 s" in str(ran.error)
    assert "--interrupt-after" in str(ran.error)
    time.sleep(2)
    assert not witness.exists()


def test_ctrl_c_after_a_while_is_no_failure(cell: RunCell) -> None:
    ran = cell("%%shell --interrupt-after 0.3\necho begun\nsleep 60")
    assert (ran.output, ran.error) == ("begun\n^C (Ctrl-C after 0.3 s)\n", None)


def test_what_ignores_ctrl_c_is_ended_and_explained(
    cell: RunCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "GRACE_SECONDS", 0.3)
    ran = cell("%%shell --interrupt-after 0.3\ntrap '' INT\nsleep 60")
    assert "Try: docker run --init" in str(ran.error)


def test_the_stop_button_ends_the_command(tmp_path: Path) -> None:
    manager, client = start_new_kernel(
        kernel_name="python3", env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    pid = tmp_path / "pid"
    try:
        client.execute_interactive("%load_ext lab.notebook", timeout=30)
        asked = client.execute(f"%%shell\necho $$ > {pid}\nsleep 60")
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.1)
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=10)
        while reply["parent_header"]["msg_id"] != asked:
            reply = client.get_shell_msg(timeout=10)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert reply["content"]["ename"] == "CommandError"
    assert reply["content"]["evalue"].startswith("Stopped.")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_failure_before_ctrl_c_is_one(cell: RunCell) -> None:
    assert "exit status 5" in str(cell("%%shell --interrupt-after 30\nexit 5").error)


LEFT = re.compile(
    r"A process goes on in the background; what it prints comes to (\S+/background-\w+-\d+\.log)\n"
)


def log_of(output: str) -> Path:
    """The file that is named at the end of what a cell printed."""
    found = LEFT.search(output)
    assert found, output
    return Path(found[1]).expanduser()


def test_a_background_process_does_not_hold_the_cell(cell: RunCell) -> None:
    begun = time.monotonic()
    ran = cell("%%shell\nsleep 60 &\necho $!")
    assert time.monotonic() - begun < 30
    assert ran.error is None
    os.kill(int(ran.output.split()[0]), signal.SIGKILL)


@pytest.mark.parametrize("option", ["", "--capture taken "])
def test_a_background_process_outlives_its_cell_and_may_print(cell: RunCell, option: str) -> None:
    script = "(for n in 1 2 3; do sleep 0.7; echo said $n; done; echo to both >&2) &\necho $!"
    log = log_of(cell(f"%%shell {option}\n{script}").output)
    deadline = time.monotonic() + 20
    said = {"said 2", "said 3", "to both"}  # with --capture by two ways, so in any order
    while not said <= set(log.read_text().splitlines()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert said <= set(log.read_text().splitlines())
    assert log_of(cell(f"%%shell {option}\n{script}").output) != log


def test_a_server_in_the_background_answers_the_next_cell(cell: RunCell, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("welcome")
    ran = cell(f"%%shell\ncd {tmp_path}\npython3 -m http.server 9713 &\necho $!")
    asks = "curl -sf --retry 20 --retry-connrefused localhost:9713/page"
    try:
        assert [cell(f"%shell {asks}").output for _ in range(3)] == ["welcome\n"] * 3
    finally:
        os.kill(int(ran.output.split()[0]), signal.SIGKILL)


@pytest.mark.parametrize("background", ["(timeout 30 yes) &", "(timeout 30 yes >&2) &\necho a"])
def test_a_talkative_background_process_does_not_hold_the_cell(
    cell: RunCell, background: str
) -> None:
    begun = time.monotonic()
    assert cell(f"%%shell --timeout 5\n{background}\n").error is None
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "above", ["# What runs?\n", "\n\n# one\n  # two\n\n", "#%%shell\n", "   \n"]
)
def test_comments_may_stand_above_a_cell_magic(cell: RunCell, above: str, tmp_path: Path) -> None:
    ran = cell(f"{above}%%shell\necho '# kept'")
    assert (ran.output, ran.error) == ("# kept\n", None)
    file = tmp_path / "Dockerfile"
    assert cell(f"{above}%%writefile {file}\n# kept\nFROM busybox\n").error is None
    assert file.read_text() == "# kept\nFROM busybox\n"


def test_code_above_a_cell_magic_stays_an_error(cell: RunCell) -> None:
    assert isinstance(cell("a = 1\n%%shell\necho no").error, SyntaxError)
    assert cell("# a comment\nprint('Python')").output == "Python\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("$ echo hello", "the `$ ` in front is a shell's prompt"),
        ("ls\u00a0-l", "after `ls` stands a character that only looks right, U+00A0"),
        ("ls \u2013l", "U+2013 (en dash). A shell wants - or -- there"),
        ("ls \u201cno such file\u201d", 'U+201C (left double quotation mark). A shell wants "'),
        ("ls\u200b", "U+200B (zero width space). A shell wants nothing there"),
    ],
)
def test_a_character_copied_from_a_page_is_named(cell: RunCell, line: str, says: str) -> None:
    assert says in str(cell(f"%%shell\n{line}").error)


def test_such_a_character_in_a_text_is_no_matter(cell: RunCell) -> None:
    assert "only looks right" not in str(cell("%%shell\ngrep -q '\u2013' /etc/hostname").error)


def test_capture_takes_standard_output_only(cell: RunCell, ipython: InteractiveShell) -> None:
    ran = cell("%%shell --capture taken\necho out\necho err >&2")
    assert sorted(ran.output.split()) == ["err", "out"]
    assert ipython.user_ns["taken"] == "out\n"


def test_long_output_is_folded_and_kept_whole(
    cell: RunCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    lines = cell("%%shell\nseq 100").output.splitlines()
    assert lines[:45] == [str(n) for n in range(1, 46)]
    assert lines[46:] == [str(n) for n in range(86, 101)]
    fold = lines[45]
    assert fold.startswith("... 40 lines folded; all 100 are in ~/.cache/lab/cell-")
    log = tmp_path / fold.rpartition("~/")[2]
    assert log.read_text().split() == [str(n) for n in range(1, 101)]


def test_sixty_lines_are_not_folded(cell: RunCell) -> None:
    assert cell("%%shell\nseq 60").output.split() == [str(n) for n in range(1, 61)]


def test_a_progress_bar_leaves_its_last_state() -> None:
    assert plain(b"\x1b[2K 10%\r 50%\r\x1b[32m100%\x1b[0m\r") == "100%"


def test_what_clears_a_terminals_line_is_not_shown(cell: RunCell) -> None:
    """As `docker compose logs` writes each of its lines."""
    assert cell("%%shell\nprintf '\\033[2Ka-1  | one\\n'").output == "a-1  | one\n"


def test_output_without_a_line_end_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    output = FoldedOutput("endless")
    for _ in range(100):
        output.feed("stdout", b"x" * 65536)
    output.close()
    assert len(capsys.readouterr().out) < 30_000


def test_a_terminal_is_there_when_asked_for(cell: RunCell) -> None:
    ran = cell(
        "%%shell --tty --stdin 'echo $((20+3))\\nexit 4' --expect-exit 4\ntty >/dev/null\nsh -i"
    )
    assert ran.error is None
    assert "23" in ran.output.splitlines()
    assert "\x1b" not in ran.output
    assert "\r" not in ran.output


def test_without_a_terminal_there_is_none(cell: RunCell) -> None:
    assert "exit status 1" in str(cell("%%shell\ntest -t 0").error)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("%%shell --no-such\nls", "unrecognized arguments: --no-such"),
        ("%%shell ls\nls", "'ls' is no option"),
        ("%%shell --timeout\nls", "expected one argument"),
        ("%%shell --timeout 0\nls", "more than 0 seconds"),
        ("%%shell --expect-exit x\nls", "neither a number nor"),
        ("%%shell --capture 1x\nls", "no name of a Python variable"),
        ("%%shell --stdin 'open\nls", "no closing quotation"),
        ("%%shell\n\n", "This shell cell is empty."),
        ("%shell", "This shell cell is empty."),
    ],
)
def test_wrong_use_says_what_is_right(cell: RunCell, source: str, says: str) -> None:
    error = cell(source).error
    assert isinstance(error, LessonError)
    assert says in str(error)


def test_a_stray_bang_command_fails_loudly(cell: RunCell) -> None:
    assert cell("!false").error is not None


def test_unloading_undoes_loading(ipython: InteractiveShell) -> None:
    assert "engine_map" in ipython.user_ns
    unload_ipython_extension(ipython)
    assert "engine_map" not in ipython.user_ns
    assert "shell" not in ipython.magics_manager.magics["cell"]
    assert ipython.system_raise_on_error is False


def test_loading_prints_nothing(cell: RunCell) -> None:
    assert cell("%reload_ext lab.notebook").output == ""


@pytest.mark.parametrize("status", [0, 3])
def test_any_exit_status_may_be_expected_and_is_not_told(cell: RunCell, status: int) -> None:
    ran = cell(f"%%shell --expect-exit any\necho here\nexit {status}")
    assert (ran.output, ran.error) == ("here\n", None)


def test_a_cell_waits_for_what_it_started(cell: RunCell, tmp_path: Path) -> None:
    file = tmp_path / "made"
    waiting = f"%%shell --until 'echo unseen && test -e {file}'"
    ran = cell(f"{waiting}\n(sleep 0.5; touch {file}) &\necho started")
    assert ran.error is None
    assert file.exists()
    assert "unseen" not in ran.output


def test_what_never_comes_is_told(cell: RunCell) -> None:
    ran = cell("%%shell --until false --timeout 1\necho started")
    assert ran.output.startswith("started\n")
    assert "waited for 1 s, and this did not succeed: false" in str(ran.error)


def test_what_bash_cannot_wait_for_is_named(cell: RunCell) -> None:
    ran = cell("%%shell --until 'test -e ('\necho started")
    assert "bash cannot read the command of --until: test -e (" in str(ran.error)
    assert "--expect-exit" not in str(ran.error)


def test_a_cell_that_failed_waits_for_nothing(cell: RunCell) -> None:
    ran = cell("%%shell --until false\nexit 4")
    assert "exit status 4" in str(ran.error)
