// The Python of the clients that are generated.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";

export function codegenPython() {
  const named = process.env.CODEGEN_PYTHON;
  assert(named && existsSync(named), `CODEGEN_PYTHON must name a Python with requirements-codegen.txt, is: ${named}`);
  return named;
}
