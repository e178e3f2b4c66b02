# Runs poetry in a container where build backends may run (../images/lock_container.py). Arguments: those of the wrapper.
set -eu
uv=/helpers/uv
"$uv" venv --quiet --no-project --python python3 /tmp/poetry
"$uv" pip install --quiet --python /tmp/poetry/bin/python --no-build --require-hashes --requirements /helpers/poetry.txt
exec /tmp/poetry/bin/python -I /helpers/poetry_for_python.py "$@"
