"""One repository of a container registry: what is in it, and how something gets there."""

from __future__ import annotations

from pathlib import Path

from helpers.engine.seam import Control
from helpers.errors import InfrastructureError, PolicyError
from helpers.registry import once, upload
from helpers.registry.address import Address
from helpers.registry.http import TRIES, Http, LoginError, RejectedError
from helpers.registry.reading import Reader


class Registry(Reader):
    """A repository in a registry, spoken to with the logins of Docker; for one thread at a time.

    No request is sent before a method is called.

    Arguments:
        repository: its name with the registry's host, like `localhost:5000/team/forecast`.
        control: stops what is under way.
        seconds: how long one question may take with all its tries; None is as long as any.

    Raises:
        ConfigError: the name has no host, or is no name of a repository.
    """

    def __init__(self, repository: str, control: Control | None = None, seconds: float | None = None) -> None:
        super().__init__(Http(Address.parse(repository), control, seconds))

    def tags(self) -> list[str]:
        """Return all tags, sorted as text; empty where the repository does not exist yet.

        Raises:
            InfrastructureError: the registry does not give them.
        """
        return [tag for tag in self.all_tags() if not once.is_claim(tag)]

    def push(self, layout: Path, digest: str) -> upload.PushReport:
        """Upload an image or index, with all that it names, by digest; nothing that is there is sent again.

        Arguments:
            layout: an OCI layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md).
            digest: of the image or index in it.

        Raises:
            PushError: the registry did not take it all; its report says what it has.
            InfrastructureError: the layout lacks a part of it.
        """
        return upload.push(self, layout, digest)

    def put_once(self, tag: str, digest: str) -> None:
        """Give a version tag its content, unless it exists: it is never overwritten. `once.py` says how.

        Raises:
            TagTakenError: it exists with other content (a `PolicyError` that knows both digests).
            LockHeldError: another publisher of this tag neither ends nor goes away.
            InfrastructureError: the registry did not do its part.
        """
        once.put_once(self, tag, digest)

    def tag(self, digest: str, tag: str) -> None:
        """Move a tag (`dev`, `prod`, `latest`) to what the registry has as `digest`, and read it back.

        Raises:
            PolicyError: somebody else moved it at the same time.
            InfrastructureError: the registry did not do its part; what the tag is now is said.
        """
        manifest = self.manifest(digest)
        before = self.resolve(tag)
        if before == digest:
            return
        for number in range(1, TRIES + 1):
            try:
                upload.put_manifest(self, manifest, tag, tries=1)
                break
            except (LoginError, RejectedError):
                raise
            except InfrastructureError as error:
                # Nobody knows whether it was written: look before it is written again.
                if self._is_moved(tag, digest, before):
                    return
                if number == TRIES:
                    still = f"the tag {tag} is still {before or 'not there'}"
                    raise InfrastructureError(error.what, where=error.where, why=still, fix=error.fix) from None
        if not self._is_moved(tag, digest, before):
            raise InfrastructureError(
                f"the registry took the tag {tag} and does not have it",
                where=self.http.address,
                why=f"it is {before or 'not there'}, not {digest}",
            )

    def _is_moved(self, tag: str, wanted: str, before: str | None) -> bool:
        found = self.find_written(tag)
        now = found.digest if found else None
        if now not in (wanted, before):
            raise PolicyError(
                f"the tag {tag} was moved by somebody else at the same time",
                where=self.http.address,
                why=f"it is {now or 'not there'}, not {wanted}",
                fix="run the command again, if that is to be undone",
            )
        return now == wanted
