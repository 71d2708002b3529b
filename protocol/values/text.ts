/**
 * Text that a party writes and others read: one schema for every such member of documents and
 * requests.
 *
 * The schema refuses characters that a reader does not see, or that make the reader see something
 * else; the rule names their kind. So a name cannot show itself backwards, two names that look
 * alike do not differ in characters of no width, and a cell, a log line or a terminal gets no
 * control character. Letters, signs and emoji of all scripts are accepted; a joined emoji (U+200D)
 * is not.
 *
 * A browser runs this file too. Does not own: how names are compared (names.ts).
 */
import * as z from "zod";

/** Kinds of refused characters, in the order in which they are checked: the rule, and a label. */
const kinds: readonly (readonly [rule: string, label: string, signs: RegExp])[] = [
  ["text-surrogate", "half of a surrogate pair", /\p{Cs}/u],
  ["text-noncharacter", "a code point that is not a character", /\p{Noncharacter_Code_Point}/u],
  ["text-control", "a control character", /(?![\t\n\r])\p{Cc}/u],
  ["text-line-separator", "a line or paragraph separator", /[\p{Zl}\p{Zp}]/u],
  ["text-bidi", "a control of the writing direction", /\p{Bidi_Control}/u],
  ["text-tag", "a tag character", /[\u{e0000}-\u{e007f}]/u],
  ["text-private-use", "a private-use character", /\p{Co}/u],
  // a variation selector after the character that it varies is part of the spelling; without one,
  // or after another selector, it is hidden text
  [
    "text-zero-width",
    "a character of no width",
    /(?!\p{VS})\p{Default_Ignorable_Code_Point}|[\ufff9-\ufffb]|(?:^|\p{VS})\p{VS}/u,
  ],
];
const lineBreak = /[\t\n\r]/;
/** Every character of which a kind or a line break may consist: most texts have none of them. */
const rare =
  /[\p{C}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{VS}\ufff9-\ufffb]/u;

/**
 * The first character that a text may not have. The detail reveals nothing of the text but the code
 * point.
 */
export function brokenTextRule(
  text: string,
  lines: boolean,
): { rule: string; detail: string } | undefined {
  if (!rare.test(text)) return undefined;
  for (const [rule, label, signs] of kinds) {
    const at = text.search(signs);
    if (at >= 0) {
      const sign = [...(signs.exec(text)?.[0] ?? "")].at(-1)?.codePointAt(0) ?? 0;
      return {
        rule,
        detail:
          `U+${sign.toString(16).toUpperCase().padStart(4, "0")}, ${label}, at character ` +
          `${at + 1}`,
      };
    }
  }
  if (!lines && lineBreak.test(text))
    return { rule: "text-line-break", detail: "a tab or a line break in a text of one line" };
  return undefined;
}

/**
 * A text that a party writes: 1 to `max` UTF-16 units, more than blanks, visible characters only.
 * `lines`: tabs and line breaks are allowed. OpenAPI marks it by `x-plain-text`, "line" or "lines".
 */
export const plainText = (max: number, { lines = false }: { lines?: boolean } = {}) =>
  z
    .string()
    .max(max)
    .check(({ value, issues }) => {
      // a text that is too long breaks that rule alone
      if (value.length > max) return;
      const broken = /\S/.test(value)
        ? brokenTextRule(value, lines)
        : { rule: "empty-text", detail: "nothing but blanks: leave the member out instead" };
      if (broken)
        issues.push({
          code: "custom",
          input: value,
          params: { rule: broken.rule },
          message: broken.detail,
        });
    })
    .meta({ "x-plain-text": lines ? "lines" : "line", minLength: 1 });
