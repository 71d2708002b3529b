/**
 * Names of organisations: when two written names are one name.
 *
 * A name is written in several ways that no reader tells apart: with full-width or ASCII brackets
 * and letters, with or without a blank, in capitals or not. Owns: the folded form, and the
 * comparison. Invariants: folding a folded name changes nothing; letters that only look alike
 * (Cyrillic а, Latin a) stay apart, because they are another name. A browser runs this file too.
 * Does not own: which name a taxpayer has (features/taxpayers).
 */

/**
 * The form in which names are compared: NFKC (full-width letters, digits and brackets become
 * ASCII), no blanks, no capitals. Never shown to anybody.
 */
export const foldName = (name: string): string =>
  // through capitals: ß, ẞ and SS are one pair of letters; at the end once more NFKC, because a
  // sign may have met its accent
  name
    .normalize("NFKC")
    .replace(/\s+/gu, "")
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .normalize("NFKC");

/** Whether two written names are one name. */
export const sameName = (a: string, b: string): boolean => foldName(a) === foldName(b);

/**
 * A name that somebody has from a day on (China's calendar, YYYY-MM-DD); without a day: from the
 * beginning.
 */
export type NameSince = { name: string; from?: string | undefined };

/** The name of a day, of names in the order of their days; the first one is from the beginning. */
export const nameOn = <N extends NameSince>(names: readonly [N, ...N[]], day: string): N =>
  names.findLast(({ from }) => from === undefined || from <= day) ?? names[0];

/**
 * The name that a document of a day means: the last one until then that is written there, for a red
 * letter carries its original's; else the name of that day.
 */
export const nameWritten = <N extends NameSince>(
  names: readonly [N, ...N[]],
  written: string,
  day: string,
): N =>
  names.findLast(
    ({ name, from }) => (from === undefined || from <= day) && sameName(name, written),
  ) ?? nameOn(names, day);
