"""EndpointSlices, and how they name their Service: what their controller writes and the proxies
read.
"""

SLICES = "endpointslices.discovery.k8s.io"
SERVICE = "kubernetes.io/service-name"  # the label of a slice with the name of its Service
