/**
 * What <session-timeout> needs only when a limit is near: sentences with their times, the
 * countdown, the title of a hidden tab, signing in again in a popup, and the form horizon.
 *
 * The element brings it with import(), and does without if it does not come.
 */

const SECOND = 1000;
const POPUP = "popup,width=520,height=680";

/** @returns {any[]} */
const all = (/** @type {ParentNode} */ root, query = "") => [...root.querySelectorAll(query)];

/** The language of a page that names a valid one, else the browser's. @param {Element} widget */
function languageOf(widget) {
  try {
    return Intl.getCanonicalLocales(widget.closest("[lang]")?.getAttribute("lang") ?? [])[0];
  } catch {
    return undefined;
  }
}

/** Numbers and times in the language of the page. @param {Element} widget */
function words(widget) {
  const language = languageOf(widget);
  /** @param {"short" | "long"} unitDisplay */
  const span = (seconds = 0, unitDisplay = "long") => {
    const [unit, size] =
      seconds < 60 ? ["second", 1] : seconds < 7200 ? ["minute", 60] : ["hour", 3600];
    return new Intl.NumberFormat(language, { style: "unit", unit: `${unit}`, unitDisplay }).format(
      Math.ceil(seconds / +size),
    );
  };
  const time = (at = 0) =>
    new Date(at).toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" });
  const fill = (text = "", /** @type {Near} */ { left, endsAt, later, detail }) =>
    text
      .replace("{left}", span(left ?? 0))
      .replace("{time}", time(endsAt))
      .replace("{later}", time(later))
      .replace("{reason}", detail);
  return { span, fill };
}

/** What to announce: minutes, then 40 and 20 s. */
export const milestone = (left = 0) => {
  const size = left > 60 ? 60 : 20;
  return Math.ceil(left / size) * size;
};

/** The part whose sentences are on screen, and the end that they tell. @type {any} */
let worded = null;
let wordedFor = 0;
let announced = 0;
let prefix = "";

/** Bring the words up to date; the element calls this at each turn. @type {Update} */
export function update(widget, near) {
  const { part, left, endsAt } = near;
  const { span, fill } = words(widget);
  mark(document.hidden && left !== null ? `(${span(left, "short")}) ` : "");
  serve(widget);
  leave(widget);
  foresee(widget, near);
  const isNew = part !== worded;
  worded = part;
  if (!part) return;
  // Else the words stay, for who listens.
  if (isNew || Math.abs(endsAt - wordedFor) > 2 * SECOND) {
    wordedFor = endsAt;
    for (const node of all(part, "[data-text]")) node.textContent = fill(node.dataset.text, near);
  }
  if (isNew) announced = 0;
  if (left !== null && part.open) count(part, near, words(widget));
}

/** @param {any} part @param {Near} near @param {ReturnType<typeof words>} words */
function count(part, near, { span, fill }) {
  const left = near.left ?? 0;
  const [count, bar, live] = all(part, "[data-count], progress, [data-live]");
  count.textContent = span(left);
  if (!announced) bar.max = left;
  bar.value = left;
  const step = milestone(left);
  if (step < announced) live.textContent = fill(live.dataset.live, { ...near, left: step });
  announced = step;
}

/** Begin the title of the tab with the time left. */
function mark(wanted = "") {
  const { title } = document;
  if (wanted === prefix) return;
  document.title = wanted + title.slice(title.startsWith(prefix) ? prefix.length : 0);
  prefix = wanted;
}

/** Elements whose sign-in links open a popup. */
const served = new WeakSet();

/** @param {Element} node */
function serve(node) {
  if (served.has(node)) return;
  served.add(node);
  node.addEventListener("click", (event) => {
    const { target: link } = event;
    if (link instanceof HTMLAnchorElement && link.matches("[data-sign-in]")) enter(event, link);
  });
}

/** A popup that is blocked leaves an ordinary link. @param {Event} event */
function enter(event, /** @type {HTMLAnchorElement} */ link) {
  if (!link.target) {
    const url = new URL(link.href);
    url.searchParams.set("next", location.pathname + location.search);
    link.href = url.href;
  } else if (window.open(link.href, "session-timeout", POPUP)) {
    // What comes of it is told over the channel: `closed` is no proof of anything.
    event.preventDefault();
  }
}

let isLeaving = false;

/** A page that belonged to somebody else is asked for anew; a policy may also end a stay. */
function leave(/** @type {Widget} */ { state, reason, dataset: { onExpire, signedOut } }) {
  const here = location.pathname + location.search;
  const isOver = state === "ended" && onExpire === "redirect";
  if (isLeaving || (!isOver && state !== "replaced")) return;
  isLeaving = true;
  const query = new URLSearchParams({ reason: reason ?? "", next: here });
  // Not reload(): what somebody else had sent must not be sent again.
  location.replace(isOver ? `${signedOut}?${query}` : here);
}

/** Forms that were looked at; those with a notice have it. @type {WeakMap<Element, any>} */
const seen = new WeakMap();
const UNITS = { s: SECOND, m: 60 * SECOND, h: 3600 * SECOND };

/** Tell on opening of a form that needs longer than the session lasts. @type {Update} */
function foresee(widget, near) {
  const endsAt = widget.deadlines.session;
  if (endsAt === Infinity) return;
  for (const form of all(document, "[data-needs]")) {
    const notice = seen.get(form);
    // Signed in again: there is time now.
    if (notice && endsAt > notice.endsAt + 2 * SECOND) notice.node.remove();
    if (seen.has(form)) continue;
    const [, size, unit] = /^(\d+)([smh])$/.exec(form.dataset.needs) ?? [];
    const left = endsAt - Date.now();
    const isShort = left < +size * UNITS[/** @type {keyof typeof UNITS} */ (unit)];
    const node = isShort ? warn(widget, form, { ...near, left: left / SECOND }) : null;
    seen.set(form, node && { node, endsAt });
  }
}

/** @param {Widget} widget @param {Element} form @param {Near} near */
function warn(widget, form, near) {
  const node = document.createElement("div");
  node.className = "session-timeout-horizon";
  node.setAttribute("role", "status");
  form.prepend(node);
  serve(node);
  // A live region is heard when something comes into it.
  requestAnimationFrame(() => {
    const [template] = all(widget, "[data-horizon]");
    node.append(template?.content.cloneNode(true) ?? "");
    const { fill } = words(widget);
    for (const text of all(node, "[data-text]")) text.textContent = fill(text.dataset.text, near);
  });
  return node;
}
