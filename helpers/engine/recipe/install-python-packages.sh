#!/bin/sh
# Installs what requirements.txt beside this script pins into /opt/venv, and checks that nothing else is there.
#
# usage: sh install-python-packages.sh [REQUIRES_PYTHON [INSTALLER]]
#
# The installer is /run/tools/uv if none is named, the settings of the host are /run/secrets/host_env. What an image below has put into
# /opt/venv stays; a package that both name must have one version.
set -eu
cd "$(dirname "$0")"
. /run/secrets/host_env
# Bytecode is found by the hash of its source: in what is released the times of all files are set to that of the commit.
export PYC_INVALIDATION_MODE=CHECKED_HASH
# Each call has a temporary cache: no other build has written to it, and none of it stays in the image.
export UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
python=/opt/venv/bin/python
uv=${2:-/run/tools/uv}
wanted=${1:->=3.8}
if ! test -d /opt/venv; then
    "$uv" venv --no-project --python "$wanted" /opt/venv
elif ! "$uv" python find --no-project "$wanted" 2>&1 | grep -q "^/opt/venv/"; then
    echo "helpers: error: requires-python is $wanted, and the image below has $($python --version)" >&2
    exit 1
fi
below=$("$uv" pip list --quiet --format freeze --python $python)
"$uv" pip install --no-deps --require-hashes --compile-bytecode --python $python --requirements requirements.txt
# Compares names and versions only, and asks nobody: a package that is missing would have to come from the cache.
if ! found=$(printf '%s\n' "$below" | "$uv" pip sync --check --offline --allow-empty-requirements \
    --python $python requirements.txt - 2>&1); then
    # "- name==version" is installed, "+ name==version" should be; otherwise the two files contradict each other.
    differ=$(printf '%s\n' "$found" | grep -E '^ *([-+~] |cause:)' || printf '%s\n' "$found")
    echo "helpers: error: what is installed (-) is not what the lock and the image below say (+):" $differ >&2
    exit 1
fi
