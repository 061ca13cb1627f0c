/* A codec (Annex C) on libcrypto and jansson, written from the text alone: pipe10, for POSIX.
 *
 * jansson reads the values of requests and writes the answers. It cannot give the bytes of a value, so
 * everything that comes from outside passes the strict scan below first, whose slices are hashed and signed.
 */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_JSON = 16384, MAX_DEPTH = 16, MAX_NUMBER = 512, MAX_ID = 36, MAX_NONCE = 64 }; /* Annex B */
enum { MAX_MEMBERS = MAX_JSON / 4, MAX_LINE = 1 << 20, MAX_LINE_DEPTH = 64 }; /* the latter of a request */
#define MAX_INTEGER 9007199254740991LL
#define HEX "0123456789abcdef"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define ALPHABET BASE64 " !\"#$%&'()*,-.:;<=>?@[\\]^_`{}~" /* HX3-WIRE-22 */
typedef unsigned char byte;
typedef const char *Code; /* of a refusal, or NULL */
typedef struct { const byte *at; size_t size; } Slice; /* `at` is NULL for what is not there */

/* --- strict JSON: HX3-WIRE-12 to HX3-WIRE-18 */

typedef struct { json_t *name; Slice value; } Member;
typedef struct {
    const byte *at, *end;
    bool message;                   /* the rules for messages, which are stricter than JSON */
    int depth;
    Member members[MAX_MEMBERS];    /* of all objects that are open; in the end, those of the outermost */
    size_t count;
} Scan;

static regex_t PLAIN;
static bool value(Scan *s);
static bool is(json_t *found, const char *wanted) { /* a string, which may hold U+0000 */
    size_t size = strlen(wanted);
    return size == json_string_length(found) && !memcmp(json_string_value(found), wanted, size);
}

