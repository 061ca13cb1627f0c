// A codec (Annex C) for Node 18 or newer, written from the text alone: pipe10, and nothing but node:crypto.
//
// JSON.parse keeps the last of two equal members, rounds numbers and hides the bytes, so everything that comes
// from outside passes the strict scan below first; it gives the slices that are hashed, signed and compared.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";

const MAX_JSON = 16384, MAX_DEPTH = 16, MAX_NUMBER = 512, MAX_ID = 36, MAX_NONCE = 64; // Annex B
const MAX_LINE = 1 << 20; // bytes of a request

// Chapter 02: code of the type, and the directions in which it may come.
const TYPES = {
  state: [1, "to_cloud"], command: [2, "to_device", "from_client"], ack: [3, "to_cloud"],
  heartbeat: [4, "to_cloud", "from_client"], telemetry: [5, "to_cloud"], ota: [6, "to_device"],
  error: [7, "to_cloud"], hello: [8, "to_cloud"], hello_ack: [9, "to_device"], manifest: [10, "to_cloud"],
  ota_status: [11, "to_cloud"],
};
const BODIES = { params: null, state: "state", data: "telemetry", result: "ack" }; // the one type; null: every
const FIELDS = ["version", "message_type", "device_id", "tenant_id", "client_id", "message_id", "request_id",
  "sequence_number", "timestamp", "nonce"];
const DIRECTIONS = ["to_device", "to_cloud", "from_client", "any"];

class Refusal extends Error {
  constructor(code) { super(code); this.code = code; }
}
const refuse = (code) => { throw new Refusal(code); };
const need = (holds, code) => holds || refuse(code);

// --- strict JSON: HX3-WIRE-11 to HX3-WIRE-18

const QUOTE = 0x22, BACKSLASH = 0x5c;
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

class Scan {
  // `message`: the rules for messages, which are stricter than JSON. Whatever is wrong ends as `code`.
  constructor(bytes, code, message) {
    Object.assign(this, { bytes, code, message, at: 0, depth: 0, maxDepth: message ? MAX_DEPTH : 64 });
  }

  // The members of the one object that the bytes are: a Map of names to slices.
  whole() {
    this.space();
    need(this.bytes[this.at] === 0x7b, this.code);
    const members = this.object(true);
    this.space();
    need(this.at === this.bytes.length, this.code);
    return members;
  }

  space() {
    while ([0x20, 0x09, 0x0a, 0x0d].includes(this.bytes[this.at])) this.at++;
  }

  // Steps over white space and one of the characters, which it returns; refuses anything else.
  one(of) {
    this.space();
    const found = String.fromCharCode(this.bytes[this.at] ?? 0);
    need(of.includes(found), this.code);
    this.at++;
    return found;
  }

  value() {
    this.space();
    const first = String.fromCharCode(this.bytes[this.at] ?? 0);
    if (first === "{") this.object(false);
    else if (first === "[") this.array();
    else if (first === '"') this.string();
    else this.plain();
  }

  enter() {
    this.at++;
    need(++this.depth <= this.maxDepth, this.code);
    this.space();
  }

  object(outermost) {
    const members = new Map();
    this.enter();
    if (this.bytes[this.at] === 0x7d) this.at++;
    else do {
      this.space();
      const begin = this.at;
      const name = this.string();
      need(!members.has(name), this.code);
      if (outermost && this.message) need(!this.bytes.subarray(begin, this.at).includes(BACKSLASH), this.code);
      this.one(":");
      this.space();
      const from = this.at;
      this.value();
      members.set(name, this.bytes.subarray(from, this.at));
    } while (this.one(",}") === ",");
    this.depth--;
    return members;
  }

  array() {
    this.enter();
    if (this.bytes[this.at] === 0x5d) this.at++;
    else do this.value(); while (this.one(",]") === ",");
    this.depth--;
  }

