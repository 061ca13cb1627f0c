"""What the device knows after a power cut, in NVS. A sequence number or a boot count must never come twice.

How that holds, whatever a write was doing when the power went:
- A record lies in two blobs that take turns, each with its generation and a check. A torn write spoils only
  the blob that was older, and what it would have allowed has not been used yet.
- At each boot one write counts the boot and reserves the first numbers, before anything is signed or run.
- Where one of the two is spoilt, it may also be the newer one, gone bad later: then the device goes on beyond
  all that such a record could have allowed, and writes both anew: no leap is ever in one of them alone.
- Where nothing can be read (a new device, an erased or broken flash) nobody here knows which numbers were
  used. Boot count and numbers then begin at random points below 2**29: a cloud that has seen more says so in
  its hello_ack, and one that waits for the results of an earlier boot is not fooled by an equal count.
"""

import json
import struct
from hashlib import sha256

from hxtp.counter import FIRST_CHUNK, MAX_CHUNK
from hxtp.jsontext import dumps

# Boot count, highest reserved number, inbound floor, authentic time, whether the cloud answers hellos.
_FORM = ">QQQQB"
_BOOT, _LIMIT, _FLOOR, _TIME, _ANSWERS = range(5)
_MOST = 1536  # bytes of a blob


class Record:
    """One value (bytes), replaced as a whole. `value` is None where there is none; `spoilt`: see above."""

    def __init__(self, nvs, name):
        self._nvs = nvs
        self._name = name
        self._generation = 0
        self.value = None
        self.spoilt = False
        self.writes = 0
        buffer = bytearray(_MOST)
        for slot in "01":
            try:
                raw = bytes(memoryview(buffer)[: nvs.get_blob(name + slot, buffer)])
            except OSError:  # there is none
                continue
            if self._check(raw[8:]) != raw[:8]:
                self.spoilt = True
                continue
            generation = struct.unpack_from(">I", raw, 8)[0]
            if generation > self._generation:
                self._generation = generation
                self.value = raw[12:]

    def _check(self, data):
        return sha256(self._name.encode() + data).digest()[:8]

    def write(self, value):
        """Make `value` durable or raise OSError (ValueError over 1.5 kB); then the old one is still there."""
        data = struct.pack(">I", self._generation + 1) + value
        if len(data) > _MOST - 8:
            raise ValueError("too much to keep in flash: " + self._name)
        self._nvs.set_blob(self._name + "01"[self._generation + 1 & 1], self._check(data) + data)
        self._nvs.commit()
        self.writes += 1
        self._generation += 1
        self.value = value


class Store:
    """`boot_count`, `used` (no number above it was used before this boot), and what a session's Memory keeps:
    `floor`, `cloud_answers`. `time`: seconds since 1970 that an authentic answer told, 0 where none did."""

    def __init__(self, nvs, random):
        """Reads, writes nothing. `nvs`: esp32.NVS. `random(n)` gives n random bytes."""
        self._core = Record(nvs, "core")
        self._parts = Record(nvs, "parts")
        if self._core.value:
            fields = list(struct.unpack(_FORM, self._core.value))
        else:
            fields = [int.from_bytes(random(4), "big") >> 3, int.from_bytes(random(4), "big") >> 3, 0, 0, 0]
        if self._core.spoilt:
            fields[_BOOT] += 1
            fields[_LIMIT] += 2 * MAX_CHUNK
        self.used = fields[_LIMIT]
        self._set(fields)

    def _set(self, fields):
        self._fields = fields
        self.boot_count, _, self.floor, self.time, answers = fields
        self.cloud_answers = answers == 1

    def _save(self, at, value, boots=0):
        fields = list(self._fields)
        fields[at] = value
        fields[_BOOT] += boots
        self._core.write(struct.pack(_FORM, *fields))
        self._set(fields)  # only now: what is not in flash must not be used

    @property
    def writes(self):
        """How many times flash was written since this boot."""
        return self._core.writes + self._parts.writes

    def begin(self):
        """Count this boot and reserve the first numbers, in one write; to be called once, before all else."""
        limit = self.used + FIRST_CHUNK
        self._save(_LIMIT, limit, 1)
        if self._core.spoilt:
            self._save(_LIMIT, limit)

    def reserve(self, limit):
        """For hxtp.counter.Counter: make numbers up to `limit` usable. No write where they already are."""
        if limit > self._fields[_LIMIT]:
            self._save(_LIMIT, limit)

    def save_cloud_answers(self):
        self._save(_ANSWERS, 1)

    def save_floor(self, sequence):
        self._save(_FLOOR, sequence)

    def save_time(self, seconds):
        """Keep an authentic time, for certificate checks after the next power cut."""
        self._save(_TIME, seconds)

    def parts(self):
        """The saved states of parts: {name: what its saved() gave}."""
        return json.loads(self._parts.value) if self._parts.value else {}

    def save_parts(self, states):
        """Keep the states of parts, if they differ from those in flash."""
        text = dumps(states).encode()
        if text != (self._parts.value or b"{}"):
            self._parts.write(text)
