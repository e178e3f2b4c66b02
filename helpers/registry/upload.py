"""Uploads an image from an OCI layout: blobs that the registry lacks, then manifests, children before their index.

Everything goes by digest and nothing gets a tag, so that an upload that ends anywhere does no harm, and the next one
goes on where it stopped. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from helpers.errors import InfrastructureError
from helpers.registry.connection import Answer, FileBody
from helpers.registry.deadline import Deadline
from helpers.registry.http import CALL_SECONDS, TRIES, LoginError, RejectedError, said
from helpers.registry.manifest import Blob, Manifest, short
from helpers.registry.reading import Reader

# A line slower than this is given up: a blob may take a minute and its size at this speed.
SLOWEST_BYTES_A_SECOND = 100_000
_FIRST_WAIT_SECONDS = 0.5


@dataclass
class PushReport:
    """What an upload did; also while it is under way.

    Arguments:
        sent: blobs that were uploaded.
        present: blobs that the registry had.
        missing: blobs that it still lacks.
        manifests: digests of the manifests that it has now, children first.
        missing_manifests: digests of those that it still lacks.
    """

    sent: list[Blob] = field(default_factory=list)
    present: list[Blob] = field(default_factory=list)
    missing: list[Blob] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    missing_manifests: list[str] = field(default_factory=list)

    @property
    def sent_bytes(self) -> int:
        """Bytes that were uploaded."""
        return sum(blob.size for blob in self.sent)

    def __str__(self) -> str:
        there = f"{_amount(self.sent)} sent now, {_amount(self.present)} from before, {len(self.manifests)} manifest(s)"
        if not (self.missing or self.missing_manifests):
            return f"in the registry: {there}"
        names = ", ".join([short(blob.digest) for blob in self.missing[:3]] + ["..."] * (len(self.missing) > 3))
        missing = f"{_amount(self.missing)}{f' ({names})' if names else ''}, {len(self.missing_manifests)} manifest(s)"
        return f"in the registry: {there}; not pushed, or not known to be: {missing}; no tag was written"


class PushError(InfrastructureError):
    """An upload ended before its end; `report` says what the registry has, and what not.

    Arguments:
        error: why it ended.
        report: how far it came.
    """

    def __init__(self, error: InfrastructureError, report: PushReport) -> None:
        why = f"{error.why}\n  {report}" if error.why else str(report)
        super().__init__(error.what, where=error.where, why=why, fix=error.fix)
        self.report = report


def push(reader: Reader, layout: Path, digest: str) -> PushReport:
    """Upload the image or index `digest` of the OCI layout at `layout`.

    Raises:
        PushError: the registry did not take it all.
        InfrastructureError: the layout lacks a part of it.
    """
    # An index may name the same attestation for two platforms.
    manifests = list({manifest.digest: manifest for manifest in manifests_of(layout, digest)}.values())
    blobs = {blob.digest: blob for manifest in manifests for blob in manifest.blobs}
    report = PushReport(missing=list(blobs.values()), missing_manifests=[manifest.digest for manifest in manifests])
    try:
        # A registry takes a manifest only after all that it names.
        if all(reader.resolve(manifest.digest) for manifest in reversed(manifests)):
            report.present, report.missing = report.missing, []
            report.manifests, report.missing_manifests = report.missing_manifests, []
            return report
        for blob in blobs.values():
            _push_blob(reader, layout, blob, report)
        for manifest in manifests:
            put_manifest(reader, manifest, manifest.digest)
            report.missing_manifests.remove(manifest.digest)
            report.manifests.append(manifest.digest)
    except InfrastructureError as error:
        raise PushError(error, report) from None
    return report


def manifests_of(layout: Path, digest: str) -> list[Manifest]:
    """Return the manifest `digest` of a layout and all that it names, children first.

    Raises:
        InfrastructureError: one of them, or one of their blobs, is missing or not what its digest says.
    """
    try:
        manifest = Manifest.of(_file(layout, digest).read_bytes())
    except (OSError, ValueError):
        raise _broken(layout, digest) from None
    if manifest.digest != digest:
        raise _broken(layout, digest)
    for blob in manifest.blobs:
        file = _file(layout, blob.digest)
        if not file.is_file() or file.stat().st_size != blob.size:
            raise _broken(layout, blob.digest)
    below = [item for child in manifest.children for item in manifests_of(layout, child.digest)]
    return [*below, manifest]


def put_manifest(
    reader: Reader, manifest: Manifest, reference: str, *, tries: int = TRIES, seconds: float | None = None
) -> None:
    """Upload a manifest under a digest or a tag.

    Arguments:
        reader: the repository.
        manifest: what is uploaded, byte for byte.
        reference: its own digest, or a tag.
        tries: how often it may be sent.
        seconds: how long that may take; None is as long as any call.

    Raises:
        InfrastructureError: the registry did not take it, or made something else of it.
    """
    deadline = reader.http.deadline(seconds)
    headers = {"Content-Type": manifest.media_type}
    for number in range(1, TRIES + 1):
        target = f"manifests/{reference}"
        answer = reader.http.request("PUT", target, headers=headers, body=manifest.raw, tries=tries, deadline=deadline)
        if number == TRIES or deadline.over or not _does_not_see_a_blob(answer):
            break
        # It refused, so nothing was written: to send it again harms nobody, however many `tries`.
        deadline.sleep(_FIRST_WAIT_SECONDS / 2 * 2 ** (number - 1))
    told = answer.headers.get("Docker-Content-Digest", manifest.digest)
    if answer.status not in (200, 201, 202):
        raise RejectedError(f"the registry does not take {reference}: {said(answer)}", where=reader.http.address)
    if told != manifest.digest:
        raise RejectedError(
            f"the registry made something else of {reference}",
            where=reader.http.address,
            why=f"{manifest.digest} became {told}",
        )


def _does_not_see_a_blob(answer: Answer) -> bool:
    """Say whether a registry misses what a manifest names: all of it was there when the manifest was sent.

    One that keeps files reads a blob's link while another upload of the same blob writes it anew, and takes the empty
    file for a blob that is not there; others show a finished upload to all their servers a moment later.
    """
    return answer.status in (400, 404) and b"MANIFEST_BLOB_UNKNOWN" in answer.body


def _push_blob(reader: Reader, layout: Path, blob: Blob, report: PushReport) -> None:
    if _has_blob(reader, blob.digest):
        report.present.append(blob)
    else:
        _upload(reader, FileBody(_file(layout, blob.digest), blob.size), blob.digest)
        report.sent.append(blob)
    report.missing.remove(blob)


def _upload(reader: Reader, body: FileBody, digest: str) -> None:
    """Upload one blob; a try that broke off is followed by a new one from the blob's beginning."""
    deadline = reader.http.deadline(CALL_SECONDS + body.size / SLOWEST_BYTES_A_SECOND)
    for number in range(1, TRIES + 1):
        # What broke off may have arrived: the answer alone was lost.
        if number > 1 and _has_blob(reader, digest):
            return
        url = _start_upload(reader, digest, deadline)
        try:
            _send_blob(reader, body, digest, url, deadline)
            return
        except (LoginError, RejectedError):
            raise
        except InfrastructureError as error:
            deadline.check()
            if number == TRIES or deadline.over:
                why = f"upload of {short(digest)} ({body.size / 1e6:.1f} MB), tried {number} time(s)"
                raise InfrastructureError(error.what, where=error.where, why=why, fix=error.fix) from None
        deadline.sleep(_FIRST_WAIT_SECONDS * 2 ** (number - 1))


