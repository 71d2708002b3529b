/**
 * The formats of invoices, one row each. Names, media types, file names, enums in schemas and
 * tables in documents follow from this table.
 *
 * A new format is a row here and a file with its reader, which registry.ts binds to the row's name.
 * No file outside this folder compares a format's name: what differs between formats is a member of
 * the row or of the reader (test/formats/formats.ts).
 *
 * Facts only, and no import: the shape of documents, the rules and the console use this file
 * without loading a reader.
 */

/**
 * The rules that a document keeps (rules.ts). In both, a line may be one cent off, totals never.
 * `rounded`: discounts are lines behind their items. `loose`: they stand anywhere, and a price or a
 * quantity may stand alone. `en16931`: the rules of EN 16931, under its ids.
 */
export type Rules = "rounded" | "loose" | "en16931";

/**
 * How a file is built. `mediaTypes`: those that leave the format open: the content decides.
 * `begins`: the first character.
 */
export const syntaxes = {
  json: { mediaTypes: ["application/json"], ending: "json", begins: "{" },
  xml: { mediaTypes: ["application/xml", "text/xml"], ending: "xml", begins: "<" },
} as const satisfies Record<
  string,
  { mediaTypes: readonly string[]; ending: string; begins: string }
>;
export type Syntax = keyof typeof syntaxes;

type Row = {
  /** The format's name for people. */
  title: { zh: string; en: string };
  syntax: Syntax;
  /** The media type that stands for this format only. */
  mediaType: string;
  rules: Rules;
  /** Whether the file is kept next to the document. Not for JSON, which is the document. */
  original: boolean;
  /** Set if documents are written in this format: the ending of a downloaded file's name. */
  download?: string;
};

export const formats = {
  json: {
    title: { zh: "JSON", en: "JSON" },
    syntax: "json",
    mediaType: "application/json",
    rules: "rounded",
    original: false,
  },
  shudian: {
    title: { zh: "数电票 XML", en: "数电票 XML" },
    syntax: "xml",
    mediaType: "application/vnd.onepiao.shudian+xml",
    rules: "loose",
    original: true,
    download: "xml",
  },
  ubl: {
    title: { zh: "UBL XML（EN 16931）", en: "UBL XML (EN 16931)" },
    syntax: "xml",
    mediaType: "application/vnd.onepiao.ubl+xml",
    rules: "en16931",
    original: true,
    download: "ubl.xml",
  },
  cii: {
    title: { zh: "CII XML（EN 16931）", en: "CII XML (EN 16931)" },
    syntax: "xml",
    mediaType: "application/vnd.onepiao.cii+xml",
    rules: "en16931",
    original: true,
    download: "cii.xml",
  },
} as const satisfies Record<string, Row>;

type Table = typeof formats;
/** The formats that an invoice is read from. */
export type FormatName = keyof Table;
/** The formats whose file is kept. */
export type SourceFormat = {
  [Name in FormatName]: Table[Name]["original"] extends true ? Name : never;
}[FormatName];
/** The formats that a document is written in. */
export type WrittenFormat = {
  [Name in FormatName]: Table[Name] extends { download: string } ? Name : never;
}[FormatName];

export const formatNames = Object.keys(formats) as readonly FormatName[];
export const keepsOriginal = (name: FormatName): name is SourceFormat => formats[name].original;
export const sourceFormats = formatNames.filter(keepsOriginal);
export const writtenFormats = formatNames.filter(
  (name): name is WrittenFormat => "download" in formats[name],
);

/** The media types that `readInvoice` reads, for Accept-Post headers and the API's description. */
export const mediaTypes: readonly string[] = [
  ...new Set([
    ...Object.values(syntaxes).flatMap((syntax) => [...syntax.mediaTypes]),
    ...formatNames.map((name) => formats[name].mediaType),
  ]),
];
/** The most specific media types that `writeInvoice` writes. */
export const writtenTypes: readonly string[] = writtenFormats.map(
  (name) => formats[name].mediaType,
);

const formatsByType: ReadonlyMap<string, readonly FormatName[]> = new Map(
  mediaTypes.map((type) => {
    const exact = formatNames.filter((name) => formats[name].mediaType === type);
    const open = formatNames.filter((name) =>
      (syntaxes[formats[name].syntax].mediaTypes as readonly string[]).includes(type),
    );
    return [type, exact.length > 0 ? exact : open];
  }),
);
/**
 * The formats that a media type (without parameters) may stand for: the one that it names, or those
 * between which the content decides.
 */
export const formatsOfType = (mediaType: string): readonly FormatName[] =>
  formatsByType.get(mediaType) ?? [];
/** The format written under a media type; undefined for any other type. */
export const writtenAs = (mediaType: string): WrittenFormat | undefined =>
  writtenFormats.find((name) => formats[name].mediaType === mediaType);

/** The format in which a document came. A document without a source came as JSON. */
export const formatOf = ({
  source,
}: {
  source?: { format: SourceFormat } | undefined;
}): FormatName => source?.format ?? "json";

/** The ending of an original's file name. */
export const endingOf = (format: FormatName): string => syntaxes[formats[format].syntax].ending;

/**
 * The media type under which to send a file, judged by its first character; JSON if no format
 * begins so: its reader says what is wrong.
 */
export function typeOfText(start: string): (typeof syntaxes)[Syntax]["mediaTypes"][0] {
  const first = start.replace(/^\ufeff/, "").trimStart()[0];
  const syntax = Object.values(syntaxes).find(({ begins }) => begins === first) ?? syntaxes.json;
  return syntax.mediaTypes[0];
}

/** The titles of formats as a list in a sentence: "JSON, 数电票 XML or UBL XML (EN 16931)". */
export const titlesOf = (names: readonly FormatName[], language: "zh" | "en" = "en"): string =>
  new Intl.ListFormat(language, { type: "disjunction" }).format(
    names.map((name) => formats[name].title[language]),
  );
