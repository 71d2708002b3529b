/**
 * Bytes → text, in the encodings that invoices come in.
 *
 * | the file | is read as |
 * | --- | --- |
 * | begins with a byte order mark | UTF-8, UTF-16 or GB18030, by the mark |
 * | declares UTF-8, or nothing | UTF-8 |
 * | declares GB18030, GBK or GB2312 | GB18030, which contains the other two |
 *
 * The file alone decides, so that an archive can read it without its Content-Type. Whatever
 * else speaks of the encoding has to agree: mark and declaration, a charset, and for GB18030 the
 * bytes, because Chinese text in UTF-8 is mostly valid GB18030 too and would give other characters.
 * No byte is ever replaced by U+FFFD: one that does not belong there is refused, with its offset.
 *
 * A browser runs this file too. Does not own: what a text says.
 */

/** Makes the refusal of a rule. */
export type Fail = (rule: string, detail: string) => Error;

type Encoding = {
  /** For people, and as a decoder knows it. */
  name: string;
  /** In a declaration or a charset, in lower case. */
  labels: readonly string[];
  mark: readonly number[];
  /** Two bytes a unit: read only behind its mark, which gives their order. */
  isWide: boolean;
  /** The rule that bytes of no character break. */
  rule: string;
  /** Bytes of the character that begins at `at`, if it is one. */
  sizeAt: (bytes: Uint8Array, at: number) => number;
  decoder: InstanceType<typeof TextDecoder>;
};

const encoding = (name: string, rest: Omit<Encoding, "name" | "decoder">): Encoding => ({
  name,
  ...rest,
  decoder: new TextDecoder(name, { fatal: true, ignoreBOM: true }),
});

const utf8 = encoding("UTF-8", {
  labels: ["utf-8", "utf8"],
  mark: [0xef, 0xbb, 0xbf],
  isWide: false,
  rule: "encoding-not-utf8",
  sizeAt(bytes, at) {
    const lead = bytes[at] ?? 0;
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  },
});
const gb18030 = encoding("GB18030", {
  labels: ["gb18030", "gbk", "gb2312"],
  mark: [0x84, 0x31, 0x95, 0x33],
  isWide: false,
  rule: "encoding-not-gb18030",
  sizeAt(bytes, at) {
    const next = bytes[at + 1] ?? 0;
    return (bytes[at] ?? 0) <= 0x80 ? 1 : next >= 0x30 && next <= 0x39 ? 4 : 2;
  },
});
const utf16 = (name: string, mark: readonly number[], high: 0 | 1) =>
  encoding(name, {
    labels: ["utf-16", name.toLowerCase()],
    mark,
    isWide: true,
    rule: "encoding-not-utf16",
    sizeAt: (bytes, at) => (((bytes[at + high] ?? 0) & 0xfc) === 0xd8 ? 4 : 2),
  });
const encodings: readonly Encoding[] = [
  utf8,
  gb18030,
  utf16("UTF-16LE", [0xff, 0xfe], 1),
  utf16("UTF-16BE", [0xfe, 0xff], 0),
];

/** What may be declared, for a refusal. */
export const encodingNames = "UTF-8, GB18030 (also as GBK and GB2312) or UTF-16";

/** The charset of a Content-Type, by its parameters; undefined without one. */
export const charsetOf = (parameters: readonly string[]): string | undefined =>
  parameters
    .map((parameter) => parameter.trim())
    .find((parameter) => /^charset=/i.test(parameter))
    ?.slice("charset=".length)
    .replaceAll('"', "");

/** Whether a media type is XML, whose files say their encoding themselves (RFC 7303). */
const isXml = (mediaType: string): boolean => /[/+]xml$/i.test(mediaType);

/** Whether bodies of this media type and charset are read: XML in all of them, else UTF-8. */
export const isCharsetRead = (mediaType: string, charset = "utf-8"): boolean =>
  (isXml(mediaType) ? encodings : [utf8]).some(({ labels }) =>
    labels.includes(charset.toLowerCase()),
  );

const markOf = (bytes: Uint8Array) =>
  encodings.find(({ mark }) => mark.every((byte, at) => bytes[at] === byte));

const latin1 = new TextDecoder("latin1");

/**
 * The first bytes of a file as text, by which to recognise it: only its ASCII is certain. Without
 * the byte order mark.
 */
export function beginningOf(bytes: Uint8Array, length: number): string {
  const marked = markOf(bytes);
  const start = bytes.subarray(marked?.mark.length ?? 0, length);
  return (marked?.isWide ? new TextDecoder(marked.name) : latin1).decode(start);
}