  // Steps over a string and returns what it means; JSON.parse knows all of its rules but the last.
  string() {
    const from = this.at++;
    need(this.bytes[from] === QUOTE, this.code);
    while (this.at < this.bytes.length && this.bytes[this.at] !== QUOTE) {
      this.at += this.bytes[this.at] === BACKSLASH ? 2 : 1;
    }
    this.at++;
    try {
      const found = meaning(this.bytes.subarray(from, this.at));
      need(!/\p{Surrogate}/u.test(found), this.code); // half of a pair
      return found;
    } catch {
      refuse(this.code);
    }
  }

  // A number, or true, false and null.
  plain() {
    const from = this.at;
    while (/[-+.0-9A-Za-z]/.test(String.fromCharCode(this.bytes[this.at] ?? 0))) this.at++;
    const text = this.bytes.toString("latin1", from, this.at);
    if (["true", "false", "null"].includes(text)) return;
    need(NUMBER.test(text), this.code);
    if (this.message) need(text.length <= MAX_NUMBER, this.code);
  }
}

function utf8(bytes, code) {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    refuse(code);
  }
}

// What a slice means, once a scan has passed it.
const meaning = (slice) => JSON.parse(slice.toString("utf8"));
const isString = (slice) => slice !== undefined && slice[0] === QUOTE;

// --- the message: steps 1 to 14 of HX3-VAL-01

// HX3-WIRE-03: what can begin a JSON text, or a byte-order mark.
const BARE = new Set(Buffer.from('\t\n\r "-0123456789[fnt{', "latin1")).add(0xef);

function openFrame(wire) {
  const framed = !BARE.has(wire[0]);
  need(wire.length - (framed ? 8 : 0) <= MAX_JSON, "PAYLOAD_TOO_LARGE");
  if (!framed) return { json: wire, code: null };
  need(wire.length >= 8, "FRAME_TOO_SHORT");
  need(wire[0] === 0x48 && wire[1] === 0x58, "FRAME_MAGIC_INVALID");
  need(wire[2] === 3, "FRAME_VERSION_INVALID");
  need(wire[3] >= 1 && wire[3] <= 11, "FRAME_TYPE_INVALID");
  need(wire.readUInt32BE(4) === wire.length - 8, "FRAME_LENGTH_INVALID");
  return { json: wire.subarray(8), code: wire[3] };
}

function text(slice, max, code) {
  need(isString(slice), code);
  const found = meaning(slice);
  need(found.length >= 1 && found.length <= max && /^[ -{}~]*$/.test(found), code);
  return found;
}

function number(slice) {
  const digits = slice?.toString("latin1") ?? "";
  need(/^(0|[1-9][0-9]{0,15})$/.test(digits) && Number.isSafeInteger(Number(digits)), "FRAME_SCHEMA_INVALID");
  return digits;
}

function hex64(slice, code) {
  const found = text(slice, 64, code);
  need(/^[0-9a-f]{64}$/.test(found), code);
  return found;
}

// HX3-WIRE-26: how many bytes a nonce stands for.
function nonceSize(nonce) {
  if (/^[0-9a-fA-F]*$/.test(nonce)) return nonce.length % 2 ? 0 : nonce.length / 2;
  const strict = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
  return strict.test(nonce) ? Buffer.from(nonce, "base64").length : 0;
}

