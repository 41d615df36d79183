"""Every decoder that eats bytes from outside, in one table.

A new one is one line: its name, its door, seeds that our own writers made, and what it may raise.
`./scripts/test` gives each of them `inputs` mutated inputs, `scripts/nightly` millions, guided by
coverage; docs/FUZZING.md says how to run one alone.
"""

import msgspec

from crdt.errors import Malformed, Unauthorised
from node.api.problems import ProblemError
from node.errors import NodeError
from p2p.protocol.errors import LocalProtocolError, PeerLeft, RemoteProtocolError
from p2p.protocol.states import State
from registry.errors import (
    InvalidChallenge,
    InvalidEvaluation,
    InvalidLock,
    InvalidManifest,
    InvalidRecord,
    InvalidStatement,
    MalformedRecord,
    RegistryError,
)
from registry.formats.errors import InvalidFile, NoConversion
from registry.formats.words import Format
from registry.wasm.errors import Refused
from storage.errors import BadKeyFile, Unreadable
from tests.fuzz import crdt_doors as crdt
from tests.fuzz import format_doors as formats
from tests.fuzz import invite_doors as invites
from tests.fuzz import node_doors as node
from tests.fuzz import p2p_doors as p2p
from tests.fuzz import registry_doors as registry
from tests.fuzz import relay_doors as relay
from tests.fuzz import universe_doors as universe
from tests.fuzz import webrtc_doors as webrtc
from tests.fuzz import world_doors as worlds
from tests.fuzz.mutation import mutate_cbor, mutate_frames, mutate_text
from tests.fuzz.target import Target
from tests.registry.formats.files import OF_FORMAT

BAD = (Malformed,)
NOT_OURS = (Malformed, Unauthorised)
PEERS_FAULT = (RemoteProtocolError,)

# 8 MiB may be inflated, which zlib holds twice while it joins them.
INFLATING_BYTES = 24 << 20