function textIn({ decoder }: Encoding, bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

const PIECE = 4_096;

/** Offset of the first byte that does not belong there. Requirement: there is one. */
function brokenAt(bytes: Uint8Array, known: Encoding): number {
  /** Start of the first part that does not decode; parts of about `length` bytes. */
  const seek = (start: number, length: number): number => {
    for (let from = start; ; ) {
      let to = from;
      do to += known.sizeAt(bytes, to);
      while (to < from + length && to < bytes.length);
      if (textIn(known, bytes.subarray(from, to)) === undefined) return from;
      from = to;
    }
  };
  return seek(seek(0, PIECE), 1);
}

function decode(bytes: Uint8Array, known: Encoding, fail: Fail): string {
  const text = textIn(known, bytes);
  if (text !== undefined) return text.startsWith("\ufeff") ? text.slice(1) : text;
  throw fail(
    known.rule,
    `The bytes at offset ${brokenAt(bytes, known)} are not a character of ${known.name}`,
  );
}

/** The text without its byte order mark. Throws `encoding-not-utf8`. */
export const decodeUtf8 = (bytes: Uint8Array, fail: Fail): string => decode(bytes, utf8, fail);

/** Characters in which an XML declaration has to end. */
const HEAD = 500;
const declaration =
  /^<\?xml\s+version\s*=\s*(["'])1\.\d+\1(?:\s+encoding\s*=\s*(["'])([A-Za-z][\w.-]{0,39})\2)?(?:\s+standalone\s*=\s*(["'])(?:yes|no)\4)?\s*\?>/;

/** What an XML file says of its encoding. Throws for a declaration that readers would guess at. */
function declaredIn(head: string, fail: Fail): string | undefined {
  if (!/^<\?xml\s/.test(head)) return undefined;
  const match = declaration.exec(head);
  if (match) return match[3];
  throw fail(
    "not-well-formed",
    `The XML declaration has a version, then perhaps encoding and standalone, and ends within ${HEAD} characters`,
  );
}

/** The beginning of a file, not much longer than its declaration, which ends at the first `>`. */
function headOf(bytes: Uint8Array, marked: Encoding | undefined): string {
  if (marked?.isWide) return beginningOf(bytes, 2 * HEAD).slice(0, HEAD);
  const start = marked?.mark.length ?? 0;
  const end = bytes.subarray(start, start + HEAD).indexOf(0x3e);
  return beginningOf(bytes, start + (end < 0 ? HEAD : end + 1));
}

/** Throws `encoding-not-read`, `encoding-contradiction`, `not-well-formed`. */
function encodingOf(bytes: Uint8Array, fail: Fail): Encoding {
  const marked = markOf(bytes);
  const declared = declaredIn(headOf(bytes, marked), fail);
  if (declared === undefined) {
    if (!marked && (bytes[0] === 0 || bytes[1] === 0))
      throw fail("encoding-not-read", "UTF-16 without its byte order mark is not read here");
    return marked ?? utf8;
  }
  const label = declared.toLowerCase();
  const stated = encodings.find(({ labels }) => labels.includes(label));
  if (stated === undefined)
    throw fail(
      "encoding-not-read",
      `The declared encoding ${declared} is not read here: use ${encodingNames}`,
    );
  if (marked ? marked.labels.includes(label) : !stated.isWide) return marked ?? stated;
  throw fail(
    "encoding-contradiction",
    `The file declares ${declared}, and ` +
      (marked ? `begins with the mark of ${marked.name}` : "does not begin with its mark"),
  );
}

/**
 * The text of an XML file, without its byte order mark. Throws what `fail` makes of
 * `encoding-not-read`, `encoding-contradiction`, `encoding-not-utf8`, `…-gb18030`, `…-utf16`,
 * `not-well-formed`.
 */
export function decodeXml(bytes: Uint8Array, fail: Fail): string {
  const known = encodingOf(bytes, fail);
  const other = known === gb18030 ? textIn(utf8, bytes) : undefined;
  if (other !== undefined && other.length < bytes.length)
    throw fail(
      "encoding-contradiction",
      "The file declares an encoding of the GB family, and all of its bytes are UTF-8",
    );
  return decode(bytes, known, fail);
}

/**
 * Compares the charset of a Content-Type with the XML file that came under it; other files are in
 * UTF-8 alone. Throws `encoding-contradiction`, `encoding-not-read`, `not-well-formed`.
 */
export function checkCharset(
  mediaType: string,
  charset: string | undefined,
  bytes: Uint8Array,
  fail: Fail,
): void {
  if (charset === undefined || !isXml(mediaType)) return;
  const { labels, name } = encodingOf(bytes, fail);
  if (!labels.includes(charset.toLowerCase()))
    throw fail(
      "encoding-contradiction",
      `The charset of Content-Type is ${charset.slice(0, 40)}, and the file is ${name}: by its ` +
        "byte order mark, its declaration, or else UTF-8",
    );
}
