"""What a container publishes, and what it answers there."""

from __future__ import annotations

from urllib.parse import urlsplit

from grader.checks import answers
from grader.checks.commandline import Publish, shell_word
from grader.checks.container.settings import ContainerSettings
from grader.checks.deadline import Deadline, eventually
from grader.checks.verdict import CheckFailed, listed, quoted, said

ANY_HOST = "0.0.0.0"
LOOPBACK = {ANY_HOST: "127.0.0.1", "::": "::1"}
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class ContainerPorts(ContainerSettings):
    """The checks of a container's ports."""

    def must_publish(self, spec: str) -> None:
        """A port of it is published, spelled as after `-p`: `8080:80`, or `80` for any host
        port.
        """
        wanted = Publish.parse(spec)
        found = self.ports.get(wanted.container_port)
        if found is not None and wanted.host_port in (None, *found):
            return
        port = wanted.container_port.removesuffix("/tcp")
        host = "any host port" if wanted.host_port is None else f"host port {wanted.host_port}"
        fixed = self._run_command()
        for option, value in fixed.options:
            if option == "-p" and value and _collides(Publish.parse(value), wanted):
                fixed = fixed.without("-p", value)
        raise CheckFailed(
            self._published_instead(wanted, port, found),
            f"{host} → container port {port}.",
            self._again(fixed.with_option("-p", spec)),
        )

    def must_answer(
        self,
        url: str,
        *,
        containing: str | None = None,
        status: int = 200,
        within_seconds: float = 10,
    ) -> None:
        """It answers this URL through a port it publishes; `/path` alone means its first published
        port.

        Asks until the deadline. On `localhost` the port must be one that this container publishes.
        """
        self.must_be_running(within_seconds=within_seconds)
        url = self._url(url)
        expected = f"an answer with status {status}" + (
            f" containing {quoted(containing)}." if containing else "."
        )
        deadline = Deadline(within_seconds)

        def look() -> None:
            found = self._wrong_answer(
                url, containing, status, max(1.0, deadline.nominal_seconds_left)
            )
            if found is not None:
                raise CheckFailed(found, expected, self._answer_hint(url, found))

        eventually(look, deadline)

    def _published_instead(self, wanted: Publish, port: str, found: list[int] | None) -> str:
        state = f"`{self.name}` is {self.status}, " + ("but" if self.running else "and")
        if found:
            return (
                f"{state} its port {port} is published on host port {', '.join(map(str, found))}."
            )
        for inside, outside in self.ports.items():
            if inside == f"{wanted.host_port}/tcp" and f"{port}" in map(str, outside):
                return (
                    f"{state} the two ports are the other way round: host port {port} → container"
                    f" port {wanted.host_port}."
                )
        return f"{state} its port {port} is not published to your machine."

    def _url(self, url: str) -> str:
        """The whole URL, after making sure that a local one leads to this container."""
        host_ports = [port for ports in self.ports.values() for port in ports]
        if url.startswith("/"):
            if not host_ports:
                raise CheckFailed(
                    f"`{self.name}` is running, but none of its ports is published to your"
                    " machine.",
                    "a published port.",
                    self._again(self._run_command().with_option("-p", "HOST_PORT:CONTAINER_PORT")),
                )
            return f"http://localhost:{host_ports[0]}{url}"
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        shares_host = self._host.get("NetworkMode") == "host"
        if parts.hostname in LOCAL_HOSTS and port not in host_ports and not shares_host:
            others = f" It publishes {listed(_arrows(self.ports))}." if host_ports else ""
            raise CheckFailed(
                f"`{self.name}` is running, but none of its ports is published on host port"
                f" {port}.{others}",
                f"`{self.name}` to answer on {url}, through host port {port}.",
                self._again(
                    self._run_command().without("-p").with_option("-p", f"{port}:CONTAINER_PORT")
                ),
            )
        return url

    def _wrong_answer(
        self, url: str, containing: str | None, status: int, seconds_left: float
    ) -> str | None:
        try:
            answer = answers.get(url, seconds_left, self._listening_at(url))
        except answers.NoAnswerError as none:
            return f"{url} {none}."
        if answer.status != status:
            moved = f" (moved to {quoted(answer.location)})" if answer.location else ""
            return f"{url} answered with status {answer.status}{moved}{said(answer.text, 'and')}."
        if containing is not None and containing not in answer.text:
            return (
                f"{url} answered with status {answer.status}, but without"
                f" {quoted(containing)}{said(answer.text, 'it says')}."
            )
        return None

    def _listening_at(self, url: str) -> str | None:
        """Where ``localhost`` in the URL is this container: at another of its addresses anything
        else may listen.
        """
        parts = urlsplit(url)
        if parts.hostname != "localhost":
            return None
        found = [one for bindings in self._bindings().values() for one in bindings or []]
        hosts = [
            one.get("HostIp") or ANY_HOST
            for one in found
            if one.get("HostPort") == str(parts.port or 80)
        ]
        return next((LOOPBACK.get(host, host) for host in sorted(hosts)), None)

    def _answer_hint(self, url: str, found: str) -> str:
        if "closed it without" in found:
            inside = ", ".join(port.removesuffix("/tcp") for port in self.ports)
            return (
                f"docker logs {self._word}: does the program listen on 0.0.0.0 and on the container"
                f" port you published ({inside})?"
            )
        return f"curl -i {shell_word(url)}, and docker logs {self._word}"


def _collides(one: Publish, other: Publish) -> bool:
    """Whether a published port stands in the way of another: same end inside or outside, or the two
    exchanged.
    """
    exchanged = (
        one.container_port == f"{other.host_port}/tcp"
        and other.container_port == f"{one.host_port}/tcp"
    )
    same_outside = one.host_port is not None and one.host_port == other.host_port
    return one.container_port == other.container_port or same_outside or exchanged


def _arrows(ports: dict[str, list[int]]) -> list[str]:
    return [
        f"{host}:{inside.removesuffix('/tcp')}" for inside, hosts in ports.items() for host in hosts
    ]
