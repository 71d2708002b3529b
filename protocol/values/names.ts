/**
 * Names of organisations: when two spellings are the same name.
 *
 * A name is spelled in ways that readers do not distinguish: with full-width or ASCII brackets and
 * letters, with or without a blank, in capitals or not. Owns: the folded form, and the comparison.
 * Invariants: folding a folded name changes nothing; letters that only look alike (Cyrillic а,
 * Latin a) stay different, because they make a different name. A browser runs this file too. Does
 * not own: which name a taxpayer has (features/parties/names.ts).
 */

/**
 * The form in which names are compared: NFKC (full-width letters, digits and brackets become
 * ASCII), no blanks, no capitals. It is never shown.
 */
export const foldName = (name: string): string =>
  // through capitals, because ß, ẞ and SS are the same letters; NFKC again at the end, because a
  // letter may now stand next to its accent
  name
    .normalize("NFKC")
    .replace(/\s+/gu, "")
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .normalize("NFKC");

/** True if two spellings are the same name. */
export const sameName = (a: string, b: string): boolean => foldName(a) === foldName(b);

/**
 * A name that a taxpayer bears from a day on (China's calendar, YYYY-MM-DD); without a day, from
 * the beginning.
 */
export type NameSince = { name: string; from?: string | undefined };

/**
 * The name on a day. `names` are in the order of their days; the first one is from the beginning.
 */
export const nameOn = <N extends NameSince>(names: readonly [N, ...N[]], day: string): N =>
  names.findLast(({ from }) => from === undefined || from <= day) ?? names[0];

/**
 * The name that a document of a day means: the latest name until then with this spelling, because a
 * red letter carries its original's name; otherwise the name of that day.
 */
export const nameWritten = <N extends NameSince>(
  names: readonly [N, ...N[]],
  written: string,
  day: string,
): N =>
  names.findLast(
    ({ name, from }) => (from === undefined || from <= day) && sameName(name, written),
  ) ?? nameOn(names, day);
