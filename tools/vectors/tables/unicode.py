"""UTF-8 and Unicode: what is no UTF-8, byte-order marks, surrogates, normal forms, odd characters."""

from tools.vectors.cases import OK, Case, File, Group, verify
from tools.vectors.tables.strict_json import INVALID
from tools.vectors.wire import Wire, pipe10

COMMAND = pipe10()
NO_UTF8 = "FRAME_UTF8_INVALID"


def inside(id: str, comment: str, data: bytes, verdict: str) -> Case:
    """A command with these bytes in a string of its body, put there after signing."""
    return verify(f"utf8-{id}", comment, COMMAND.swap("light_on", data), verdict)


def text(id: str, comment: str, value: str, verdict: str = OK) -> Case:
    """A command, rightly signed, with this text as a string of its body."""
    return verify(f"unicode-{id}", comment, pipe10(f'{{"a":"{value}"}}'), verdict)


ILL_FORMED = Group(
    "ill-formed UTF-8",
    "RFC 3629 and nothing wider, wherever it stands. The bytes replace text after signing, so that who "
    "accepts them says HASH_MISMATCH.",
    [
        inside("overlong-slash", "C0 AF, an overlong slash", b"\xc0\xaf", NO_UTF8),
        inside("overlong-nul", "C0 80, Java's U+0000", b"\xc0\x80", NO_UTF8),
        inside("overlong-quote", "C0 A2, an overlong quote", b"\xc0\xa2", NO_UTF8),
        inside("overlong-2-last", "C1 BF, the last overlong form of two bytes", b"\xc1\xbf", NO_UTF8),
        inside("overlong-3", "E0 80 AF, a slash in three bytes", b"\xe0\x80\xaf", NO_UTF8),
        inside(
            "overlong-3-last", "E0 9F BF, the last overlong form of three bytes", b"\xe0\x9f\xbf", NO_UTF8
        ),
        inside("overlong-4", "F0 80 80 AF, a slash in four bytes", b"\xf0\x80\x80\xaf", NO_UTF8),
        inside(
            "overlong-4-last",
            "F0 8F BF BF, the last overlong form of four bytes",
            b"\xf0\x8f\xbf\xbf",
            NO_UTF8,
        ),
        inside("surrogate-first", "ED A0 80, U+D800", b"\xed\xa0\x80", NO_UTF8),
        inside("surrogate-last", "ED BF BF, U+DFFF", b"\xed\xbf\xbf", NO_UTF8),
        inside("cesu-8", "a surrogate pair as two times three bytes", b"\xed\xa0\xbd\xed\xb8\x80", NO_UTF8),
        inside("above-10ffff", "F4 90 80 80, U+110000", b"\xf4\x90\x80\x80", NO_UTF8),
        inside("f5", "a byte F5", b"\xf5\x80\x80\x80", NO_UTF8),
        inside("five-bytes", "a form of five bytes", b"\xf8\x88\x80\x80\x80", NO_UTF8),
        inside("six-bytes", "a form of six bytes", b"\xfc\x84\x80\x80\x80\x80", NO_UTF8),
        inside("fe", "a byte FE", b"\xfe", NO_UTF8),
        inside("ff", "a byte FF", b"\xff", NO_UTF8),
        inside("continuation-alone", "a continuation byte alone", b"\x80", NO_UTF8),
        inside("continuation-two-many", "one continuation byte too many", b"\xc3\xa9\xa9", NO_UTF8),
        inside("cut-2", "C3 without its second byte", b"\xc3", NO_UTF8),
        inside("cut-3", "E2 82 without its third byte", b"\xe2\x82", NO_UTF8),
        inside("cut-4", "F0 9F 98 without its fourth byte", b"\xf0\x9f\x98", NO_UTF8),
        inside("latin-1", "E9, a Latin-1 letter", b"caf\xe9", NO_UTF8),
        verify("utf8-in-name", "in a name", COMMAND.first(b'"\xff":1'), NO_UTF8),
        verify("utf8-in-unknown", "in an unknown member", COMMAND.first(b'"zz":"\xc0\x80"'), NO_UTF8),
        verify("utf8-between", "between two members", COMMAND.swap(',"nonce', b',\xff"nonce'), NO_UTF8),
        verify("utf8-behind", "behind the object", COMMAND.between(b"", b"\xff"), NO_UTF8),
        verify(
            "utf8-cut-at-end", "a character cut off by the end", COMMAND.between(b"", b"\xe2\x82"), NO_UTF8
        ),
        verify("utf8-framed", "in a frame", COMMAND.swap("light_on", b"\xff").framed(), NO_UTF8),
        verify(
            "utf8-before-json",
            "before the JSON is found to be bad too",
            Wire(b'{"a":tru,"b":"\xff"'),
            NO_UTF8,
        ),
    ],
    ("IllFormedUtf8",),
    ("HX3-WIRE-11",),
)