function parse(wire, direction) {
  const { json, code } = openFrame(wire);
  utf8(json, "FRAME_UTF8_INVALID");
  const members = new Scan(json, "FRAME_JSON_INVALID", true).whole();
  const bodies = Object.keys(BODIES).filter((name) => members.has(name));
  need(bodies.length <= 1, "FRAME_JSON_INVALID");
  const version = members.get("version");
  need(isString(version) && meaning(version) === "HxTP/3.0", "VERSION_MISMATCH");

  const bad = "FRAME_SCHEMA_INVALID";
  need(!members.has("sequence") && !members.has("protocol_version"), bad);
  const id = (name) => text(members.get(name), MAX_ID, bad);
  const found = { type: id("message_type"), device: id("device_id"), tenant: null };
  if (members.has("tenant_id")) found.tenant = id("tenant_id");
  const ids = [found.device, id("client_id"), id("message_id"), id("request_id")];
  found.sequence = number(members.get("sequence_number"));
  const stamp = number(members.get("timestamp"));
  found.time = Number(stamp) > 1e12 ? Number(stamp) : Number(stamp) * 1000;
  found.body = Buffer.from("{}");
  if (bodies.length) {
    const only = BODIES[bodies[0]];
    found.body = members.get(bodies[0]);
    need(found.body[0] === 0x7b && (only === null || only === found.type), bad);
  }
  found.nonce = text(members.get("nonce"), MAX_NONCE, "NONCE_MISSING");
  need(nonceSize(found.nonce) >= 16, "NONCE_MISSING");
  found.hash = hex64(members.get("payload_hash"), "HASH_MISMATCH");
  found.signature = hex64(members.get("signature"), "SIGNATURE_MISSING");
  need(Object.hasOwn(TYPES, found.type), "FRAME_TYPE_INVALID");
  const [own, ...ways] = TYPES[found.type];
  need(code === null || code === own, "FRAME_TYPE_INVALID");
  need(direction === "any" || ways.includes(direction), "FRAME_TYPE_INVALID");
  found.signed = ["HxTP/3.0", ...ids, found.sequence, stamp, found.nonce, found.type, found.hash].join("|");
  return found;
}

// --- signatures: HX3-CANON-03, HX3-CANON-04, HX3-VAL-08

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const mac = (key, signed) => createHmac("sha256", key).update(signed).digest();
const verifies = (key, message) => timingSafeEqual(mac(key, message.signed), Buffer.from(message.signature, "hex"));

// --- requests: Annex C

const want = (holds) => need(holds, "BAD_REQUEST");

function string(request, name) {
  want(isString(request.get(name)));
  return meaning(request.get(name));
}

// A member that may be null but not absent.
function nullable(request, name, read) {
  want(request.has(name));
  return request.get(name).toString() === "null" ? null : read(request, name);
}

function bytes(request, name) {
  const found = string(request, name);
  want(/^([0-9a-fA-F]{2})*$/.test(found));
  return Buffer.from(found, "hex");
}

function secret(request, name) {
  const found = bytes(request, name);
  want(found.length === 32);
  return found;
}

function integer(request, name) {
  const found = request.get(name)?.toString() ?? "";
  want(/^(0|[1-9][0-9]*)$/.test(found) && Number.isSafeInteger(Number(found)));
  return Number(found);
}

// Seconds, perhaps with a fraction, as ms: the decimal point is moved in the text, where nothing is rounded.
function milliseconds(request, name) {
  const parts = /^(-?[0-9][0-9.]*)(?:[eE]([+-]?[0-9]+))?$/.exec(request.get(name)?.toString() ?? "");
  want(parts !== null && Number(parts[0]) >= 0 && Number(parts[0]) <= Number.MAX_SAFE_INTEGER);
  return Number(`${parts[1]}e${Number(parts[2] ?? 0) + 3}`);
}

function nonces(request) {
  const slice = request.get("seen_nonces");
  const found = slice === undefined ? [] : meaning(slice) ?? [];
  want(Array.isArray(found) && found.every((nonce) => typeof nonce === "string"));
  return found;
}

