"""Is a version what its author signed: the statement, the signature, the device, the file."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from crdt.blob import BlobId
from node.errors import NodeError
from node.ports import Network
from node.services.fetch import fetch_blob
from node.services.modules import document_shown, find_module, version_of
from registry.errors import MalformedRecord, RegistryError, UnknownVersion
from registry.listed import Module, ModuleVersion
from registry.module import signed_release_of
from registry.names import ModuleName
from registry.statement import Artifact, Check, SignedRelease, verify_release
from storage.errors import StorageError
from storage.installed import Installed
from storage.store import Store

# Modules' records in memory at once, of a few kilobytes mostly.
TOGETHER: Final = 16


async def verify_version(
    store: Store, network: Network, module: Module, version: ModuleVersion
) -> tuple[Check, ...]:
    """Every check, passed or not, the file's among them; fetched from peers if need be."""
    try:
        blob = BlobId(bytes.fromhex(version.blob))
        wasm = await fetch_blob(store, network, blob, size_bytes_max=version.wasm_size)
    except NodeError as error:
        checks = await check_release(store, module, version, None)
        return (*checks, Check("file", False, error.detail))
    return await check_release(store, module, version, wasm)


async def verify_installed(store: Store, network: Network, one: Installed) -> tuple[Check, ...]:
    """Of an installed version: what its author signed, and that it is what was installed."""
    try:
        module = await find_module(store, one.module, one.namespace)
        version = version_of(module, one.version)
    except RegistryError as error:
        return (Check("record", False, error.detail), await _check_bytes(store, one))
    checks = await verify_version(store, network, module, version)
    is_same = (version.wasm_hash, version.blob) == (one.sha256, one.blob.hex())
    said = "what was installed" if is_same else f"sha256 {one.sha256} was installed"
    return (*checks, Check("installed", is_same, said))


async def _check_bytes(store: Store, one: Installed) -> Check:
    """What nobody publishes any more is still held to the hash it came with."""
    try:
        wasm = await store.read_blob(one.blob)
    except StorageError as error:
        return Check("file", False, str(error))
    found = (await asyncio.to_thread(Artifact.of, wasm)).sha256.hex()
    return Check("sha256", found == one.sha256, found)


async def check_release(
    store: Store, module: Module, version: ModuleVersion, wasm: bytes | None
) -> tuple[Check, ...]:
    """The statement against the author's devices, and against the file where it is at hand."""
    (stated,) = await stated_now(store, [(module, version.version)])
    return await check_stated(stated, wasm)


@dataclass(frozen=True, slots=True)
class Stated:
    """What is signed of a version, and by whose hand it may be."""

    module: ModuleName
    version: str
    signed: SignedRelease
    devices: frozenset[bytes]


async def stated_now(store: Store, versions: Sequence[tuple[Module, str]]) -> tuple[Stated, ...]:
    """Of each of these versions, some at a time. Raises `UnknownVersion`."""
    found: list[Stated] = []
    for at in range(0, len(versions), TOGETHER):
        some = versions[at : at + TOGETHER]
        documents = [document_shown(module) for module, _ in some]
        states = await store.read_each(documents)
        devices = await store.devices_counting_in(documents)
        for (module, version), state, known in zip(some, states, devices, strict=True):
            signed = signed_release_of(state.value, version) if state else None
            if signed is None:
                raise UnknownVersion(f"{module.full_name} has no version {version}")
            found.append(Stated(ModuleName(module.author_did, module.id), version, signed, known))
    return tuple(found)


async def check_stated(stated: Stated, wasm: bytes | None) -> tuple[Check, ...]:
    checks = await asyncio.to_thread(
        verify_release,
        stated.signed,
        module=stated.module,
        version=stated.version,
        devices=stated.devices,
        wasm=wasm,
    )
    return tuple(checks)


async def admitted(store: Store, modules: Sequence[Module]) -> tuple[Module, ...]:
    """The modules with only those versions that devices of their authors signed as they stand.

    A document's own devices can write what they like into it; a resolution would else choose a
    version that the installation then refuses, instead of an older one that holds. All of them are
    in memory together.
    """
    documents = [document_shown(module) for module in modules]
    states = await store.read_each(documents)
    devices = await store.devices_counting_in(documents)

    def judged() -> tuple[Module, ...]:
        return tuple(
            msgspec.structs.replace(module, versions=())
            if state is None
            else _admitted(module, state.value, known)
            for module, state, known in zip(modules, states, devices, strict=True)
        )

    return await asyncio.to_thread(judged)


def _admitted(module: Module, value: Mapping[str, Any], devices: Collection[bytes]) -> Module:
    name = ModuleName(module.author_did, module.id)

    def holds(one: ModuleVersion) -> bool:
        try:
            signed = signed_release_of(value, one.version)
        except MalformedRecord:
            return False
        # What was listed a moment ago may have another statement by now.
        if signed is None or signed.signature.hex() != one.signature:
            return False
        checks = verify_release(signed, module=name, version=one.version, devices=devices)
        return all(check.ok for check in checks)

    good = tuple(one for one in module.versions if holds(one))
    return msgspec.structs.replace(module, versions=good)
