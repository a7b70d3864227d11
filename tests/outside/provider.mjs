// An identity provider that answers 503 until it is told to serve its keys.
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { until } from "./resume.mjs";

const ISSUER = "http://issuer.test/", AUDIENCE = "buildbot-graphql";
const base64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export async function startProvider() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = { ...publicKey.export({ format: "jwk" }), kid: "1", alg: "EdDSA", use: "sig" };
  let serves = false;
  const server = createServer((request, response) => {
    response.writeHead(serves ? 200 : 503, { "Content-Type": "application/json" });
    response.end(serves ? JSON.stringify({ keys: [key] }) : "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}/keys`;
  return {
    flags: ["--jwks-url", url, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE],
    // A token that holds for an hour.
    sign(scope) {
      const exp = Math.floor(Date.now() / 1000) + 3600;
      const text = `${base64({ alg: "EdDSA", kid: "1" })}.${base64({ iss: ISSUER, aud: AUDIENCE, sub: "test", exp, scope })}`;
      return `${text}.${sign(null, Buffer.from(text), privateKey).toString("base64url")}`;
    },
    once503: (requests) => until(() => requests.some(({ status }) => status === 503), () => "a 503"),
    serveKeys: () => (serves = true),
    close: () => server.close(),
  };
}
