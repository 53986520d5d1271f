"""A Pod's volumes: most are the engine's, filled through the sandbox, under ``/volumes``."""

import base64
import io
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from lab.cluster.kubelet.env import ConfigError, downward_field, resource_field
from lab.cluster.kubelet.tokens import Tokens
from lab.cluster.model.objects import Obj, at, containers_of, namespace_of, uid_of
from lab.cluster.registry.client import Client

ROOT = "/volumes"  # in the sandbox


@dataclass
class Source:
    """Where a volume's content is: a volume of the engine by name, or a path of its host."""

    name: str
    engine_volume: str = ""
    host_path: str = ""
    memory: bool = False
    read_only: bool = False
    # what is projected into it: path to content and mode
    files: dict[str, tuple[bytes, int]] | None = None
    subpaths: set[str] = field(default_factory=set)


def sources(client: Client, tokens: Tokens, pod: Obj) -> dict[str, Source]:
    """Every volume of a Pod. ConfigError, naming one, while something it needs is missing."""
    by_name = {}
    for volume in pod["spec"].get("volumes") or []:
        name = volume["name"]
        try:
            by_name[name] = _source(client, tokens, pod, volume)
        except ConfigError as error:
            raise ConfigError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
    for container in containers_of(pod["spec"]):
        for mount in container.get("volumeMounts") or []:
            if mount.get("subPath") and by_name[mount["name"]].files is None:
                by_name[mount["name"]].subpaths.add(mount["subPath"])
    return by_name


def _source(client: Client, tokens: Tokens, pod: Obj, volume: Obj) -> Source:
    name = volume["name"]
    own = f"k8s_{uid_of(pod)}_{name}"
    if volume.get("emptyDir") is not None:
        return Source(name, own, memory=volume["emptyDir"].get("medium") == "Memory")
    if volume.get("hostPath") is not None:
        return Source(name, host_path=volume["hostPath"]["path"])
    if volume.get("persistentVolumeClaim") is not None:
        return _claimed(client, pod, volume)
    for kind in ("configMap", "secret", "downwardAPI", "projected"):
        if volume.get(kind) is not None:
            mode = volume[kind].get("defaultMode", 0o644)
            parts = (
                volume[kind].get("sources") or [] if kind == "projected" else [{kind: volume[kind]}]
            )
            files: dict[str, tuple[bytes, int]] = {}
            for part in parts:
                files |= dict(_project(client, tokens, pod, part, mode))
            return Source(name, own, files=files)
    unknown = next(key for key in volume if key != "name")
    raise ConfigError(f"volumes of type {unknown} are not supported by this cluster")


def _claimed(client: Client, pod: Obj, volume: Obj) -> Source:
    reference = volume["persistentVolumeClaim"]
    claim = client.get("persistentvolumeclaims", namespace_of(pod), reference["claimName"])
    if claim is None:
        raise ConfigError(f'persistentvolumeclaim "{reference["claimName"]}" not found')
    volume_object = client.get("persistentvolumes", "", at(claim, "spec", "volumeName", default=""))
    path = at(volume_object, "spec", "hostPath", "path") or at(
        volume_object, "spec", "local", "path"
    )
    if not path:
        raise ConfigError("only volumes of type hostPath and local are supported by this cluster")
    return Source(volume["name"], host_path=path, read_only=bool(reference.get("readOnly")))


def _project(
    client: Client, tokens: Tokens, pod: Obj, part: Obj, mode: int
) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """The files of one source of a projected volume."""
    if part.get("configMap") is not None:
        spec = part["configMap"]
        obj = _referred(
            client, "configmaps", "configmap", pod, spec.get("name", ""), bool(spec.get("optional"))
        )
        data = {k: v.encode() for k, v in (obj.get("data") or {}).items()}
        data |= {k: base64.b64decode(v) for k, v in (obj.get("binaryData") or {}).items()}
        yield from _items(data, spec, mode, bool(spec.get("optional")))
    if part.get("secret") is not None:
        spec = part["secret"]
        name = spec.get("secretName") or spec.get("name", "")
        obj = _referred(client, "secrets", "secret", pod, name, bool(spec.get("optional")))
        data = {k: base64.b64decode(v) for k, v in (obj.get("data") or {}).items()}
        yield from _items(data, spec, mode, bool(spec.get("optional")))
    for item in at(part, "downwardAPI", "items", default=[]):
        yield item["path"], (_downward(pod, item).encode(), item.get("mode", mode))
    if part.get("serviceAccountToken") is not None:
        spec = part["serviceAccountToken"]
        token = tokens.token(pod, spec.get("expirationSeconds", 3600), spec.get("audience", ""))
        yield spec["path"], (token.encode(), mode)


