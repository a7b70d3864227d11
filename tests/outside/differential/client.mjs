// Asks the server, and reads its decision from the answer.

// Rules that the schema does not state: the server may find them broken where graphql-js finds nothing.
const DOMAIN_CODES = ["BAD_USER_INPUT", "NOT_FOUND", "CURSOR_EXPIRED"];
const SILENCE = 2000;

function post(url, { query, variables, operationName }, accept, signal) {
  const name = operationName === undefined ? "" : `, "operationName": ${JSON.stringify(operationName)}`;
  // Variables are JSON text already: JSON.stringify would write 1.0 as 1.
  const body = `{ "query": ${JSON.stringify(query)}, "variables": ${variables ?? "null"}${name} }`;
  return fetch(url, { method: "POST", headers: { "Content-Type": "application/json", Accept: accept }, body, signal });
}

function decision({ data, errors }, status) {
  const codes = (errors ?? []).map(({ extensions }) => extensions?.code);
  const why = errors && `${codes[0]}: ${errors[0].message}`;
  if (codes.includes("LIMIT_EXCEEDED")) return { kind: "limit", why };
  if (data === undefined) return { kind: status === 400 ? "refused" : `refused with ${status}`, why };
  const domain = codes.every((code) => DOMAIN_CODES.includes(code));
  return { kind: errors ? "field error" : "ok", why, data, errors: codes.length, domain };
}

// The decision, as the reference's: kind, why, data, and the number of errors.
export async function answer(url, request) {
  const response = await post(url, request, "application/graphql-response+json");
  return decision(await response.json(), response.status);
}

// The same for the first event of a stream.
export async function firstEvent(url, request) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), SILENCE);
  try {
    const response = await post(url, request, "text/event-stream", abort.signal);
    let text = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const event = /^event: next\n(?:id:.*\n)?data: (.*)\n/m.exec(text);
      if (event) return decision(JSON.parse(event[1]), 400);
    }
    return decision(JSON.parse(text), response.status);
  } catch (error) {
    if (error.name === "AbortError") return { kind: "silent" };
    throw error;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
