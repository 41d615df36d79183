"""Running an export of an installed module, its dependencies linked by their ids."""

from collections.abc import Mapping, Sequence

from node.errors import NotFound, Rejected
from node.services.resolve import find_installed
from node.workers.messages import Outcome
from node.workers.workers import FUEL_DEFAULT, Workers
from storage.installed import Installed
from storage.store import Store


async def run(
    store: Store,
    workers: Workers,
    name: str,
    version: str | None,
    export: str,
    args: Sequence[int | float],
    fuel: int | None,
    types: Sequence[str] = (),
) -> Outcome:
    """`types` are those that `args` were said to be of, "" or none where nothing was said.

    Raises `NotFound` for what is not installed, `Rejected` where the call did not end well.
    """
    found = (await find_installed(store, [name])).get(name)
    if found is None or version not in (None, found.version):
        wanted = f"{name} {version}" if version else name
        raise NotFound(f"{wanted} is not installed; see `panspermia list`", code="not-installed")
    installed = {one.module: one for one in await store.installed_list()}
    modules = [
        (id, await store.read_blob(installed[id].blob)) for id in _linked(installed, found.module)
    ]
    outcome = await workers.run(
        modules,
        export,
        args,
        types=types,
        target=found.module,
        fuel=fuel or FUEL_DEFAULT,
    )
    if not outcome.ok:
        raise Rejected(f"{found.module} {export}: {outcome.detail}", code=outcome.code)
    return outcome


def _linked(installed: Mapping[str, Installed], id: str) -> tuple[str, ...]:
    """The module and all it needs."""
    found: dict[str, None] = {}
    pending = [id]
    while pending:
        one = pending.pop()
        if one in installed and one not in found:
            found[one] = None
            pending.extend(installed[one].dependencies)
    return tuple(found)
