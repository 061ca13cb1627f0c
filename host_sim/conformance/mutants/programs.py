"""Codecs that are wrong about the program, about signing, and about the JSON profiles."""

import struct
from typing import Any

from host_sim import codec
from host_sim.conformance.mutants import Edit, Swap
from host_sim.conformance.mutants.broken import broken
from host_sim.profiles import canonical, common, json_full, json_header
from hxtp import frame, jsonscan


def _remembering() -> Swap:
    # A codec that keeps the nonces it has accepted from one line to the next.
    seen: list[str] = []
    sound = codec._verify

    def verify(request: dict[str, Any]) -> dict[str, Any]:
        if isinstance(request.get("wire_hex"), str):
            if request["wire_hex"] in seen:
                return {"ok": False, "code": "NONCE_REUSED"}
            answer = sound(request)
            seen.append(request["wire_hex"])
            return answer
        return sound(request)

    return Swap(codec, "_verify", verify)


def _unsorted() -> Swap:
    # The profile of devices, its members written in the reverse of their order.
    pipe10 = codec.PROFILES["pipe10"]

    def build(*arguments: Any, **options: Any) -> bytes:
        members = jsonscan.scan(pipe10.build(*arguments, **options), 0)
        return b"{%s}" % b",".join(b'"%s":%s' % item for item in reversed(members.items()))

    return Swap(codec, "PROFILES", {**codec.PROFILES, "pipe10": pipe10._replace(build=build)})


def _pack_swapped(message_type: str, text: bytes) -> bytes:
    return struct.pack("<2sBBI", b"HX", 3, frame.TYPES[message_type][0], len(text)) + text


PROGRAM = [
    broken("remembers", "keeps what it accepted from one line to the next", "no memory", _remembering()),
    broken(
        "unknown-refused",
        "refuses members of a request that it does not know",
        "reset",
        Edit(codec, "answer", ('if operation == "reset":', 'if operation == "reset" and len(request) == 1:')),
    ),
    broken(
        "request-duplicates",
        "takes a request with a member twice",
        "lines that are no requests",
        Edit(codec, "_without_duplicates", ("len(members) != len(pairs)", "False")),
    ),
    broken(
        "request-lenient",
        "takes NaN in a request",
        "lines that are no requests",
        Swap(codec, "_no_constant", lambda name: None),
    ),
    broken(
        "defaults",
        "takes a missing last_sequence for null",
        "verify requests",
        Edit(codec, "_nullable", ("raise BadRequest(name)", "return True")),
    ),
    broken(
        "secret-any-size",
        "takes secrets of any size",
        "verify requests",
        Edit(codec, "_secret", ("len(secret) != SECRET", "not 0 < len(secret) <= 64")),
    ),
    broken(
        "true-is-one",
        "takes true for the number 1",
        "verify requests",
        Edit(codec, "_integer", ("type(value) is not int", "not isinstance(value, int)")),
        Edit(
            codec,
            "_milliseconds",
            ("type(value) not in (int, Decimal)", "not isinstance(value, (int, Decimal))"),
        ),
    ),
    broken(
        "profile-guessed",
        "takes an unknown profile for pipe10",
        "profiles that nobody has",
        Edit(codec, "_profile", ('raise errors.HxtpError("UNSUPPORTED")', 'name = "pipe10"')),
    ),
    broken(
        "auto-last",
        "answers auto with the code of the last profile",
        "the furthest decides",
        Edit(codec, "_verify", ("if refused is None or progress(message) > progress(refused):", "if True:")),
    ),
    broken(
        "auto-pipe10",
        "tries pipe10 alone for auto",
        "accepted by one",
        Edit(codec, "_verify", ("PROFILES.values() if name", '[PROFILES["pipe10"]] if name')),
    ),
]

SIGNING = [
    broken(
        "length-written-swapped",
        "writes the header's length with the least significant byte first",
        "pipe10",
        Swap(frame, "pack", _pack_swapped),
    ),
    broken(
        "never-framed",
        "signs bare messages alone",
        "pipe10",
        Edit(codec, "_sign", ("if framed:", "if False:")),
    ),
    broken(
        "unsorted",
        "writes members in another order",
        "pipe10",
        _unsorted(),
    ),
    broken(
        "body-rewritten",
        "writes the body anew before it signs it",
        "pipe10",
        Edit(
            codec,
            "_sign",
            (
                '_string(request, "body_json").encode()',
                'json.dumps(json.loads(_string(request, "body_json"))).encode()',
            ),
        ),
    ),
    broken(
        "white-space-hashed",
        "hashes the white space around the body",
        "pipe10",
        Edit(codec, "_sign", ("profile.build(key, fields, value,", "profile.build(key, fields, body,")),
    ),
    broken(
        "sign-any-body",
        "signs a body that goes on with members of its own",
        "bodies that are refused",
        Edit(codec, "_sign", ("if message.body != value:", "if False:")),
    ),
    broken(
        "tenant-always",
        "writes a tenant that is null",
        "pipe10",
        Edit(codec, "_sign", (' if member != "tenant_id" or value is not None', "")),
    ),
]

PROFILES = [
    broken(
        "json-for-devices",
        "takes the JSON profiles in a device's directions",
        "directions",
        Edit(
            common.JsonVerifier,
            "parse",
            ("if not self.direction & (frame.FROM_CLIENT | frame.TO_CLIENT):", "if False:"),
        ),
    ),
    broken(
        "json-both-names",
        "takes both names of one member",
        "aliases",
        Edit(common, "_one_of", ("name in members and alias in members", "False")),
    ),
    broken(
        "json-not-normalised",
        "does not bring strings into NFC, and takes those that are not",
        "params that are refused",
        Edit(common, "_check_params", ('not unicodedata.is_normalized("NFC", value)', "False")),
    ),
    broken(
        "json-protocol-in-params",
        "takes `protocol` in params",
        "params that are refused",
        Edit(common, "_check_params", ('if "protocol" in params:', "if False:")),
    ),
    broken(
        "json-unfaithful",
        "takes numbers that the canonical text no longer says",
        "numbers",
        Swap(common, "faithful", lambda value, dialect: True),
    ),
    broken(
        "full-hash-unchecked",
        "never compares the hash in json-full",
        "the hash of the params",
        Swap(json_full.JsonFullVerifier, "hash_holds", lambda self, message: True),
    ),
    broken(
        "full-hash-needed",
        "refuses json-full without a hash",
        "without payload_hash",
        Swap(json_full.JsonFullVerifier, "hash_required", True),
    ),
    broken(
        "full-dialect",
        "writes json-full in the dialect of JavaScript",
        "numbers",
        Swap(json_full, "PYTHON", canonical.JAVASCRIPT),
    ),
    broken(
        "header-dialect",
        "writes json-header in the dialect of Python",
        "numbers",
        Swap(json_header, "JAVASCRIPT", canonical.PYTHON),
    ),
    broken(
        "header-hash-optional",
        "takes json-header without a hash",
        "the hash of the params",
        Swap(json_header.JsonHeaderVerifier, "hash_required", False),
    ),
    broken(
        "header-short",
        "does not sign the tenant in json-header",
        "what is covered",
        Swap(json_header, "HEADER", tuple(name for name in json_header.HEADER if name != "tenant_id")),
    ),
]

ALL = PROGRAM + SIGNING + PROFILES
