// An HTTP request on its own connection. Sometimes a master drops one in the middle of its response; the `fetch` of
// Node.js 20 then never ends, so reads are retried here.
import { request } from "node:http";
import { TIMEOUT } from "../server.mjs";

const TRIES = 3;

// The status, the headers and the text of the response.
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
      response.on("error", failed).on("end", () => answered({ status: response.statusCode, headers: response.headers, text }));
    });
    asking.on("timeout", () => asking.destroy(new Error("no answer"))).on("error", failed);
    asking.end(body);
  });
