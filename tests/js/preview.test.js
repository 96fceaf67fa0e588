import assert from "node:assert/strict";
import { test } from "node:test";

import * as widget from "../../sessionmgr/static/sessionmgr/session-timeout.js";
import { moments, numbersIn, scenes } from "../../settings_app/static/settings_app/preview.js";

/** A form of these values, as the browser gives it. */
const form = (values = {}) => {
  const typed = {
    session_timeout: "custom", max_session_length: "480", session_warning: "20",
    inactivity_enabled: true, inactivity_duration: "30", inactivity_warning: "5", ...values,
  };
  const elements = Object.fromEntries(
    Object.entries(typed).map(([name, value]) => [name, { value, checked: value === true }]),
  );
  return { elements };
};
const views = (values) => scenes(widget, numbersIn(form(values))).map(({ view }) => view);

test("the numbers are those of the form", () => {
  assert.deepEqual(numbersIn(form()), { isIdle: true, length: 480, warning: 20, idle: 30, idleWarning: 5 });
  assert.equal(numbersIn(form({ session_timeout: "default" })).length, 1440);
});

for (const [name, values] of Object.entries({
  "no number": { session_warning: "" },
  "a sign": { session_warning: "+5" },
  "too short": { max_session_length: "59" },
  "too long": { max_session_length: "1441" },
  "a warning before the beginning": { session_warning: "480" },
  "no warning": { inactivity_warning: "0" },
  "inactivity longer than the length": { inactivity_duration: "480" },
  "a warning longer than the inactivity": { inactivity_warning: "30" },
  "a value of a group that is off": { inactivity_enabled: false, inactivity_warning: "30" },
})) {
  test(`numbers that could not be saved are none: ${name}`, () => {
    assert.equal(numbersIn(form(values)), null);
  });
}

test("every warning is shown, in the order of time", () => {
  assert.deepEqual(views(), ["idle", "banner", "session"]);
});

test("a group that is off warns of nothing", () => {
  assert.deepEqual(views({ inactivity_enabled: false }), ["banner", "session"]);
});

test("a short warning comes at once in front of the page", () => {
  assert.deepEqual(views({ session_warning: "2" }), ["idle", "session"]);
});

test("where inactivity never binds, its warning is not shown", () => {
  assert.deepEqual(views({ session_timeout: "default", inactivity_duration: "1440" }), ["banner", "session"]);
});

test("each moment tells its minutes", () => {
  assert.deepEqual(moments(numbersIn(form())).map(({ minutes }) => minutes), [25, 20, 2]);
});

test("the session warning that is near at the same time is told of", () => {
  const both = { max_session_length: "60", session_warning: "50", inactivity_duration: "30" };
  const [idle] = scenes(widget, numbersIn(form(both)));
  assert.deepEqual([idle.view, idle.isNear], ["idle", true]);
  assert.equal(scenes(widget, numbersIn(form()))[0].isNear, false);
});
