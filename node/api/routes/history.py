"""The signed history of a name, and whether what is installed is what its authors signed."""

from node.api.endpoint import Call, reads
from node.api.history_models import HistoryItem, InstalledVerification, show_history
from node.api.models import InNamespace, NoQuery, Verification
from node.api.routes.authority import keeper
from node.services.called import names_here
from node.services.history import history
from node.services.places import place_meant
from node.services.verify import verify_installed
from node.wiring import Node


async def get_history(node: Node, call: Call[InNamespace, None]) -> HistoryItem:
    """Who did what to a module: releases, yanks, deprecations, by which device and right."""
    place = await place_meant(node.store, call.query.namespace)
    found = await history(keeper(node), call.path["id"], place)
    return show_history(found, await names_here(node.store, node.identity))


async def get_installed_verification(
    node: Node, call: Call[NoQuery, None]
) -> InstalledVerification:
    """Hashes, signatures and devices of everything that is installed."""
    modules = tuple(
        [
            Verification(one.module, one.version, all(check.ok for check in checks), checks)
            for one in await node.store.installed_list()
            for checks in [await verify_installed(node.store, node.network, one)]
        ]
    )
    return InstalledVerification(all(one.ok for one in modules), modules)


ENDPOINTS = (
    reads(
        "/api/modules/{id:module}/history", get_history, HistoryItem, query=InNamespace,
        problems=(404, 409, 422),
    ),
    reads("/api/installed/verify", get_installed_verification, InstalledVerification),
)  # fmt: skip
