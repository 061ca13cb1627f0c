// Runs a MicroPython script under Node: `node wasm.mjs MODULE SCRIPT FOLDER… -- ARGUMENT…`
//
// The WebAssembly port sees no host files, so the .py, .json and .bin files of each FOLDER are copied to the same absolute
// paths in its memory first. SCRIPT then runs as `__main__` with the ARGUMENTs; its exit status becomes Node's.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [module, script, ...rest] = process.argv.slice(2);
const split = rest.indexOf("--");
const folders = rest.slice(0, split);
const args = rest.slice(split + 1);

const { loadMicroPython } = await import(pathToFileURL(module).href);
const decoder = new TextDecoder();
const writer = (fd) => (bytes) => fs.writeSync(fd, decoder.decode(bytes, { stream: true }));
const mp = await loadMicroPython({ linebuffer: false, stdout: writer(1), stderr: writer(2) });

function copy(folder) {
  mp.FS.mkdirTree(folder);
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== "__pycache__" && entry.name !== "node_modules") copy(full);
    } else if (/\.(py|json|bin)$/.test(entry.name)) {
      mp.FS.writeFile(full, fs.readFileSync(full));
    }
  }
}

folders.filter((folder) => fs.existsSync(folder)).forEach(copy);
mp.pyimport("sys").argv.extend([script, ...args]);
try {
  mp.runPython(fs.readFileSync(script, "utf8"));
} catch (problem) {
  if (problem.type !== "SystemExit") {
    fs.writeSync(2, `${problem.message}\n`);
    process.exit(1);
  }
  const status = /SystemExit: *(\d+)\s*$/.exec(problem.message);
  process.exit(status ? Number(status[1]) : 0);
}
