/**
 * What goes to a terminal. A file that is judged, a name, an id can hold escape codes that clear
 * the screen, direction marks that turn a line round and signs without width; none of it reaches
 * the terminal as it is.
 *
 * Invariant: nothing else in the server writes to a terminal (a test looks), but for the log, whose
 * texts are our own.
 */

/**
 * Controls (C0, C1), format signs (direction marks, zero width, tags), line and paragraph
 * separators, halves of pairs, private use.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;

/** The text on one line, its unprintable characters as \u{…}. */
export const printable = (text: string): string =>
  text.replace(
    unprintable,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
  );

/**
 * JSON that says the same, for programs and for eyes: what cannot be printed stands as JSON escapes
 * it.
 */
export const printableJson = (value: unknown, indent = 2): string =>
  JSON.stringify(value, undefined, indent).replace(unprintable, (character) =>
    character === "\n"
      ? character
      : [...Array(character.length).keys()]
          .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
          .join(""),
  );

/** What stands on the screen of these lines: each argument is a line, and stays one. */
export const screen = (...lines: readonly string[]): string => lines.map(printable).join("\n");
/** Text that `screen` or `printableJson` has made. */
export const write = (text: string): void => console.log(text);
export const say = (...lines: readonly string[]): void => write(screen(...lines));
export const complain = (...lines: readonly string[]): void => console.error(screen(...lines));
export const sayJson = (value: unknown): void => write(printableJson(value));
/** A text of our own, of several lines. */
export const linesOf = (text: string): string[] => text.split("\n");
