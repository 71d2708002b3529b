/**
 * JSON request bodies, read strictly: UTF-8, no member twice in one object, bounded depth, and no text that PostgreSQL could not
 * keep (U+0000, half a surrogate pair). What an invoice in JSON must be besides is the formats' affair.
 */
import { Problem } from "../kernel/problems.ts";

/** Levels of arrays and objects. */
const MAX_DEPTH = 32;

const utf8 = new TextDecoder("utf-8", { fatal: true });
const refuse = (rule: string, detail: string) => new Problem("malformed-request", detail, { violations: [{ field: "", rule, detail }] });

/** Index of the quote that closes the string opened at `from`. By hand: a regular expression's stack does not bear megabytes of escapes. */
function stringEnd(text: string, from: number): number {
  let at = from + 1;
  while (text.charCodeAt(at) !== 34) at += text.charCodeAt(at) === 92 ? 2 : 1;
  return at;
}

function isMemberName(text: string, after: number): boolean {
  let at = after;
  while (text.charCodeAt(at) <= 32) at++;
  return text[at] === ":";
}

/** Walks text that is known to be JSON. */
function checkStructure(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === "}" || sign === "]") open.pop();
    else if (sign === "{" || sign === "[") {
      if (open.length === MAX_DEPTH) throw refuse("too-deep", `The body has more than ${MAX_DEPTH} levels`);
      open.push(sign === "{" ? new Set() : undefined);
    } else if (sign === '"') {
      const end = stringEnd(text, at);
      const raw = text.slice(at + 1, end);
      const value = raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
      if (value.includes("\0") || !value.isWellFormed()) throw refuse("not-text", "A text has U+0000 or half a surrogate pair");
      const members = open.at(-1);
      if (members !== undefined && isMemberName(text, end + 1)) {
        if (members.has(value)) throw refuse("duplicate-member", "A member stands twice in one object");
        members.add(value);
      }
      at = end;
    }
  }
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
