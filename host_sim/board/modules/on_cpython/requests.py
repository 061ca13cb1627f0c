"""`requests` as stock ESP32 firmware has it frozen, for CPython; MicroPython's unix port brings the genuine
one.

It must never verify a certificate: stock does not, and firmware that relies on it would only find out in the
field. HTTP/1.0, one request a connection, the whole answer read when `content` is asked for.
"""

import json as _json
import socket

HTTP_PORTS = {"http:": 80, "https:": 443}


class Response:
    """An answer; `close()` it, or read `content`, or the socket stays open."""

    def __init__(self, stream):
        self.raw = stream
        self.encoding = "utf-8"
        self.status_code = None
        self.reason = None
        self.headers = {}
        self._cached = None

    def close(self):
        if self.raw is not None:
            self.raw.close()
            self.raw = None
        self._cached = None

    @property
    def content(self):
        if self._cached is None:
            try:
                self._cached = self.raw.read()
            finally:
                self.raw.close()
                self.raw = None
        return self._cached

    @property
    def text(self):
        return str(self.content, self.encoding)

    def json(self):
        return _json.loads(self.content)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


def _connect(scheme, host, timeout):
    if scheme not in HTTP_PORTS:
        raise ValueError("Unsupported protocol: " + scheme)
    port = HTTP_PORTS[scheme]
    name = host
    if ":" in host:
        name, port = host.split(":", 1)
    address = socket.getaddrinfo(name, int(port), 0, socket.SOCK_STREAM)[0]
    stream = socket.socket(address[0], socket.SOCK_STREAM, address[2])
    try:
        if timeout is not None:
            stream.settimeout(timeout)
        stream.connect(address[-1])
        if scheme == "https:":
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.verify_mode = ssl.CERT_NONE
            stream = context.wrap_socket(stream, server_hostname=name)
    except Exception:
        stream.close()
        raise
    return stream


def _send(stream, method, path, host, headers, body):
    lines = [f"{method} /{path} HTTP/1.0"]
    if "Host" not in headers:
        lines.append("Host: " + host)
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    lines += ["Connection: close", "", ""]
    stream.write("\r\n".join(lines))
    if body:
        stream.write(body)


def _answer(stream, parse_headers):
    """(response, the place it redirects to or None)"""
    status = stream.readline().split(None, 2)
    if len(status) < 2:
        raise ValueError("HTTP error: BadStatusLine")
    response = Response(stream)
    response.status_code = int(status[1])
    response.reason = status[2].strip() if len(status) > 2 else ""
    place = None
    while True:
        line = stream.readline()
        if not line or line == b"\r\n":
            break
        name, _, value = str(line, "utf-8").partition(":")
        value = value.strip()
        if name.lower() == "transfer-encoding" and "chunked" in value:
            raise ValueError("Unsupported " + str(line, "utf-8"))
        if name.lower() == "location" and response.status_code in (301, 302, 303, 307, 308):
            place = value
        if callable(parse_headers):
            parse_headers(line, response.headers)
        elif parse_headers:
            response.headers[name] = value
    return response, place


def request(
    method,
    url,
    data=None,
    json=None,
    headers=None,
    stream=None,
    auth=None,
    timeout=None,
    parse_headers=True,
):
    """One exchange. `data` is bytes or str; OSError for the network's failures, ValueError for what is not
    HTTP."""
    headers = dict(headers or {})
    if auth is not None:
        import binascii

        token = binascii.b2a_base64(f"{auth[0]}:{auth[1]}".encode()).strip()
        headers["Authorization"] = "Basic " + token.decode()
    if json is not None:
        data = _json.dumps(json)
        headers.setdefault("Content-Type", "application/json")
    body = data.encode() if isinstance(data, str) else data
    for _ in range(3):
        scheme, _, host, *path = url.split("/", 3)
        connection = _connect(scheme, host, timeout)
        try:
            _send(connection, method, path[0] if path else "", host, headers, body)
            response, place = _answer(connection, parse_headers)
        except Exception:
            connection.close()
            raise
        if place is None:
            return response
        connection.close()
        url = place if "://" in place else f"{scheme}//{host}/{place.lstrip('/')}"
        if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
            method, body = "GET", None
    raise ValueError("too many redirects")


def head(url, **options):
    return request("HEAD", url, **options)


def get(url, **options):
    return request("GET", url, **options)


def post(url, **options):
    return request("POST", url, **options)


def put(url, **options):
    return request("PUT", url, **options)


def patch(url, **options):
    return request("PATCH", url, **options)


def delete(url, **options):
    return request("DELETE", url, **options)
