"""The body: its names, several or none, other types, and which bytes are hashed."""

from tools.vectors.cases import File, Group, verify
from tools.vectors.wire import BODY, CANONICAL_ALONE, pipe10, sha256

COMMAND = pipe10()
SCHEMA = "FRAME_SCHEMA_INVALID"
INVALID = "FRAME_JSON_INVALID"

OLD = {"state": "state", "data": "telemetry", "result": "ack"}

BODIES = Group(
    "the body's name",
    "params in every type; state, data and result from older devices, each in one type alone.",
    [
        *(
            verify(
                f"body-{name}-in-{kind}", f"{name} in {kind}", pipe10('{"x":1}', name=name, message_type=kind)
            )
            for name, kind in OLD.items()
        ),
        *(
            verify(
                f"body-{name}-in-{kind.replace('_', '-')}",
                f"{name} in {kind}",
                pipe10('{"x":1}', name=name, message_type=kind),
                SCHEMA,
            )
            for name, own in OLD.items()
            for kind in ("state", "telemetry", "ack", "command", "hello", "error")
            if kind != own
        ),
        verify(
            "body-unknown-name",
            "under a name that is not known, so that there is no body",
            pipe10(BODY, name="payload"),
            "HASH_MISMATCH",
            clauses=("HX3-WIRE-30", "HX3-WIRE-32"),
        ),
    ],
    ("BodyName",),
    ("HX3-WIRE-30",),
)

SEVERAL = Group(
    "several bodies",
    "Which of them was hashed, and which is obeyed?",
    [
        *(
            verify(f"bodies-params-{name}", f"params and {name}", COMMAND.first(f'"{name}":{BODY}'), INVALID)
            for name in OLD
        ),
        verify(
            "bodies-state-empty",
            "a state message with its body as state and an empty params",
            pipe10('{"x":1}', name="state", message_type="state").first('"params":{}'),
            INVALID,
        ),
        verify(
            "bodies-null",
            "a second body that is null",
            pipe10('{"x":1}', name="state", message_type="state").first('"params":null'),
            INVALID,
        ),
        verify("bodies-four", "all four names", COMMAND.first('"state":{},"data":{},"result":{}'), INVALID),
        verify(
            "bodies-without-version",
            "several bodies are found before the version is looked at",
            b'{"params":{},"state":{}}',
            INVALID,
            clauses=("HX3-WIRE-29", "HX3-VAL-01"),
        ),
    ],
    ("SeveralBodies",),
    ("HX3-WIRE-29",),
)

NO_OBJECT = Group(
    "bodies that are no objects",
    "A body of another type, rightly hashed.",
    [
        verify(f"body-is-{id}", f"the body is {what}", pipe10(text), SCHEMA)
        for id, what, text in (
            ("null", "null", "null"),
            ("array", "an array", "[]"),
            ("array-of-object", "an array of an object", f"[{BODY}]"),
            ("string", "a string", '"{}"'),
            ("number", "a number", "0"),
            ("true", "true", "true"),
            ("empty-string", "an empty string", '""'),
        )
    ]
    + [
        verify(
            "body-state-null",
            "a state that is null",
            pipe10("null", name="state", message_type="state"),
            SCHEMA,
        )
    ],
    ("BodyType",),
    ("HX3-WIRE-31",),
)

ABSENT = Group(
    "no body",
    "An absent body hashes as {}.",
    [
        verify("body-absent", "no body, hashed as {}", pipe10(None, message_type="heartbeat")),
        verify("body-absent-command", "a command without a body is authentic as a message", pipe10(None)),
        verify("body-empty", "an empty body", pipe10("{}", message_type="heartbeat")),
        verify(
            "body-empty-to-absent",
            "an empty body, left out after signing",
            pipe10("{}", texts={"params": None}),
        ),
        verify(
            "body-absent-to-empty",
            "no body, an empty one put in after signing",
            pipe10(None).first('"params":{}'),
        ),
        verify(
            "body-removed",
            "a body left out after signing",
            pipe10(texts={"params": None}),
            "HASH_MISMATCH",
        ),
        *(
            verify(
                f"body-absent-hash-{id}",
                f"no body, hashed as {what}",
                pipe10(None, payload_hash=sha256(text)),
                "HASH_MISMATCH",
            )
            for id, what, text in (
                ("empty", "the empty text", ""),
                ("null", "null", "null"),
                ("array", "[]", "[]"),
                ("space", "{ }", "{ }"),
            )
        ),
        verify(
            "body-space-hash-empty",
            "a body { } hashed as {}",
            pipe10("{ }", payload_hash=sha256("{}")),
            "HASH_MISMATCH",
            clauses=("HX3-CANON-04",),
        ),
    ],
    ("NoBody",),
    ("HX3-WIRE-32", "HX3-CANON-04"),
)

