/**
 * The main story in Firefox, over WebDriver BiDi; test_firefox.py starts it and moves the server's time.
 *
 * Each line of standard input is an answer to a line of standard output: { advance: seconds }.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const [program, base, axe, cookies] = process.argv.slice(2);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const MINUTE = 60;

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: program,
  headless: true,
  args: ["--width=1000", "--height=700"],
});

/** Let time pass for the server and, with no timer run, for the pages: a laptop that slept. */
async function passTime(seconds, pages) {
  console.log(JSON.stringify({ advance: seconds }));
  await answers.next();
  for (const page of pages) {
    await page.evaluate((span) => {
      Date.now = ((real) => () => real() + span)(Date.now);
      dispatchEvent(new Event("online"));
    }, seconds * 1000);
  }
}

const inState = (page, state) =>
  page.waitForSelector(`session-timeout[state=${state}][pending=""]`, { timeout: 10_000 });

/** What axe finds, and what is heard on the console, must be nothing. */
async function violations(page) {
  await page.evaluate(`${readFileSync(axe, "utf8")};0`);
  const found = await page.evaluate(() =>
    axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }),
  );
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
}

const complaints = [];

async function open() {
  const page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) complaints.push(message.text());
  });
  await page.goto(`${base}/form/`);
  await inState(page, "active");
  return page;
}

try {
  await browser.setCookie(...JSON.parse(cookies));
  const [first, second] = [await open(), await open()];
  const pages = [first, second];

  await passTime(24.5 * MINUTE, pages);
  await inState(second, "active");
  await passTime(1 * MINUTE, pages);
  await inState(first, "idle");
  await inState(second, "idle");
  assert.equal(await second.$eval("dialog[open] [data-count]", (node) => node.textContent), "5 minutes");
  assert.deepEqual(await violations(second), []);

  await second.click("dialog[open] [data-event=stay]");
  await inState(second, "active");
  await inState(first, "active");

  await passTime(31 * MINUTE, [second]);
  await inState(second, "ended");
  await inState(first, "ended");
  assert.deepEqual(await violations(second), []);
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
}
process.exit();
