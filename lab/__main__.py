"""``python -m lab``: the command line of the course."""

from lab.cli import main

if __name__ == "__main__":
    main(prog_name="bin/lab")
