"""A Pod on the engine: the sandbox with its network and volumes, and its containers."""

import asyncio
from dataclasses import dataclass
from typing import Any

from lab.cluster.kubelet import commands
from lab.cluster.kubelet.dns import resolv_conf
from lab.cluster.kubelet.engine import EngineError
from lab.cluster.kubelet.env import ConfigError, expand
from lab.cluster.kubelet.images import reference
from lab.cluster.kubelet.podnetwork import CLUSTER_LABEL, NETWORK, Addresses, PodNetwork
from lab.cluster.kubelet.volumes import ROOT, Source, archive, mounts, sandbox_mounts
from lab.cluster.model import quantity
from lab.cluster.model.objects import Obj, at, name_of, namespace_of, uid_of
from lab.cluster.registry.addresses import DOMAIN
from lab.cluster.registry.machines import NODE_LABEL

UID_LABEL = "io.kubernetes.pod.uid"
CONTAINER_LABEL = "io.kubernetes.container.name"
ATTEMPT_LABEL = "io.kubernetes.container.restartCount"
HASH_LABEL = "io.kubernetes.container.hash"
# A runtime of the engine, where it has one of that name, which gives a container one pipe for
# stdout and stderr.
ONE_OUTPUT = "one-output"
ADDRESS_TAKEN = "Address already in use"  # the engine's words
SANDBOX = "POD"  # the name under which the sandbox goes among a Pod's containers
HOSTS = (
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)
# The sandbox writes the files that all containers of the Pod share, then holds their network until
# it is told to end.
PAUSE = """\
address=$(hostname -i 2>/dev/null | cut -d' ' -f1)
printf '%s' "$HOSTS" > /etc/hosts; printf "$OWN" "$address" >> /etc/hosts
printf '%s' "$RESOLV" > /etc/resolv.conf
trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done"""

# In each folder: files that were projected before, and links that lead nowhere now.
TIDY = """\
for folder; do
  cd "$folder" || continue
  for entry in ..[0-9]*; do [ "$entry" = "$(readlink ..data)" ] || rm -rf "$entry"; done
  for entry in *; do [ -e "$entry" ] || rm -f "$entry"; done
done"""
TIDY_SECONDS = 10.0


@dataclass(frozen=True)
class Sandbox:
    """The container that holds a Pod's network: its id on the engine, and the Pod's address."""

    id: str
    address: str


