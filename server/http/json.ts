/**
 * JSON request bodies, read strictly: UTF-8, and the rules of protocol/values/json.ts. The formats
 * check what an invoice in JSON says.
 */
import { decodeUtf8 } from "@onepiao/protocol/values/encoding.ts";
import { readJsonText } from "@onepiao/protocol/values/json.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";

const refuse = (rule: string, detail: string, field = "") =>
  new Problem("malformed-request", detail, { violations: [{ field, rule, detail }] });

/**
 * Bytes → value. Throws Problem `malformed-request`, which quotes only names of members from the
 * body.
 */
export function readStrictJson(bytes: Uint8Array): unknown {
  return readJsonText(decodeUtf8(bytes, refuse), refuse);
}
