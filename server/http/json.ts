/**
 * JSON request bodies, read strictly: UTF-8, and what protocol/values/json.ts asks for. What an
 * invoice in JSON has to be is the formats' affair.
 */
import { readJsonText } from "@onepiao/protocol/values/json.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const refuse = (rule: string, detail: string, field = "") =>
  new Problem("malformed-request", detail, { violations: [{ field, rule, detail }] });

/**
 * Bytes → value. Throws Problem `malformed-request`, which quotes nothing of the body but names of
 * members.
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