SPELLED = '{ "b" : 1.50 ,\n\t"a":[ ] }'

HASHED = Group(
    "the bytes that are hashed",
    "From the opening to the closing brace as they arrived, and never written anew.",
    [
        verify(f"hash-spelled-{id}", what, pipe10(text), flags=("Valid",))
        for id, what, text in (
            ("white-space", "white space inside", SPELLED),
            ("unsorted", "names that are not sorted", '{"b":1,"a":2}'),
            ("integer-names", "names that JavaScript would sort", '{"10":1,"9":2,"a":3}'),
            ("fraction", "1.0 and 100e-1", '{"a":1.0,"b":100e-1}'),
            ("large", "integers beyond a double", '{"a":123456789012345678901234567890}'),
            ("escapes", "escapes that nobody needs", r'{"a":"\u0061\/"}'),
        )
    ]
    + [
        verify(
            "hash-white-space-around",
            "white space around the body belongs to the message and is not hashed",
            COMMAND.swap(BODY, f" \n{BODY}\t "),
            flags=("Valid",),
        ),
        verify(
            "hash-with-white-space-around",
            "hashed with the white space around it",
            pipe10(f" {BODY} ", payload_hash=sha256(f" {BODY} ")),
            "HASH_MISMATCH",
        ),
        *(
            verify(f"hash-{id}", what, pipe10(before).swap(before, after), "HASH_MISMATCH")
            for id, what, before, after in (
                ("value-changed", "a value was changed", BODY, BODY.replace("80", "81")),
                ("action-changed", "the action was changed", BODY, BODY.replace("on", "no")),
                ("member-added", "a member was added", BODY, BODY.replace("{", '{"zz":1,')),
                ("member-removed", "a member was removed", BODY, '{"action":"light_on"}'),
                ("compacted", "white space was taken out", SPELLED, '{"b":1.50,"a":[]}'),
                ("sorted", "members were sorted", '{"b":1,"a":2}', '{"a":2,"b":1}'),
                ("space-added", "a space was put in", BODY, BODY.replace(":80", ": 80")),
                ("fraction-dropped", "1.0 became 1", '{"a":1.0}', '{"a":1}'),
                ("exponent-written", "1000 became 1e3", '{"a":1000}', '{"a":1e3}'),
                ("rounded", "2^53 + 1 became 2^53", '{"a":9007199254740993}', '{"a":9007199254740992}'),
                ("emptied", "everything was taken out", BODY, "{}"),
            )
        ),
        *(
            verify(
                f"hash-over-{id}", f"hashed over {what}", pipe10(payload_hash=sha256(text)), "HASH_MISMATCH"
            )
            for id, what, text in (
                ("member", "the member with its name", f'"params":{BODY}'),
                ("inside", "what is between the braces", BODY[1:-1]),
                ("spaced", "the body written with spaces", '{"action": "light_on", "brightness": 80}'),
                (
                    "canonical",
                    "canonical JSON",
                    CANONICAL_ALONE,
                ),
                ("nothing", "nothing", ""),
                ("hash", "the text of its hash", sha256(BODY)),
            )
        ),
        verify("hash-zeros", "a hash of zeros", pipe10(payload_hash="0" * 64), "HASH_MISMATCH"),
        *(
            verify(f"hash-{id}", f"{what} of the hash is right", pipe10(payload_hash=hash), "HASH_MISMATCH")
            for id, what, hash in (
                ("half", "the first half", sha256(BODY)[:32] + "0" * 32),
                ("second-half", "the second half", "0" * 32 + sha256(BODY)[32:]),
                ("first-digit", "all but the first digit", "0" + sha256(BODY)[1:]),
                ("last-digit", "all but the last digit", sha256(BODY)[:-1] + "0"),
            )
        ),
    ],
    ("HashedBytes",),
    ("HX3-CANON-04", "HX3-CANON-05"),
)

FILE = File("body", [BODIES, SEVERAL, NO_OBJECT, ABSENT, HASHED])
