/**
 * Text in the form that a page can show: the fonts, characters without a glyph, widths, and lines.
 *
 * Owns: the two faces, and breaking text into lines as Chinese typesetting does: between any two
 * Chinese characters, Latin words as a whole if they fit, no closing mark at the start of a line.
 * Invariants: no line is wider than the caller allows, unless one character is wider; no text
 * throws, and none is drawn without a glyph; earlier measuring and drawing changes nothing. For the
 * last invariant, each document opens its own font: a glyph of the font library keeps the
 * characters for which it was first requested, and a PDF writes these as its text. The faces that
 * live as long as the process supply only what no text changes: widths and the numbers of glyphs.
 * Does not own: where lines go (pdf-page.ts).
 */
import { readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { create, type Font } from "fontkit";

export type Face = "regular" | "medium";
const files: Readonly<Record<Face, string>> = {
  regular: "@expo-google-fonts/noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf",
  medium: "@expo-google-fonts/noto-sans-sc/500Medium/NotoSansSC_500Medium.ttf",
};
/**
 * `advances`: widths in thousandths of the size, by code point. `plain`: by character, see
 * `plainOf`.
 */
type Measure = { font: Font; advances: Map<number, number>; plain: Map<string, string> };
/** A face's file, and its tables as far as they are parsed: read-only data. */
const parsedFonts = new Map<Face, { bytes: Buffer; tables: object }>();
const measures = new Map<Face, Measure>();

/**
 * A font for drawing one document: it has its own glyphs, and shares the process's copy of the
 * parsed tables.
 */
export function openFont(face: Face): Font {
  const shared = parsedFonts.get(face) ?? {
    bytes: readFileSync(fileURLToPath(import.meta.resolve(files[face]))),
    tables: {},
  };
  parsedFonts.set(face, shared);
  const font = create(shared.bytes);
  if (!("glyphForCodePoint" in font))
    throw new TypeError(`${files[face]} is a collection of fonts`);
  // as the library does between a font and its variations; parsing the tables again costs more than
  // drawing an invoice
  return Object.assign(font, { _tables: shared.tables });
}

function measureOf(face: Face): Measure {
  const known = measures.get(face);
  if (known !== undefined) return known;
  const measure = { font: openFont(face), advances: new Map(), plain: new Map() };
  measures.set(face, measure);
  return measure;
}

function advanceOf(face: Face, codePoint: number): number | undefined {
  const { font, advances } = measureOf(face);
  const known = advances.get(codePoint);
  if (known !== undefined) return known;
  const width = font.hasGlyphForCodePoint(codePoint)
    ? (font.glyphForCodePoint(codePoint).advanceWidth * 1000) / font.unitsPerEm
    : undefined;
  // a font has a bounded number of characters; the number of missing ones is unbounded, and the
  // author of an invoice chooses them
  if (width !== undefined) advances.set(codePoint, width);
  return width;
}
const advance = (face: Face, codePoint: number) => advanceOf(face, codePoint) ?? 1000;
const has = (character: string) =>
  advanceOf("regular", character.codePointAt(0) ?? 0) !== undefined;

export function widthOf(text: string, size: number, face: Face = "regular"): number {
  let width = 0;
  for (const character of text) width += advance(face, character.codePointAt(0) ?? 0);
  return (width * size) / 1000;
}

/** How long drawing runs before other work of the process gets a turn. */
const SLICE_MS = 8;
/** Await this between small pieces of long work: it yields when a slice of time is used up. */
export function createPace(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < SLICE_MS) return;
    await turn();
    since = performance.now();
  };
}

/** Replaces a character that the font lacks: the printers' mark for a missing type. */
export const missing = "〓";
/** Letters that Unicode does not decompose into a plain letter and its mark. */
const plainLetters: Readonly<Record<string, string>> = {
  ł: "l",
  Ł: "L",
  đ: "d",
  Đ: "D",
  ħ: "h",
  Ħ: "H",
  ı: "i",
  ŋ: "n",
  Ŋ: "N",
  ŧ: "t",
  Ŧ: "T",
};

/**
 * The plain spelling of a character, if the font draws it with the same glyphs: the letters of a
 * ligature, the character that a radical looks like. A PDF has one text for each glyph: without
 * this, the first spelling in the document would be the text of both.
 */
function plainOf(character: string): string {
  const { font, plain } = measureOf("regular");
  const known = plain.get(character);
  if (known !== undefined) return known;
  const glyphs = (text: string) => font.layout(text).glyphs.map(({ id }) => id);
  const spelling = character.normalize("NFKC");
  const same = spelling !== character && String(glyphs(spelling)) === String(glyphs(character));
  plain.set(character, same ? spelling : character);
  return same ? spelling : character;
}

/**
 * Each character in the form that the font can show: itself, its plain spelling, its plain letter,
 * or the mark for a missing one. `changed`: whether any character differs.
 */
export function shown(text: string): { text: string; changed: boolean } {
  let changed = false;
  let out = "";
  for (const character of text.normalize("NFC")) {
    if (character === "\n") out += character;
    else if (has(character)) out += plainOf(character);
    else if (/[\t\r\p{Zs}]/u.test(character)) out += " ";
    // invisible anyway: joiners, selectors, marks of direction
    else if (!/\p{Default_Ignorable_Code_Point}/u.test(character)) {
      const plain = plainLetters[character] ?? character.normalize("NFKD").replace(/\p{M}/gu, "");
      out += plain !== "" && [...plain].every(has) ? plain : missing;
      changed = true;
    }
  }
  return { text: out, changed };
}

const wide =
  /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u{20000}-\u{3ffff}]/u;
const closing = /[,.:;!?)\]}%，。、；：！？）】》」』〉”’…]/;
const opening = /[([{（【《「『〈“‘¥]/;
/** Whether a line may end between these two characters. */
const mayBreak = (before: string, after: string): boolean => {
  if (after === " " || closing.test(after) || opening.test(before)) return false;
  return before === " " || /[-/*,;]/.test(before) || wide.test(before) || wide.test(after);
};

/** Lines of at most `width`. The text comes from `shown`. An empty text has no lines. */
export function linesOf(
  text: string,
  width: number,
  size: number,
  face: Face = "regular",
): string[] {
  const lines: string[] = [];
  const limit = (width * 1000) / size;
  for (const paragraph of text.split("\n")) {
    const characters = [...paragraph.trimEnd()];
    if (characters.length === 0) lines.push("");
    for (let start = 0; start < characters.length; ) {
      let [at, used, cut] = [start, 0, -1];
      for (; at < characters.length; at++) {
        const character = characters[at] as string;
        if (at > start && mayBreak(characters[at - 1] as string, character)) cut = at;
        used += advance(face, character.codePointAt(0) ?? 0);
        if (used > limit && at > start && character !== " ") break;
      }
      // at the last place where it may break, otherwise in the middle of a word
      const end = at === characters.length || cut < 0 ? at : cut;
      lines.push(characters.slice(start, end).join("").trim());
      start = end;
    }
  }
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

/**
 * The largest size, in steps of half a point from `size` down to `least`, at which the text is one
 * line of `width`; `least` if there is none.
 */
export function sizeFor(
  text: string,
  width: number,
  size: number,
  least: number,
  face: Face = "regular",
): number {
  for (let candidate = size; candidate > least; candidate -= 0.5)
    if (widthOf(text, candidate, face) <= width) return candidate;
  return least;
}