class Runtime:
    """What the kubelet asks of the engine, in terms of Pods: the CRI of a real node.

    ``node`` is whose Pods they are, ``pod_cidr`` the range of their addresses.
    """

    def __init__(
        self, network: PodNetwork, node: str, pod_cidr: str, dns: str, pause_image: str
    ) -> None:
        self.network, self.engine, self.cluster = network, network.engine, network.cluster
        self.node, self.dns, self.pause_image = node, dns, pause_image
        self.addresses = Addresses(pod_cidr)
        self.has_one_output = False

    async def prepare(self) -> Obj:
        """Ask the engine what it can do, and return what it says of itself (``docker info``).

        EngineError when it does not answer.
        """
        info: Obj = await self.engine.json("GET", "/info")
        self.has_one_output = ONE_OUTPUT in (info.get("Runtimes") or {})
        return info

    def labels(self, pod: Obj, container: str, attempt: int = 0) -> dict[str, str]:
        return {
            CLUSTER_LABEL: self.cluster,
            NODE_LABEL: self.node,
            UID_LABEL: uid_of(pod),
            "io.kubernetes.pod.name": name_of(pod),
            "io.kubernetes.pod.namespace": namespace_of(pod),
            CONTAINER_LABEL: container,
            ATTEMPT_LABEL: str(attempt),
        }

    async def repair(self) -> None:
        """Bring back the network and the sandbox's image, which someone may have removed."""
        self.network.look_again()
        if await self.engine.image(self.pause_image) is None:
            wanted = reference(self.pause_image)
            await self.engine.pull(wanted.repository, wanted.tag)

    async def start_sandbox(self, pod: Obj, volumes: dict[str, Source], attempt: int) -> Sandbox:
        """Create and start the Pod's sandbox, its volumes filled."""
        labels = self.labels(pod, SANDBOX, attempt)
        spec = pod["spec"]
        host_network = bool(spec.get("hostNetwork"))
        hostname = spec.get("hostname") or name_of(pod)[:63]
        host: Obj = {
            "NetworkMode": "host" if host_network else NETWORK,
            "Mounts": sandbox_mounts(volumes, labels),
            "ReadonlyRootfs": False,
        }
        if spec.get("hostIPC"):
            host["IpcMode"] = "host"
        else:
            host["IpcMode"] = "shareable"
        sysctls = {
            s["name"]: s["value"] for s in at(spec, "securityContext", "sysctls", default=[])
        }
        if sysctls:
            host["Sysctls"] = sysctls
        config: Obj = {
            "Image": self.pause_image,
            "Entrypoint": ["sh", "-c"],
            "Cmd": [PAUSE],
            "Labels": labels,
            "HostConfig": host,
            "User": "0",
        }
        if host_network:
            config["Cmd"] = ["trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done"]
        else:
            config |= {"Hostname": hostname, "Env": self._files(pod, hostname)}
        if host_network:
            identity = await self._create(pod, SANDBOX, attempt, config)
            await self.engine.start(identity)
        else:
            identity = await self._start_in_network(pod, attempt, config)
        content = archive(volumes)
        if content:
            await self.engine.put_archive(identity, ROOT, content)
        return await self.sandbox(identity)

    async def _start_in_network(self, pod: Obj, attempt: int, config: Obj) -> str:
        """The sandbox's id, once it runs with an address of this node."""
        while True:
            if not self.addresses.by_engine:
                own = {"IPAMConfig": {"IPv4Address": self.addresses.next()}}
                config |= {"NetworkingConfig": {"EndpointsConfig": {NETWORK: own}}}
            async with self.network.held():
                identity = await self._create(pod, SANDBOX, attempt, config)
            try:
                await self.engine.start(identity)
            except EngineError as error:
                if self.addresses.by_engine or ADDRESS_TAKEN not in str(error):
                    raise
            else:
                return identity

    async def sandbox(self, identity: str) -> Sandbox:
        details = await self.engine.inspect(identity)
        networks: dict[str, Any] = details["NetworkSettings"]["Networks"]
        address = str((networks.get(NETWORK) or {}).get("IPAddress") or "")
        self.addresses.seen(address)
        return Sandbox(identity, address)

    async def refresh_volumes(self, sandbox: Sandbox, volumes: dict[str, Source]) -> None:
        """Bring what is projected up to date, and take away what it replaces."""
        content = archive(volumes)
        if content:
            await self.engine.put_archive(sandbox.id, ROOT, content)
            folders = [
                f"{ROOT}/{name}" for name, source in volumes.items() if source.files is not None
            ]
            await commands.run(
                self.engine, sandbox.id, ["sh", "-c", TIDY, "tidy", *folders], TIDY_SECONDS
            )

    def _files(self, pod: Obj, hostname: str) -> list[str]:
        """/etc/hosts and /etc/resolv.conf of the Pod, for its sandbox to write."""
        spec = pod["spec"]
        own = hostname
        if spec.get("subdomain"):
            own = f"{hostname}.{spec['subdomain']}.{namespace_of(pod)}.svc.{DOMAIN}\t{hostname}"
        own_line = f"%s\t{own}\n"
        if spec.get("hostAliases"):
            lines = [
                "",
                "# Entries added by HostAliases.",
                *("\t".join([a["ip"], *a.get("hostnames", [])]) for a in spec["hostAliases"]),
                "",
            ]
            own_line += "\n".join(lines)
        return [
            f"HOSTS={chr(10).join(HOSTS)}\n",
            f"OWN={own_line}",
            f"RESOLV={resolv_conf(pod, self.dns)}",
        ]

    async def create_container(
        self,
        pod: Obj,
        container: Obj,
        image: Obj,
        sandbox: Sandbox,
        volumes: dict[str, Source],
        env: dict[str, str],
        attempt: int,
        target: str = "",
    ) -> str:
        """Create a container in the Pod's sandbox; with a ``target``, another container, it sees
        that one's processes.

        ConfigError when the image does not suit the Pod's security context.
        """
        labels = self.labels(pod, container["name"], attempt)
        labels[HASH_LABEL] = container_hash(container)
        config: Obj = {
            "Image": image["Id"],
            "Labels": labels,
            "Env": [f"{key}={value}" for key, value in env.items()],
            "HostConfig": self._host(pod, container, sandbox, volumes, labels),
            "Tty": bool(container.get("tty")),
            "OpenStdin": bool(container.get("stdin")),
            "StdinOnce": bool(container.get("stdinOnce")),
            "User": user_of(pod, container, image),
            "Healthcheck": {"Test": ["NONE"]},
        }
        if target:
            config["HostConfig"]["PidMode"] = f"container:{target}"
        config |= program(container, env)
        return await self._create(pod, container["name"], attempt, config)

    def _host(
        self,
        pod: Obj,
        container: Obj,
        sandbox: Sandbox,
        volumes: dict[str, Source],
        labels: dict[str, str],
    ) -> Obj:
        shared = f"container:{sandbox.id}"
        context = container.get("securityContext") or {}
        host: Obj = {
            "NetworkMode": shared,
            "IpcMode": shared,
            "Mounts": mounts(
                volumes, container, {k: labels[k] for k in (CLUSTER_LABEL, UID_LABEL)}
            ),
            "Privileged": bool(context.get("privileged")),
            "ReadonlyRootfs": bool(context.get("readOnlyRootFilesystem")),
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        }
        if self.has_one_output and not container.get("stdin"):
            # Two pipes have two readers, and a busy machine swaps lines that were written at once.
            # Whoever attaches gets them apart.
            host["Runtime"] = ONE_OUTPUT
        if pod["spec"].get("shareProcessNamespace"):
            host["PidMode"] = shared
        if pod["spec"].get("hostPID"):
            host["PidMode"] = "host"
        capabilities = context.get("capabilities") or {}
        host |= {"CapAdd": capabilities.get("add") or [], "CapDrop": capabilities.get("drop") or []}
        if context.get("allowPrivilegeEscalation") is False:
            host["SecurityOpt"] = ["no-new-privileges"]
        groups = at(pod, "spec", "securityContext", "supplementalGroups", default=[])
        fs_group = at(pod, "spec", "securityContext", "fsGroup")
        host["GroupAdd"] = [
            str(group) for group in [*groups, *([fs_group] if fs_group is not None else [])]
        ]
        return host | limits(container)

    async def _create(self, pod: Obj, container: str, attempt: int, config: Obj) -> str:
        name = f"k8s_{container}_{name_of(pod)}_{namespace_of(pod)}_{uid_of(pod)}_{attempt}"
        try:
            return await self.engine.create(name, config)
        except EngineError as error:
            if error.status != 409:
                raise
            await self.engine.remove(name)  # of an attempt that was interrupted
            return await self.engine.create(name, config)

    async def pods(self) -> dict[str, list[Obj]]:
        """Summaries of all containers of this node, by their Pod's uid."""
        by_pod: dict[str, list[Obj]] = {}
        # An earlier version made them, when there was one node.
        unlabelled = self.node if self.addresses.by_engine else ""
        for container in await self.engine.containers(f"{CLUSTER_LABEL}={self.cluster}"):
            labels = container["Labels"]
            if labels.get(NODE_LABEL, unlabelled) == self.node:
                by_pod.setdefault(labels.get(UID_LABEL, ""), []).append(container)
        return by_pod

    async def remove_pod(self, uid: str) -> None:
        """Remove all that a Pod had on the engine: containers first, then volumes."""
        await self.network.remove(f"{UID_LABEL}={uid}")
        self.network.tidy_later()

    async def cut_power(self) -> None:
        """End all that runs on this node at once, as when a machine loses its power."""
        labels = (f"{CLUSTER_LABEL}={self.cluster}", f"{NODE_LABEL}={self.node}")
        # Again until nothing runs: the engine may have been starting one.
        while running := [
            c["Id"] for c in await self.engine.containers(*labels) if c["State"] == "running"
        ]:
            await asyncio.gather(*(self.engine.kill(identity) for identity in running))


