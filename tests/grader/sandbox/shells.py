"""Shell scripts in a kernel of a sandbox."""

from grader.sandbox.channel import Kernel


def shell(kernel: Kernel, script: str, seconds: float = 60) -> str:
    """What a script prints, its errors with it."""
    options = (
        "stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True"
    )
    reply = kernel.run(
        f"import subprocess; print(subprocess.run(['bash', '-c', {script!r}], {options}).stdout)",
        seconds,
    )
    assert reply.status == "ok", reply
    return "".join(output.get("text", "") for output in reply.outputs).strip()
