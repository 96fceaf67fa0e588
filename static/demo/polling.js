/** A page that polls: each request is marked as one that nobody needs to be there for. */
const EVERY = 5000;

/** @param {number | null} seconds */
function clock(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

class PollingDemo extends HTMLElement {
  #answers = 0;
  #timer = 0;

  connectedCallback() {
    this.#poll();
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  async #poll() {
    const goesOn = await this.#ask().catch(() => this.#show("told", this.dataset.away));
    if (goesOn !== false && this.isConnected) {
      this.#timer = setTimeout(() => this.#poll(), EVERY);
    }
  }

  async #ask() {
    const headers = { "X-Session-Passive": "1", Accept: "application/json" };
    const response = await fetch(this.dataset.url, { headers, cache: "no-store" });
    if (response.status === 401) {
      this.#show("told", this.dataset.ended);
      return false;
    }
    const news = await response.json();
    this.#answers += 1;
    this.#show("answers", this.#answers);
    this.#show("idle", this.#left(news.idle_seconds));
    this.#show("session", this.#left(news.session_seconds));
    this.#show("told", news.told);
    return true;
  }

  #left(seconds) {
    return seconds === null ? this.dataset.none : clock(seconds);
  }

  #show(name, text) {
    this.querySelector(`[data-show="${name}"]`).textContent = text;
  }
}

customElements.define("polling-demo", PollingDemo);
