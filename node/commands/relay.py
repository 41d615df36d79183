"""`relay`: a node in the relay role."""

from __future__ import annotations

import click

from node.commands.lifecycle import run_here


@click.command("relay")
@click.option("--listen", metavar="HOST:PORT", help="For everybody; port 0 picks a free one.")
@click.option("--public", metavar="URL", help="By which others reach it, if not by its address.")
@click.option("--token", help="Only who has it may register; with none, all may.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Of the page; 0 picks a free one.")
@click.option(
    "--namespace",
    "namespaces",
    metavar="NAME",
    multiple=True,
    help="Its records are kept and served, and the blobs that they name.",
)
@click.option("--keep", metavar="SIZE", help="Of these blobs, at most so much; 0 is none.")
def relay_command(
    listen: str | None,
    public: str | None,
    token: str | None,
    port: int | None,
    namespaces: tuple[str, ...],
    keep: str | None,
) -> None:
    """Run a node in the relay role, in the foreground.

    It introduces peers, joins circuits between them and keeps sealed letters, and can read none of
    it. Others use it by: panspermia up --relay URL. Of the namespaces that it is given it keeps
    the records, and modules' bytes and other blobs that they name, 10 GiB of them or as --keep
    says, in fair shares; of commons those of authors whom you named (panspermia name set). A token
    on the command line is seen by other users of this machine; PANSPERMIA_RELAY_TOKEN is not.
    """
    run_here(
        {
            "api.port": port,
            "p2p.listen": listen,
            "p2p.mdns": False,
            "relay.enabled": True,
            "relay.public": public,
            "relay.token": token,
            "relay.namespaces": namespaces or None,
            "keep.budget": keep,
        }
    )
