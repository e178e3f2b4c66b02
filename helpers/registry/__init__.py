"""The door to a container registry: https://github.com/opencontainers/distribution-spec/blob/main/spec.md"""
