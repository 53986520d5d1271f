"""Type lines into a pseudo-terminal as a person does: the next one when the prompt is back."""

import os
import time
from collections import deque

_AT_PROMPT_SECONDS = 0.4
"""An unfinished line that stays is taken for a prompt."""

_WITHOUT_PROMPT_SECONDS = 3.0
"""Programs like `cat` never prompt."""

_CTRL_C, _CTRL_D = b"\x03", b"\x04"


class Typist:
    """Types `text` line by line into the terminal `fd`, then Ctrl-D."""

    def __init__(self, fd: int, text: str) -> None:
        self._fd = fd
        self._keys = deque([*(line.encode() + b"\r" for line in text.splitlines()), _CTRL_D])
        self._last_seen = b""
        self._since = time.monotonic()

    def saw(self, data: bytes) -> None:
        """Take note of what the terminal shows."""
        self._last_seen, self._since = data, time.monotonic()

    def type_when_quiet(self) -> None:
        """Type the next line if the program seems to wait for it."""
        at_prompt = self._last_seen and not self._last_seen.endswith(b"\n")
        patience = _AT_PROMPT_SECONDS if at_prompt else _WITHOUT_PROMPT_SECONDS
        if self._keys and time.monotonic() - self._since > patience:
            self._press(self._keys.popleft())

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C: SIGINT, or in a raw terminal a key that goes on to the container's."""
        self._press(_CTRL_C)

    def _press(self, key: bytes) -> None:
        self._since, self._last_seen = time.monotonic(), b""
        os.write(self._fd, key)
