// A question over HTTP, each on a connection of its own. Now and then a master drops one in the middle of its answer: the
// `fetch` of Node.js 20 then never ends, and what only reads is asked again here.
import { request } from "node:http";
import { TIMEOUT } from "../server.mjs";

const TRIES = 3;

// The status and the text of the answer.
export async function ask(url, { method = "GET", ...options } = {}) {
  for (let tries = method === "GET" ? TRIES : 1; ; tries -= 1) {
    try {
      return await once(url, { method, ...options });
    } catch (error) {
      if (tries === 1 || error.code !== "ECONNRESET") throw new Error(`${method} ${url}: ${error.message}`, { cause: error });
    }
  }
}

const once = (url, { body, ...options }) =>
  new Promise((answered, failed) => {
    const asking = request(url, { agent: false, timeout: TIMEOUT, ...options }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.on("error", failed).on("end", () => answered({ status: response.statusCode, text }));
    });
    asking.on("timeout", () => asking.destroy(new Error("no answer"))).on("error", failed);
    asking.end(body);
  });
