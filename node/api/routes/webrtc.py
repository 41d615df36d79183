"""A data channel from a page of this person's to the node."""

from typing import Annotated

from msgspec import Meta, Struct

from node.api.endpoint import Call, writes
from node.api.models import NoQuery
from node.errors import Rejected
from node.wiring import Node
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.webrtc.sdp import SDP_BYTES_MAX


class Offer(Struct, frozen=True):
    """What RTCPeerConnection.createOffer gave, once its candidates were gathered."""

    sdp: Annotated[str, Meta(max_length=SDP_BYTES_MAX)]


class Answer(Struct, frozen=True):
    """For RTCPeerConnection.setRemoteDescription, of type "answer"."""

    sdp: str


async def answer_offer(node: Node, call: Call[NoQuery, Offer]) -> Answer:
    """Open a data channel to this node, in which it speaks as to any peer."""
    try:
        return Answer(await node.direct.answer_page(call.body.sdp))
    except RemoteProtocolError as error:
        raise Rejected(error.sentence, code=error.code) from error


ENDPOINTS = (
    writes(
        "/api/webrtc", answer_offer, Answer, body=Offer, problems=(504,), is_replayable=False
    ),
)  # fmt: skip
