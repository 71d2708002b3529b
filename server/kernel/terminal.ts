/**
 * Output to a terminal. A checked file, a name or an id can contain escape codes that clear the
 * screen, direction marks that reverse a line, and characters without width; none of it reaches the
 * terminal unchanged.
 *
 * Invariant: nothing else in the server writes to a terminal (a test checks it), except the log,
 * whose texts are our own.
 */

/**
 * Controls (C0, C1), format characters (direction marks, zero width, tags), line and paragraph
 * separators, halves of surrogate pairs, private use.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;

/** The text on one line, its unprintable characters as \u{…}. */
export const printable = (text: string): string =>
  text.replace(
    unprintable,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
  );

/** Equivalent JSON, for programs and for people: unprintable characters appear as JSON escapes. */
export const printableJson = (value: unknown, indent = 2): string =>
  JSON.stringify(value, undefined, indent).replace(unprintable, (character) =>
    character === "\n"
      ? character
      : [...Array(character.length).keys()]
          .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
          .join(""),
  );

/** The screen's text for these lines: each argument is a line, and stays one. */
export const screen = (...lines: readonly string[]): string => lines.map(printable).join("\n");
/** Writes text from `screen` or `printableJson`. */
export const write = (text: string): void => console.log(text);
export const say = (...lines: readonly string[]): void => write(screen(...lines));
export const complain = (...lines: readonly string[]): void => console.error(screen(...lines));
export const sayJson = (value: unknown): void => write(printableJson(value));
/** The lines of a text of our own. */
export const linesOf = (text: string): string[] => text.split("\n");