def container_hash(container: Obj) -> str:
    """Tells whether a running container is still what the Pod wants: its name and image."""
    return f"{container['name']}/{container.get('image', '')}"


def program(container: Obj, env: dict[str, str]) -> Obj:
    """What the container runs, and where, in the engine's words, if not what the image says."""
    command = [expand(part, env) for part in container.get("command") or []]
    args = [expand(part, env) for part in container.get("args") or []]
    config: Obj = {}
    if command:
        config["Entrypoint"] = command
    if command or args:
        config["Cmd"] = args
    if container.get("workingDir"):
        config["WorkingDir"] = expand(container["workingDir"], env)
    return config


def limits(container: Obj) -> Obj:
    """Requests and limits as the engine has them."""
    settings: Obj = {}
    cpu = at(container, "resources", "limits", "cpu")
    memory = at(container, "resources", "limits", "memory")
    request = at(container, "resources", "requests", "cpu")
    if cpu:
        settings["NanoCpus"] = int(quantity.parse(cpu) * 10**9)
    if memory:
        settings["Memory"] = settings["MemorySwap"] = int(quantity.parse(memory))
    if request:
        settings["CpuShares"] = max(2, int(quantity.parse(request) * 1024))
    return settings


def user_of(pod: Obj, container: Obj, image: Obj) -> str:
    """``uid[:gid]``, or the image's own user. ConfigError for root where that is forbidden."""
    pod_context = at(pod, "spec", "securityContext", default={})
    context = container.get("securityContext") or {}

    def value(key: str) -> Any:
        return context.get(key) if context.get(key) is not None else pod_context.get(key)

    user, group = value("runAsUser"), value("runAsGroup")
    own = str(at(image, "Config", "User", default=""))
    if value("runAsNonRoot") and (
        user == 0 or (user is None and own.split(":")[0] in ("", "0", "root"))
    ):
        why = (
            "container's runAsUser breaks non-root policy"
            if user == 0
            else "container has runAsNonRoot and image will run as root"
        )
        raise ConfigError(
            f'{why} (pod: "{name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})", container:'
            f" {container['name']})"
        )
    if user is None:
        return own
    return f"{user}:{group}" if group is not None else str(user)
