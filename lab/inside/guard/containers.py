"""What a container may ask for in grading: nothing that reaches out of the engine."""

import posixpath
from collections.abc import Mapping
from typing import Any

from lab.inside.guard.strict import Forbidden, allow_only, is_zero, malformed, names

WORK = "/home/student/work"  # the only folder outside the engine that its containers may see
DEFAULT_CAPABILITIES = names(
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE"
    " SYS_CHROOT KILL AUDIT_WRITE"
)
CONFIG = names(
    "Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin"
    " StdinOnce Env Cmd Healthcheck ArgsEscaped Image Volumes WorkingDir Entrypoint NetworkDisabled"
    " MacAddress OnBuild Labels StopSignal StopTimeout Shell"
)
FREE = names(
    "ContainerIDFile PortBindings RestartPolicy AutoRemove VolumesFrom ConsoleSize CapDrop Dns"
    " DnsOptions DnsSearch ExtraHosts GroupAdd Links PublishAllPorts ReadonlyRootfs Tmpfs ShmSize"
    " Init CpuShares Memory NanoCpus CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime"
    " CpusetCpus CpusetMems KernelMemory KernelMemoryTCP MemoryReservation MemorySwap"
    " MemorySwappiness OomKillDisable PidsLimit Ulimits CpuCount CpuPercent BlkioWeight"
)
JUDGED = names(
    "Binds Mounts NetworkMode PidMode IpcMode CgroupnsMode CapAdd SecurityOpt Sysctls LogConfig"
    " Runtime VolumeDriver MaskedPaths ReadonlyPaths Isolation"
)
UPDATES = names(
    "CpuShares Memory NanoCpus CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus"
    " CpusetMems KernelMemory MemoryReservation MemorySwap PidsLimit RestartPolicy BlkioWeight"
    " OomKillDisable"
)
EXEC = names(  # the SDK for Python repeats in Container whose path it is
    "Container User Tty AttachStdin AttachStderr AttachStdout DetachKeys Detach Env WorkingDir Cmd"
    " ConsoleSize"
)
ENDPOINT = names(
    "IPAMConfig Links Aliases MacAddress NetworkID EndpointID Gateway IPAddress IPPrefixLen"
    " IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen DNSNames"
)
MOUNT = names("Type Source Target ReadOnly Consistency BindOptions VolumeOptions TmpfsOptions")
# A Pod's emptyDir of medium Memory.
IN_MEMORY = {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}
BIND_MODES = names("ro rw z Z nocopy cached consistent delegated private rprivate")


def require_creatable(body: Mapping[str, Any]) -> None:
    """Forbidden for a ``POST /containers/create`` that asks for more."""
    allow_only(body, CONFIG | {"HostConfig", "NetworkingConfig"}, "a container's configuration")
    _require_host_config(_object(body, "HostConfig"))
    networking = _object(body, "NetworkingConfig")
    allow_only(networking, names("EndpointsConfig"), "NetworkingConfig")
    for endpoint in _object(networking, "EndpointsConfig").values():
        require_endpoint(endpoint)


def require_endpoint(endpoint: object) -> None:
    """A container's place in a network."""
    if endpoint is not None:
        allow_only(_typed(endpoint, dict, "an endpoint"), ENDPOINT, "an endpoint's configuration")


def _require_host_config(host: Mapping[str, Any]) -> None:
    if host.get("Privileged"):
        raise Forbidden(
            "--privileged is not available in grading: the container would own the engine that it"
            " is judged by."
        )
    allow_only(host, FREE | JUDGED, "HostConfig")
    for bind in _list(host, "Binds"):
        _require_bind(bind)
    for mount in _list(host, "Mounts"):
        _require_mount(_typed(mount, dict, "a mount"))
    _require_namespaces(host)
    _require_rights(host)
    _require_choices(host)


def _require_bind(bind: object) -> None:
    source, _, rest = str(_typed(bind, str, "an entry of Binds")).partition(":")
    require_source(source)
    modes = rest.partition(":")[2]
    if modes and not set(modes.split(",")) <= BIND_MODES:
        raise Forbidden(f"The mount options {modes!r} are not available in grading.")