WELL_FORMED = Group(
    "well-formed UTF-8",
    "The edges of every length, raw in a body that is hashed as it is.",
    [
        text(f"u-{code:04x}", f"U+{code:04X} raw", chr(code))
        for code in (
            *(0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFE, 0x10FFFF),
        )
    ],
    ("Unicode",),
    ("HX3-WIRE-11", "HX3-CANON-05"),
)

MARKS = Group(
    "byte-order marks and other encodings",
    "JSON is UTF-8 without a mark; a mark inside a string is a character as any other.",
    [
        verify(
            "bom-bare",
            "a byte-order mark before a bare message",
            COMMAND.between(b"\xef\xbb\xbf", b""),
            INVALID,
        ),
        verify(
            "bom-framed",
            "a byte-order mark inside a frame",
            COMMAND.between(b"\xef\xbb\xbf", b"").framed(),
            INVALID,
        ),
        verify("bom-white-space", "white space and a mark", COMMAND.between(b" \xef\xbb\xbf", b""), INVALID),
        text("bom-in-string", "a mark inside a string", "\ufeffx\ufeff"),
        verify("bom-cut", "two bytes of a mark", COMMAND.between(b"\xef\xbb", b""), NO_UTF8),
        verify(
            "utf-16-le",
            "UTF-16, least significant byte first",
            COMMAND.data.decode().encode("utf-16-le"),
            INVALID,
        ),
        verify(
            "utf-16-be",
            "UTF-16, most significant byte first: begins with 00, so it is taken for a frame",
            COMMAND.data.decode().encode("utf-16-be"),
            "FRAME_MAGIC_INVALID",
        ),
        verify(
            "utf-16-mark",
            "UTF-16 with its mark FF FE",
            b"\xff\xfe" + COMMAND.data.decode().encode("utf-16-le"),
            "FRAME_MAGIC_INVALID",
        ),
        verify("utf-32-le", "UTF-32", COMMAND.data.decode().encode("utf-32-le"), INVALID),
    ],
    ("ByteOrderMark",),
    ("HX3-WIRE-01", "HX3-WIRE-03", "HX3-WIRE-12"),
)

