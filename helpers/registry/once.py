"""Gives a version tag its content, once and for all, though the protocol can only overwrite.

There is no conditional PUT, so publishers agree among themselves by *claims*: tags beside the version's, like
`dev-1.2.0.claim-<unix seconds>-<12 of the digest>-<nonce>`. A publisher

1. writes its claim, 2. lists the tags, 3. looks whether the version's tag exists, and
4. writes the version's tag if in this order it saw no claim of other content and no version's tag;
5. removes its claim only after the version's tag is there.

Why two publishers A and B of different content can not both write: say A's claim was written before B's. B lists after
its own claim, so it either sees A's claim and does not write, or A's claim is gone already; then A had written the
version's tag before that, and B, who looks at the tag *after* the list, sees it. (This is Dekker's argument; it needs a
registry that shows a finished write to every later read.)

Of those who see each other the one with the smallest digest stays and the others withdraw, so that one of them gets on.
A publisher that was killed leaves its claim behind: a claim holds others up for CLAIM_SECONDS and is good for writing
for much less, by the registry's clock, which is the same for all. One that was killed between 4 and 5 did its work.
A claim is a manifest of its own, so that a registry that removes manifests where tags are meant removes nothing else.
"""

from __future__ import annotations

import json
import random
import re
import secrets
import time
from dataclasses import dataclass

from helpers.errors import ConfigError, InfrastructureError, LockHeldError, PolicyError
from helpers.registry.deadline import Deadline
from helpers.registry.http import TRIES, LoginError, RejectedError
from helpers.registry.manifest import Manifest
from helpers.registry.reading import Reader
from helpers.registry.upload import put_manifest

# How long a claim of somebody who is gone holds others up.
CLAIM_SECONDS = 60
# How old a claim may be to write by it, and how long that may take: together far less than it holds others up.
_USE_SECONDS = 25
_PUT_SECONDS = 15
# How long to wait for others: the claims of a few that are gone.
WAIT_SECONDS = 150
_LOOK_SECONDS = (0.2, 0.6)
_DELETE_SECONDS = 10
_CLAIM_PATTERN = re.compile(r"(.+)\.claim-([0-9]{1,12})-([0-9a-f]{12})-([0-9a-f]{6})")
_LONGEST_TAG = 128
_ANNOTATION = "helpers.claim"


class TagTakenError(PolicyError):
    """A version tag exists with other content, which is never overwritten.

    Arguments:
        where: the repository.
        tag: the tag.
        existing: the digest that it has.
        wanted: the digest that it was to get.
    """

    def __init__(self, where: object, tag: str, existing: str, wanted: str) -> None:
        super().__init__(
            f"the tag {tag} exists with other content and is never overwritten",
            where=where,
            why=f"it is {existing}, not {wanted}",
            fix="give the new content a new version: add an entry to changelog.txt",
        )
        self.tag = tag
        self.existing = existing
        self.wanted = wanted


@dataclass(frozen=True)
class Claim:
    """Says that somebody is about to give a tag its content.

    Arguments:
        tag: the tag.
        time: seconds since 1970 by the registry's clock.
        content: the first 12 digits of the content's digest.
        nonce: tells it from other claims of the same content.
    """

    tag: str
    time: int
    content: str
    nonce: str

    @classmethod
    def parse(cls, tag: str) -> Claim | None:
        """Return the claim that a tag spells; None for any other tag."""
        match = _CLAIM_PATTERN.fullmatch(tag)
        return cls(match[1], int(match[2]), match[3], match[4]) if match else None

    def __str__(self) -> str:
        return f"{self.tag}.claim-{self.time}-{self.content}-{self.nonce}"


def is_claim(tag: str) -> bool:
    """Say whether a tag is a claim, which only publishers need to see."""
    return Claim.parse(tag) is not None


def put_once(reader: Reader, tag: str, digest: str) -> None:
    """Give `tag` the content `digest`, which the registry has, unless the tag exists.

    Nothing happens when it exists with this content. The same content may be published by several at once.

    Raises:
        TagTakenError: it exists with other content.
        LockHeldError: another publisher of this tag neither ends nor goes away.
        InfrastructureError: the registry did not do its part; whether the tag was written is said.
    """
    if len(tag) + len(".claim-0000000000-000000000000-000000") > _LONGEST_TAG:
        raise ConfigError(f"the tag {tag!r} is too long", where=reader.http.address)
    publication = _Publication(reader, tag, reader.manifest(digest))
    if not publication.is_done():
        publication.publish(reader.http.deadline(WAIT_SECONDS))
    publication.tidy_up()


