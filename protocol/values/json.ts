/**
 * Strict reading of JSON text: no duplicate member in an object (JSON.parse silently takes the last
 * one), and limits on depth, on the number of values and on the items of an array, so that the work
 * of the code behind it is bounded.
 *
 * Owns: these rules for all JSON that comes from outside: request bodies, invoices, bundles in PDFs
 * and QR codes. Does not own: the error of a refusal (the caller makes it) and the shape of the
 * value.
 */

export type JsonBounds = { depth: number; values: number; items: number };
/** An invoice has at most 2,000 lines, and a line some 30 members. */
export const jsonBounds: JsonBounds = { depth: 32, values: 60_000, items: 2_000 };

/** `field`: a JSON pointer, of 300 characters at most; the whole text is "". */
export type JsonFail = (rule: string, detail: string, field: string) => Error;

type Level = { members: Set<string> | undefined; name: string; index: number };

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BACKSLASH = 92;

const escaped = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");
const pointerOf = (levels: readonly Level[]) =>
  levels
    .map(({ members, name, index }) => `/${members ? escaped(name.slice(0, 100)) : index}`)
    .join("")
    .slice(0, 300);

/**
 * The position of the quote that closes the string opened at `from`. A loop, because a regular
 * expression's stack overflows on megabytes of text.
 */
function stringEnd(text: string, from: number): number {
  for (let end = text.indexOf('"', from + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
  }
}

/** Requirement: `text` is valid JSON. */
function checkStructure(text: string, fail: JsonFail, bounds: JsonBounds, plain: boolean): void {
  const levels: Level[] = [];
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = stringEnd(text, at);
      const raw = text.slice(at + 1, end);
      const value = raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
      if (plain && (value.includes("\0") || !value.isWellFormed()))
        throw fail("not-text", "A text has U+0000 or half a surrogate pair", pointerOf(levels));
      let after = end + 1;
      while (text.charCodeAt(after) <= 32) after++;
      const level = levels[levels.length - 1];
      if (level?.members && text.charCodeAt(after) === COLON) {
        level.name = value;
        if (level.members.has(value))
          throw fail("duplicate-member", "A member stands twice in one object", pointerOf(levels));
        level.members.add(value);
      }
      at = end;
    } else if (code === COMMA) {
      if (++values > bounds.values)
        throw fail("too-many-values", `More than ${bounds.values} values`, "");
      const level = levels[levels.length - 1];
      if (level && !level.members && ++level.index >= bounds.items)
        throw fail(
          "too-many-items",
          `A list has more than ${bounds.items} items`,
          pointerOf(levels.slice(0, -1)),
        );
    } else if (code === 123 || code === 91) {
      if (levels.length >= bounds.depth)
        throw fail("too-deep", `More than ${bounds.depth} levels`, "");
      if (++values > bounds.values)
        throw fail("too-many-values", `More than ${bounds.values} values`, "");
      levels.push({ members: code === 123 ? new Set() : undefined, name: "", index: 0 });
    } else if (code === 125 || code === 93) levels.pop();
  }
}

/**
 * Text → value. `plain`: no text may contain what PostgreSQL cannot store (U+0000, half a surrogate
 * pair). Throws the error that `fail` makes, with rules not-json, too-deep, too-many-values,
 * too-many-items, duplicate-member, not-text.
 */
export function readJsonText(
  text: string,
  fail: JsonFail,
  { plain = true, ...bounds }: Partial<JsonBounds> & { plain?: boolean } = {},
): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // V8's message quotes the text, which may be personal: only the position goes out
    const position =
      error instanceof SyntaxError ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
    throw fail(
      "not-json",
      `The text is not JSON${position === undefined ? "" : ` at character ${position}`}`,
      "",
    );
  }
  checkStructure(text, fail, { ...jsonBounds, ...bounds }, plain);
  return value;
}
