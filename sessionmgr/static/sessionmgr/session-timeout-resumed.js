/**
 * The page where signing in again in a popup ends: tells the other tabs and closes.
 *
 * They ask the server themselves; this only says that there is something new to hear.
 */
const page = /** @type {HTMLElement | null} */ (document.querySelector("[data-session]"));
const { session, user } = page?.dataset ?? {};
const channel = new BroadcastChannel("session-timeout");
channel.postMessage({ type: "resumed", tag: session, userTag: user });
channel.close();
window.close(); // in vain where no script has opened it; the page says so