def _has_blob(reader: Reader, digest: str) -> bool:
    return reader.http.request("HEAD", f"blobs/{digest}").status == 200


def _start_upload(reader: Reader, digest: str, deadline: Deadline) -> str:
    """Return the URL that takes the blob."""
    http = reader.http
    start = http.request("POST", "blobs/uploads/", deadline=deadline)
    location = start.headers.get("Location")
    if start.status != 202 or not location:
        raise RejectedError(f"the registry takes no upload: {said(start)}", where=http.address)
    url = http.absolute(location, start.url)
    return f"{url}{'&' if '?' in url else '?'}digest={digest}"


def _send_blob(reader: Reader, body: FileBody, digest: str, url: str, deadline: Deadline) -> None:
    http = reader.http
    headers = {"Content-Type": "application/octet-stream"}
    answer = http.request("PUT", url, headers=headers, body=body, deadline=deadline, tries=1)
    if answer.status not in (201, 204):
        # A registry that forgot the upload can be asked for a new one.
        kind = InfrastructureError if answer.status == 404 else RejectedError
        raise kind(f"the registry does not take {short(digest)}: {said(answer)}", where=http.address)
    if (told := answer.headers.get("Docker-Content-Digest", digest)) != digest:
        raise RejectedError(
            "the registry made something else of a blob", where=http.address, why=f"{digest} became {told}"
        )


def _file(layout: Path, digest: str) -> Path:
    algorithm, _, name = digest.partition(":")
    return layout / "blobs" / algorithm / name


def _broken(layout: Path, digest: str) -> InfrastructureError:
    return InfrastructureError(
        f"the image's files lack {short(digest)}, or it is not what its digest says",
        where=layout,
        fix=f"rm -r {layout}  and run the command again: the image is built anew",
    )


def _amount(blobs: list[Blob]) -> str:
    return f"{len(blobs)} blob(s) of {sum(blob.size for blob in blobs) / 1e6:.1f} MB"
