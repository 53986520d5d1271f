"""Ends a command in the lab whose client has ended: the engine itself lets it run on.

    python -m lab.machine.lifeline CONTAINER MARK SIGNAL

Standard input is a pipe from the client, which writes ``ENDED`` when the command has ended by
itself. Where the pipe closes without it (the client was stopped or killed, its terminal or the
reader of its output closed), the command's session gets the signal, and five seconds later
whatever is left of it is killed.
"""

import sys

CLIENT = "LAB_CLIENT"  # the environment variable that holds the mark of a command's client
ENDED = b"ended"

# The command is the process that has the mark and, as it was started from outside, no parent.
# For two seconds it may still be about to start.
END = r"""
find_command() {
  for process in /proc/[0-9]*; do
    grep -qsxz "$1=$2" "$process/environ" || continue
    grep -qsx 'PPid:[[:space:]]*0' "$process/status" && command=${process##*/} && return
  done
  return 1
}
for _ in $(seq 20); do find_command "$1" "$2" && break; sleep 0.1; done
[ "$command" ] || exit 0
pkill -"$3" --session "$command"
for _ in $(seq 50); do [ -e "/proc/$command" ] || exit 0; sleep 0.1; done
pkill -KILL --session "$command"
"""


def main() -> None:
    """The command line of the module."""
    name, mark, how = sys.argv[1:]
    if sys.stdin.buffer.read() == ENDED:
        return
    # only now: a command that ends by itself needs none of it
    from lab.machine import containers
    from lab.machine.host import connect

    lab = connect().containers.get(name)
    containers.run(lab, ["bash", "-c", END, "bash", CLIENT, mark, how])


if __name__ == "__main__":
    main()
