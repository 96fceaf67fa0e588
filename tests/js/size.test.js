import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
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

test("what comes only near a limit weighs at most 3 kB as served", () => {
  assert.ok(weight(source("session-timeout-near.js")) <= 3000, `${weight(source("session-timeout-near.js"))} B`);
});

test("the stylesheet weighs at most 1 kB", () => {
  assert.ok(weight(source("session-timeout.css")) <= 1000, `${weight(source("session-timeout.css"))} B`);
});

const scripts = readdirSync(new URL("../../sessionmgr/static/sessionmgr/", import.meta.url)).filter((name) => name.endsWith(".js"));

for (const name of scripts) {
  // Manifest storage does not rewrite addresses in a script: they come from the template.
  test(`${name} names no other file`, () => {
    assert.doesNotMatch(source(name), /^import\b|\bimport\(["'`]|\brequire\(/m);
  });

  test(`${name} makes no markup of text`, () => {
    assert.doesNotMatch(source(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/);
  });
}