class _Publication:
    """One publisher of one tag."""

    def __init__(self, reader: Reader, tag: str, manifest: Manifest) -> None:
        self._reader = reader
        self._http = reader.http
        self._tag = tag
        self._manifest = manifest
        self._content = manifest.digest.partition(":")[2][:12]
        self._own: Claim | None = None
        self._claimed_at = 0.0
        self._writes = 0

    def is_done(self) -> bool:
        """Say whether the tag has our content."""
        found = (self._reader.find_written if self._writes else self._reader.find)(self._tag)
        if found and found.digest != self._manifest.digest:
            self._withdraw()
            raise TagTakenError(self._http.address, self._tag, found.digest, self._manifest.digest)
        return found is not None

    def publish(self, deadline: Deadline) -> None:
        """Write the tag as soon as nobody else can be about to."""
        while not deadline.over:
            if self._own is None or self._age() > _USE_SECONDS:
                self._claim()
            rivals = self._rivals()
            if self.is_done():
                return
            if not rivals:
                if self._age() <= _USE_SECONDS and self._write():
                    return
                deadline.sleep(random.uniform(*_LOOK_SECONDS))
            elif min(rival.content for rival in rivals) < self._content:
                self._withdraw()
                self._wait_for_others(deadline)
            else:
                deadline.sleep(random.uniform(*_LOOK_SECONDS))
        deadline.check()
        self._withdraw()
        raise LockHeldError(
            f"others are publishing {self._tag} and do not come to an end",
            where=self._http.address,
            fix=f"run the command again; who was killed holds others up for at most {CLAIM_SECONDS} s",
        )

    def tidy_up(self) -> None:
        """Remove the claims that nobody needs any more: ours, and those of the dead."""
        for claim in self._claims():
            if (claim.content == self._content or self._is_stale(claim)) and not self._remove(claim):
                return

    def _claim(self) -> None:
        before, now = self._own, time.monotonic()
        claim = Claim(self._tag, int(self._http.now()), self._content, secrets.token_hex(3))
        put_manifest(self._reader, self._manifest_of(claim), str(claim))
        self._own, self._claimed_at = claim, now
        # Only now: there is no moment without a claim.
        if before:
            self._remove(before)

    def _age(self) -> float:
        return time.monotonic() - self._claimed_at

    def _write(self) -> bool:
        """Write the tag; False when that broke off and the tag is not there: our claim stays, as it may still come."""
        self._writes += 1
        try:
            put_manifest(self._reader, self._manifest, self._tag, tries=1, seconds=_PUT_SECONDS)
        except (LoginError, RejectedError):
            raise
        except InfrastructureError as error:
            if self.is_done():
                return True
            if self._writes == TRIES:
                why = f"{self._tag} is not there after {TRIES} tries; other content has to wait {CLAIM_SECONDS} s"
                raise InfrastructureError(error.what, where=error.where, why=why, fix=error.fix) from None
            return False
        if not self.is_done():
            raise InfrastructureError(f"the registry took {self._tag} and does not have it", where=self._http.address)
        return True

    def _wait_for_others(self, deadline: Deadline) -> None:
        while not deadline.over and self._rivals() and not self.is_done():
            deadline.sleep(random.uniform(*_LOOK_SECONDS))

    def _claims(self) -> list[Claim]:
        found = (Claim.parse(tag) for tag in self._reader.all_tags())
        return [claim for claim in found if claim and claim.tag == self._tag]

    def _rivals(self) -> list[Claim]:
        return [claim for claim in self._claims() if claim.content != self._content and not self._is_stale(claim)]

    def _is_stale(self, claim: Claim) -> bool:
        return self._http.now() - claim.time > CLAIM_SECONDS

    def _withdraw(self) -> None:
        """Let others pass; not while a write of ours that broke off may still come: then the claim must grow old."""
        if self._own and not self._writes:
            self._remove(self._own)
        self._own = None

    def _manifest_of(self, claim: Claim) -> Manifest:
        annotations = {**self._manifest.content.get("annotations", {}), _ANNOTATION: str(claim)}
        content = {**self._manifest.content, "annotations": annotations}
        return Manifest(json.dumps(content).encode(), self._manifest.media_type)

    def _remove(self, claim: Claim) -> bool:
        """Remove a claim; False when the registry does not remove things, which harms nothing.

        Older registries remove by digest only.
        """
        try:
            if self._delete(str(claim)):
                return True
            found = self._reader.find(str(claim))
            if found and found.content.get("annotations", {}).get(_ANNOTATION) == str(claim):
                return self._delete(found.digest)
            return found is None
        except InfrastructureError:
            return False

    def _delete(self, reference: str) -> bool:
        deadline = self._http.deadline(_DELETE_SECONDS)
        answer = self._http.request("DELETE", f"manifests/{reference}", deadline=deadline, tries=1)
        return answer.status in (200, 202, 204, 404)