/* The meaning of one value, or NULL. jansson refuses what HX3-WIRE-17 and HX3-WIRE-18 do in a string. */
static json_t *meaning(Slice from) {
    return json_loadb((const char *)from.at, from.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}
static bool drop(json_t *found) {
    bool there = found != NULL;
    json_decref(found);
    return there;
}

static void space(Scan *s) {
    while (s->at < s->end && memchr(" \t\n\r", *s->at, 4)) s->at++;
}
static bool one(Scan *s, byte wanted) {
    space(s);
    if (s->at == s->end || *s->at != wanted) return false;
    s->at++;
    return true;
}
static json_t *string(Scan *s) {
    const byte *from = s->at;
    if (s->at == s->end || *s->at++ != '"') return NULL;
    while (s->at < s->end && *s->at != '"') s->at += *s->at == '\\' && s->end - s->at > 1 ? 2 : 1;
    if (s->at == s->end) return NULL;
    s->at++;
    return meaning((Slice){from, (size_t)(s->at - from)});
}
static bool plain(Scan *s) { /* a number, or true, false and null */
    char found[MAX_NUMBER + 1];
    size_t size = 0;
    for (; s->at < s->end && (isalnum(*s->at) || memchr("+-.", *s->at, 3)); found[size++] = (char)*s->at++)
        if (size == MAX_NUMBER) return false;
    found[size] = 0;
    return !regexec(&PLAIN, found, 0, NULL, 0);
}
static void forget(Scan *s, size_t from) {
    while (s->count > from) json_decref(s->members[--s->count].name);
}

static bool member(Scan *s, size_t first) { /* of an object whose members begin at `first` */
    space(s);
    size_t own = s->count;
    const byte *from = s->at;
    json_t *name = string(s);
    if (!name || s->count == MAX_MEMBERS) return json_decref(name), false;
    s->members[s->count++] = (Member){.name = name};
    while (first < own) if (json_equal(s->members[first++].name, name)) return false;
    bool hidden = s->depth == 1 && s->message && memchr(from, '\\', (size_t)(s->at - from)); /* HX3-WIRE-14 */
    if (hidden || !one(s, ':')) return false;
    space(s);
    from = s->at;
    if (!value(s)) return false;
    s->members[own].value = (Slice){from, (size_t)(s->at - from)};
    return true;
}
static bool value(Scan *s) {
    space(s);
    size_t first = s->count;
    byte begin = s->at < s->end ? *s->at : 0, end = begin == '{' ? '}' : ']';
    if (begin == '"') return drop(string(s));
    if (begin != '{' && begin != '[') return plain(s);
    s->at++;
    if (++s->depth > (s->message ? MAX_DEPTH : MAX_LINE_DEPTH)) return false;
    for (bool done = one(s, end); !done;) {
        if (!(begin == '{' ? member(s, first) : value(s))) return false;
        done = one(s, end);
        if (!done && !one(s, ',')) return false;
    }
    if (--s->depth) forget(s, first);
    return true;
}

/* Whether `all` is one object. In either case `forget(s, 0)` gives back what the scan took. */
static bool scan(Scan *s, Slice all, bool message) {
    *s = (Scan){.at = all.at, .end = all.at + all.size, .message = message};
    space(s);
    if (s->at == s->end || *s->at != '{' || !value(s)) return false;
    space(s);
    return s->at == s->end;
}
static Slice get(const Scan *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (is(s->members[i].name, name)) return s->members[i].value;
    return (Slice){0};
}
static bool equal(Slice a, Slice b) { return a.size == b.size && !memcmp(a.at, b.at, a.size); }
/* HX3-WIRE-11: jansson makes no string of anything else. */
static bool utf8(Slice all) { return drop(json_stringn((const char *)all.at, all.size)); }

/* --- the message: steps 1 to 14 of HX3-VAL-01 */

enum { ANY = 0, TO_DEVICE = 1, TO_CLOUD = 2, FROM_CLIENT = 4 };
static const struct { const char *name; int directions; } TYPES[] = { /* in the order of their codes, from 1 */
    {"state", TO_CLOUD}, {"command", TO_DEVICE | FROM_CLIENT}, {"ack", TO_CLOUD},
    {"heartbeat", TO_CLOUD | FROM_CLIENT}, {"telemetry", TO_CLOUD}, {"ota", TO_DEVICE}, {"error", TO_CLOUD},
    {"hello", TO_CLOUD}, {"hello_ack", TO_DEVICE}, {"manifest", TO_CLOUD}, {"ota_status", TO_CLOUD}};
enum { KNOWN = sizeof TYPES / sizeof *TYPES };
static const struct { const char *name, *type; } BODIES[] = {
    {"params", NULL}, {"state", "state"}, {"data", "telemetry"}, {"result", "ack"}};

typedef struct {
    char type[37], device[37], tenant[37], client[37], id[37], request[37], nonce[65], hash[65], signature[65];
    char sequence[17], stamp[17], signed_text[600];
    long long number, time; /* time in ms */
    int code;
    bool has_tenant;
    Slice body;
} Message;

/* A string of 1 to `max` characters of the alphabet, into out, which has room for max + 1. */
static bool text(Slice from, size_t max, char *out) {
    json_t *found = from.at ? meaning(from) : NULL;
    size_t size = json_string_length(found), i = 0;
    for (; i < size && i < max && memchr(ALPHABET, json_string_value(found)[i], sizeof ALPHABET - 1); i++)
        out[i] = json_string_value(found)[i];
    out[i] = 0;
    json_decref(found);
    return i && i == size;
}
static bool integer(Slice from, char out[17], long long *found) { /* HX3-WIRE-23 */
    if (!from.at || from.size > 16) return false;
    memcpy(out, from.at, from.size);
    out[from.size] = 0;
    *found = strtoll(out, NULL, 10);
    return strspn(out, "0123456789") == from.size && *found <= MAX_INTEGER;
}
static bool hex64(Slice from, char out[65]) { return text(from, 64, out) && strspn(out, HEX) == 64; }
static size_t nonce_size(const char *nonce) { /* HX3-WIRE-26: the bytes that it stands for */
    size_t size = strlen(nonce), filled = size;
    if (strspn(nonce, HEX "ABCDEF") == size) return size % 2 ? 0 : size / 2;
    while (size - filled < 2 && nonce[filled - 1] == '=') filled--;
    return size % 4 || strspn(nonce, BASE64) != filled ? 0 : size / 4 * 3 - (size - filled);
}

static Code fields(const Scan *s, Message *m) {
    int bodies = 0, which = 0;
    char version[9];
    for (int i = 0; i < 4; i++) if (get(s, BODIES[i].name).at) bodies++, which = i;
    if (bodies > 1) return "FRAME_JSON_INVALID";
    if (!text(get(s, "version"), 8, version) || strcmp(version, "HxTP/3.0")) return "VERSION_MISMATCH";
    m->has_tenant = get(s, "tenant_id").at != NULL;
    if (get(s, "sequence").at || get(s, "protocol_version").at || !text(get(s, "message_type"), MAX_ID, m->type) ||
        !text(get(s, "device_id"), MAX_ID, m->device) || !text(get(s, "client_id"), MAX_ID, m->client) ||
        !text(get(s, "message_id"), MAX_ID, m->id) || !text(get(s, "request_id"), MAX_ID, m->request) ||
        (m->has_tenant && !text(get(s, "tenant_id"), MAX_ID, m->tenant)) ||
        !integer(get(s, "sequence_number"), m->sequence, &m->number) ||
        !integer(get(s, "timestamp"), m->stamp, &m->time))
        return "FRAME_SCHEMA_INVALID";
    if (m->time <= 1000000000000LL) m->time *= 1000; /* HX3-WIRE-42 */
    m->body = bodies ? get(s, BODIES[which].name) : (Slice){(const byte *)"{}", 2};
    if (*m->body.at != '{' || (bodies && BODIES[which].type && strcmp(BODIES[which].type, m->type)))
        return "FRAME_SCHEMA_INVALID";
    if (!text(get(s, "nonce"), MAX_NONCE, m->nonce) || nonce_size(m->nonce) < 16) return "NONCE_MISSING";
    if (!hex64(get(s, "payload_hash"), m->hash)) return "HASH_MISMATCH";
    return hex64(get(s, "signature"), m->signature) ? NULL : "SIGNATURE_MISSING";
}

static Code parse(Slice wire, int direction, Message *m) {
    static const char bare[] = "\t\n\r \"-0123456789[fnt{\xef"; /* HX3-WIRE-03 */
    int framed = !wire.size || !memchr(bare, *wire.at, sizeof bare - 1), type = 0;
    *m = (Message){0};
    if (wire.size > MAX_JSON + (framed ? 8u : 0u)) return "PAYLOAD_TOO_LARGE";
    if (framed) {
        if (wire.size < 8) return "FRAME_TOO_SHORT";
        if (memcmp(wire.at, "HX", 2)) return "FRAME_MAGIC_INVALID";
        if (wire.at[2] != 3) return "FRAME_VERSION_INVALID";
        if (!(type = wire.at[3]) || type > KNOWN) return "FRAME_TYPE_INVALID";
        size_t length = (size_t)wire.at[4] << 24 | (size_t)wire.at[5] << 16 | (size_t)wire.at[6] << 8 | wire.at[7];
        if (length != wire.size - 8) return "FRAME_LENGTH_INVALID";
        wire = (Slice){wire.at + 8, wire.size - 8};
    }
    if (!utf8(wire)) return "FRAME_UTF8_INVALID";
    Scan s;
    Code code = scan(&s, wire, true) ? fields(&s, m) : "FRAME_JSON_INVALID";
    forget(&s, 0);
    if (code) return code;
    while (m->code < KNOWN && strcmp(TYPES[m->code].name, m->type)) m->code++;
    if (m->code++ == KNOWN || (framed && type != m->code) ||
        (direction != ANY && !(TYPES[m->code - 1].directions & direction))) return "FRAME_TYPE_INVALID";
    snprintf(m->signed_text, sizeof m->signed_text, "HxTP/3.0|%s|%s|%s|%s|%s|%s|%s|%s|%s", m->device, m->client,
             m->id, m->request, m->sequence, m->stamp, m->nonce, m->type, m->hash); /* HX3-CANON-01 */
    return NULL;
}

/* --- signatures: HX3-CANON-03, HX3-CANON-04, HX3-VAL-08 */

static void hex(const byte *from, size_t size, char *out) {
    for (size_t i = 0; i < size; i++) sprintf(out + 2 * i, "%02x", from[i]);
}
static void sha256(Slice of, char out[65]) { hex(SHA256(of.at, of.size, NULL), 32, out); }
static void mac(const byte key[32], const Message *m, char out[65]) {
    hex(HMAC(EVP_sha256(), key, 32, (const byte *)m->signed_text, strlen(m->signed_text), NULL, NULL), 32, out);
}
static bool verifies(const byte key[32], const Message *m) {
    char wanted[65];
    mac(key, m, wanted);
    return !CRYPTO_memcmp(wanted, m->signature, 64);
}

/* --- requests: Annex C */

typedef struct { Scan scan; json_t *values; } Request; /* values: those that were read, to be freed together */

static json_t *given(Request *q, const char *name) {
    Slice from = get(&q->scan, name);
    json_t *found = from.at ? meaning(from) : NULL;
    if (found) json_object_set_new(q->values, name, found);
    return found;
}
static bool unhex(json_t *from, size_t most, byte *out, size_t *size) {
    const char *digits = json_string_value(from);
    if (!digits || strspn(digits, HEX "ABCDEF") != json_string_length(from)) return false;
    *size = json_string_length(from) / 2;
    if (json_string_length(from) % 2 || *size > most) return false;
    for (size_t i = 0; i < *size; i++) sscanf(digits + 2 * i, "%2hhx", out + i);
    return true;
}
static bool secret(json_t *from, byte out[32]) { size_t size; return unhex(from, 32, out, &size) && size == 32; }
static bool seconds(json_t *from, double *us) { /* as whole microseconds, so that 1.001 s is 1001 ms */
    double found = json_number_value(from);
    if (!json_is_number(from) || found < 0 || found > MAX_INTEGER) return false;
    *us = found < 1e12 ? (double)(long long)(found * 1e6 + 0.5) : found * 1e6;
    return true;
}

static Code verify(Request *q, json_t **answer) {
    static byte wire[MAX_LINE / 2];
    static const char *const WAYS[] = {"any", "to_device", "to_cloud", NULL, "from_client"};
    byte first[32], second[32];
    char digits[17], hash[65];
    long long now, last = -1;
    double oldest, furthest;
    size_t size, i, way = 0;
    json_t *direction = given(q, "direction"), *previous = given(q, "previous_secret_hex"), *nonce;
    json_t *device = given(q, "device_id"), *tenant = given(q, "tenant_id"), *seen = given(q, "seen_nonces");
    while (way < 5 && !(WAYS[way] && is(direction, WAYS[way]))) way++;
    if (way == 5 || !unhex(given(q, "wire_hex"), sizeof wire, wire, &size) ||
        !secret(given(q, "secret_hex"), first) || !(json_is_null(previous) || secret(previous, second)) ||
        !(json_is_null(device) || json_is_string(device)) || !(json_is_null(tenant) || json_is_string(tenant)) ||
        !integer(get(&q->scan, "now_ms"), digits, &now) || !json_is_string(given(q, "profile")) ||
        !seconds(given(q, "max_age_s"), &oldest) || !seconds(given(q, "future_s"), &furthest) ||
        !(json_is_null(given(q, "last_sequence")) || integer(get(&q->scan, "last_sequence"), digits, &last)) ||
        !(!get(&q->scan, "seen_nonces").at || json_is_null(seen) || json_is_array(seen)))
        return "BAD_REQUEST";
    json_array_foreach(seen, i, nonce) if (!json_is_string(nonce)) return "BAD_REQUEST";
    if (!is(given(q, "profile"), "pipe10")) return "UNSUPPORTED";
    Message m;
    Code code = parse((Slice){wire, size}, (int)way, &m);
    if (code) return code;
    if (json_is_string(device) && !is(device, m.device)) return "DEVICE_NOT_FOUND";
    if (json_is_string(tenant) && (m.has_tenant || way == TO_DEVICE) && !is(tenant, m.tenant))
        return "PERMISSION_DENIED";
    if ((double)(m.time - now) * 1000 > furthest) return "TIMESTAMP_FUTURE";
    if ((double)(now - m.time) * 1000 > oldest) return "TIMESTAMP_EXPIRED";
    json_array_foreach(seen, i, nonce) if (is(nonce, m.nonce)) return "NONCE_REUSED";
    sha256(m.body, hash);
    if (strcmp(hash, m.hash)) return "HASH_MISMATCH";
    if (m.number <= last) return "SEQUENCE_VIOLATION";
    bool rotated = !verifies(first, &m);
    if (rotated && !(json_is_string(previous) && verifies(second, &m))) return "SIGNATURE_INVALID";
    *answer = json_pack("{s:b, s:b, s:s, s:s%}", "ok", 1, "rotated", rotated, "message_type", m.type, "body_json",
                        (const char *)m.body.at, m.body.size);
    return NULL;
}

static Code sign(Request *q, json_t **answer) {
    static const char *const ORDER[] = {"client_id", "device_id", "message_id", "message_type", "nonce", "params",
        "payload_hash", "request_id", "sequence_number", "signature", "tenant_id", "timestamp", "version"};
    enum { PARAMS = 5, HASH = 6, SIGNATURE = 9, TENANT = 10, COUNT = 13, HEADER = 8 };
    json_t *body = given(q, "body_json"), *framed = given(q, "framed"), *profile = given(q, "profile");
    Slice values[COUNT] = {0}, fields_given = get(&q->scan, "fields"), hashed;
    byte key[32];
    char hash[65], found[65], *json;
    size_t size, signature_at = 0;
    if (!json_is_string(profile) || is(profile, "auto") || !secret(given(q, "secret_hex"), key) ||
        !json_is_string(body) || !json_is_boolean(framed) || !fields_given.at || *fields_given.at != '{')
        return "BAD_REQUEST";
    Scan s;
    scan(&s, fields_given, false); /* the scan of the whole line has passed it already */
    size_t left = s.count;
    for (int i = 0; i < COUNT; i++) {
        if (i == PARAMS || i == HASH || i == SIGNATURE || !(values[i] = get(&s, ORDER[i])).at) continue;
        if (i == TENANT && *values[i].at == 'n') values[i].at = NULL;
        left--;
    }
    forget(&s, 0);
    if (left || !is(profile, "pipe10")) return left ? "BAD_REQUEST" : "UNSUPPORTED"; /* left: other members */
    hashed = values[PARAMS] = (Slice){(const byte *)json_string_value(body), json_string_length(body)};
    for (; hashed.size && memchr(" \t\r\n", *hashed.at, 4); hashed.size--) hashed.at++;
    while (hashed.size && memchr(" \t\r\n", hashed.at[hashed.size - 1], 4)) hashed.size--;
    sha256(hashed, hash);
    FILE *out = open_memstream(&json, &size);
    fwrite("HX\3\0\0\0\0", 1, HEADER, out);
    for (int n = 0; n < COUNT; n++) {
        if (!values[n].at && n != HASH && n != SIGNATURE) continue;
        fprintf(out, "%c\"%s\":", ftell(out) == HEADER ? '{' : ',', ORDER[n]);
        if (n == SIGNATURE) signature_at = (size_t)ftell(out) + 1;
        const char *meant = n == HASH || n == SIGNATURE ? hash : text(values[n], 64, found) ? found : NULL;
        json_t *again = meant ? json_string(meant) : NULL; /* in the one way of HX3-WIRE-34, */
        if (again) json_dumpf(again, out, JSON_ENCODE_ANY);
        else fwrite(values[n].at, 1, values[n].size, out); /* the rest as it was given, for `parse` to judge */
        json_decref(again);
    }
    fputc('}', out);
    fclose(out);
    Message m;
    Code code = parse((Slice){(byte *)json + HEADER, size - HEADER}, ANY, &m);
    if (!code && !equal(m.body, hashed)) code = "FRAME_JSON_INVALID"; /* the text went on behind the body */
    if (!code) {
        mac(key, &m, found);
        memcpy(json + signature_at, found, 64);
        json[3] = (char)m.code;
        for (int i = 0; i < 4; i++) json[4 + i] = (char)((size - HEADER) >> (24 - 8 * i));
        static char wire[2 * (MAX_JSON + HEADER) + 1];
        hex((byte *)json, size, wire);
        const char *sent = json_is_true(framed) ? wire : wire + 2 * HEADER;
        *answer = json_pack("{s:b, s:s, s:s, s:s, s:s}", "ok", 1, "wire_hex", sent, "signed_text", m.signed_text,
                            "payload_hash", m.hash, "signature", found);
    }
    free(json);
    return code;
}

static json_t *answer(Slice line) {
    Request q = {.values = json_object()};
    json_t *found = NULL, *op = NULL;
    Code code = "BAD_REQUEST";
    if (line.size <= MAX_LINE && utf8(line)) {
        if (scan(&q.scan, line, false)) op = given(&q, "op");
        if (is(op, "sign")) code = sign(&q, &found);
        else if (is(op, "verify")) code = verify(&q, &found);
        else if (is(op, "reset")) found = json_pack("{s:b}", "ok", 1);
        forget(&q.scan, 0);
    }
    json_decref(q.values);
    return found ? found : json_pack("{s:b, s:s}", "ok", 0, "code", code);
}

int main(void) {
    static byte line[MAX_LINE + 1];
    static const char words[] = "^(true|false|null|-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?)$";
    if (regcomp(&PLAIN, words, REG_EXTENDED | REG_NOSUB)) return 1;
    for (int c = getchar(); c != EOF; c = getchar()) {
        size_t size = 0;
        for (; c != EOF && c != '\n'; c = getchar())
            if (size <= MAX_LINE) line[size++] = (byte)c;
        json_t *found = answer((Slice){line, size});
        json_dumpf(found, stdout, JSON_COMPACT);
        json_decref(found);
        puts("");
        fflush(stdout);
    }
    return 0;
}
