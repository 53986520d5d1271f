"""``python -m lab``: the command line of the course."""

from lab.cli import main
from lab.completion import VARIABLE

if __name__ == "__main__":
    main(prog_name="bin/lab", complete_var=VARIABLE)