def _require_mount(mount: Mapping[str, Any]) -> None:
    allow_only(mount, MOUNT, "a mount")
    kind = mount.get("Type") or ""
    if kind not in ("bind", "volume", "tmpfs"):
        raise Forbidden(f"Mounts of type {kind!r} are not available in grading.")
    if kind == "bind":
        require_source(str(mount.get("Source") or ""))
    elif "/" in str(mount.get("Source") or ""):
        raise malformed("a volume has a name, not a path")
    allow_only(_object(mount, "BindOptions"), names("NonRecursive CreateMountpoint"), "BindOptions")
    options = _object(mount, "VolumeOptions")
    if options.get("DriverConfig") == IN_MEMORY:
        del options["DriverConfig"]
    allow_only(options, names("NoCopy Labels Subpath"), "VolumeOptions")
    allow_only(_object(mount, "TmpfsOptions"), names("SizeBytes Mode"), "TmpfsOptions")


def require_source(source: str) -> None:
    """A volume by its name, or a folder of the student's.

    Links in it lead nowhere (lab/inside/sandbox_engine.py).
    """
    if source.startswith(("/", "~", ".")) and not f"{source}/".startswith(f"{WORK}/"):
        raise Forbidden(
            f"{source} cannot be mounted in grading: only your own folder ($PWD and what is below"
            " it) and volumes can."
        )
    if posixpath.normpath(source) != source.rstrip("/") and "/" in source:
        raise malformed(f"a folder to mount is named by its plain path, not {source!r}")
    if "\\" in source or "\0" in source:
        raise malformed("a mount has a plain path")


def _require_namespaces(host: Mapping[str, Any]) -> None:
    network = str(host.get("NetworkMode") or "")
    if network == "host" or network.startswith("ns:"):
        raise Forbidden(
            "--network host is not available in grading: publish the port with -p instead."
        )
    for field, allowed in {
        "PidMode": (),
        "IpcMode": ("none", "private", "shareable"),
        "CgroupnsMode": ("private",),
    }.items():
        mode = str(host.get(field) or "")
        if (
            mode
            and mode not in allowed
            and not (mode.startswith("container:") and field != "CgroupnsMode")
        ):
            raise Forbidden(
                f"{field} {mode!r} is not available in grading: a container keeps to its own"
                " namespaces."
            )


def _require_rights(host: Mapping[str, Any]) -> None:
    for capability in _list(host, "CapAdd"):
        if str(capability).upper().removeprefix("CAP_") not in DEFAULT_CAPABILITIES:
            raise Forbidden(
                f"--cap-add {capability} is not available in grading: only capabilities of Docker's"
                " default set are."
            )
    for option in _list(host, "SecurityOpt"):
        if str(option).replace("=", ":") not in (
            "no-new-privileges",
            "no-new-privileges:true",
            "no-new-privileges:false",
        ):
            raise Forbidden(f"--security-opt {option} is not available in grading.")
    for field in ("MaskedPaths", "ReadonlyPaths"):
        if host.get(field) is not None:  # an empty list unmasks everything
            raise Forbidden(f"{field} is not available in grading.")
    for name in _object(host, "Sysctls"):
        if not name.startswith("net."):
            raise Forbidden(
                f"--sysctl {name} is not available in grading: only those of the container's"
                " network are."
            )


def _require_choices(host: Mapping[str, Any]) -> None:
    choices = {"Runtime": ("runc",), "VolumeDriver": ("local",), "Isolation": ("default",)}
    for field, allowed in choices.items():
        if not is_zero(host.get(field)) and host[field] not in allowed:
            raise Forbidden(f"{field} {host[field]!r} is not available in grading.")
    log = _object(host, "LogConfig")
    allow_only(log, names("Type Config"), "LogConfig")
    if (log.get("Type") or "json-file") not in ("json-file", "local", "none"):
        raise Forbidden(f"The logging driver {log['Type']!r} is not available in grading.")


def require_updatable(body: Mapping[str, Any]) -> None:
    """``POST /containers/{id}/update``."""
    allow_only(body, UPDATES, "an update")


def require_executable(body: Mapping[str, Any]) -> None:
    """``POST /containers/{id}/exec``."""
    if body.get("Privileged"):
        raise Forbidden("docker exec --privileged is not available in grading.")
    allow_only(body, EXEC, "docker exec")


def _object(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    return dict(_typed(fields.get(name) or {}, dict, name))


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    return list(_typed(fields.get(name) or [], list, name))


def _typed(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise malformed(
            f"{name} has to be a JSON"
            f" {'object' if kind is dict else 'list' if kind is list else 'string'}"
        )
    return value
