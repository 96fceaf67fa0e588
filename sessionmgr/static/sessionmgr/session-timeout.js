/**
 * <session-timeout> tells people in good time that they will be signed out, and then why.
 *
 * The server judges; the page asks, shows and forwards: a pure reducer, then the element.
 * Why: docs/explanation/widget.md. Types: tests/js/types.d.ts
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const POLL = 2 * MINUTE; // a visible page asks this often
const SOON = 5 * MINUTE; // before a warning
const FRESH = 10 * SECOND; // no need to ask again on waking
const URGENT = 2 * MINUTE; // from banner to dialog
const HOLD = 10 * MINUTE; // work is kept after the end
const PATIENCE = 8 * SECOND; // for a request
const LOST = 9 * SECOND; // it did not even fail
const TOKEN = /(X-CSRFToken["']?:\s*["'])\w*/i;

/** Seconds left, true at `at`; null or -1: no limit. @returns {Fact} */
const factOf = (at = 0, /** @type {any[]} */ [idle, session, warnSession, warnIdle, tag, userTag]) => {
  const ends = (left = -1) => (left === null || left < 0 ? Infinity : at + left * SECOND);
  return {
    at,
    idleEndsAt: ends(idle),
    sessionEndsAt: ends(session),
    warnIdle: warnIdle * SECOND,
    warnSession: warnSession * SECOND,
    tag,
    userTag,
  };
};

/** Read the session entry of Server-Timing. */
export const parse = (desc = "", at = 0) => {
  const match = /^i=(-1|\d+);a=(-1|\d+);w=(\d+);x=(\d+);v=\d+;s=(\w+)/.exec(desc);
  return match && factOf(at, [...match.slice(1, 5).map(Number), match[5], ""]);
};

/** A page that knows nothing yet. @returns {State} */
export const initial = (userTag = "", jitter = 0, now = 0) => ({
  phase: "active",
  limit: null,
  fact: factOf(0, [-1, -1, 0, 0, "", ""]),
  userTag,
  jitter,
  heardAt: 0,
  inputAt: 0,
  creditedAt: now,
  pending: null,
  askedAt: 0,
  failures: 0,
  retryAt: 0,
  hidden: false,
  unsure: false,
  dismissed: 0,
  problem: false,
  foreign: "",
  resumed: false,
  endedAt: 0,
  restoredAt: 0,
  reason: null,
  detail: "",
});

/** When the warnings open, and when the session ends. @param {Fact} fact */
const fate = ({ idleEndsAt, sessionEndsAt, warnIdle, warnSession }) => ({
  idle: idleEndsAt < sessionEndsAt ? idleEndsAt - warnIdle : Infinity,
  session: sessionEndsAt - warnSession,
  urgent: sessionEndsAt - URGENT,
  end: Math.min(idleEndsAt, sessionEndsAt),
});

/** Of the limits that are near, the one that binds. @param {Fact} fact */
const due = (fact, now = 0) => {
  const { idle, session } = fate(fact);
  return now >= idle ? "idle" : now >= session ? "session" : null;
};

const isUnseen = (/** @type {Known} */ { inputAt, creditedAt }) => inputAt > creditedAt;
const isFinal = (/** @type {Known} */ { phase }) => phase === "cleared" || phase === "replaced";

/** When to ask or tell the server. @param {Known} state */
const contactAt = (state, now = 0) => {
  const poll = POLL * (1 + state.jitter);
  const left = state.fact.idleEndsAt - now;
  const beat = left < Infinity ? Math.min(Math.max(left / 5, 15 * SECOND), MINUTE) : poll;
  return Math.min(
    isUnseen(state) ? state.creditedAt + beat : Infinity,
    state.hidden ? Infinity : state.heardAt + poll,
  );
};

/** What the page knows next, and does. @param {Known} previous @param {News} news */
export function reduce(previous, news, now = 0) {
  /** @type {Turn} */
  const turn = { state: { ...previous }, now, effects: [] };
  if (!isFinal(previous)) take(turn, news);
  if (!isFinal(turn.state)) settle(turn);
  return turn;
}