TARGETS: tuple[Target, ...] = (
    Target("relay-frame", relay.read_frame, relay.frame_seeds, PEERS_FAULT, mutate_cbor),
    Target(
        "relay-conversation",
        relay.talk_to_relay,
        relay.relay_talk_seeds,
        PEERS_FAULT,
        mutate_frames,
        2_000,
    ),
    Target(
        "relay-client",
        relay.hear_relay,
        relay.heard_seeds,
        (RemoteProtocolError, PeerLeft),
        mutate_frames,
        2_000,
    ),
    Target("letter", relay.read_letter, relay.letter_seeds, PEERS_FAULT, inputs=1_000),
    Target(
        "letter-body",
        relay.read_signed_letter,
        relay.letter_body_seeds,
        PEERS_FAULT,
        mutate_cbor,
        1_000,
    ),
    Target("relay-url", relay.read_url, relay.url_seeds, (LocalProtocolError,), mutate_text),
    Target("cbor", crdt.read_cbor, crdt.cbor_seeds, BAD, mutate_cbor, 3_000, 1 << 14),
    Target("leb128", crdt.read_leb128, crdt.leb128_seeds, (Malformed, IndexError)),
    Target("path", crdt.read_whole_path, crdt.path_seeds, BAD),
    Target("area", p2p.read_interest, p2p.interest_seeds, PEERS_FAULT),
    Target("area-in-area", crdt.read_area, crdt.area_seeds, BAD),
    Target("entry", crdt.read_whole_entry, crdt.entry_seeds, BAD),
    Target("document-id", crdt.read_document_id, crdt.document_id_seeds, BAD),
    Target("capability", crdt.read_capability, crdt.capability_seeds, NOT_OURS),
    Target("delegation", crdt.hand_on, crdt.hand_on_seeds, NOT_OURS, inputs=2_000),
    Target("signed-entry", crdt.read_signed_entry, crdt.signed_entry_seeds, NOT_OURS, mutate_cbor),
    Target("proof", crdt.read_proof, crdt.proof_seeds, NOT_OURS, mutate_cbor, 2_000),
    Target("envelope", crdt.check_envelope, crdt.envelope_seeds, NOT_OURS),
    Target("authority", crdt.read_statement, crdt.statement_seeds, BAD, mutate_cbor, 6_000),
    Target("frontier", crdt.read_frontier, crdt.frontier_seeds, BAD, mutate_cbor),
    Target("change", crdt.read_one_change, crdt.change_seeds, BAD, inputs=6_000),
    Target(
        "automerge-file",
        crdt.check_file,
        crdt.file_seeds,
        BAD,
        inputs=1_000,
        memory_bytes=INFLATING_BYTES,
    ),
    Target(
        "sync-message", crdt.check_message, crdt.message_seeds, BAD, memory_bytes=INFLATING_BYTES
    ),
    Target("load", crdt.load_change, crdt.load_seeds, NOT_OURS),
    Target("did", crdt.read_did, crdt.did_seeds, BAD, mutate_text),
    Target("sealed", crdt.open_sealed, crdt.sealed_seeds, BAD),
    Target("blob-root", crdt.read_root, crdt.root_seeds, BAD, mutate_cbor),
    Target("blob-page", crdt.read_page, crdt.page_seeds, BAD),
    Target("blob-delta", crdt.read_delta, crdt.delta_seeds, BAD),
    Target("wire-delta", p2p.read_delta, p2p.delta_seeds, PEERS_FAULT, inputs=2_000),
    Target("frame", p2p.read_frame, p2p.frame_seeds, PEERS_FAULT, mutate_cbor, inputs=8_000),
    Target("link-frame", p2p.read_link_frame, p2p.link_frame_seeds, PEERS_FAULT, mutate_cbor),
    Target("card", p2p.read_card, p2p.card_seeds, PEERS_FAULT, mutate_cbor, 2_000),
    Target("card-body", p2p.read_signed_card, p2p.card_body_seeds, PEERS_FAULT, mutate_cbor, 2_000),
    Target("record", p2p.read_record, p2p.record_seeds, PEERS_FAULT, inputs=2_000),
    *(
        Target(
            f"session-{state.value}",
            p2p.converse(state),
            p2p.conversations(state),
            (),
            mutate_frames,
            inputs=1_000,
            size_max=1 << 15,
            memory_bytes=32 << 20,
        )
        for state in (State.GREETING, State.PRESENTING, State.AGREEING, State.OPEN)
    ),
    Target(
        "handshake-payload",
        p2p.read_handshake_payload,
        p2p.handshake_payload_seeds,
        PEERS_FAULT,
        mutate_cbor,
    ),
    Target("noise", p2p.shake_hands, p2p.shake_hands_seeds, PEERS_FAULT, inputs=500),
    Target(
        "stream", p2p.read_stream, p2p.stream_seeds, (RemoteProtocolError, PeerLeft), inputs=500
    ),
    Target(
        "websocket",
        p2p.serve_websocket,
        p2p.websocket_seeds,
        (RemoteProtocolError, PeerLeft),
        inputs=1_000,
    ),
    Target("signal", webrtc.read_signal, webrtc.signal_seeds, PEERS_FAULT, mutate_cbor, 2_000),
    Target(
        "signal-body",
        webrtc.read_signed_signal,
        webrtc.signal_body_seeds,
        PEERS_FAULT,
        mutate_cbor,
        2_000,
    ),
    Target("sdp", webrtc.read_sdp, webrtc.sdp_seeds, PEERS_FAULT, mutate_text),
    Target("stun", webrtc.ask_stun, webrtc.stun_seeds, PEERS_FAULT),
    Target("sctp", webrtc.hear_packet, webrtc.packet_seeds, PEERS_FAULT, inputs=200),
    Target("mdns", p2p.read_announcement, p2p.announcement_seeds, (), inputs=2_000),
    Target("place", p2p.read_place, p2p.place_seeds, (LocalProtocolError,), mutate_text),
    Target("address", p2p.read_address, p2p.address_seeds, (LocalProtocolError,), mutate_text),
    Target(
        "manifest", registry.read_manifest, registry.manifest_seeds, (InvalidManifest,), mutate_text
    ),
    Target("lock", registry.read_lock, registry.lock_seeds, (InvalidLock,), mutate_text),
    Target(
        "statement",
        registry.read_statement,
        registry.statement_seeds,
        (InvalidStatement,),
        mutate_cbor,
    ),
    Target(
        "snapshot-statement",
        universe.read_snapshot,
        universe.snapshot_seeds,
        (InvalidStatement,),
        mutate_cbor,
    ),
    Target(
        "signed-snapshot",
        universe.read_signed_snapshot,
        universe.signed_snapshot_seeds,
        (InvalidStatement,),
        mutate_cbor,
        2_000,
    ),
    Target(
        "universe-record",
        universe.read_universe_record,
        universe.universe_record_seeds,
        (Malformed, MalformedRecord),
        mutate_cbor,
        2_000,
        1 << 15,
    ),
    Target(
        "universe-event",
        universe.read_event,
        universe.event_seeds,
        (MalformedRecord,),
        mutate_cbor,
    ),
    Target(
        "universe-rule",
        universe.read_rule,
        universe.rule_seeds,
        (InvalidRecord,),
        mutate_text,
    ),
    Target(
        "universe-name",
        universe.read_universe_name,
        universe.universe_name_seeds,
        (RegistryError,),
        mutate_text,
        1_000,
    ),
    Target(
        "receipt", universe.read_receipt, universe.receipt_seeds, (InvalidStatement,), mutate_cbor
    ),
    Target(
        "player",
        universe.read_player,
        universe.player_seeds,
        (RegistryError, Malformed),
        mutate_cbor,
    ),
    Target(
        "passage",
        universe.read_passage,
        universe.passage_seeds,
        (MalformedRecord, Malformed),
        mutate_cbor,
    ),
    Target(
        "hand-over",
        universe.read_hand_over,
        universe.hand_over_seeds,
        (InvalidStatement,),
        mutate_cbor,
    ),
    Target("evaluation", registry.read_evaluation, registry.evaluation_seeds, (InvalidEvaluation,)),
    Target("challenge-terms", registry.read_terms, registry.terms_seeds, (InvalidChallenge,)),
    Target("names", registry.read_names, registry.name_seeds, (RegistryError,), mutate_text),
    Target("wasm", registry.read_wasm, registry.wasm_seeds, (Refused,)),
    Target(
        "records",
        registry.read_records,
        registry.record_seeds,
        (Malformed, MalformedRecord),
        mutate_cbor,
        size_max=1 << 15,
    ),
    Target(
        "key-file", registry.read_key_file, registry.key_file_seeds, (BadKeyFile,), inputs=1_000
    ),
    Target("code", node.read_values_of_code, node.code_seeds, (NodeError,), mutate_cbor, 2_000),
    Target("terms", node.read_terms_of_invite, node.terms_seeds, (NodeError,), mutate_cbor, 2_000),
    Target(
        "short-code",
        invites.read_short_code,
        invites.code_seeds,
        (LocalProtocolError,),
        mutate_text,
    ),
    Target("link", invites.read_any_link, invites.link_seeds, (LocalProtocolError,), mutate_text),
    Target(
        "link-body",
        invites.read_body_of_link,
        invites.body_seeds,
        (LocalProtocolError,),
        mutate_cbor,
        size_max=1 << 11,
    ),
    Target("invite-frame", invites.read_frame, invites.frame_seeds, PEERS_FAULT, mutate_cbor),
    Target(
        "invite-offer",
        invites.hear_offer,
        invites.offer_seeds,
        (RemoteProtocolError, PeerLeft),
        mutate_cbor,
        1_000,
    ),
    Target(
        "whereabouts", invites.read_whereabouts, invites.whereabouts_seeds, PEERS_FAULT, mutate_cbor
    ),
    Target("file", formats.read_file, formats.file_seeds, (InvalidFile,), mutate_text, 2_000),
    Target(
        "convert",
        formats.convert_file,
        formats.file_seeds,
        (InvalidFile, NoConversion),
        mutate_text,
        1_000,
    ),
    Target(
        "picture",
        formats.draw_and_compare,
        formats.file_seeds,
        (InvalidFile,),
        mutate_text,
        600,
        memory_bytes=40 << 20,
    ),
    Target(
        "database",
        formats.read_database,
        formats.database_seeds,
        (InvalidFile, Unreadable),
        inputs=1_000,
    ),
    *(
        Target(
            f"file-{format.value}",
            formats.read_as(format),
            make_seeds,
            (InvalidFile,),
            mutate_text,
            400,
        )
        for format, make_seeds in (
            (Format.RLE, formats.rle_seeds),
            *((format, formats.seeds_of(format)) for format in OF_FORMAT),
        )
    ),
    Target(
        "world-text", worlds.look_through, worlds.text_seeds, (InvalidFile,), mutate_text, 2_000
    ),
    Target("world-save", worlds.read_save, worlds.save_seeds, (InvalidFile,), mutate_text, 1_000),
    Target(
        "world-saved",
        worlds.read_saved_world,
        worlds.saved_world_seeds,
        (InvalidFile,),
        mutate_text,
        1_000,
    ),
    Target("world-log", worlds.read_log, worlds.log_seeds, (InvalidFile,), mutate_text, 1_000),
    Target(
        "world-index", worlds.read_index, worlds.index_seeds, (InvalidFile,), mutate_text, 1_000
    ),
    Target(
        "world-notes", worlds.read_notes, worlds.notes_seeds, (InvalidFile,), mutate_text, 1_000
    ),
    Target("world-gz", worlds.unpack, worlds.packed_seeds, (InvalidFile,), inputs=1_000),
    Target(
        "world-timeline",
        worlds.read_timeline,
        worlds.timeline_seeds,
        (InvalidFile,),
        mutate_text,
        1_000,
    ),
    Target(
        "world-metadata",
        worlds.read_metadata,
        worlds.metadata_seeds,
        (InvalidFile,),
        mutate_text,
        1_000,
    ),
    Target(
        "wrapped-snapshot",
        node.read_wrapped_snapshot,
        node.wrapped_snapshot_seeds,
        (ProblemError, NodeError),
        mutate_text,
        2_000,
    ),
    Target("drop", node.read_frames_of_drop, node.drop_seeds, (NodeError,), mutate_frames, 2_000),
    Target(
        "submission",
        node.read_submission,
        node.submission_seeds,
        (msgspec.MsgspecError, UnicodeDecodeError, RecursionError),
        mutate_text,
        2_000,
    ),
)

BY_NAME = {target.name: target for target in TARGETS}
