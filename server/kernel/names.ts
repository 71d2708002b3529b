/**
 * Names of organisations: when two written names are one name.
 *
 * A name is written in several ways that no reader tells apart: with full-width or ASCII brackets and letters, with or without a
 * blank, in capitals or not. Owns: the folded form, and the comparison. Invariants: folding a folded name changes nothing; letters
 * that only look alike (Cyrillic а, Latin a) stay apart, because they are another name.
 * A browser runs this file too. Does not own: which name a taxpayer has (features/taxpayers).
 */

/**
 * The form in which names are compared: NFKC (full-width letters, digits and brackets become ASCII), no blanks, no capitals.
 * Never shown to anybody.
 */
export const foldName = (name: string): string =>
  // through capitals: ß, ẞ and SS are one pair of letters; at the end once more NFKC, because a sign may have met its accent
  name.normalize("NFKC").replace(/\s+/gu, "").toLowerCase().toUpperCase().toLowerCase().normalize("NFKC");

/** Whether two written names are one name. */
export const sameName = (a: string, b: string): boolean => foldName(a) === foldName(b);
