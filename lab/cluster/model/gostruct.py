"""A Pod's spec as the API server's own Go structures print it: the text in which a forbidden change
of a Pod is shown.

``TYPES`` has the internal structures' fields in their order. After the colon: ``s i b`` a text,
number or truth value (absent prints its zero), ``*`` a pointer, list or map (absent prints null),
``*T`` and ``[]T`` the same of a structure, ``T`` a structure always there, ``<T`` one whose fields
are its holder's own. ``Go=json`` where the JSON name is not the Go name in lower camel case.
"""

import difflib
import json
from functools import cache
from typing import Any

from lab.cluster.model.objects import Obj

SOURCES = (
    "HostPath:*HostPath EmptyDir:*EmptyDir GCEPersistentDisk:* AWSElasticBlockStore:* GitRepo:*"
    " Secret:*SecretVolume NFS:* ISCSI:* Glusterfs:* PersistentVolumeClaim:*ClaimVolume RBD:*"
    " Quobyte:* FlexVolume:* Cinder:* CephFS:*=cephfs Flocker:* DownwardAPI:*DownwardAPIVolume FC:*"
    " AzureFile:* ConfigMap:*ConfigMapVolume VsphereVolume:* AzureDisk:* PhotonPersistentDisk:*"
    " Projected:*Projected PortworxVolume:* ScaleIO:* StorageOS:*=storageos CSI:* Ephemeral:*"
    " Image:*"
)
HANDLER = "Exec:*Exec HTTPGet:*HTTPGet TCPSocket:*TCPSocket"
TYPES = {
    "PodSpec": (
        "Volumes:[]Volume InitContainers:[]Container Containers:[]Container EphemeralContainers:*"
        " RestartPolicy:s TerminationGracePeriodSeconds:* ActiveDeadlineSeconds:* DNSPolicy:s"
        " NodeSelector:* ServiceAccountName:s AutomountServiceAccountToken:* NodeName:s"
        " SecurityContext:*PodSecurity ImagePullSecrets:[]Reference Hostname:s Subdomain:s"
        " SetHostnameAsFQDN:* Affinity:* SchedulerName:s Tolerations:[]Toleration"
        " HostAliases:[]HostAlias PriorityClassName:s Priority:* PreemptionPolicy:* DNSConfig:*"
        " ReadinessGates:* RuntimeClassName:* Overhead:* EnableServiceLinks:*"
        " TopologySpreadConstraints:* OS:* SchedulingGates:* ResourceClaims:* Resources:*"
        " HostnameOverride:* SchedulingGroup:*"
    ),
    "Volume": f"Name:s {SOURCES}",
    "HostPath": "Path:s Type:*",
    "EmptyDir": "Medium:s SizeLimit:*",
    "SecretVolume": "SecretName:s Items:[]KeyToPath DefaultMode:* Optional:*",
    "ClaimVolume": "ClaimName:s ReadOnly:b",
    "DownwardAPIVolume": "Items:[]DownwardFile DefaultMode:*",
    "ConfigMapVolume": "Name:s Items:[]KeyToPath DefaultMode:* Optional:*",
    "Projected": "Sources:[]Projection DefaultMode:*",
    "Projection": (
        "Secret:*NamedItems DownwardAPI:*DownwardProjection ConfigMap:*NamedItems"
        " ServiceAccountToken:*TokenProjection ClusterTrustBundle:* PodCertificate:*"
    ),
    "NamedItems": "Name:s Items:[]KeyToPath Optional:*",
    "DownwardProjection": "Items:[]DownwardFile",
    "TokenProjection": "Audience:s ExpirationSeconds:i Path:s",
    "KeyToPath": "Key:s Path:s Mode:*",
    "DownwardFile": "Path:s FieldRef:*FieldRef ResourceFieldRef:*ResourceRef Mode:*",
    "FieldRef": "APIVersion:s FieldPath:s",
    "ResourceRef": "ContainerName:s Resource:s Divisor:s",
    "Container": (
        "Name:s Image:s Command:* Args:* WorkingDir:s Ports:[]Port EnvFrom:[]EnvFrom Env:[]EnvVar"
        " Resources:Resources ResizePolicy:* RestartPolicy:* RestartPolicyRules:*"
        " VolumeMounts:[]Mount VolumeDevices:* LivenessProbe:*Probe ReadinessProbe:*Probe"
        " StartupProbe:*Probe Lifecycle:*Lifecycle TerminationMessagePath:s"
        " TerminationMessagePolicy:s ImagePullPolicy:s SecurityContext:*Security Stdin:b"
        " StdinOnce:b TTY:b"
    ),
    "Port": "Name:s HostPort:i ContainerPort:i Protocol:s HostIP:s",
    "EnvFrom": "Prefix:s ConfigMapRef:*OptionalName SecretRef:*OptionalName",
    "OptionalName": "Name:s Optional:*",
    "EnvVar": "Name:s Value:s ValueFrom:*EnvSource",
    "EnvSource": (
        "FieldRef:*FieldRef ResourceFieldRef:*ResourceRef ConfigMapKeyRef:*KeyRef"
        " SecretKeyRef:*KeyRef FileKeyRef:*"
    ),
    "KeyRef": "Name:s Key:s Optional:*",
    "Resources": "Limits:* Requests:* Claims:*",
    "Mount": (
        "Name:s ReadOnly:b RecursiveReadOnly:* MountPath:s SubPath:s MountPropagation:*"
        " SubPathExpr:s"
    ),
    "Probe": (
        f"{HANDLER} GRPC:* InitialDelaySeconds:i TimeoutSeconds:i PeriodSeconds:i"
        " SuccessThreshold:i FailureThreshold:i TerminationGracePeriodSeconds:*"
    ),
    "Exec": "Command:*",
    "HTTPGet": "Path:s Port:i Host:s Scheme:s HTTPHeaders:*",
    "TCPSocket": "Port:i Host:s",
    "Lifecycle": "PostStart:*LifecycleHandler PreStop:*LifecycleHandler StopSignal:*",
    "LifecycleHandler": f"{HANDLER} Sleep:*",
    "Security": (
        "Capabilities:* Privileged:* SELinuxOptions:* WindowsOptions:* RunAsUser:* RunAsGroup:*"
        " RunAsNonRoot:* ReadOnlyRootFilesystem:* AllowPrivilegeEscalation:* ProcMount:*"
        " SeccompProfile:* AppArmorProfile:*"
    ),
    "PodSecurity": (
        "HostNetwork:b HostPID:b HostIPC:b ShareProcessNamespace:* HostUsers:* SELinuxOptions:*"
        " WindowsOptions:* RunAsUser:* RunAsGroup:* RunAsNonRoot:* SupplementalGroups:*"
        " SupplementalGroupsPolicy:* FSGroup:* FSGroupChangePolicy:* Sysctls:* SeccompProfile:*"
        " AppArmorProfile:* SELinuxChangePolicy:*"
    ),
    "Reference": "Name:s",
    "Toleration": "Key:s Operator:s Value:s Effect:s TolerationSeconds:*",
    "HostAlias": "IP:s Hostnames:*",
}
ZERO: dict[str, Any] = {"s": "", "i": 0, "b": False}
OF_SECURITY_CONTEXT = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")


