/** A model check: two pages, a server and a bad network, on many walks by seeded chance. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { initial, nextLook, reduce, shown } from "../../sessionmgr/static/sessionmgr/session-timeout.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const IDLE = 10 * MINUTE;
const LENGTH = 15 * MINUTE;
const PATIENCE = 8 * SECOND; // of a page, for an answer
const TRAVEL = [0.01, 0.01, 0.1, 0.1, 2, 6, 9, 20]; // seconds
const LATE = 40 * SECOND; // the longest way of a request, with its wait for the lock
const HOLD = 10 * MINUTE;
const OPEN = ["active", "idle", "banner", "session"]; // views that leave the page to be read
const EFFECTS = ["ask", "touch", "tell", "renew", "wipe"];

/** Mulberry32: the same seed, the same walk. */
const chance = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

/** Sessions of one browser, of which the last has the cookie; each ends by its limits or by hand. */
class Server {
  sessions = [];
  issued = new Set();

  start(user, now) {
    this.sessions.push({ tag: `s${this.sessions.length}`, user, startedAt: now, lastAt: now, endedAt: Infinity });
  }

  endOf({ startedAt, lastAt, endedAt }) {
    return Math.min(startedAt + LENGTH, lastAt + IDLE, endedAt);
  }

  isLive(session, now) {
    return now < this.endOf(session);
  }

  /** What a page makes of an answer sent now that arrives at `at`: seconds left, anchored there. */
  fact(session, now, at, userTag = session.user) {
    const ends = (end) => at + Math.floor((end - now) / SECOND) * SECOND;
    const { tag, startedAt, lastAt } = session;
    const fact = {
      at, idleEndsAt: ends(lastAt + IDLE), sessionEndsAt: ends(startedAt + LENGTH),
      warnIdle: 3 * MINUTE, warnSession: 6 * MINUTE, tag, userTag,
    };
    this.issued.add(JSON.stringify(fact));
    return fact;
  }
}

class World {
  now = 1_000_000_000;
  server = new Server();
  tabs = [null, null];
  events = [];
  lastHumanAt = 0;
  clicks = 0;
  views = new Set();
  log = [];

  constructor(seed, step) {
    this.random = chance(seed);
    this.loss = this.random() < 0.5 ? 0 : 0.15;
    this.step = step;
    this.server.start("alice", this.now);
    this.open(0);
    this.open(1);
  }

  pick(items) {
    return items[Math.floor(this.random() * items.length)];
  }

  travel() {
    return this.random() < this.loss ? Infinity : this.pick(TRAVEL) * SECOND;
  }

  /** A frozen page gets what comes to it on thawing; a page that is gone gets nothing. */
  later(delay, tab, run) {
    if (delay === Infinity) return;
    this.events.push({
      at: this.now + delay,
      run: () => {
        if (tab && !this.tabs.includes(tab)) return;
        if (tab && this.now < tab.frozenTo) this.later(tab.frozenTo - this.now + this.random(), tab, run);
        else run();
      },
    });
  }

