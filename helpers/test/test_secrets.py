from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from helpers.images import layout, scan
from helpers.images.forbidden import secrets_of
from helpers.images.layers import Contents

TOKEN = "ghp_" + "a1B2" * 9
SECRETS = {
    "ARG API_TOKEN=abc123": "ARG API_TOKEN",
    'ENV A=1 AWS_SECRET_ACCESS_KEY="wJalr/K7"': "ENV AWS_SECRET_ACCESS_KEY",
    "ENV A=1 \\\n    DB_PASSWORD=hunter2": "ENV DB_PASSWORD",
    "env MY_PASSWD hunter2": "ENV MY_PASSWD",
    "ENV apiKey=abcdef": "ENV apiKey",
    "LABEL com.example.token=abc": "LABEL com.example.token",
    "RUN export X_TOKEN=abc && make": "RUN X_TOKEN",
    "RUN PGPASSWORD=abc psql && DB_PASSWORD='a b' make": "RUN DB_PASSWORD",
    "ENV KEY_OF_CLOUD=AKIAIOSFODNN7EXAMPLE": "ENV KEY_OF_CLOUD",
    f"RUN curl -H 'Authorization: {TOKEN}' https://example.org": "RUN",
    "RUN pip install --index-url https://user:hunter2@example.org/simple x": "RUN",
    "ENV URL=postgres://app:hunter2@db/x": "ENV URL",
    "RUN echo '-----BEGIN RSA PRIVATE KEY-----' > key": "RUN",
    "/bin/sh -c #(nop)  ENV API_TOKEN=abc": "ENV API_TOKEN",
    "RUN |1 API_TOKEN=abc /bin/sh -c make # buildkit": "RUN API_TOKEN",
    "RUN <<EOF\nexport X_TOKEN=abc\nEOF": "RUN X_TOKEN",
}
HARMLESS = [
    "ENV TOKENIZERS_PARALLELISM=false",
    "ARG SECRET_NAME",
    "ARG SECRET_NAME=db",
    "ARG API_TOKEN",
    "ARG API_TOKEN=",
    'ENV API_TOKEN=""',
    "ENV POSTGRES_PASSWORD_FILE=/run/secrets/x",
    "ENV SSH_PRIVATE_KEY=/run/secrets/key",
    "ENV API_TOKEN=$TOKEN",
    'ENV API_TOKEN="${TOKEN}"',
    "ENV MAX_TOKENS=4096 USE_CREDENTIALS=true",
    "ENV GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568 PYTHON_SHA256=0123456789abcdef",
    "ENV PASSWORD_HASHERS=argon2 KEYRING=x AUTHOR=me",
    "# ENV API_TOKEN=abc",
    "RUN --mount=type=secret,id=token TOKEN=$(cat /run/secrets/token) make",
    "RUN pip install --token=x https://example.org/a.whl git+ssh://git@example.org/x",
    "RUN python -c 'token = get()'",
    "COPY . /app",
]


@pytest.mark.parametrize("recipe", SECRETS)
def test_a_secret_in_a_recipe_is_named_without_its_value(recipe: str) -> None:
    found = list(secrets_of(recipe))
    assert [what for _, what, _ in found] == [SECRETS[recipe]]
    assert not any(secret in f"{found}" for secret in ("abc", "hunter2", "AKIA", TOKEN, "wJalr"))


@pytest.mark.parametrize("recipe", HARMLESS)
def test_a_line_without_a_secret_is_no_finding(recipe: str) -> None:
    assert list(secrets_of(recipe)) == []


def test_the_scan_finds_secrets_in_variables_labels_and_history(monkeypatch: pytest.MonkeyPatch) -> None:
    about = {
        "config": {"Env": ["PATH=/bin", "API_TOKEN=abc", "OTHER_TOKEN=abc"], "Labels": {"a.password": "hunter2"}},
        "history": [{"created_by": "RUN |1 DB_PASSWORD=hunter2 /bin/sh -c make # buildkit"}, {"comment": "no step"}],
    }
    monkeypatch.setattr(layout, "config", lambda where, image: about)
    held = cast("Contents", SimpleNamespace(image=SimpleNamespace(digest="sha256:1")))
    found = [finding.what for finding in scan._named_secrets(Path(), held, ["ENV OTHER_*"])]
    assert found == ["ENV API_TOKEN", "LABEL a.password", "RUN DB_PASSWORD"]
