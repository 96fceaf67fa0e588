import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { minify } from "terser";

const source = (name) =>
  readFileSync(new URL(`../../sessionmgr/static/sessionmgr/${name}`, import.meta.url), "utf8");
const weight = (text) => gzipSync(text, { level: 9 }).length;

test("the script weighs at most 7 kB as served, with its comments", () => {
  assert.ok(weight(source("session-timeout.js")) <= 7000, `${weight(source("session-timeout.js"))} B`);
});

test("the script weighs at most 4.5 kB minified", async () => {
  const { code } = await minify(source("session-timeout.js"), { module: true });
  assert.ok(weight(code) <= 4500, `${weight(code)} B`);
});

test("the stylesheet weighs at most 1 kB", () => {
  assert.ok(weight(source("session-timeout.css")) <= 1000, `${weight(source("session-timeout.css"))} B`);
});

test("the script is one file: it imports nothing", () => {
  assert.doesNotMatch(source("session-timeout.js"), /^import\b|\bimport\(|\brequire\(/m);
});

test("no text of the page becomes markup", () => {
  assert.doesNotMatch(source("session-timeout.js"), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/);
});