function verify(request) {
  const profile = string(request, "profile");
  const direction = string(request, "direction");
  want(DIRECTIONS.includes(direction));
  const wire = bytes(request, "wire_hex");
  const keys = [secret(request, "secret_hex"), nullable(request, "previous_secret_hex", secret)];
  const device = nullable(request, "device_id", string);
  const tenant = nullable(request, "tenant_id", string);
  const now = integer(request, "now_ms");
  const oldest = milliseconds(request, "max_age_s");
  const furthest = milliseconds(request, "future_s");
  const last = nullable(request, "last_sequence", integer);
  const seen = nonces(request);
  need(profile === "pipe10", "UNSUPPORTED");

  const message = parse(wire, direction);
  need(device === null || message.device === device, "DEVICE_NOT_FOUND");
  if (tenant !== null && (message.tenant !== null || direction === "to_device")) {
    need(message.tenant === tenant, "PERMISSION_DENIED");
  }
  need(message.time - now <= furthest, "TIMESTAMP_FUTURE");
  need(now - message.time <= oldest, "TIMESTAMP_EXPIRED");
  need(!seen.includes(message.nonce), "NONCE_REUSED");
  need(sha256(message.body) === message.hash, "HASH_MISMATCH");
  need(last === null || Number(message.sequence) > last, "SEQUENCE_VIOLATION");
  const which = keys.findIndex((key) => key !== null && verifies(key, message));
  need(which >= 0, "SIGNATURE_INVALID");
  return { ok: true, rotated: which === 1, message_type: message.type, body_json: message.body.toString() };
}

function sign(request) {
  const profile = string(request, "profile");
  want(profile !== "auto");
  const key = secret(request, "secret_hex");
  const framed = request.get("framed")?.toString();
  want(framed === "true" || framed === "false");
  const body = string(request, "body_json");
  want(request.get("fields")?.[0] === 0x7b);
  const fields = new Scan(request.get("fields"), "BAD_REQUEST", false).whole();
  want([...fields.keys()].every((name) => FIELDS.includes(name)));
  need(profile === "pipe10", "UNSUPPORTED");

  if (fields.get("tenant_id")?.toString() === "null") fields.delete("tenant_id");
  const hashed = body.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
  const members = new Map([["params", body], ["payload_hash", `"${sha256(hashed)}"`]]);
  // Strings are written anew in the one way of HX3-WIRE-34, the rest as it was given, for `parse` to judge.
  for (const [name, slice] of fields) {
    members.set(name, isString(slice) ? JSON.stringify(meaning(slice)) : slice.toString());
  }
  const json = (signature) => {
    const all = [...members, ["signature", `"${signature}"`]].sort(([a], [b]) => (a < b ? -1 : 1));
    return Buffer.from(`{${all.map(([name, value]) => `"${name}":${value}`).join(",")}}`);
  };
  const message = parse(json("0".repeat(64)), "any");
  need(message.body.toString() === hashed, "FRAME_JSON_INVALID"); // or the text went on behind the body
  const signature = mac(key, message.signed).toString("hex");
  let wire = json(signature);
  if (framed === "true") {
    const header = Buffer.from([0x48, 0x58, 3, TYPES[message.type][0], 0, 0, 0, 0]);
    header.writeUInt32BE(wire.length, 4);
    wire = Buffer.concat([header, wire]);
  }
  const wire_hex = wire.toString("hex");
  return { ok: true, wire_hex, signed_text: message.signed, payload_hash: message.hash, signature };
}

function answer(line) {
  try {
    want(line.length <= MAX_LINE);
    utf8(line, "BAD_REQUEST");
    const request = new Scan(line, "BAD_REQUEST", false).whole();
    const operation = string(request, "op");
    if (operation === "verify") return verify(request);
    if (operation === "sign") return sign(request);
    want(operation === "reset");
    return { ok: true };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, code: error.code };
    throw error;
  }
}

// --- the loop: a line for a line

let waiting = [];
const tell = () => {
  process.stdout.write(`${JSON.stringify(answer(Buffer.concat(waiting)))}\n`);
  waiting = [];
};
for await (let chunk of process.stdin) {
  for (let end; (end = chunk.indexOf(10)) >= 0; chunk = chunk.subarray(end + 1)) {
    waiting.push(chunk.subarray(0, end));
    tell();
  }
  // Of a line that is too long no more is kept than shows it.
  const kept = waiting.reduce((sum, part) => sum + part.length, 0);
  if (chunk.length && kept <= MAX_LINE) waiting.push(chunk);
}
if (waiting.length) tell();
