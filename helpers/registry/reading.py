"""What a registry says of one repository: its tags, its manifests, and the configurations of its images."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from helpers.errors import InfrastructureError
from helpers.registry.answer_json import labels_of, list_at, object_at, read_object, text_at
from helpers.registry.connection import Answer, absolute_url
from helpers.registry.http import Http, said
from helpers.registry.manifest import ACCEPT, Manifest, sha256

_TAGS_A_PAGE = 1000
_MOST_PAGES = 1000
_OTHER_REGISTRY = "check that [tool.helpers] registry names a container registry, then run the command again"
T = TypeVar("T")


@dataclass(frozen=True)
class ImageConfig:
    """The used parts of an image's configuration.

    Arguments:
        labels: its labels.
        platform: as in `linux/arm64`.
        layers: the diff ids of its layers.
    """

    labels: dict[str, str]
    platform: str
    layers: tuple[str, ...]

    @classmethod
    def of(cls, content: dict[str, Any]) -> ImageConfig:
        """Return the parts of a configuration.

        Raises:
            ValueError: a part has a wrong type.
        """
        platform = "/".join(text_at(content, key) for key in ("os", "architecture"))
        return cls(labels_of(content), platform, tuple(list_at(object_at(content, "rootfs"), "diff_ids", str)))


class Reader:
    """Answers questions about one repository.

    Arguments:
        http: the way to it.
    """

    def __init__(self, http: Http) -> None:
        self.http = http

    def all_tags(self) -> list[str]:
        """Return every tag, those that only publishers need among them; empty where the repository does not exist.

        Raises:
            InfrastructureError: the registry does not give them.
        """
        found: set[str] = set()
        target: str | None = f"tags/list?n={_TAGS_A_PAGE}"
        for _ in range(_MOST_PAGES):
            if target is None:
                return sorted(found)
            answer = self.http.request("GET", target)
            if answer.status == 404:
                return []
            # A repository whose last tag is gone has null where its tags were.
            found |= set(self._read(answer, lambda content: list_at(content, "tags", str)))
            target = _next_page(answer)
        raise InfrastructureError("lists tags without an end", where=self.http.address)

    def resolve(self, reference: str) -> str | None:
        """Return the digest of a tag or digest; None when it is not there.

        Raises:
            InfrastructureError: the registry does not say it.
        """
        answer = self._ask("HEAD", reference)
        if answer.status == 404:
            return None
        digest = answer.headers.get("Docker-Content-Digest", "")
        if answer.status == 200 and re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            self._check_digest(reference, digest)
            return digest
        # A registry need not answer HEAD with a digest: then it is made of what GET gives.
        found = self.find(reference)
        return found.digest if found else None

    def find(self, reference: str) -> Manifest | None:
        """Return the manifest or index of a tag or digest; None when it is not there.

        Raises:
            InfrastructureError: the registry does not give it, or gives something else.
        """
        answer = self._ask("GET", reference)
        if answer.status == 404:
            return None
        media_type = self._good(answer).headers.get_content_type()
        try:
            manifest = Manifest.of(answer.body, media_type)
        except ValueError as error:
            what = f"the registry's answer for {reference} is no manifest"
            raise InfrastructureError(what, where=self.http.address, why=str(error)) from None
        self._check_digest(reference, manifest.digest)
        if (told := answer.headers.get("Docker-Content-Digest", manifest.digest)) != manifest.digest:
            raise self._other_content(reference, told, manifest.digest)
        return manifest

    def find_written(self, tag: str) -> Manifest | None:
        """Return what a tag is after a try to write it; None when it is not there.

        Raises:
            InfrastructureError: the registry does not say it, so that nobody knows whether the tag was written.
        """
        try:
            return self.find(tag)
        except InfrastructureError as error:
            why = f"whether the tag {tag} was written is not known ({error.why or 'it could not be read back'})"
            raise InfrastructureError(error.what, where=error.where, why=why, fix=error.fix) from None

    def manifest(self, reference: str) -> Manifest:
        """Return the manifest or index of a tag or digest, checked against its digest.

        Raises:
            InfrastructureError: it is not there, or the registry gives something else.
        """
        found = self.find(reference)
        if not found:
            raise InfrastructureError(f"the registry has no {reference}", where=self.http.address)
        return found

    def config(self, reference: str, platform: str = "") -> dict[str, Any]:
        """Return the configuration of an image: https://github.com/opencontainers/image-spec/blob/main/config.md

        Arguments:
            reference: its tag or digest.
            platform: which image of an index, like `linux/arm64`; empty is the first one.

        Raises:
            InfrastructureError: it is not there, or the registry gives something else.
        """
        manifest = self.manifest(reference)
        if manifest.is_index:
            platforms = manifest.platforms
            digest = platforms.get(platform) if platform else next(iter(platforms.values()), None)
            if not digest:
                has = ", ".join(platforms) or "no image"
                raise InfrastructureError(
                    f"{reference} has no image for {platform or 'any platform'}: it has {has}", where=self.http.address
                )
            manifest = self.manifest(digest)
        if not manifest.content.get("config"):
            raise InfrastructureError(f"{reference} is no image: it has no configuration", where=self.http.address)
        blob = manifest.content["config"]["digest"]
        answer = self._good(self.http.request("GET", f"blobs/{blob}"))
        if sha256(answer.body) != blob:
            raise self._other_content(blob, blob, sha256(answer.body))
        return self._read(answer, dict)

    def image(self, reference: str, platform: str = "") -> ImageConfig:
        """Return the used parts of an image's configuration; arguments and errors as for `config`."""
        content = self.config(reference, platform)
        try:
            return ImageConfig.of(content)
        except ValueError as error:
            what = f"the configuration of {reference} is not that of an image"
            raise InfrastructureError(what, where=self.http.address, why=str(error)) from None

    def _read(self, answer: Answer, part: Callable[[dict[str, Any]], T]) -> T:
        """Return a part of the JSON object in a good answer."""
        try:
            return part(read_object(self._good(answer).body))
        except ValueError as error:
            what = "the registry's answer is not the JSON that it must be"
            where = answer.url.partition("?")[0]
            raise InfrastructureError(what, where=where, why=str(error), fix=_OTHER_REGISTRY) from None

    def _ask(self, method: str, reference: str) -> Answer:
        return self.http.request(method, f"manifests/{reference}", headers={"Accept": ACCEPT})

    def _good(self, answer: Answer) -> Answer:
        if answer.status != 200:
            path = urllib.parse.urlsplit(answer.url).path
            raise InfrastructureError(f"the registry answers {said(answer)}", where=self.http.address, why=path)
        return answer

    def _check_digest(self, reference: str, digest: str) -> None:
        if ":" in reference and reference != digest:
            raise self._other_content(reference, reference, digest)

    def _other_content(self, reference: str, wanted: str, given: str) -> InfrastructureError:
        return InfrastructureError(
            f"the registry gives other content for {reference}", where=self.http.address, why=f"{wanted} is {given}"
        )


def _next_page(answer: Answer) -> str | None:
    """Return where the list goes on, by https://www.rfc-editor.org/rfc/rfc8288; None at its end."""
    for link in answer.headers.get_all("Link", []):
        if match := re.search(r'<([^>]*)>\s*;[^,]*\brel="?next"?', link):
            return absolute_url(answer.url, match[1])
    return None