SURROGATES = Group(
    "surrogate escapes",
    "A pair is one character; half of one is none, and languages disagree on what to make of it.",
    [
        text("pair", "a pair", r"\ud83d\ude00"),
        text("pair-capital", "a pair in capital digits", r"\uD83D\uDE00"),
        text("pair-first", "the first pair, U+10000", r"\ud800\udc00"),
        text("pair-last", "the last pair, U+10FFFF", r"\udbff\udfff"),
        text("pairs", "two pairs", r"\ud83d\ude00\ud83d\ude01"),
        text("below-surrogates", "the last character before them", r"\ud7ff"),
        text("above-surrogates", "the first character behind them", r"\ue000"),
        text("low-low", "two low halves", r"\udc00\udc00", INVALID),
        text("high-high", "two high halves", r"\ud83d\udbff", INVALID),
        text("high-above", "a high half before the first character behind them", r"\ud83d\ue000", INVALID),
        text("high-below", "a high half before the last character before them", r"\ud83d\ud7ff", INVALID),
        text("high-alone", "a high half alone", r"\ud800", INVALID),
        text("high-last", "the last high half alone", r"\udbff", INVALID),
        text("low-alone", "a low half alone", r"\udc00", INVALID),
        text("low-last", "the last low half alone", r"\udfff", INVALID),
        text("swapped", "a pair the wrong way round", r"\ude00\ud83d", INVALID),
        text("high-high-low", "two high halves before a low one", r"\ud83d\ud83d\ude00", INVALID),
        text("high-low-low", "two low halves behind a high one", r"\ud83d\ude00\ude00", INVALID),
        text("high-letter", "a high half before a letter", r"\ud83dx", INVALID),
        text("high-escaped-letter", "a high half before an escaped letter", r"\ud83d\u0041", INVALID),
        text("high-escape", "a high half before another escape", r"\ud83d\n", INVALID),
        text("high-cut", "a high half before a cut escape", r"\ud83d\ude0", INVALID),
        text("high-backslash-u", "a high half before an escaped backslash", r"\ud83d\\ude00", INVALID),
        text("high-raw", "a high half before a raw character", "\\ud83d\u00e9", INVALID),
        verify("unicode-surrogate-in-name", "in a name of the body", pipe10(r'{"\ud800":1}'), INVALID),
        verify(
            "unicode-surrogate-in-unknown", "in an unknown member", COMMAND.first(r'"zz":"\udc00"'), INVALID
        ),
    ],
    ("LoneSurrogate",),
    ("HX3-WIRE-17",),
)

CHARACTERS = Group(
    "characters that somebody changes",
    "A body is hashed as the bytes that came; who decodes and encodes it again gets other bytes.",
    [
        text("nfc", "a letter in NFC", "caf\u00e9"),
        text("nfd", "the same letter in NFD", "cafe\u0301"),
        text("compatibility", "a ligature and an Angstrom sign", "\ufb01\u212b"),
        text("line-separators", "U+2028 and U+2029, raw", "\u2028\u2029"),
        text("nul-escape", "an escaped U+0000, which ends strings in C", r"a\u0000b"),
        text("escaped-ascii", "letters written as escapes", r"\u0061\u0062"),
        text("slash-escaped", "an escaped slash, which most writers would not write", r"a\/b"),
        text("html", "characters that some writers escape", "<>&'"),
        text("c1-control", "U+0085, a control character that needs no escape", "\u0085"),
        text("direction", "marks that turn the direction of writing", "\u202e\u2066\u200f"),
        text("joined", "an emoji of several characters", "\U0001f469\u200d\U0001f680\ufe0f"),
        text("unassigned", "a character of a private plane", "\U000f0000"),
        *(
            verify(
                f"unicode-{id}-changed",
                f"{what} on the way",
                pipe10(f'{{"a":"{before}"}}').swap(before, after),
                "HASH_MISMATCH",
            )
            for id, what, before, after in (
                ("nfd-to-nfc", "NFD became NFC", "cafe\u0301", "caf\u00e9"),
                ("nfc-to-nfd", "NFC became NFD", "caf\u00e9", "cafe\u0301"),
                ("escape-to-raw", "an escape became the character", r"caf\u00e9", "caf\u00e9"),
                ("raw-to-escape", "a character became its escape", "caf\u00e9", r"caf\u00e9"),
                ("escape-case", "an escape's digits became capital", r"caf\u00e9", r"caf\u00E9"),
                ("pair-to-raw", "a pair became the character", r"\ud83d\ude00", "\U0001f600"),
                ("replacement", "a character became U+FFFD", "caf\u00e9", "caf\ufffd"),
            )
        ),
        verify(
            "unicode-name-not-ascii",
            "unknown top-level names may be of any characters",
            COMMAND.first('"\u00e9\U0001f600":1'),
        ),
    ],
    ("Unicode",),
    ("HX3-CANON-04", "HX3-CANON-05"),
)

FILE = File("unicode", [ILL_FORMED, WELL_FORMED, MARKS, SURROGATES, CHARACTERS])
