"""The kubelet: the part of a node that makes Pods run, here as containers of a Docker engine."""
