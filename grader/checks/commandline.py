"""The `docker run` command that would make a container again, and the spellings its options use."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any

from docker.utils.ports import split_port

Json = dict[str, Any]

HIDDEN_FROM_RUN = ("com.docker.", "desktop.docker.io/")


@dataclass(frozen=True)
class Publish:
    """`-p 8080:80` taken apart; `host_port` is None for `-p 80`, where the engine chooses.

    >>> Publish.parse("8080:80")
    Publish(container_port='80/tcp', host_port=8080)
    """

    container_port: str
    host_port: int | None

    @classmethod
    def parse(cls, spec: str) -> Publish:
        """Reads the value of `-p`: `[address:][host:]container[/protocol]`."""
        inside, outside = split_port(spec)
        port = inside[0] if "/" in inside[0] else f"{inside[0]}/tcp"
        host = outside[0] if outside else None
        number = host[1] if isinstance(host, tuple) else host
        return cls(port, int(number) if number else None)


@dataclass(frozen=True)
class MountSpec:
    """`-v data:/data:ro` taken apart; `source` is None for an anonymous volume.

    >>> MountSpec.parse("data:/data")
    MountSpec(source='data', target='/data', read_only=False)
    >>> MountSpec.parse("/app/node_modules").source is None
    True
    """

    source: str | None
    target: str
    read_only: bool

    @classmethod
    def parse(cls, spec: str) -> MountSpec:
        """Reads the value of `-v`: `[source:]target[:options]`."""
        first, *rest = spec.split(":")
        if not rest:
            return cls(None, first, False)
        return cls(first, rest[0], "ro" in ",".join(rest[1:]).split(","))

    @property
    def is_bind(self) -> bool:
        """Whether the source is a folder of the machine, not a volume's name."""
        return self.source is not None and self.source.startswith(("/", ".", "~"))


@dataclass(frozen=True)
class RunCommand:
    """A `docker run` line: options in the order they are shown, then the image, then the command.

    >>> RunCommand("nginx", [("-d", None), ("--name", "web")]).with_option("-p", "8080:80").line()
    'docker run -d --name web -p 8080:80 nginx'
    """

    image: str
    options: list[tuple[str, str | None]] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def with_option(self, option: str, value: str | None) -> RunCommand:
        """The same line with one option more, after the options it has."""
        return RunCommand(self.image, [*self.options, (option, value)], self.command)

    def without(self, option: str, value: str | None = None) -> RunCommand:
        """The same line without an option (or only where it has this value)."""
        kept = [
            (o, v) for o, v in self.options if o != option or (value is not None and v != value)
        ]
        return RunCommand(self.image, kept, self.command)

    def replacing(self, option: str, value: str) -> RunCommand:
        """The same line with this as the option's only value."""
        return self.without(option).with_option(option, value)

    def line(self, verb: str = "run") -> str:
        """The line as one types it (`docker run …` or `docker create …`), quoted for a shell."""
        words = ["docker", verb]
        for option, value in self.options:
            words += [option] if value is None else [option, value]
        return " ".join(shell_word(word) for word in [*words, self.image, *self.command])

    def again(self, name: str, *, verb: str = "run") -> str:
        """The line, after the one that removes the container in its way."""
        return f"docker rm -f {shell_word(name)} && {self.line(verb)}"


def shell_word(word: str) -> str:
    r"""One argument as a shell takes it; line breaks as `$'\n'`.

    >>> print(shell_word("two words"), shell_word("a\nb"))
    'two words' $'a\nb'
    """
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + word.encode("unicode_escape").decode("ascii").replace("'", "\\'") + "'"


def run_command(container: Json, image: Json | None) -> RunCommand:
    """The `docker run` line of a container, from `docker inspect` of it and of its image (None:
    image is gone).
    """
    config, host = container["Config"], container["HostConfig"]
    base: Json = (image or {}).get("Config") or {}
    options = [("-d", None), ("--name", str(container["Name"]).lstrip("/"))]
    all_options: list[tuple[str, str | None]] = [
        *options,
        *_flags(config, host),
        *(("-p", spec) for spec in _published(host)),
        *(("-v", spec) for spec in _volumes(container, base)),
        *(("-e", item) for item in _own_variables(config, base)),
        *(("--label", item) for item in _labels(config, base)),
        *_scalars(config, host, base),
    ]
    entrypoint, command = _entrypoint(config, base)
    return RunCommand(config["Image"], all_options + entrypoint, command)


