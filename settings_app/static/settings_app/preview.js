/**
 * "Show the warnings": the real dialogs with the numbers being edited, before they are saved.
 *
 * Nothing is sent and nobody's sign-in is touched: the widget's reducer is asked what it would
 * show, and what it would send is dropped. The dialogs are copies, in an element that the widget's
 * stylesheet takes for the widget and the browser does not: it is of another namespace.
 */

const SECOND = 1000;
const MINUTE = 60;
const NAMESPACE = "urn:x-system-settings-preview";
/** Without a length of its own a sign-in lasts a day. */
const DAY = 1440;
/** The last warning comes this many minutes before the end. */
const LAST = 2;

/** @returns {any[]} */
const all = (/** @type {ParentNode} */ root, query = "") => [...root.querySelectorAll(query)];

/** The minutes typed in a field; NaN: no number that could be saved. @param {any} form */
function minutesIn(form, name = "", least = 1, most = DAY) {
  const typed = form.elements[name].value;
  const minutes = /^[0-9]{1,4}$/.test(typed) ? +typed : NaN;
  return minutes >= least && minutes <= most ? minutes : NaN;
}

/** What is typed in the form; null: it could not be saved. @param {any} form */
export function numbersIn(form) {
  const isCustom = form.elements.session_timeout.value === "custom";
  const isIdle = form.elements.inactivity_enabled.checked;
  const typedLength = minutesIn(form, "max_session_length", 60);
  const length = isCustom ? typedLength : DAY;
  const warning = minutesIn(form, "session_warning", 1, typedLength - 1);
  const idle = minutesIn(form, "inactivity_duration", 5, isIdle && isCustom ? length - 1 : DAY);
  const idleWarning = minutesIn(form, "inactivity_warning", 1, idle - 1);
  const numbers = { isIdle, length, warning, idle, idleWarning };
  return Object.values(numbers).some(Number.isNaN) ? null : numbers;
}

/**
 * The moments to show: seconds left until each limit (-1: no limit), and the minutes to tell of.
 * @param {any} numbers
 */
export function moments({ isIdle, length, warning, idle, idleWarning }) {
  const quiet = idle - idleWarning; // since signing in, for simplicity
  const active = isIdle ? idle * MINUTE : -1;
  const last = Math.min(LAST, warning);
  const found = [
    { idle: active, session: warning * MINUTE, minutes: warning },
    { idle: active, session: last * MINUTE, minutes: last },
  ];
  if (isIdle) found.unshift({ idle: idleWarning * MINUTE, session: (length - quiet) * MINUTE, minutes: quiet });
  return found;
}

/** What the widget shows at each moment, each once. @param {any} widget @param {any} numbers */
export function scenes({ initial, parse, reduce, shown }, numbers) {
  const warnings = `w=${numbers.warning * MINUTE};x=${numbers.idleWarning * MINUTE}`;
  const seen = new Map();
  for (const moment of moments(numbers)) {
    const fact = parse(`i=${moment.idle};a=${moment.session};${warnings};v=0;s=preview`, 1);
    const { state } = reduce(initial("", 0, 1), { type: "heard", fact }, 1);
    const view = shown(state, 1);
    const isNear = moment.session <= numbers.warning * MINUTE;
    if (!seen.has(view)) seen.set(view, { ...moment, view, isNear });
  }
  return [...seen.values()];
}

/** Copies of the dialogs that neither send anything nor lead anywhere. @param {ParentNode} widget */
function copies(widget) {
  return all(widget, "[data-view=idle], [data-view=session], [data-view=banner]").map((part) => {
    const copy = part.cloneNode(true);
    for (const node of [copy, ...all(copy, "*")]) {
      for (const name of ["id", "aria-labelledby", "aria-describedby"]) {
        const id = node.getAttribute(name);
        if (id) node.setAttribute(name, `preview-${id}`);
      }
    }
    for (const form of all(copy, "form")) form.replaceWith(...all(form, "button"));
    for (const link of all(copy, "a")) {
      for (const name of ["target", "data-sign-in"]) link.removeAttribute(name);
      link.href = "#";
    }
    return copy;
  });
}

