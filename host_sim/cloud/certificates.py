"""What is wrong with the time of a certificate that an operator gave.

Must never keep a cloud from starting: devices, which are not served with it, go on.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

SOON = timedelta(days=14)


def advice(file: str | Path, now: datetime | None = None) -> list[str]:
    """Sentences for the operator. `file`: PEM, the server's own certificate first, as TLS wants it."""
    now = now or datetime.now(UTC)
    certificate = x509.load_pem_x509_certificates(Path(file).read_bytes())[0]
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        return [f"certificate: {file} expired on {end:%Y-%m-%d}, so that clients refuse it: renew it"]
    if now < begin:
        return [f"certificate: {file} is not valid before {begin:%Y-%m-%d}: look at this machine's clock"]
    if now > end - SOON:
        return [f"certificate: {file} ends on {end:%Y-%m-%d}: renew it, and start the cloud again"]
    return []
