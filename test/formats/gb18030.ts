/**
 * Text → bytes of GB18030, by asking the platform's decoder what two and four bytes mean. GBK and
 * GB2312 write the characters that they have by the same bytes.
 */
const decoder = new TextDecoder("gb18030");

/** The four bytes at a place of their order. */
const four = (place: number): number[] => [
  0x81 + Math.floor(place / 12_600),
  0x30 + (Math.floor(place / 1_260) % 10),
  0x81 + (Math.floor(place / 10) % 126),
  0x30 + (place % 10),
];

function table(): Map<string, readonly number[]> {
  const made = new Map<string, readonly number[]>();
  const add = (bytes: readonly number[]) => {
    const sign = decoder.decode(Uint8Array.from(bytes));
    if (sign.length === 1 && sign !== "\ufffd" && !made.has(sign)) made.set(sign, bytes);
  };
  for (let lead = 0x81; lead <= 0xfe; lead++)
    for (let trail = 0x40; trail <= 0xfe; trail++) if (trail !== 0x7f) add([lead, trail]);
  for (let place = 0; place < 39_420; place++) add(four(place));
  return made;
}
let known: ReturnType<typeof table> | undefined;

/** Throws RangeError for half a surrogate pair. */
export function gb18030(text: string): Buffer {
  known ??= table();
  const bytes: number[] = [];
  for (const sign of text) {
    const code = sign.codePointAt(0) ?? 0;
    const written =
      code < 0x80 ? [code] : code >= 0x10000 ? four(code - 0x10000 + 189_000) : known.get(sign);
    if (written === undefined) throw new RangeError(`${sign} is not a character`);
    bytes.push(...written);
  }
  return Buffer.from(bytes);
}

/** An XML file of another encoding: its declaration and its bytes. */
export const declaring = (text: string, encoding: string): string =>
  text.replace(/encoding="[^"]*"/, `encoding="${encoding}"`);
export const inGb = (text: string, encoding = "GBK"): Buffer => gb18030(declaring(text, encoding));
