"""What a person reads of their devices."""

from node.commands.device import row

GUILD = "did:key:zGuild"


def test_a_removed_device_is_out_of_places_by_their_names() -> None:
    device = {
        "name": "laptop", "did": "did:key:zLaptop", "entries": 3, "last_signed_at": None,
        "is_this_node": False, "revoked": [GUILD, "commons", "did:key:zLeft"],
    }  # fmt: skip
    state = row(device, {GUILD: "guild", "did:key:zCommons": "commons"})[-1]
    assert state == "removed in guild, commons, did:key:zLeft"