def _downward(pod: Obj, item: Obj) -> str:
    if item.get("fieldRef"):
        return downward_field(pod, item["fieldRef"]["fieldPath"])
    return resource_field(pod, item["resourceFieldRef"])


def _referred(client: Client, resource: str, kind: str, pod: Obj, name: str, optional: bool) -> Obj:
    obj = client.get(resource, namespace_of(pod), name)
    if obj is None and not optional:
        raise ConfigError(f'{kind} "{name}" not found')
    return obj or {}


def _items(
    data: dict[str, bytes], spec: Obj, mode: int, optional: bool
) -> Iterator[tuple[str, tuple[bytes, int]]]:
    items = spec.get("items")
    if not items:
        yield from ((key, (value, mode)) for key, value in data.items())
        return
    for item in items:
        if item["key"] in data:
            yield item["path"], (data[item["key"]], item.get("mode", mode))
        elif not optional:
            raise ConfigError(f"references non-existent config key: {item['key']}")


def archive(volumes: dict[str, Source]) -> bytes | None:
    """What goes into the volumes, as a tar for ``/volumes``; None when there is nothing.

    Projected files are laid out as the kubelet does it: the files in a dated folder, ``..data`` a
    link to it, each name a link through that.
    """
    out = io.BytesIO()
    any_content = False
    with tarfile.open(fileobj=out, mode="w") as tar:
        for source in volumes.values():
            for path in sorted(source.subpaths) if source.engine_volume else ():
                any_content = True
                _folder(tar, f"{source.name}/{path}", 0o777)
            if source.files is not None:
                any_content = True
                _projected(tar, source.name, source.files)
    return out.getvalue() if any_content else None


def _projected(tar: tarfile.TarFile, name: str, files: dict[str, tuple[bytes, int]]) -> None:
    dated = time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime()) + str(time.time_ns() % 10**10)
    _folder(tar, f"{name}/{dated}", 0o755)
    for path, (content, mode) in sorted(files.items()):
        info = tarfile.TarInfo(f"{name}/{dated}/{path}")
        info.size, info.mode, info.mtime = len(content), mode, int(time.time())
        tar.addfile(info, io.BytesIO(content))
    _link(tar, f"{name}/..data", dated)
    for first in sorted({PurePosixPath(path).parts[0] for path in files}):
        _link(tar, f"{name}/{first}", f"..data/{first}")


def _folder(tar: tarfile.TarFile, path: str, mode: int) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime = tarfile.DIRTYPE, mode, int(time.time())
    tar.addfile(info)


def _link(tar: tarfile.TarFile, path: str, target: str) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mtime = tarfile.SYMTYPE, target, int(time.time())
    tar.addfile(info)


def mounts(volumes: dict[str, Source], container: Obj, labels: dict[str, str]) -> list[Obj]:
    """A container's mounts, as the engine takes them."""
    return [
        _mount(
            volumes[m["name"]],
            m["mountPath"],
            m.get("subPath", ""),
            bool(m.get("readOnly")),
            labels,
        )
        for m in container.get("volumeMounts") or []
    ]


def sandbox_mounts(volumes: dict[str, Source], labels: dict[str, str]) -> list[Obj]:
    """The engine's volumes, all of them, under ``/volumes``."""
    return [
        _mount(source, f"{ROOT}/{source.name}", "", False, labels)
        for source in volumes.values()
        if source.engine_volume
    ]


def _mount(
    source: Source, target: str, subpath: str, read_only: bool, labels: dict[str, str]
) -> Obj:
    read_only = read_only or source.read_only
    if source.host_path:
        path = f"{source.host_path.rstrip('/')}/{subpath}" if subpath else source.host_path
        return {
            "Type": "bind",
            "Source": path,
            "Target": target,
            "ReadOnly": read_only,
            "BindOptions": {"CreateMountpoint": True},
        }
    options: Obj = {"NoCopy": True, "Labels": labels}
    if subpath:
        options["Subpath"] = subpath
    if source.memory:
        options["DriverConfig"] = {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs"}}
    return {
        "Type": "volume",
        "Source": source.engine_volume,
        "Target": target,
        "ReadOnly": read_only,
        "VolumeOptions": options,
    }
