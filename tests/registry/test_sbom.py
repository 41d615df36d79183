import json
import uuid

from registry.lockfile import parse_lock
from registry.sbom import ROOT, sbom_of
from tests.registry.test_lockfile import TEXT


def test_a_lock_as_a_bill_of_materials() -> None:
    lock = parse_lock(TEXT)
    bill = sbom_of(lock)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert uuid.UUID(bill["serialNumber"].removeprefix("urn:uuid:")).version == 5
    found = {one["bom-ref"]: one for one in bill["components"]}
    assert len(found) == len(lock.packages)
    for package in lock.packages:
        one = found[f"{package.id}@{package.version}"]
        assert one["hashes"] == [{"alg": "SHA-256", "content": package.sha256}]
        assert one["purl"].startswith("pkg:generic/did%3Akey%3A")
    edges = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert edges.keys() == {ROOT, *found}
    assert all(target in found for targets in edges.values() for target in targets)
    assert len(edges[ROOT]) == len(lock.requirements)


def test_the_same_lock_gives_the_same_bytes() -> None:
    once, again = (json.dumps(sbom_of(parse_lock(TEXT))) for _ in range(2))
    assert once == again
