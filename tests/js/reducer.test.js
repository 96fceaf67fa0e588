import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  initial,
  nextLook,
  parse,
  reduce,
  shown,
} from "../../sessionmgr/static/sessionmgr/session-timeout.js";
import { milestone } from "../../sessionmgr/static/sessionmgr/session-timeout-near.js";

const vectors = (name) =>
  JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), "utf8")).cases;

const FACT = {
  at: 1000, idleEndsAt: 2800, sessionEndsAt: null, warnIdle: 300, warnSession: 1200, tag: "t1", userTag: "u1",
};

/** Vectors tell seconds, and null for "no limit"; the widget counts milliseconds. */
const inMilliseconds = (value, key = "") => {
  if (value === null) return key.endsWith("EndsAt") ? Infinity : null;
  if (typeof value === "number") return /At$|^at$|^now$|^warn/.test(key) ? Math.round(value * 1000) : value;
  if (Array.isArray(value)) return value.map((item) => inMilliseconds(item));
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, inMilliseconds(item, name)]));
};
const whole = (fact) => inMilliseconds({ ...FACT, ...fact });
const completed = (news) => ({
  ...inMilliseconds(news),
  ...(news.fact && { fact: whole(news.fact) }),
  ...(news.news && { news: completed(news.news) }),
});

const stateOf = ({ fact, ...rest } = {}) => ({
  ...initial("u1"),
  heardAt: 1_000_000,
  creditedAt: 1_000_000,
  ...inMilliseconds(rest),
  fact: whole(fact),
});

for (const { name, given, news, now, becomes, shows, effects } of vectors("reducer")) {
  test(name, () => {
    const state = stateOf(given);
    const before = structuredClone(state);
    const at = inMilliseconds(now, "now");
    const turn = reduce(Object.freeze(state), completed(news), at);
    const { fact = {}, ...rest } = inMilliseconds(becomes);
    assert.deepEqual({ ...turn.state, ...rest }, turn.state);
    assert.deepEqual({ ...turn.state.fact, ...fact }, turn.state.fact);
    assert.deepEqual(turn.effects, effects.map(completed));
    if (shows) assert.equal(shown(turn.state, at), shows);
    assert.deepEqual(state, before);
  });
}

for (const { desc, unreadable, idle, session, ...rest } of vectors("server-timing")) {
  test(`Server-Timing "${desc}" is read`, () => {
    const fact = parse(desc, 5000);
    if (unreadable) return assert.equal(fact, null);
    const ends = (left) => (left === null ? Infinity : 5000 + left * 1000);
    assert.deepEqual(fact, {
      at: 5000, idleEndsAt: ends(idle), sessionEndsAt: ends(session), userTag: "", ...inMilliseconds(rest),
    });
  });
}

test("announcements come at whole minutes, then at 40 and 20 seconds", () => {
  const steps = Array.from({ length: 301 }, (_, past) => milestone(300 - past));
  assert.deepEqual([...new Set(steps)], [300, 240, 180, 120, 60, 40, 20, 0]);
});

test("a page that is left alone looks again at each turn of its fate, and then rests", () => {
  let state = stateOf({ fact: { sessionEndsAt: 3600, warnSession: 300 }, hidden: true });
  let now = 1_000_000;
  const seen = [];
  for (let looks = 0; looks < 60; looks++) {
    const at = nextLook(state, now);
    assert.ok(at > now);
    if (at === Infinity) break;
    now = at;
    ({ state } = reduce(state, { type: "tick" }, now));
    const view = shown(state, now);
    if (seen.at(-1)?.[1] !== view) seen.push([now / 1000, view]);
    // No answer comes to any question: the server is gone.
    if (state.pending) ({ state } = reduce(state, { type: "failed", kind: state.pending }, now));
    if (now > 4_000_000) break;
  }
  assert.deepEqual(seen.map(([, view]) => view), ["active", "idle", "offline"]);
  assert.deepEqual(seen[2], [2800, "offline"]);
});

test("invariant: whatever comes, an extension is only shown after the server's word", () => {
  const news = [
    { type: "tick" }, { type: "wake" }, { type: "hide" }, { type: "input" }, { type: "stay" }, { type: "dismiss" },
    { type: "doubt" }, { type: "failed", kind: "explicit" }, { type: "failed", kind: "ask" },
  ];
  const start = stateOf({ phase: "warning", limit: "idle", heardAt: 2501 });
  const walk = (state, depth) => {
    if (depth === 0) return;
    for (const one of news) {
      const next = reduce(state, one, 2_600_000).state;
      assert.equal(shown(next, 2_600_000), "idle", one.type);
      assert.equal(next.fact.idleEndsAt, 2_800_000);
      walk(next, depth - 1);
    }
  };
  walk(start, 4);
});
