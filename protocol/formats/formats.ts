/**
 * The formats of invoices, one row each. Names, media types, file names, enums in schemas and
 * tables in documents follow from it.
 *
 * A new format is a row here and a file with its reader, which registry.ts binds to the row's name.
 * Outside this folder nobody compares a name: whatever differs between formats is a member of the
 * row or of the reader (test/formats/formats.ts).
 *
 * Facts alone, and no import: the shape of documents, the rules and the console use this without
 * loading a reader.
 */

/**
 * The rules that a document keeps (rules.ts). `exact`: to the cent, discounts are lines. `rounded`:
 * the same, and a line may be one cent off. `en16931`: the rules of EN 16931, under its ids.
 */
export type Rules = "exact" | "rounded" | "en16931";

/**
 * How a file is built. `mediaTypes`: those that do not say which format it is: its content does.
 * `begins`: its first character.
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
  /** As people call it. */
  title: { zh: string; en: string };
  syntax: Syntax;
  /** The media type that promises this format and no other. */
  mediaType: string;
  rules: Rules;
  /** Whether the file is kept beside the document. Not of JSON alone, which is the document. */
  original: boolean;
  /** There when documents are written in it: the ending of a downloaded file's name. */
  download?: string;
};

export const formats = {
  json: {
    title: { zh: "JSON", en: "JSON" },
    syntax: "json",
    mediaType: "application/json",
    rules: "exact",
    original: false,
  },
  shudian: {
    title: { zh: "数电票 XML", en: "数电票 XML" },
    syntax: "xml",
    mediaType: "application/vnd.onepiao.shudian+xml",
    rules: "rounded",
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
} as const satisfies Record<string, Row>;

type Table = typeof formats;
/** What an invoice is read from. */
export type FormatName = keyof Table;
/** Those whose file is kept. */
export type SourceFormat = {
  [Name in FormatName]: Table[Name]["original"] extends true ? Name : never;
}[FormatName];
/** Those that a document is written in. */
export type WrittenFormat = {
  [Name in FormatName]: Table[Name] extends { download: string } ? Name : never;
}[FormatName];

export const formatNames = Object.keys(formats) as readonly FormatName[];
export const keepsOriginal = (name: FormatName): name is SourceFormat => formats[name].original;
export const sourceFormats = formatNames.filter(keepsOriginal);
export const writtenFormats = formatNames.filter(
  (name): name is WrittenFormat => "download" in formats[name],
);

/** What `readInvoice` reads, for Accept-Post headers and the API's description. */
export const mediaTypes: readonly string[] = [
  ...new Set([
    ...Object.values(syntaxes).flatMap((syntax) => [...syntax.mediaTypes]),
    ...formatNames.map((name) => formats[name].mediaType),
  ]),
];
/** What `writeInvoice` writes, at best. */
export const writtenTypes: readonly string[] = writtenFormats.map(
  (name) => formats[name].mediaType,
);

/**
 * The formats that a media type (without parameters) may stand for: one that is promised, or those
 * that the content decides between.
 */
export function formatsOfType(mediaType: string): readonly FormatName[] {
  const promised = formatNames.filter((name) => formats[name].mediaType === mediaType);
  const open = formatNames.filter((name) =>
    (syntaxes[formats[name].syntax].mediaTypes as readonly string[]).includes(mediaType),
  );
  return promised.length > 0 ? promised : open;
}
/** The format that is written under a media type; undefined for any other type. */
export const writtenAs = (mediaType: string): WrittenFormat | undefined =>
  writtenFormats.find((name) => formats[name].mediaType === mediaType);

/** The format that a document came in. A document without a source came as JSON. */
export const formatOf = ({
  source,
}: {
  source?: { format: SourceFormat } | undefined;
}): FormatName => source?.format ?? "json";

/** The ending of an original's file name. */
export const endingOf = (format: FormatName): string => syntaxes[formats[format].syntax].ending;

/**
 * The media type to send a file under, by its first characters; JSON for what is not recognised,
 * whose reader says why.
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
