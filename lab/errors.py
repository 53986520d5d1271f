"""The error that the command line shows when something cannot be done."""


class LabError(Exception):
    """A problem with a next step: ``what`` happened and was expected; ``hint`` says what to try.

    >>> print(LabError("Port 8888 is taken.", "bin/lab up --port 8889"))
    Port 8888 is taken.
    Try: bin/lab up --port 8889
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\nTry: {self.hint}"
