"""The choices of fields and what each means, which the published schemas leave out."""

CORE, APPS, BATCH = "io.k8s.api.core.v1.", "io.k8s.api.apps.v1.", "io.k8s.api.batch.v1."
PROTOCOL = {
    "SCTP": "is the SCTP protocol.",
    "TCP": "is the TCP protocol.",
    "UDP": "is the UDP protocol.",
}
HEADING = "Possible enum values:"

ENUMS: dict[tuple[str, str], dict[str, str]] = {
    (CORE + "ContainerPort", "protocol"): PROTOCOL,
    (CORE + "ServicePort", "protocol"): PROTOCOL,
    (CORE + "EndpointPort", "protocol"): PROTOCOL,
    (CORE + "ServiceSpec", "type"): {
        "ClusterIP": (
            "means a service will only be accessible inside the cluster, via the cluster IP."
        ),
        "ExternalName": (
            "means a service consists of only a reference to an external name that kubedns or"
            " equivalent will return as a CNAME record, with no exposing or proxying of any pods"
            " involved."
        ),
        "LoadBalancer": (
            "means a service will be exposed via an external load balancer (if the cloud provider"
            " supports it), in addition to 'NodePort' type."
        ),
        "NodePort": (
            "means a service will be exposed on one port of every node, in addition to 'ClusterIP'"
            " type."
        ),
    },
    (CORE + "ServiceSpec", "sessionAffinity"): {
        "ClientIP": "is the Client IP based.",
        "None": "- no session affinity.",
    },
    (CORE + "Container", "imagePullPolicy"): {
        "Always": (
            "means that kubelet always attempts to pull the latest image. Container will fail If"
            " the pull fails."
        ),
        "IfNotPresent": (
            "means that kubelet pulls if the image isn't present on disk. Container will fail if"
            " the image isn't present and the pull fails."
        ),
        "Never": (
            "means that kubelet never pulls an image, but only uses a local image. Container will"
            " fail if the image isn't present"
        ),
    },
    (CORE + "Container", "terminationMessagePolicy"): {
        "FallbackToLogsOnError": (
            "will read the most recent contents of the container logs for the container status"
            " message when the container exits with an error and the terminationMessagePath has no"
            " contents."
        ),
        "File": (
            "is the default behavior and will set the container status message to the contents of"
            " the container's terminationMessagePath when the container exits."
        ),
    },
    (CORE + "PodSpec", "restartPolicy"): {"Always": "", "Never": "", "OnFailure": ""},
    (CORE + "PodSpec", "dnsPolicy"): {
        "ClusterFirst": (
            "indicates that the pod should use cluster DNS first unless hostNetwork is true, if it"
            " is available, then fall back on the default (as determined by kubelet) DNS settings."
        ),
        "ClusterFirstWithHostNet": (
            "indicates that the pod should use cluster DNS first, if it is available, then fall"
            " back on the default (as determined by kubelet) DNS settings."
        ),
        "Default": (
            "indicates that the pod should use the default (as determined by kubelet) DNS settings."
        ),
        "None": (
            "indicates that the pod should use empty DNS settings. DNS parameters such as"
            " nameservers and search paths should be defined via DNSConfig."
        ),
    },
    (CORE + "PodStatus", "phase"): {
        "Failed": (
            "means that all containers in the pod have terminated, and at least one container has"
            " terminated in a failure (exited with a non-zero exit code or was stopped by the"
            " system)."
        ),
        "Pending": (
            "means the pod has been accepted by the system, but one or more of the containers has"
            " not been started. This includes time before being bound to a node, as well as time"
            " spent pulling images onto the host."
        ),
        "Running": (
            "means the pod has been bound to a node and all of the containers have been started. At"
            " least one container is still running or is in the process of being restarted."
        ),
        "Succeeded": (
            "means that all containers in the pod have voluntarily terminated with a container exit"
            " code of 0, and the system is not going to restart any of these containers."
        ),
        "Unknown": (
            "means that for some reason the state of the pod could not be obtained, typically due"
            " to an error in communicating with the host of the pod. Deprecated: It isn't being set"
            " since 2015 (74da3b14b0c0f658b3bb8d2def5094686d0e9095)"
        ),
    },
    (APPS + "DeploymentStrategy", "type"): {
        "Recreate": "Kill all existing pods before creating new ones.",
        "RollingUpdate": (
            "Replace the old ReplicaSets by new one using rolling update i.e gradually scale down"
            " the old ReplicaSets and scale up the new one."
        ),
    },
    (BATCH + "CronJobSpec", "concurrencyPolicy"): {
        "Allow": "allows CronJobs to run concurrently.",
        "Forbid": "forbids concurrent runs, skipping next run if previous hasn't finished yet.",
        "Replace": "cancels currently running job and replaces it with a new one.",
    },
}


def values_of(definition: str, field: str) -> list[str]:
    """The choices of a field of a definition; none when it is free."""
    return list(ENUMS.get((definition, field), ()))


def described(definition: str, field: str, description: str) -> str:
    """The field's description with its choices, as the API server publishes it."""
    lines = [
        f' - `"{value}"` {meaning}'.rstrip() for value, meaning in ENUMS[definition, field].items()
    ]
    return "\n".join([f"{description}\n", HEADING, *lines])
