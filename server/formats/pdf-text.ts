/**
 * Text as a page can show it: the fonts, what a font has no glyph for, widths, and lines.
 *
 * Owns: the two faces (parsed once a process, 20 MB) and breaking text into lines as Chinese is broken: between any two of its
 * characters, Latin words as a whole where they fit, no closing mark at the start of a line. Invariants: every line is as wide as
 * it was told at most, unless one character is wider; whatever the text, nothing throws and nothing is drawn without a glyph.
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
/** `advances`: widths in thousandths of the size, by code point. */
type Parsed = { font: Font; advances: Map<number, number> };
const parsed = new Map<Face, Parsed>();

function parsedOf(face: Face): Parsed {
  let found = parsed.get(face);
  if (found === undefined) {
    const font = create(readFileSync(fileURLToPath(import.meta.resolve(files[face]))));
    if (!("glyphForCodePoint" in font)) throw new TypeError(`${files[face]} is a collection of fonts`);
    found = { font, advances: new Map() };
    parsed.set(face, found);
  }
  return found;
}
export const fontOf = (face: Face): Font => parsedOf(face).font;

function advanceOf(face: Face, codePoint: number): number | undefined {
  const { font, advances } = parsedOf(face);
  const known = advances.get(codePoint);
  if (known !== undefined) return known;
  const width = font.hasGlyphForCodePoint(codePoint) ? (font.glyphForCodePoint(codePoint).advanceWidth * 1000) / font.unitsPerEm : undefined;
  // what a font has is bounded, what it has not is up to whoever writes invoices
  if (width !== undefined) advances.set(codePoint, width);
  return width;
}
const advance = (face: Face, codePoint: number) => advanceOf(face, codePoint) ?? 1000;
const has = (character: string) => advanceOf("regular", character.codePointAt(0) ?? 0) !== undefined;

export function widthOf(text: string, size: number, face: Face = "regular"): number {
  let width = 0;
  for (const character of text) width += advance(face, character.codePointAt(0) ?? 0);
  return (width * size) / 1000;
}

/** How long this may go on before other work of the process gets its turn. */
const SLICE_MS = 8;
/** To be awaited between small pieces of a long work: gives way when a slice of time is used up. */
export function createPace(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < SLICE_MS) return;
    await turn();
    since = performance.now();
  };
}

/** What stands for a character that the font has not: the mark that printers use for a missing type. */
export const missing = "〓";
/** Letters that Unicode does not take apart into a plain one and its mark. */
const plainLetters: Readonly<Record<string, string>> = { ł: "l", Ł: "L", đ: "d", Đ: "D", ħ: "h", Ħ: "H", ı: "i", ŋ: "n", Ŋ: "N", ŧ: "t", Ŧ: "T" };

/** Each character as the font can show it: itself, its plain letter, or the mark of a missing one. Tells whether anything was changed. */
export function shown(text: string): { text: string; changed: boolean } {
  let changed = false;
  let out = "";
  for (const character of text.normalize("NFC")) {
    if (character === "\n" || has(character)) out += character;
    else if (/[\t\r\p{Zs}]/u.test(character)) out += " ";
    // what is not seen anyway: joiners, selectors, marks of direction
    else if (!/\p{Default_Ignorable_Code_Point}/u.test(character)) {
      const plain = plainLetters[character] ?? character.normalize("NFKD").replace(/\p{M}/gu, "");
      out += plain !== "" && [...plain].every(has) ? plain : missing;
      changed = true;
    }
  }
  return { text: out, changed };
}

const wide = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u{20000}-\u{3ffff}]/u;
const closing = /[,.:;!?)\]}%，。、；：！？）】》」』〉”’…]/;
const opening = /[([{（【《「『〈“‘¥]/;
/** May a line end between these two? */
const breaks = (before: string, after: string): boolean => {
  if (after === " " || closing.test(after) || opening.test(before)) return false;
  return before === " " || /[-/*,;]/.test(before) || wide.test(before) || wide.test(after);
};

/** Lines of at most `width`. The text is one that `shown` gave. An empty text is no line. */
export function linesOf(text: string, width: number, size: number, face: Face = "regular"): string[] {
  const lines: string[] = [];
  const limit = (width * 1000) / size;
  for (const paragraph of text.split("\n")) {
    const characters = [...paragraph.trimEnd()];
    if (characters.length === 0) lines.push("");
    for (let start = 0; start < characters.length; ) {
      let [at, used, cut] = [start, 0, -1];
      for (; at < characters.length; at++) {
        const character = characters[at] as string;
        if (at > start && breaks(characters[at - 1] as string, character)) cut = at;
        used += advance(face, character.codePointAt(0) ?? 0);
        if (used > limit && at > start && character !== " ") break;
      }
      // where it may be broken last, else in the middle of a word
      const end = at === characters.length || cut < 0 ? at : cut;
      lines.push(characters.slice(start, end).join("").trim());
      start = end;
    }
  }
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

/** The largest size, in halves of a point from `size` down to `least`, at which the text is one line of `width`; `least` when none. */
export function sizeFor(text: string, width: number, size: number, least: number, face: Face = "regular"): number {
  for (let given = size; given > least; given -= 0.5) if (widthOf(text, given, face) <= width) return given;
  return least;
}
