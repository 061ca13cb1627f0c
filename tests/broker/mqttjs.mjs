// An mqtt.js client that does what it is told: `node mqttjs.mjs FOLDER`, FOLDER being where npm put the package.
//
// Each line of standard input is a JSON array: a method and its arguments, the first one ["connect", options].
// Each line of standard output is one too: an event, or the name of a method that has been answered. Payloads are
// hexadecimal both ways. It ends when standard input does.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const mqtt = createRequire(path.join(process.argv[2], "here.js"))("mqtt");
const say = (...words) => fs.writeSync(1, JSON.stringify(words) + "\n");
let client;

const methods = {
  connect({ ca, ...options }) {
    if (options.will) options.will.payload = Buffer.from(options.will.payload, "hex");
    client = mqtt.connect({ ...options, ...(ca ? { ca: fs.readFileSync(ca) } : {}) });
    client.on("connect", (packet) => say("connected", packet.sessionPresent));
    client.on("close", () => say("closed"));
    client.on("error", (error) => say("error", error.code ?? 0, error.message));
    client.on("message", (topic, payload, packet) =>
      say("message", topic, payload.toString("hex"), packet.qos, packet.retain, packet.dup),
    );
  },
  subscribe(filters) {
    client.subscribe(filters, (error, filters, packet) => say("subscribed", packet.granted));
  },
  publish(topic, payload, options) {
    client.publish(topic, Buffer.from(payload, "hex"), options, (error) => say("published", !error));
  },
  // The connection ends as when the power fails: no DISCONNECT.
  vanish() {
    client.stream.destroy();
  },
  end() {
    client.end(false, {}, () => say("ended"));
  },
};

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [method, ...rest] = JSON.parse(line);
    methods[method](...rest);
  })
  .on("close", () => process.exit(0));
