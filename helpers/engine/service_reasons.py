"""Why a compose file may not hold a key: the keys by which it would reach what is not its own."""

from __future__ import annotations

WHY_TOP = {"include": "compose would read other files", "models": "a model runs on this machine"}
WHY = {
    "additional_contexts": "a build takes its files from the directory alone",
    "annotations": "they speak to this machine's container runtime",
    "blkio_config": "it names disks of this machine",
    "cache_from": "a build reads no cache from elsewhere",
    "cache_to": "a build would write to a path of this machine",
    "cgroup_parent": "it puts the service into a control group of this machine",
    "credential_spec": "it names credentials of this machine",
    "develop": "nothing is watched for services",
    "dns": "a service asks the resolver of its own network",
    "driver_opts": "they reach what is outside: paths, devices and interfaces of this machine",
    "entitlements": "a build has no rights",
    "environment": "it takes a variable of this machine; the settings name those in `env`",
    "external_links": "it reaches a container of another run",
    "gpus": "it takes devices of this machine",
    "ipam": "a network's addresses could take the place of real ones",
    "isolation": "it changes how the container is kept apart",
    "label_file": "compose would read another file",
    "models": "a model runs on this machine",
    "network": "a build has the network that the engine gives it",
    "oom_kill_disable": "it lets this machine run out of memory",
    "oom_score_adj": "it lets other programs of this machine be killed first",
    "post_start": "it may run as root with all rights",
    "pre_stop": "it may run as root with all rights",
    "provider": "compose would run a program of this machine",
    "runtime": "it names a program of this machine",
    "secrets": "a build is given no secrets",
    "ssh": "a build would use the keys of this machine",
    "storage_opt": "it changes how the engine stores the container",
    "tags": "a build would give its image the name of another one",
    "template_driver": "it is filled in from this machine",
    "use_api_socket": "it hands over this machine's engine",
    "volume_driver": "a plugin of this machine would provide the volumes",
}