/** @param {Turn} turn @param {News} news */
function take(turn, news) {
  const { state, now } = turn;
  if ("kind" in news && news.kind === state.pending) state.pending = null;
  switch (news.type) {
    case "answer":
      return accept(turn, news);
    case "heard":
    case "told":
      return overhear(turn, news);
    case "ended":
      return end(turn, news);
    case "failed":
      state.failures++;
      state.retryAt = now + Math.min(2.5 * 2 ** state.failures, 30) * SECOND;
      state.problem ||= news.kind === "explicit";
      break;
    case "input":
      // The idle warning is answered by its button alone.
      if (state.phase === "active" || state.limit === "session") state.inputAt = now;
      break;
    case "stay":
      if (state.pending !== "explicit") send(turn, "explicit");
      break;
    case "dismiss":
      state.dismissed = shown(state, now) === "session" ? 2 : 1;
      break;
    case "hide":
      state.hidden = true;
      if (isUnseen(state)) contact(turn);
      break;
    case "wake":
      state.hidden = false;
      state.retryAt = 0;
      if (news.restored) {
        Object.assign(state, { unsure: true, pending: null, heardAt: 0, restoredAt: now });
      }
      if (now - state.heardAt > FRESH) contact(turn);
      break;
    case "resumed":
      Object.assign(state, { resumed: true, pending: null }); // what is asked may be older
      contact(turn);
      break;
    case "doubt":
      contact(turn);
  }
}

/** Only this ends a doubt, revives an ended page or changes session. @type {Step<"answer">} */
function accept({ state, now, effects }, { kind, askedAt, fact }) {
  const isEnded = state.phase === "ended";
  if (askedAt < (isEnded ? state.endedAt : state.restoredAt)) return;
  state.failures = state.retryAt = 0;
  if (state.userTag && fact.userTag !== state.userTag) {
    Object.assign(state, { phase: "replaced", limit: null });
    effects.push({ do: "wipe" });
    return;
  }
  const isOther = state.fact.tag && fact.tag !== state.fact.tag;
  if (isEnded || isOther || state.resumed) effects.push({ do: "renew" });
  if (isEnded) state.phase = "active";
  if (kind !== "ask") state.creditedAt = askedAt;
  state.userTag = fact.userTag;
  state.unsure = state.resumed = false;
  state.problem = kind === "explicit" && due(fact, now) === "idle";
  learn(state, fact);
  effects.push({ do: "tell", news: { type: "told", fact } });
}

/** What is said of another session is a reason to ask, no more. @type {Step<"heard" | "told">} */
function overhear(turn, { type, fact }) {
  const { state, effects } = turn;
  if (fact.at <= state.heardAt) return;
  if (state.phase === "ended" || (state.fact.tag && fact.tag !== state.fact.tag)) {
    // Once: two sessions must not keep each other asking.
    if (fact.tag !== state.foreign) contact(turn);
    state.foreign = fact.tag;
  } else if (!state.unsure) {
    learn(state, fact);
    if (type === "heard") effects.push({ do: "tell", news: { type: "told", fact } });
  }
}

/** @param {State} state @param {Fact} fact */
function learn(state, fact) {
  state.fact = fact;
  state.heardAt = fact.at;
  if (state.pending === "ask") state.pending = null;
}

/** @type {Step<"ended">} */
function end({ state, now, effects }, { kind, tag = state.fact.tag, reason, detail }) {
  if (tag !== state.fact.tag) return;
  Object.assign(state, { heardAt: now, failures: 0, pending: null });
  if (state.phase === "ended") return;
  Object.assign(state, { phase: "ended", limit: null, endedAt: now, foreign: "", reason, detail });
  if (kind && tag) effects.push({ do: "tell", news: { type: "ended", tag, reason, detail } });
}

/** @param {Turn} turn @param {Kind} kind */
function send({ state, now, effects }, kind) {
  const age = kind === "explicit" ? 0 : Math.ceil((now - state.inputAt) / SECOND);
  Object.assign(state, { pending: kind, askedAt: now, problem: false });
  effects.push(kind === "ask" ? { do: kind } : { do: "touch", kind, age });
}

/** Report input, else just ask. @param {Turn} turn */
function contact(turn) {
  const { state } = turn;
  const isReport = isUnseen(state) && state.phase !== "ended";
  if (!state.pending) send(turn, isReport ? "activity" : "ask");
}

