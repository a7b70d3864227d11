// A self-signed certificate for 127.0.0.1, in files of this folder.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { TIMEOUT } from "./server.mjs";

// Returns the flags of a server that uses it.
export async function certificateFlags(dir) {
  const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(dir, name));
  await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
  { timeout: TIMEOUT });
  return ["--tls-cert", cert, "--tls-key", key];
}
