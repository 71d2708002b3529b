/**
 * JSON request bodies, read strictly: UTF-8, and the rules of protocol/values/json.ts. The formats
 * check what an invoice in JSON says.
 */
import { readJsonText } from "@onepiao/protocol/values/json.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const refuse = (rule: string, detail: string, field = "") =>
  new Problem("malformed-request", detail, { violations: [{ field, rule, detail }] });

/**
 * Bytes → value. Throws Problem `malformed-request`, which quotes only names of members from the
 * body.
 */
export function readStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw refuse("encoding-not-utf8", "The body is not UTF-8");
  }
  return readJsonText(text, refuse);
}
