// A real browser. CHROMIUM names it; without it the tests fail, they are never skipped.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { TIMEOUT } from "./server.mjs";

const ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export function launchBrowser() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  assert(existsSync(executablePath), `no browser at ${executablePath}: install Chromium or set CHROMIUM`);
  return chromium.launch({ executablePath, args: ARGS, timeout: TIMEOUT });
}