/** Work out the phase, and whether the server must be reached. @param {Turn} turn */
function settle(turn) {
  const { state, now, effects } = turn;
  const { fact, failures } = state;
  if (now >= state.askedAt + LOST) state.pending = null;
  if (state.phase === "ended") {
    if (now < state.endedAt + HOLD) return;
    state.phase = "cleared";
    effects.push({ do: "wipe" });
    return;
  }
  const limit = due(fact, now);
  const isOver = state.unsure || now >= fate(fact).end;
  // A warning waits until the server has confirmed it, or cannot be reached.
  const isConfirmed =
    !limit ||
    limit === state.limit ||
    failures > 0 ||
    (state.heardAt >= fate(fact)[limit] && !(limit === "idle" && isUnseen(state)));
  state.limit = !isOver && isConfirmed ? limit : null;
  state.phase = isOver ? "verifying" : state.limit ? "warning" : "active";
  if (state.limit !== "session") state.dismissed = 0;
  const isWanted = isOver || !isConfirmed || now >= contactAt(state, now);
  if (isWanted && now >= state.retryAt) contact(turn);
}

/** When to look again. @param {Known} state */
export const nextLook = (state, now = 0) =>
  Math.min(
    ...[
      state.retryAt,
      state.askedAt + LOST,
      state.endedAt + HOLD,
      contactAt(state, now),
      ...Object.values(fate(state.fact)),
    ].filter((at) => at > now),
  );

/** What to show: "active" is nothing. @param {Known} state @returns {View} */
export function shown({ phase, limit, fact, failures, dismissed }, now = 0) {
  if (phase === "verifying") return failures ? "offline" : "checking";
  if (phase !== "warning") return phase;
  if (limit === "idle") return limit;
  const isUrgent = now >= fate(fact).urgent;
  if (isUrgent && dismissed < 2) return "session";
  return dismissed === 1 && !isUrgent ? "active" : "banner";
}

/** @type {typeof HTMLElement} */
const Base = globalThis.HTMLElement ?? class {};

/** @returns {any[]} */
const all = (/** @type {ParentNode} */ root, query = "") => [...root.querySelectorAll(query)];

/** Dialogs, words and addresses are in the template sessionmgr/session_timeout.html. */
export class SessionTimeout extends Base {
  #state = initial();
  #gone = new AbortController();
  #timer = 0;
  #csrf = "";
  #typedAt = 0;
  #inputAt = 0;
  #openedAt = 0;
  #guardedAt = 0;
  #broughtAt = 0;
  /** @type {any} */
  #near;
  /** @type {any} */
  #channel;
  /** @type {any} */
  #observer;

  connectedCallback() {
    this.#gone = new AbortController();
    if (document.prerendering) this.#on(document, "prerenderingchange", () => this.#start());
    else this.#start();
  }

  disconnectedCallback() {
    this.#gone.abort();
    this.#observer?.disconnect();
    this.#channel?.close();
    clearTimeout(this.#timer);
    this.#lock(false);
  }

  /** As "Stay signed in" does. */
  extend() {
    this.#take({ type: "stay" });
  }

  /** Ask the server. */
  sync() {
    this.#take({ type: "doubt" });
  }

  /** As "Sign in again now" does. */
  reauth() {
    all(this, "[data-sign-in]")[0]?.click();
  }

  /** Seconds left; Infinity: no limit. */
  remaining() {
    return Math.max(0, fate(this.#state.fact).end - Date.now()) / SECOND;
  }

  get state() {
    return this.getAttribute("state");
  }

  get reason() {
    return this.#state.reason;
  }

  get deadlines() {
    const { idleEndsAt, sessionEndsAt } = this.#state.fact;
    return { idle: idleEndsAt, session: sessionEndsAt };
  }

  /** Take input in a (same-origin frame's) document as activity. @param {Document} doc */
  watch(doc) {
    this.#on(doc, "pointerdown keydown input wheel touchstart", ({ isTrusted, type }) => {
      if (!isTrusted) return;
      const now = Date.now();
      if (type === "keydown") this.#typedAt = now;
      if (type === "input") this.toggleAttribute("typed", true);
      if (Math.abs(now - this.#inputAt) < SECOND) return;
      this.#inputAt = now;
      this.#take({ type: "input" });
    });
  }

  /** @param {EventTarget} target @param {(event: any) => void} listener */
  #on(target, types = "", listener) {
    const options = { capture: true, signal: this.#gone.signal };
    for (const type of types.split(" ")) target.addEventListener(type, listener, options);
  }

  #start() {
    this.#state = initial(this.dataset.user, Math.random() / 5 - 0.1, Date.now());
    this.#csrf = this.querySelector("input")?.value ?? "";
    this.#channel = new BroadcastChannel("session-timeout");
    this.#on(this.#channel, "message", ({ data }) => this.#take(data));
    this.#listen();
    this.watch(document);
    for (const entry of performance.getEntriesByType("navigation")) this.#hear(entry);
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#hear(entry);
    });
    this.#observer.observe({ type: "resource", buffered: true });
    this.#look();
  }