/** One showing of the warnings, from the first to the last. */
class Preview {
  /** @type {any} */
  #root = document.createElementNS(NAMESPACE, "session-timeout");
  #gone = new AbortController();
  #timer = 0;
  #step = -1;
  #openedAt = 0;

  /** @param {any} button @param {any[]} scenes @param {any} near */
  constructor(button, scenes, near) {
    this.button = button;
    this.scenes = scenes;
    this.near = near;
    const { signal } = this.#gone;
    this.#root.append(...copies(/** @type {any} */ (document.querySelector("session-timeout"))));
    this.#root.addEventListener("click", (/** @type {any} */ event) => {
      event.preventDefault();
      if (event.target.closest("[data-preview-close]")) this.stop();
      else if (event.target.closest("button, a")) this.next();
    });
    this.#root.addEventListener("keydown", (/** @type {any} */ event) => {
      if (event.key === "Escape") this.stop();
    });
    // The real one has something to say.
    document.addEventListener("session-timeout:state", () => this.stop(), { signal });
    document.body.append(this.#root);
    this.next();
  }

  next() {
    this.#step++;
    if (this.#step === this.scenes.length) return this.stop();
    const { view, isNear, minutes } = this.scenes[this.#step];
    for (const dialog of all(this.#root, "[open]")) dialog.close();
    this.#root.setAttribute("state", view);
    this.#root.toggleAttribute("near", isNear);
    const [part] = all(this.#root, `[data-view=${view}]`);
    this.#caption(part, view, minutes);
    part.showModal?.();
    all(part, "button, a")[0].focus();
    this.#openedAt = Date.now();
    this.#tick(part);
  }

  /** Say what is seen, and when. @param {any} part */
  #caption(part, view = "", minutes = 0) {
    const template = /** @type {any} */ (document.querySelector("#settings-preview"));
    const caption = template.content.cloneNode(true);
    for (const node of all(caption, "[data-seen]")) {
      if (node.dataset.seen !== view) node.remove();
      else node.textContent = node.textContent.replace("{span}", span(minutes));
    }
    part.append(caption);
  }

  /** Count down as the real one does. @param {any} part */
  #tick(part) {
    const { view, idle, session } = this.scenes[this.#step];
    const limit = view === "idle" ? idle : session;
    const endsAt = this.#openedAt + limit * SECOND;
    const later = this.#openedAt + session * SECOND;
    const left = Math.max(0, Math.ceil((endsAt - Date.now()) / SECOND));
    // A hidden tab would get the time left into its title.
    if (!document.hidden) this.near.update(this.#stand, { part, left, endsAt, later, detail: "" });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(part), SECOND);
  }

  /** Stands for the widget where the sentences are made: its language, and nothing to do. */
  #stand = {
    closest: () => document.documentElement,
    addEventListener() {},
    state: "preview",
    dataset: {},
    deadlines: { session: Infinity },
  };

  stop() {
    clearTimeout(this.#timer);
    this.#gone.abort();
    for (const dialog of all(this.#root, "[open]")) dialog.close();
    this.#root.remove();
    this.button.focus();
  }
}

/** Minutes in the language of the page. */
function span(minutes = 0) {
  const options = { style: "unit", unit: "minute", unitDisplay: "long" };
  const { lang } = document.documentElement;
  return new Intl.NumberFormat(lang || undefined, /** @type {any} */ (options)).format(minutes);
}

/** @param {any} button */
async function show(button) {
  const [status] = all(document, "[data-preview-status]");
  const numbers = numbersIn(button.form);
  status.textContent = numbers ? "" : button.dataset.refusal;
  if (!numbers) return;
  const [widget, near] = await Promise.all([
    import(button.dataset.widget),
    import(button.dataset.near),
  ]);
  new Preview(button, scenes(widget, numbers), near);
}

// Without the widget on the page there is nothing to copy.
if (globalThis.document?.querySelector("session-timeout")) {
  for (const button of all(document, "[data-preview]")) {
    button.hidden = false;
    button.addEventListener("click", () => show(button));
  }
}