def json_name(go: str) -> str:
    """``HostIP`` to ``hostIP``, ``APIVersion`` to ``apiVersion``: leading capitals fall, but for
    the last before a small letter.
    """
    count = len(go) - len(go.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    head = 1 if count <= 1 else count if count == len(go) else count - 1
    return go[:head].lower() + go[head:]


@cache
def layout(struct: str) -> list[tuple[str, str, str]]:
    """Go name, JSON name and kind of each field."""
    found = []
    for entry in TYPES[struct].split():
        go, _, kind = entry.partition(":")
        kind, _, given = kind.partition("=")
        found.append((go, given or json_name(go), kind))
    return found


def internal(value: Any, struct: str) -> Any:
    """A JSON value as the Go structure of that name."""
    if value is None:
        value = {}
    return {go: _field(value.get(name), kind) for go, name, kind in layout(struct)}


def _field(value: Any, kind: str) -> Any:
    if kind in ZERO:
        return ZERO[kind] if value is None else value
    if kind.startswith("[]"):
        return [internal(item, kind[2:]) for item in value] if value else None
    if kind.startswith("*"):
        return value if value is None or kind == "*" else internal(value, kind[1:])
    return internal(value, kind)


def pod_spec(spec: Obj) -> Any:
    """A Pod's spec as Go's internal structure, which keeps the host's namespaces apart."""
    moved = {key: spec[key] for key in OF_SECURITY_CONTEXT if key in spec}
    if spec.get("securityContext") is not None:
        spec = spec | {"securityContext": spec["securityContext"] | moved}
    return internal(spec, "PodSpec")


def difference(old: Obj, new: Obj) -> str:
    """The unified difference of two Pod specs."""
    left, right = (
        json.dumps(pod_spec(spec), indent=1, ensure_ascii=False).splitlines() for spec in (old, new)
    )
    return "\n".join(list(difflib.unified_diff(left, right, lineterm=""))[2:]) + "\n"
