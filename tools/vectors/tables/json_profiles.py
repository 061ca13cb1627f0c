"""The profiles json-full and json-header: what both have in common, each message in both."""

from collections.abc import Callable
from typing import Any

from tools.vectors.cases import OK, ROTATED, Case, Group, verify
from tools.vectors.json_wire import EMPTY_ALONE, full_text, header_text, json_full, json_header
from tools.vectors.wire import (
    BODY,
    CLIENT,
    DEVICE,
    MESSAGE,
    NONCE,
    NOW,
    PREVIOUS,
    STRANGER,
    TENANT,
    Raw,
    Wire,
    pipe10,
)

SCHEMA = "FRAME_SCHEMA_INVALID"
TYPE = "FRAME_TYPE_INVALID"
JSON = "FRAME_JSON_INVALID"
MISMATCH = "HASH_MISMATCH"
INVALID = "SIGNATURE_INVALID"
VERSION = "VERSION_MISMATCH"

Maker = Callable[..., Wire]


class Table:
    """Rows for one profile; `short` begins their ids."""

    def __init__(self, profile: str, make: Maker, full: bool):
        self.profile, self.make, self.full = profile, make, full
        self.short = profile.removeprefix("json-")

    def row(self, id: str, comment: str, wire: Wire, verdict: str = OK, **more: Any) -> Case:
        return verify(f"{self.short}-{id}", comment, wire, verdict, profile=self.profile, **more)

    def group(self, name: str, comment: str, cases: list[Case], flag: str, *clauses: str) -> Group:
        return Group(name, comment, cases, (flag,), clauses, self.profile)

    def empty(self, body: str | None = "{}", **more: Any) -> Wire:
        """A message with an empty body, or none."""
        if self.full:
            return self.make(body, "{}", "{}", **more)
        return self.make(body, EMPTY_ALONE, **more)

    # --- groups

    def ordinary(self) -> Group:
        make, row = self.make, self.row
        return self.group(
            "ordinary messages",
            "What app clients send, and where they may send it.",
            [
                row("bare", "a command, bare", make()),
                row("framed", "a command behind its header", make().framed()),
                row("heartbeat", "a heartbeat without params", self.empty(None, message_type="heartbeat")),
                row("empty", "a heartbeat with empty params", self.empty(message_type="heartbeat")),
                row("no-tenant", "without tenant_id", make(tenant_id=None), tenant_id=TENANT),
                row("ids", "with ids to compare", make(), device_id=DEVICE, tenant_id=TENANT),
                row("base64", "a nonce in base64", make(nonce="MDEyMzQ1Njc4OTo7PD0+Pw==")),
                row("quotes", "an id with quotes and backslashes", make(client_id='a"b\\c/d')),
                row("seconds", "a time in seconds", make(timestamp=NOW // 1000)),
                row("zero", "number 0", make(sequence_number=0)),
                row("largest", "number 2^53 - 1", make(sequence_number=2**53 - 1)),
                row("white-space", "white space around the params", make().swap(BODY, f" {BODY}\n")),
                row("escaped-version", r"HxTP\/3.0", make(texts={"version": r'"HxTP\/3.0"'})),
                row("escaped-id", "an id with escapes", make(texts={"client_id": rf'"\u0039{CLIENT[1:]}"'})),
                row("ack", "a cloud's answer to a client", self.empty(message_type="ack")),
            ],
            "JsonProfile",
            "HX3-CANON-14" if self.full else "HX3-CANON-16",
            "HX3-CANON-24",
        )

    def directions(self) -> Group:
        make, row = self.make, self.row
        return self.group(
            "directions",
            "App clients alone: a device's key verifies nothing but pipe10.",
            [
                row("from-client", "a command from a client", make(), direction="from_client"),
                row(
                    "from-client-heartbeat",
                    "a heartbeat",
                    self.empty(message_type="heartbeat"),
                    direction="from_client",
                ),
                row(
                    "from-client-state",
                    "state is not a client's",
                    self.empty(message_type="state"),
                    TYPE,
                    direction="from_client",
                ),
                row("to-device", "a command to a device", make(), TYPE, direction="to_device"),
                row(
                    "to-cloud",
                    "a heartbeat from a device",
                    self.empty(message_type="heartbeat"),
                    TYPE,
                    direction="to_cloud",
                ),
                row(
                    "to-device-unsigned",
                    "a command to a device, changed: the direction is judged first",
                    make().swap(":80", ":81"),
                    TYPE,
                    direction="to_device",
                ),
                row("unknown-type", "a type that there is not", make(message_type="commands"), TYPE),
                row("code", "behind the code of another type", make().framed(4), TYPE),
            ],
            "DeviceProfile",
            "HX3-CANON-07",
            "HX3-CANON-06",
        )

    def covered(self) -> Group:
        make, row = self.make, self.row

        def changed(name: str, before: str, after: str, verdict: str = INVALID) -> Case:
            return row(
                f"{name}-changed", f"{name} changed after signing", make().swap(before, after), verdict
            )

        return self.group(
            "what is covered",
            "Each field changed after signing.",
            [
                changed("device-id", DEVICE, "1" + DEVICE[1:]),
                changed("tenant-id", TENANT, "another"),
                changed("client-id", CLIENT, "another"),
                changed("message-id", f'"message_id":"{MESSAGE}"', '"message_id":"m"'),
                changed("request-id", f'"request_id":"{MESSAGE}"', '"request_id":"r"'),
                changed("sequence-number", ":7,", ":8,"),
                changed("timestamp", str(NOW), str(NOW + 1)),
                changed("nonce", NONCE, "ab" * 16),
                changed("message-type", '"command"', '"heartbeat"'),
                changed("body", ":80", ":81", MISMATCH),
                row("tenant-removed", "tenant_id left out", make(texts={"tenant_id": None}), INVALID),
                row("params-removed", "params left out", make(texts={"params": None}), MISMATCH),
                row("stranger", "another secret", make(key=STRANGER), INVALID),
                row("zeros", "a signature of zeros", make(signature="0" * 64), INVALID),
                row(
                    "previous",
                    "signed with the second secret",
                    make(key=PREVIOUS),
                    ROTATED,
                    previous_secret_hex=PREVIOUS.hex(),
                ),
                row("pipe10", "signed as pipe10", pipe10(), INVALID if self.full else MISMATCH),
            ],
            "Covered",
            "HX3-CANON-14" if self.full else "HX3-CANON-16",
        )

    def texts(self) -> Group:
        text = full_text() if self.full else header_text()
        other = header_text() if self.full else full_text()

        def over(id: str, comment: str, signed: str) -> Case:
            return self.row(f"over-{id}", f"signed over {comment}", self.make(signed=signed), INVALID)

        return self.group(
            "the signed text",
            "Signed with the right secret over a text that is not the canonical one.",
            [
                self.row("over-right", "signed over the right text, written down", self.make(signed=text)),
                over("no-protocol", "a text without protocol", text.replace('"protocol":"hxtp/3.0",', "")),
                over("protocol-case", "HxTP/3.0 as protocol", text.replace("hxtp/3.0", "HxTP/3.0")),
                over(
                    "numbers",
                    "numbers without quotes",
                    text.replace('"7"', "7").replace(f'"{NOW}"', str(NOW)),
                ),
                over("fraction", "7.0 for 7", text.replace('"7"', '"7.0"')),
                over("spaces", "a text with spaces", text.replace(":", ": ").replace(",", ", ")),
                over("line-feed", "a line feed behind", text + "\n"),
                over("other-profile", "the text of the other JSON profile", other),
                over("unsorted", "a text with version first", '{"version":"HxTP/3.0",' + text[1:-23] + "}"),
            ],
            "SignedText",
            "HX3-CANON-10",
            "HX3-CANON-12",
        )

    def aliases(self) -> Group:
        make, row = self.make, self.row
        return self.group(
            "aliases",
            "sequence and protocol_version stand alone for the fields they name, and are signed as sent.",
            [
                row("alias-sequence", "sequence alone", make(sequence_number=None, sequence=7)),
                row(
                    "alias-sequence-used",
                    "sequence alone, a number that was used",
                    make(sequence_number=None, sequence=7),
                    "SEQUENCE_VIOLATION",
                    last_sequence=7,
                ),
                row("alias-sequence-both", "both names of the number", make(sequence=7), SCHEMA),
                row(
                    "alias-sequence-string",
                    "sequence as a string",
                    make(sequence_number=None, sequence="7"),
                    SCHEMA,
                ),
                row(
                    "alias-sequence-null",
                    "sequence null beside the number",
                    make(sequence=Raw("null")),
                    SCHEMA,
                ),
                row(
                    "alias-sequence-renamed",
                    "renamed after signing",
                    make().swap('"sequence_number"', '"sequence"'),
                    INVALID,
                ),
                row("alias-none", "neither name of the number", make(sequence_number=None), SCHEMA),
                row(
                    "alias-version", "protocol_version alone", make(version=None, protocol_version="HxTP/3.0")
                ),
                row(
                    "alias-version-both",
                    "both names of the version",
                    make(protocol_version="HxTP/3.0"),
                    SCHEMA,
                ),
                row(
                    "alias-version-other",
                    "protocol_version 3.1 alone",
                    make(version=None, protocol_version="HxTP/3.1"),
                    VERSION,
                ),
                row(
                    "alias-version-first",
                    "version 3.1 beside protocol_version 3.0",
                    make(version="HxTP/3.1", protocol_version="HxTP/3.0"),
                    VERSION,
                ),
                row(
                    "alias-version-second",
                    "version 3.0 beside protocol_version 3.1",
                    make(protocol_version="HxTP/3.1"),
                    SCHEMA,
                ),
                row(
                    "alias-version-renamed",
                    "renamed after signing",
                    make().swap('"version"', '"protocol_version"'),
                    INVALID,
                ),
            ],
            "Alias",
            "HX3-CANON-18",
        )

    def protocols(self) -> Group:
        def named(id: str, comment: str, text: str, verdict: str) -> Case:
            wire = self.make().first(f'"protocol":{text}')
            return self.row(f"protocol-{id}", comment, wire, verdict)

        return self.group(
            "protocol at the top",
            "It is put into what is signed where it is missing, so that it can be there or not.",
            [
                named("ours", "hxtp/3.0, as is put in where it is missing", '"hxtp/3.0"', OK),
                named("escaped", "the same with an escape", r'"hxtp\/3.0"', OK),
                named("3-1", "hxtp/3.1", '"hxtp/3.1"', VERSION),
                named("case", "HxTP/3.0", '"HxTP/3.0"', VERSION),
                named("empty", "empty", '""', VERSION),
                named("null", "null", "null", VERSION),
                named("false", "false", "false", VERSION),
                named("number", "0", "0", VERSION),
                named("object", "an object", "{}", VERSION),
            ],
            "ProtocolMember",
            "HX3-CANON-19",
            "HX3-CANON-12",
        )

    def groups(self) -> list[Group]:
        return [
            self.ordinary(),
            self.directions(),
            self.covered(),
            self.texts(),
            self.aliases(),
            self.protocols(),
        ]


FULL = Table("json-full", json_full, True)
HEADER = Table("json-header", json_header, False)
