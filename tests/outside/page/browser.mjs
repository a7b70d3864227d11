// The page in a real browser.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { TIMEOUT } from "../server.mjs";

// A tab. `faults` holds what the browser complained of, and `sockets` each WebSocket that the page opened.
export async function openTab(browser, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: "en-GB", timezoneId: "UTC", ...options });
  page.setDefaultTimeout(TIMEOUT);
  const faults = [];
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  return { page, faults, sockets };
}

// Waits until the line on the connection says this.
export async function status(page, text) {
  const line = page.locator(".status [aria-hidden]:not(.status-dot)");
  const shown = async () => (await line.allInnerTexts()).join();
  const until = Date.now() + TIMEOUT;
  while (!matches(text, await shown())) {
    assert(Date.now() < until, `the page does not say ${text}, it says: ${await shown()}`);
    await page.waitForTimeout(50);
  }
}

const matches = (text, shown) => (text instanceof RegExp ? text.test(shown) : shown === text);

// What a locator shows, once it shows this.
export async function shows(locator, text) {
  const until = Date.now() + TIMEOUT;
  for (;;) {
    const shown = (await locator.allInnerTexts()).join("\n");
    if (matches(text, shown) || (typeof text === "string" && shown.includes(text))) return shown;
    assert(Date.now() < until, `${locator} does not show ${text}, it shows: ${shown}`);
    await locator.page().waitForTimeout(50);
  }
}

// What the page shows at this moment, in the folder that SCREENSHOTS names, for whoever wants to look at it.
export async function shot(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
}