def _flags(config: Json, host: Json) -> list[tuple[str, str | None]]:
    flags = [
        ("-i", config.get("OpenStdin")),
        ("-t", config.get("Tty")),
        ("--rm", host.get("AutoRemove")),
        ("--init", host.get("Init")),
        ("-P", host.get("PublishAllPorts")),
        ("--read-only", host.get("ReadonlyRootfs")),
    ]
    return [(flag, None) for flag, on in flags if on]


def _own_variables(config: Json, base: Json) -> list[str]:
    """By name: the engine keeps them in an order of its own, another one for each container."""
    return sorted(item for item in config.get("Env") or [] if item not in (base.get("Env") or []))


def _published(host: Json) -> list[str]:
    specs = []
    for port, bindings in (host.get("PortBindings") or {}).items():
        inside = port.removesuffix("/tcp")
        for binding in bindings or []:
            parts = [binding.get("HostIp"), binding.get("HostPort")]
            specs.append(":".join([*(part for part in parts if part), inside]))
    return specs


def _volumes(container: Json, base: Json) -> list[str]:
    specs, inherited = [], base.get("Volumes") or {}
    for mount in sorted(container.get("Mounts") or [], key=lambda mount: str(mount["Destination"])):
        source = mount.get("Name") if mount["Type"] == "volume" else mount.get("Source")
        anonymous = mount["Type"] == "volume" and is_anonymous(source or "")
        if anonymous and mount["Destination"] in inherited:
            continue
        options = "" if mount.get("RW", True) else ":ro"
        specs.append(
            mount["Destination"] if anonymous else f"{source}:{mount['Destination']}{options}"
        )
    return specs


def is_anonymous(volume_name: str) -> bool:
    """Whether the engine made up this volume's name: 64 hexadecimal digits."""
    return len(volume_name) == 64 and all(char in "0123456789abcdef" for char in volume_name)


def _labels(config: Json, base: Json) -> list[str]:
    ours: dict[str, str] = config.get("Labels") or {}
    inherited: dict[str, str] = base.get("Labels") or {}
    return [
        f"{k}={v}"
        for k, v in ours.items()
        if inherited.get(k) != v and not k.startswith(HIDDEN_FROM_RUN)
    ]


def _scalars(config: Json, host: Json, base: Json) -> list[tuple[str, str | None]]:
    network = host.get("NetworkMode") or "default"
    values: list[tuple[str, str]] = [
        ("--network", "" if network in ("default", "bridge") else network),
        ("--restart", restart_policy(host)),
        ("--memory", memory_text(host.get("Memory") or 0)),
        ("--pids-limit", str(host.get("PidsLimit") or "")),
        ("-u", _unless_inherited("User", config, base)),
        ("-w", _unless_inherited("WorkingDir", config, base)),
    ]
    return [(option, value) for option, value in values if value and value != "no"]


def _unless_inherited(key: str, config: Json, base: Json) -> str:
    value = str(config.get(key) or "")
    return "" if value == (base.get(key) or "") else value


def _entrypoint(config: Json, base: Json) -> tuple[list[tuple[str, str | None]], list[str]]:
    entrypoint, command = config.get("Entrypoint") or [], config.get("Cmd") or []
    if entrypoint == (base.get("Entrypoint") or []):
        return [], [] if command == (base.get("Cmd") or []) else command
    return (
        ([("--entrypoint", entrypoint[0])], [*entrypoint[1:], *command])
        if entrypoint
        else ([], command)
    )


def restart_policy(host: Json) -> str:
    """The restart policy as `--restart` spells it: `no`, `always`, `unless-stopped`,
    `on-failure[:max]`.
    """
    policy = host.get("RestartPolicy") or {}
    retries = policy.get("MaximumRetryCount") or 0
    return f"{policy.get('Name') or 'no'}:{retries}" if retries else policy.get("Name") or "no"


def memory_text(size_bytes: int) -> str:
    """A size as `--memory` spells it, in the largest unit that divides it; empty for 0 (no limit).

    >>> memory_text(64 * 2**20), memory_text(0)
    ('64m', '')
    """
    for unit, factor in (("g", 2**30), ("m", 2**20), ("k", 2**10)):
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return str(size_bytes) if size_bytes else ""
