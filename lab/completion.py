"""``bin/lab completion``: click's own completion, for a command that is run by its path."""

import shlex

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from lab.course import ROOT

VARIABLE = "_LAB_COMPLETE"  # in the environment, it asks bin/lab what could come next
NAME = "lab"  # shells find the completion of bin/lab under the last part of its path

SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
# click runs a command by its name, which has to be on PATH; bin/lab is run by its path
COMMAND = shlex.quote(str(ROOT / "bin" / "lab"))
CALLS = {
    "bash": {f"{VARIABLE}=bash_complete $1": f"{VARIABLE}=bash_complete {COMMAND}"},
    "zsh": {
        f"{VARIABLE}=zsh_complete {NAME}": f"{VARIABLE}=zsh_complete {COMMAND}",
        f"    (( ! $+commands[{NAME}] )) && return 1\n": "",
    },
    "fish": {f"(commandline -t) {NAME}": f"(commandline -t) {COMMAND}"},
}


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the shell code that lets the Tab key complete bin/lab's commands and options.

    \b
    bash:  bin/lab completion bash >> ~/.bashrc
    zsh:   bin/lab completion zsh >> ~/.zshrc      (after compinit)
    fish:  bin/lab completion fish > ~/.config/fish/completions/lab.fish

    Then open a new shell.
    """  # noqa: D301
    source = SHELLS[shell](ctx.find_root().command, {}, NAME, VARIABLE).source()
    for by_name, by_path in CALLS[shell].items():
        source = source.replace(by_name, by_path)
    click.echo(source, nl=False)
