/**
 * JSON request bodies, read strictly: UTF-8, no member twice in one object, bounded depth, and no text that PostgreSQL could not
 * keep (U+0000, half a surrogate pair). What an invoice in JSON must be besides is the formats' affair.
 */
import { Problem } from "../kernel/problems.ts";

/** Levels of arrays and objects. */
const MAX_DEPTH = 32;

const utf8 = new TextDecoder("utf-8", { fatal: true });
const refuse = (rule: string, detail: string) => new Problem("malformed-request", detail, { violations: [{ field: "", rule, detail }] });

// strings as wholes, so that no bracket inside one is taken for structure
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]/g;

/** Walks text that is known to be JSON. */
function checkStructure(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  for (const { 0: token, index } of text.matchAll(tokens)) {
    if (token === "}" || token === "]") open.pop();
    else if (token === "{" || token === "[") {
      if (open.length === MAX_DEPTH) throw refuse("too-deep", `The body has more than ${MAX_DEPTH} levels`);
      open.push(token === "{" ? new Set() : undefined);
    } else {
      const value = token.includes("\\") ? (JSON.parse(token) as string) : token.slice(1, -1);
      if (value.includes("\0") || !value.isWellFormed()) throw refuse("not-text", "A text has U+0000 or half a surrogate pair");
      const members = open.at(-1);
      if (members === undefined || !isMemberName(text, index + token.length)) continue;
      if (members.has(value)) throw refuse("duplicate-member", "A member stands twice in one object");
      members.add(value);
    }
  }
}

function isMemberName(text: string, after: number): boolean {
  let at = after;
  while (text.charCodeAt(at) <= 32) at++;
  return text[at] === ":";
}

/** Bytes → value. Throws Problem `malformed-request`, which quotes nothing of the body. */
export function readStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw refuse("encoding-not-utf8", "The body is not UTF-8");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse("not-json", "The body is not JSON");
  }
  checkStructure(text);
  return value;
}
