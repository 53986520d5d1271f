"""A kernel of the lab, new or restarted, knows `%%shell` before any cell has asked for it."""

from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.engine


def ran(client: Any, source: str) -> tuple[str, str]:
    """How a cell ended, and what it printed."""
    printed = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        printed.append(content.get("text") or "\n".join(content.get("traceback", [])))

    reply = client.execute_interactive(source, timeout=60, output_hook=hear)
    return reply["content"]["status"], "".join(printed)


def test_shell_is_there_from_the_first_cell_on_and_after_a_restart() -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for _ in range(2):
            assert ran(client, "# first\n%%shell\necho hello") == ("ok", "hello\n")
            assert ran(client, "%load_ext lab.notebook") == ("ok", "")
            assert ran(client, "predict, outcome, quiz, None")[0] == "ok"
            manager.restart_kernel(now=True)
            client.wait_for_ready(timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
