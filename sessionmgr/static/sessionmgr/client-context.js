/**
 * Brings <session-timeout> to pages outside our templates: static pages, frames, shells of apps.
 *
 * In a frame of one of our pages the dialogs are the top page's; the element in the frame has
 * none, but takes note of what is done there and tells the other tabs, as everywhere.
 */

/** What brings the element to the top page. */
const SIGNS =
  "session-timeout, script[src*='client-context.js'], script[src*='ClientGlobalContext.js.aspx']";

let isJoining = false;

/** Take part, now or once somebody has signed in. */
export async function join(address = "") {
  if (isJoining) return;
  isJoining = true;
  await loaded(window, "interactive");
  if (document.querySelector("session-timeout")) return;
  const page = await bring(address);
  const widget = page?.querySelector("session-timeout");
  if (!page || !widget) return wait(address);
  if (await isShownAbove()) widget.replaceChildren(...widget.querySelectorAll("input"));
  for (const style of page.querySelectorAll("link")) document.head.append(style);
  document.body.append(widget);
  for (const { src } of page.querySelectorAll("script")) await import(src);
}

/** The element on a page of its own; nothing for who is not signed in. @returns {Promise<any>} */
function bring(address = "") {
  // A request that parses: no text of ours becomes markup, which Trusted Types would refuse.
  const request = new XMLHttpRequest();
  return new Promise((resolve) => {
    request.onloadend = () => resolve(request.status === 200 ? request.response : null);
    request.open("GET", address);
    request.responseType = "document";
    request.send();
  });
}

/** Until a tab tells of a session, or this one is looked at after the network was gone. */
function wait(address = "") {
  const channel = new BroadcastChannel("session-timeout");
  const again = new AbortController();
  const retry = () => {
    channel.close();
    again.abort();
    isJoining = false;
    join(address);
  };
  channel.onmessage = ({ data }) => data.fact && retry();
  addEventListener("online", retry, { signal: again.signal });
}

/** Whether the dialogs are those of a page around this one. */
async function isShownAbove() {
  try {
    const { top } = window;
    if (!top || top === window) return false;
    await loaded(top, "complete");
    return !!top.document.querySelector(SIGNS);
  } catch {
    return false; // another site's
  }
}

/** @param {Window} page @param {"interactive" | "complete"} state */
function loaded(page, state) {
  const isThere = () => ["complete", state].includes(page.document.readyState);
  return new Promise((resolve) => {
    const look = () => isThere() && resolve(true);
    page.document.addEventListener("readystatechange", look);
    look();
  });
}