  pass(span) {
    const until = this.now + span;
    for (;;) {
      const next = this.events.reduce((first, event) => (!first || event.at < first.at ? event : first), null);
      if (!next || next.at > until) break;
      this.events.splice(this.events.indexOf(next), 1);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = until;
  }

  /** A navigation: activity, and the page comes with the session clock. */
  open(index) {
    const session = this.server.sessions.at(-1);
    if (!this.server.isLive(session, this.now)) return;
    session.lastAt = this.lastHumanAt = this.now;
    const tab = { index, state: initial(session.user, this.random() / 5 - 0.1, this.now), frozenTo: 0, timer: null };
    this.tabs[index] = tab;
    this.take(tab, { type: "heard", fact: this.server.fact(session, this.now, this.now, "") });
  }

  tell(from, news) {
    for (const tab of this.tabs) {
      if (tab && tab !== from) this.later(this.travel(), tab, () => this.take(tab, structuredClone(news), true));
    }
  }

  request(tab, kind, age) {
    const send = () => {
      const askedAt = this.now;
      const session = this.server.sessions.at(-1);
      const { tag } = tab.state.fact;
      let isOver = false;
      const reply = (news) => {
        if (isOver) return;
        isOver = true;
        // Nobody knows when an answer was true that lay about in a frozen page.
        const isLate = news.fact && this.now - askedAt >= PATIENCE;
        this.take(tab, isLate ? { type: "failed", kind } : news);
      };
      // The server may do what the page has given up.
      this.later(this.travel(), null, () => this.serve(tab, { kind, age, askedAt, session, tag }, reply));
      this.later(PATIENCE, tab, () => reply({ type: "failed", kind }));
    };
    if (kind !== "ask") return send();
    // A question waits its turn, and is dropped if somebody else's answer came before.
    this.later(this.pick([0, 0, 1, 3]) * SECOND, tab, () => tab.state.pending === "ask" && send());
  }

  serve(tab, { kind, age, askedAt, session, tag }, reply) {
    if (this.random() < this.loss) return this.later(0, tab, () => reply({ type: "failed", kind }));
    const { now, server } = this;
    const back = this.travel();
    if (!server.isLive(session, now)) {
      // Of the session that the page had in mind: it may have another by now.
      const news = { type: "ended", kind, tag, reason: "inactivity", detail: "" };
      return this.later(back, tab, () => reply(news));
    }
    if (kind !== "ask") this.credit(session, kind, now - age * SECOND);
    const fact = (at) => server.fact(session, now, at);
    this.later(back, tab, () => reply({ type: "answer", kind, askedAt, fact: fact(this.now) }));
  }

  credit(session, kind, at) {
    if (kind === "explicit") this.clicks--;
    this.hold(2, this.clicks >= 0, "the session was extended by a click that nobody made");
    this.hold(2, at <= this.lastHumanAt + LATE, "the session was extended while nobody did anything");
    session.lastAt = Math.max(session.lastAt, Math.min(at, this.now));
  }

  take(tab, news, isTold = false) {
    const { now } = this;
    const before = tab.state;
    this.note(`${tab.index} ${isTold ? "channel " : ""}${JSON.stringify(news)}`);
    const { state, effects } = this.step(before, news, now);
    tab.state = state;
    this.check(before, state, news, effects, isTold);
    for (const effect of effects) {
      if (effect.do === "tell") this.tell(tab, effect.news);
      if (effect.do === "ask") this.request(tab, "ask", 0);
      if (effect.do === "touch") this.request(tab, effect.kind, effect.age);
    }
    const timer = (tab.timer = Symbol("timer"));
    const wait = Math.min(nextLook(state, now), state.limit ? now + 10 * SECOND : Infinity) - now;
    const throttled = state.hidden ? this.pick([0, SECOND, MINUTE]) : 0;
    this.later(wait + throttled, tab, () => tab.timer === timer && this.take(tab, { type: "tick" }));
  }

  /** The invariants, after each step of a page. */
  check(before, state, news, effects, isTold) {
    const { now, server } = this;
    const { fact } = state;
    const [was, is] = [shown(before, now), shown(state, now)];
    this.views.add(is);
    const isOpen = OPEN.includes(is);
    const isNews = JSON.stringify(fact) !== JSON.stringify(before.fact);
    const session = server.sessions.find(({ tag }) => tag === fact.tag);

    this.hold(1, !isNews || server.issued.has(JSON.stringify(fact)), "the page shows an end that no server told");
    const isExtended = isOpen && is !== "idle" && !["active", "banner", "session"].includes(was);
    this.hold(1, !isExtended || isNews, `"${was}" became "${is}" without the server's word`);
    this.hold(1, !["ended", "checking"].includes(was) || !isOpen || news.fact, "unveiled without an answer");

    this.hold(2, !isNews || news.fact, `"${news.type}" moved a deadline`);

    this.hold(3, effects.every((effect) => EFFECTS.includes(effect.do)), "an effect that nobody knows");
    const isOther = news.type === "answer" && news.fact.userTag !== before.userTag;
    const isHeld = state.phase === "cleared" && now >= before.endedAt + HOLD;
    const isWiped = effects.some((effect) => effect.do === "wipe");
    this.hold(3, !isWiped || isOther || isHeld, "the page was cleared for no reason");
    this.hold(3, is !== "replaced" || was === is || isOther, "the page was given up for nobody else");
    this.hold(4, !isOther || !isOpen, "the page stayed open to somebody else");

    const isAbout = news.type === "ended" && (news.tag ?? before.fact.tag) === before.fact.tag;
    this.hold(4, !isAbout || !isOpen, `told of the end${isTold ? " by another page" : ""}, it stayed open`);
    const end = Math.min(fact.idleEndsAt, fact.sessionEndsAt);
    this.hold(4, !isOpen || now < end, "the page stayed open after its end");
    this.hold(4, is !== "ended" || was === "ended" || !server.isLive(session, now), "a live session was called over");

    this.hold(5, fact.sessionEndsAt <= session.startedAt + LENGTH + PATIENCE, "the session became longer");
    const isSame = !before.fact.tag || fact.tag === before.fact.tag;
    this.hold(5, isSame || news.type === "answer", "the page took up another session on hearsay");
  }

  hold(invariant, condition, complaint) {
    if (condition) return;
    throw new assert.AssertionError({ message: `(${invariant}) ${complaint}\n${this.log.slice(-16).join("\n")}` });
  }

  note(line) {
    this.log.push(`${((this.now - 1_000_000_000) / SECOND).toFixed(2)} s: ${line}`);
  }

  /** What people do at a page they see, and what happens to a page. */
  act() {
    const tab = this.pick(this.tabs);
    if (!tab) return this.open(this.tabs.indexOf(null));
    if (this.now < tab.frozenTo) return;
    const session = this.server.sessions.at(-1);
    const isSeen = !tab.state.hidden;
    const view = shown(tab.state, this.now);
    const human = (type) => {
      this.lastHumanAt = this.now;
      this.take(tab, { type });
    };
    const acts = {
      input: () => isSeen && OPEN.includes(view) && human("input"),
      answer: () => {
        if (!isSeen || !["idle", "banner", "session"].includes(view)) return;
        if (view !== "idle") return human("dismiss");
        this.clicks++;
        human("stay");
      },
      hide: () => this.take(tab, { type: "hide" }),
      wake: () => this.take(tab, { type: "wake" }),
      freeze: () => {
        this.take(tab, { type: "hide" });
        tab.frozenTo = this.now + this.pick([5 * SECOND, MINUTE, 15 * MINUTE]);
        this.later(tab.frozenTo - this.now, tab, () => this.take(tab, { type: "wake" }));
      },
      restore: () => this.take(tab, { type: "wake", restored: true }),
      background: () => {
        // A request of the page's own, marked passive.
        if (!this.server.isLive(session, this.now)) return this.take(tab, { type: "wake" });
        this.take(tab, { type: "heard", fact: this.server.fact(session, this.now, this.now, "") });
      },
      signOut: () => {
        if (!isSeen || !this.server.isLive(session, this.now)) return;
        session.endedAt = this.now;
        this.tabs[tab.index] = null;
        this.tell(tab, { type: "doubt" });
      },
      revoke: () => {
        session.endedAt = Math.min(session.endedAt, this.now);
      },
      signIn: () => {
        session.endedAt = Math.min(session.endedAt, this.now);
        this.server.start(this.random() < 0.8 ? session.user : this.pick(["alice", "bob"]), this.now);
        this.lastHumanAt = this.now;
        if (this.random() < 0.8) this.tell(null, { type: "resumed" });
      },
      reload: () => isSeen && this.open(tab.index),
    };
    const frequent = ["input", "input", "answer", "answer", "hide", "wake", "wake", "background"];
    acts[this.pick([...frequent, ...Object.keys(acts)])]();
  }
}

/** Walk from each seed; return all views seen, or throw what broke. */
function explore(step, walks, acts) {
  const views = new Set();
  for (let seed = 1; seed <= walks; seed++) {
    const world = new World(seed, step);
    try {
      for (let act = 0; act < acts; act++) {
        world.act();
        world.pass(world.pick([0, 0, 1, 5, 20, 60, 120, 200, 400]) * SECOND * world.random());
      }
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
    for (const view of world.views) views.add(view);
  }
  return views;
}

test("the invariants hold for two pages, a server and lost, late and reordered messages", () => {
  const views = explore(reduce, 400, 80);
  const every = [...OPEN, "checking", "offline", "ended", "cleared", "replaced"];
  assert.deepEqual([...views].sort(), every.sort());
});

/** Reducers with a fault in them, each of which breaks the invariant of its number. */
const mutants = {
  1: (state, news, now) => {
    const turn = reduce(state, news, now);
    if (news.type === "stay") {
      const fact = { ...state.fact, idleEndsAt: now + IDLE };
      Object.assign(turn.state, { fact, phase: "active", limit: null });
    }
    return turn;
  },
  2: (state, news, now) => {
    const { effects, ...turn } = reduce(state, news, now);
    const touch = { do: "touch", kind: "activity", age: 0 };
    return { ...turn, effects: effects.map((effect) => (effect.do === "ask" ? touch : effect)) };
  },
  3: (state, news, now) => {
    const turn = reduce(state, news, now);
    if (news.type === "failed" && turn.state.failures > 1) turn.effects.push({ do: "wipe" });
    return turn;
  },
  4: (state, news, now) => reduce(state, news.type === "ended" && !news.kind ? { type: "tick" } : news, now),
  5: (state, news, now) => {
    const isLive = !state.unsure && ["active", "warning", "verifying"].includes(state.phase);
    if (!isLive || news.type !== "told" || news.fact.at <= state.heardAt) return reduce(state, news, now);
    return reduce({ ...state, fact: { ...state.fact, tag: news.fact.tag } }, news, now);
  },
};

for (const [invariant, mutant] of Object.entries(mutants)) {
  test(`the check finds a reducer that breaks invariant ${invariant}`, () => {
    assert.throws(() => explore(mutant, 400, 80), new RegExp(`^AssertionError.*: \\(${invariant}\\)`));
  });
}
