"""The validity dates of a certificate, held against the *board's* clock.

The TLS library under the stand-ins reads the host's clock, which is right; a real ESP32 reads its own, which
is not before anybody has set it. It must never judge anything but the dates: signatures and names are the
library's.
"""

import _board

NOT_YET = "\nThe certificate validity starts in the future\n"
EXPIRED = "\nThe certificate validity has expired\n"


def _element(der, at):
    """(tag, start of the content, its end) of the DER element at `at`."""
    length = der[at + 1]
    start = at + 2
    if length & 0x80:
        octets = length & 0x7F
        length = 0
        for octet in der[start : start + octets]:
            length = length << 8 | octet
        start += octets
    return der[at], start, start + length


def _seconds(der, tag, start):
    """Seconds since 2000-01-01 of a UTCTime (YYMMDDhhmmssZ) or a GeneralizedTime (YYYYMMDDhhmmssZ)."""
    text = bytes(der[start : start + 14]).decode()
    if tag == 0x17:
        text = ("19" if text[0] in "56789" else "20") + text
    year = int(text[:4])
    return _board.seconds_of(
        year, int(text[4:6]), int(text[6:8]), int(text[8:10]), int(text[10:12]), int(text[12:14])
    )


def validity(der):
    """(not before, not after) in seconds since 2000-01-01 of a DER certificate."""
    _, at, _ = _element(der, 0)  # Certificate
    _, at, _ = _element(der, at)  # TBSCertificate
    tag, _, end = _element(der, at)
    if tag == 0xA0:  # version
        at = end
    for _ in range(3):  # serial number, signature algorithm, issuer
        _, _, at = _element(der, at)
    _, at, _ = _element(der, at)
    tag, start, end = _element(der, at)
    before = _seconds(der, tag, start)
    tag, start, _ = _element(der, end)
    return before, _seconds(der, tag, start)


def fault(der):
    """None if the board's clock is within the certificate's dates, else what stock MicroPython would say."""
    before, after = validity(der)
    now = _board.time()
    if now < before:
        return NOT_YET
    if now > after:
        return EXPIRED
    return None
