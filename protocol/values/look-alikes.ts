/**
 * One text for letters and digits that look the same: the base on which numbers, ids and names are
 * compared. Two spellings of one text that a person cannot tell apart on paper become equal; a
 * reader still tells any two results apart.
 *
 * The table is fixed here, and not taken from a package, because ids on the ledger follow from it:
 * another version of it would give an invoice another id. It is the part of Unicode's confusables
 * (UTS 39) that has a capital letter of another script and the Latin capital that it looks like.
 */

/** Latin capital → capitals of other scripts that look like it. */
const likenesses: Readonly<Record<string, string>> = {
  A: "ΑАᎪꓮ",
  B: "ΒВᏴꓐ",
  C: "СϹᏟꓚⲤ",
  D: "Ꭰꓓ",
  E: "ΕЕᎬꓰ",
  F: "Ϝꓝ",
  G: "ԌᏀꓖ",
  H: "ΗНᎻꓧⲎҺ",
  I: "ΙІӀꓲⲒ",
  J: "ͿЈᎫꓙ",
  K: "ΚКᏦꓗⲔ",
  L: "ᏞꓡⳐ",
  M: "ΜМϺᎷꓟⲘ",
  N: "ΝꓠⲚ",
  O: "ΟОՕꓳⲞ",
  P: "ΡРᏢꓑⲢ",
  Q: "Ԛ",
  R: "ᎡᏒꓣ",
  S: "ЅՏᏚꓢ",
  T: "ΤТᎢꓔⲦ",
  U: "Սꓴ",
  V: "ѴᏙꓦ",
  W: "ԜᎳꓪ",
  X: "ΧХꓫⲬ",
  Y: "ΥУҮᎩꓬⲨ",
  Z: "ΖᏃꓜ",
  // Greek and Cyrillic capitals that look alike and have no Latin likeness
  Γ: "Г",
  Π: "П",
  Φ: "Ф",
};
const latin: ReadonlyMap<string, string> = new Map(
  Object.entries(likenesses).flatMap(([letter, others]) =>
    [...others].map((other) => [other, letter] as const),
  ),
);

const isDigit = (point: number) => /^\p{Nd}$/u.test(String.fromCodePoint(point));

/** A decimal digit of any script → 0 to 9. Unicode has the ten digits of a script in a row. */
function plainDigit(digit: string): string {
  const point = digit.codePointAt(0) as number;
  if (point < 0x80) return digit;
  let zero = point;
  while (point - zero < 9 && isDigit(zero - 1)) zero -= 1;
  return String(point - zero);
}

const isAscii = (text: string) => /^[ -~]*$/.test(text);

/** Used twice: normalising changes some look-alikes, and turns other letters into look-alikes. */
const plainLetters = (text: string) =>
  text.replace(/\p{L}/gu, (letter) => latin.get(letter.toUpperCase()) ?? letter);

/**
 * Capitals and digits of one form: full-width and styled characters made plain, accents and
 * invisible characters dropped, look-alike letters of other scripts made Latin. Blanks and signs
 * stay.
 */
export function plainCapitals(text: string): string {
  // most texts are ASCII, of which only capitals are left to make
  if (isAscii(text)) return text.toUpperCase();
  const bare = plainLetters(text)
    .normalize("NFKD")
    .replace(/[\p{M}\p{Cf}]/gu, "")
    .toUpperCase()
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .normalize("NFC");
  return plainLetters(bare).replace(/\p{Nd}/gu, plainDigit);
}
