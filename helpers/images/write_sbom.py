"""Writes what an image holds as CycloneDX, and checks it against the schema of the standard.

Runs inside its own tool environment and imports nothing of ours.

usage: python write_sbom.py < FACTS > SBOM

FACTS is JSON: `name`, `version`, `purl` and `created` of the image, `digest` of its manifest, `code` (sha256 by path),
`system` (fields of os-release), `distributions` (name, version, licence of each) and `packages` (name, version,
architecture, source of each).
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import datetime, timezone
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator
from packageurl import PackageURL

# jsonschema checks by it whether an IRI is one, and has none to check: what we write names no web page. It compiles 39
# grammars when it is imported, which takes five times as long as all the rest.
_LEFT_OUT = "rfc3987_syntax"


def main() -> int:
    """Write the document; 1 if it is not what the standard says."""
    facts = json.load(sys.stdin)
    text = make_outputter(_bom(facts), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    sys.modules[_LEFT_OUT] = None  # type: ignore[assignment]
    wrong = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        print("not CycloneDX 1.6:", " ".join(str(wrong).split())[:300], file=sys.stderr)
        return 1
    print(text)
    return 0


def _bom(facts: dict[str, Any]) -> Bom:
    root = _image(facts)
    parts = [*_system(facts["system"]), *_distributions(facts), *_packages(facts)]
    made = datetime.strptime(facts["created"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    # The same image has the same document: nothing in it is of the day or of the machine that it was written on.
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{facts['purl']}#{facts['digest']}")
    tool = Component(name="helpers", type=ComponentType.APPLICATION, bom_ref="helpers")
    bom = Bom(serial_number=number, components=parts, metadata=BomMetaData(component=root, timestamp=made))
    bom.metadata.tools.components.add(tool)
    bom.register_dependency(root, parts)
    return bom


def _image(facts: dict[str, Any]) -> Component:
    """Return the code, with its files, as what the document is about; its hash is that of the image's manifest."""
    code = [
        Component(name=f"/{path}", type=ComponentType.FILE, bom_ref=f"/{path}", hashes=[_sha256(value)])
        for path, value in facts["code"].items()
    ]
    return Component(
        name=facts["name"],
        version=facts["version"],
        type=ComponentType.APPLICATION,
        purl=PackageURL.from_string(facts["purl"]),
        bom_ref=facts["purl"],
        hashes=[_sha256(facts["digest"].partition(":")[2])],
        components=code,
    )


def _system(fields: dict[str, str]) -> list[Component]:
    if not fields.get("ID"):
        return []
    version = fields.get("VERSION_ID") or None
    kind = ComponentType.OPERATING_SYSTEM
    return [Component(name=fields["ID"], version=version, type=kind, bom_ref=f"os:{fields['ID']}")]


def _distributions(facts: dict[str, Any]) -> list[Component]:
    found = {}
    for name, version, licence in facts["distributions"]:
        purl = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
        licences = [LicenseExpression(licence)] if licence else []
        found[str(purl)] = _library(name, version, purl, licenses=licences)
    return list(found.values())


def _packages(facts: dict[str, Any]) -> list[Component]:
    system = facts["system"]
    vendor = system.get("ID", "debian")
    distro = f"{vendor}-{system['VERSION_ID']}" if system.get("VERSION_ID") else ""
    found = {}
    for name, version, architecture, source in facts["packages"]:
        more = {"arch": architecture, "distro": distro, "upstream": source}
        purl = PackageURL("deb", vendor, name, version, {key: value for key, value in more.items() if value})
        found[str(purl)] = _library(name, version, purl)
    return list(found.values())


def _library(name: str, version: str, purl: PackageURL, **more: Any) -> Component:
    return Component(name=name, version=version, purl=purl, bom_ref=str(purl), **more)


def _sha256(value: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=value)


if __name__ == "__main__":
    sys.exit(main())