  #look() {
    this.#take({ type: document.hidden ? "hide" : "wake" });
  }

  #listen() {
    this.#on(window, "focus online", () => this.#look());
    this.#on(document, "visibilitychange resume", () => this.#look());
    this.#on(window, "pageshow", ({ persisted }) => {
      if (persisted) this.#take({ type: "wake", restored: true });
      this.#disown();
    });
    let isLeaving = false;
    this.#on(document, "submit", ({ target: { action, id } }) => {
      isLeaving = action === this.querySelector("form")?.action || id === "logout-form";
    });
    this.#on(window, "pagehide", ({ persisted }) => {
      this.#take({ type: "hide" });
      // The next page is there: the server has answered.
      if (isLeaving) this.#channel.postMessage({ type: "doubt" });
      if (persisted) this.#lock(true); // what is kept for Back is kept veiled
    });
    this.#on(this, "close", () => this.#render());
    this.#on(this, "click cancel", (event) => {
      const name = event.type === "cancel" ? "escape" : "event";
      const type = event.target.closest(`[data-${name}]`)?.dataset[name];
      if (name === "escape") event.preventDefault();
      // A key (no detail) may have been meant for the page.
      if (type && (event.detail || Date.now() - this.#openedAt > SECOND / 2)) this.#take({ type });
    });
  }

  /** Read the session clock off any same-origin response. @param {any} entry */
  #hear({ name, entryType, deliveryType, responseStart, responseStatus, serverTiming = [] }) {
    const { status, touch } = this.dataset;
    const { origin, pathname } = new URL(name);
    if (origin !== location.origin || [status, touch].includes(pathname)) return;
    if (deliveryType === "cache") {
      if (entryType === "navigation") this.#take({ type: "wake", restored: true });
      return;
    }
    for (const { name, description } of serverTiming) {
      // timeOrigin + responseStart would drift.
      const fact = parse(description, Date.now() - performance.now() + responseStart);
      if (name === "session" && fact) return this.#take({ type: "heard", fact });
    }
    if (responseStatus === 401) this.#look();
  }

  /** @param {News} news */
  #take(news) {
    if (this.#gone.signal.aborted) return;
    const { state, effects } = reduce(this.#state, news, Date.now());
    this.#state = state;
    for (const effect of effects) {
      if (effect.do === "ask") this.#ask();
      else if (effect.do === "touch") this.#touch(effect.kind, effect.age);
      else if (effect.do === "tell") this.#channel.postMessage(effect.news);
      else if (effect.do === "renew") this.#renew();
      else this.#wipe();
    }
    this.#render();
  }

  /** One tab at a time, so that the others can use its answer. */
  async #ask() {
    const ask = async () => {
      if (this.#state.pending === "ask") this.#take(await this.#fetch("ask"));
    };
    try {
      const signal = AbortSignal.timeout(3 * SECOND); // a frozen tab may hold the lock
      await navigator.locks.request("session-timeout", { signal }, ask);
    } catch {
      await ask();
    }
  }

  /** @param {Kind} kind */
  async #touch(kind, age = 0) {
    const body = new URLSearchParams({ kind, age: `${age}` });
    let news = await this.#fetch(kind, body);
    if (news.status === 403) {
      await this.#fetch(kind); // for a token that fits
      news = await this.#fetch(kind, body);
    }
    this.#take(news);
  }

  /** @param {Kind} kind @param {URLSearchParams} [body] @returns {Promise<Reply>} */
  async #fetch(kind, body) {
    const askedAt = Date.now();
    const { tag } = this.#state.fact;
    let status = 0;
    try {
      const response = await fetch((body ? this.dataset.touch : this.dataset.status) ?? "", {
        method: body ? "POST" : "GET",
        body,
        headers: { Accept: "application/json", "X-CSRFToken": this.#csrf },
        keepalive: !!body,
        signal: AbortSignal.timeout(PATIENCE),
      });
      status = response.status;
      const at = Date.now();
      const json = await response.json();
      // After a sleep in between nobody knows when it was true.
      if (json.state === "live" && at - askedAt < PATIENCE) {
        this.#csrf = json.csrf_token || this.#csrf;
        const seconds = [json.idle_seconds, json.session_seconds];
        const warnings = [json.warn_session_seconds, json.warn_idle_seconds];
        const fact = factOf(at, [...seconds, ...warnings, json.session_tag, json.user_tag]);
        return { type: "answer", kind, askedAt, fact };
      }
      if (status === 401 && json.code) {
        return { type: "ended", kind, tag, reason: json.reason, detail: json.title };
      }
    } catch {} // told below
    return { type: "failed", kind, status };
  }

  /** A page that goes on needs the new session's tokens. */
  #renew() {
    for (const node of all(document, "[name=csrfmiddlewaretoken], [hx-headers]")) {
      const old = node.getAttribute("hx-headers");
      if (old) node.setAttribute("hx-headers", old.replace(TOKEN, `$1${this.#csrf}`));
      else node.value = this.#csrf;
    }
    this.#emit("resumed", { csrf: this.#csrf });
  }

  /** Back fills forms in again, whoever is signed in by now. */
  #disown() {
    const { user } = this.dataset;
    try {
      const key = this.localName + location.pathname;
      const isForeign = (sessionStorage[key] ?? user) !== user;
      if (isForeign) for (const form of document.forms) form.reset();
      sessionStorage[key] = user;
    } catch {} // no storage, no mark
  }

  /** Leave nothing of the page but this element. */
  #wipe() {
    this.removeAttribute("typed");
    const kept = "link, session-timeout, session-timeout *, :has(session-timeout)";
    for (const node of all(document.body, `:not(${kept})`)) node.remove();
  }

  #emit(name = "", detail = {}) {
    const options = { bubbles: true, cancelable: name === "warning", detail };
    return this.dispatchEvent(new CustomEvent(`session-timeout:${name}`, options));
  }

  #lock(isLocked = true) {
    document.documentElement.toggleAttribute("data-session-locked", isLocked);
  }

  #render() {
    const now = Date.now();
    const { fact, limit, pending, problem, reason, detail } = this.#state;
    const view = shown(this.#state, now);
    const [part] = all(this, `[data-view=${view}]`);
    const endsAt = limit ? fact[`${limit}EndsAt`] : 0;
    const left = Math.max(0, Math.ceil((endsAt - now) / SECOND));
    const wait = Math.min(nextLook(this.#state, now) - now, limit ? SECOND : 60 * MINUTE);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#take({ type: "tick" }), wait);
    this.setAttribute("pending", pending ?? "");
    this.toggleAttribute("problem", problem);
    this.toggleAttribute("near", now >= fate(fact).session);
    const isNew = view !== this.getAttribute("state");
    if (isNew || (part?.open === false && !this.hasAttribute("own"))) {
      if (limit && part?.showModal && this.#isTyping(now)) return;
      this.setAttribute("state", view);
      const isOwn = !!limit && !this.#emit("warning", { limit, left });
      this.toggleAttribute("own", isOwn);
      this.#show(isOwn ? null : part, view);
      this.#emit("state", { state: view, reason });
      if (view === "ended") this.#emit("expired", { reason });
      if (view === "offline") this.#emit(view);
    }
    if (view !== "active" || due(fact, now + SOON) || document.querySelector("[data-needs]")) {
      this.#bring(now);
    }
    const later = fact.sessionEndsAt;
    this.#near?.update(this, { part, left: limit && left, endsAt, later, detail });
  }

  /** What is needed only near a limit comes when one is. */
  async #bring(now = 0) {
    const { near } = this.dataset;
    if (!near || this.#near || now - this.#broughtAt < 10 * SECOND) return;
    this.#broughtAt = now;
    try {
      this.#near = await import(near);
      this.#render();
    } catch {} // it goes without
  }

  /** Until a pause, for three seconds at most. */
  #isTyping(now = 0) {
    this.#guardedAt ||= now;
    const isTyping = now - this.#typedAt < 1.5 * SECOND && now - this.#guardedAt < 3 * SECOND;
    if (!isTyping) this.#guardedAt = 0;
    return isTyping;
  }

  /** @param {any} part */
  #show(part, view = "") {
    this.#lock(!["active", "idle", "banner", "session"].includes(view));
    // Closed first, so that screen readers read the new one.
    for (const dialog of all(this, "[open]")) dialog.close();
    part?.showModal?.();
    this.#openedAt = Date.now();
  }
}

globalThis.customElements?.define("session-timeout", SessionTimeout);
