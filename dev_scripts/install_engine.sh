#!/usr/bin/env bash
# Gets a Docker engine; the script is a part of helpers, so that every repo that has helpers has it.
exec "$(dirname "${BASH_SOURCE[0]}")/../helpers/engine/install_engine.sh" "$@"
