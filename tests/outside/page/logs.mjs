// Logs in the page: a build with a step and its log, and what a tab shows of it.
import assert from "node:assert/strict";
import { TIMEOUT } from "../server.mjs";
import { openTab, status } from "./browser.mjs";

let count = 0;

// A running build of a new builder with one step that has one log: their ids, and the paths of step and log.
export async function addLog(writer, { name = "stdio", type = "STDIO" } = {}) {
  count += 1;
  const builder = `logs-${count}`;
  const { buildid, number } = await writer.build(await writer.builder(builder));
  const { stepid } = await writer.step(buildid, "compile");
  const { logid, slug } = await writer.log(stepid, name, type);
  const step = `/builders/${builder}/builds/${number}/steps/0`;
  return { builder, buildid, stepid, logid, step, path: `${step}/logs/${slug}` };
}

// Adds lines in as few requests as the server allows, and finishes the log.
export async function fill(writer, logid, numLines, text = (number) => `line ${number}`, finishes = true) {
  let content = "";
  for (let number = 1; number <= numLines; number += 1) {
    content += `${text(number)}\n`;
    if (content.length < 800_000 && number < numLines) continue;
    await writer.append(logid, content);
    content = "";
  }
  if (finishes) await writer.finishLog(logid);
}

// A tab on this path, once it is live. At the end nothing must have gone wrong in it, but for what `expected` matches.
export async function onPath(browser, url, body, { expected, ...options } = {}) {
  const tab = await openTab(browser, options);
  try {
    await tab.page.goto(url);
    await status(tab.page, "Live");
    await body(tab.page, tab);
    assert.deepEqual(tab.faults.filter((fault) => !expected?.test(fault)), []);
  } finally {
    await tab.page.close();
  }
}

export const lines = (page) => page.locator(".log-lines");
// The row of a line, by its number from 1.
export const row = (page, number) => page.locator(`.log-row[aria-posinset="${number}"]`);

// In the page: the numbers of the rows that a person sees, from 1, and whether each has its text.
const LOOK = () => {
  const box = document.querySelector(".log-lines")?.getBoundingClientRect();
  if (box === undefined) return { numbers: [], isRead: false };
  const rows = [...document.querySelectorAll(".log-row")].filter((row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return top >= box.top - 2 && bottom <= box.bottom + 2;
  });
  return { numbers: rows.map((row) => Number(row.getAttribute("aria-posinset"))), isRead: rows.every((row) => row.querySelector(".log-text") !== null) };
};

// What is on screen of the log at this moment: the first and last line, from 1.
export async function seen(page) {
  const { numbers, isRead } = await page.evaluate(LOOK);
  for (const [index, number] of numbers.entries()) assert.equal(number, numbers[0] + index, "the lines have no hole");
  return { first: numbers[0], last: numbers.at(-1), isRead };
}

// Waits until what is on screen is as this says, with all its text.
export async function sees(page, test, what) {
  for (const end = Date.now() + TIMEOUT; ; await page.waitForTimeout(30)) {
    const now = await seen(page);
    if (now.isRead && test(now)) return now;
    assert(Date.now() < end, `it does not show ${what}, but ${JSON.stringify(now)}`);
  }
}

export const search = (page) => page.getByLabel("Search in this log");
export const found = (page) => page.locator(".log-search [role=status]");
