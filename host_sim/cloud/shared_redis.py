"""Connections to the Redis that workers share: TLS that is verified, and never an endless wait.

Must never tell the password that the URL may hold.
"""

import logging
from typing import Any
from urllib.parse import urlsplit

import redis

log = logging.getLogger(__name__)

PING_S = 2.0


def connect(url: str, ca: str = "", *, limit_s: float, **more: Any) -> redis.Redis:
    """A client of redis[s]://HOST, not connected yet. `ca`: file of the CA that vouches for a server with
    TLS, besides the system's; `limit_s`: seconds that an answer may take.
    """
    if urlsplit(url).scheme == "rediss":
        more |= {"ssl_check_hostname": True, "ssl_ca_certs": ca or None}
    return redis.Redis.from_url(url, socket_timeout=limit_s, socket_connect_timeout=limit_s, **more)


def greet(url: str, ca: str = "") -> bool:
    """Whether it answers now. If not the log says what that means: workers go on without it, so it is no
    reason not to start.
    """
    try:
        with connect(url, ca, limit_s=PING_S) as client:
            client.ping()
    except redis.RedisError as error:
        parts = urlsplit(url)
        log.warning(
            "Redis at %s does not answer (%s): until it does, each worker counts limits by itself, and "
            "dashboards are told only what their own worker sees",
            parts.netloc.rpartition("@")[2] or parts.path,
            (str(error).splitlines() or [type(error).__name__])[0][:200],
        )
        return False
    return True
