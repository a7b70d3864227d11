// A question over HTTP, each on a connection of its own: the `fetch` of Node.js 20 now and then never ends where a
// master closes a connection that it would use again.
import { request } from "node:http";
import { TIMEOUT } from "../server.mjs";

// The status and the text of the answer.
export const ask = (url, { method = "GET", headers = {}, body } = {}) =>
  new Promise((answered, failed) => {
    const asking = request(url, { method, headers, agent: false, timeout: TIMEOUT }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.on("error", failed).on("end", () => answered({ status: response.statusCode, text }));
    });
    asking.on("timeout", () => asking.destroy(new Error(`${url} does not answer`))).on("error", failed);
    asking.end(body);
  });
