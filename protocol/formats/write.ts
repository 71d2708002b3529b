/**
 * The only way out: an invoice document → text in a format that can express it.
 *
 * Owns: which formats those are, and refusing the others. The text is a rendering of the document,
 * made at each call: the seal covers the document, and only the original is the original.
 * Invariant: `readInvoice` reads what this file writes. Does not own: the content of any format
 * (registry.ts has their writers).
 */
import { z } from "zod";
import { maxViolations, Problem, type Violation } from "../values/problems.ts";
import type { InvoiceDocument, Numbers } from "./document.ts";
import { formats, type WrittenFormat, writtenAs, writtenFormats } from "./formats.ts";
import { writers } from "./registry.ts";

/** The media type that every document has. */
export const pdfType = "application/pdf";

/**
 * The text, or why the format cannot express the document. A sum that exceeds an amount's bounds is
 * an obstacle for this one format.
 */
function attempt(
  format: WrittenFormat,
  document: InvoiceDocument,
  numbers: Numbers,
): { text: string } | { obstacles: Violation[] } {
  const { obstacles, write } = writers[format];
  try {
    const reasons = obstacles(document);
    return reasons.length > 0 ? { obstacles: reasons } : { text: write(document, numbers) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return {
      obstacles: [
        {
          field: "/lines",
          rule: "amount-bounds",
          detail: "a sum of this format is out of the bounds of an amount",
        },
      ],
    };
  }
}

/** Every amount of a document that a format may sum. */
const amountsIn = ({ lines, allowances = [], taxBreakdown = [] }: InvoiceDocument): string[] => [
  ...lines.flatMap(({ amount, tax = "0.00" }) => [amount, tax]),
  ...allowances.map(({ amount }) => amount),
  ...taxBreakdown.flatMap(({ taxable, tax }) => [taxable, tax]),
];
/** Ten thousand amounts of at most so many characters are far below an amount's bounds. */
const SHORT = 10;

/** A media type in which an invoice is not available, and why. */
export const unavailableSchema = z
  .array(
    z.object({
      mediaType: z.string(),
      errors: z.array(z.object({ field: z.string(), rule: z.string(), detail: z.string() })),
    }),
  )
  .describe("Formats that cannot express this invoice: Accept of them will be answered by 406");

/**
 * The formats that cannot express a document, with the reasons that `writeInvoice` will give. Does
 * not write the document, unless its amounts are so large that only writing shows it.
 */
export const unavailableFor = (document: InvoiceDocument): z.infer<typeof unavailableSchema> => {
  const large = amountsIn(document).some((amount) => amount.length > SHORT);
  return writtenFormats.flatMap((format) => {
    const result = large
      ? attempt(format, document, { number: "0".repeat(20) })
      : { obstacles: writers[format].obstacles(document) };
    if (!("obstacles" in result) || result.obstacles.length === 0) return [];
    return [
      { mediaType: formats[format].mediaType, errors: result.obstacles.slice(0, maxViolations) },
    ];
  });
};

/** The document in every format that can express it. */
export const writeAll = (
  document: InvoiceDocument,
  numbers: Numbers,
): { mediaType: string; format: WrittenFormat; text: string }[] =>
  writtenFormats.flatMap((format) => {
    const result = attempt(format, document, numbers);
    return "text" in result
      ? [{ mediaType: formats[format].mediaType, format, text: result.text }]
      : [];
  });

/**
 * The document as text of a media type of `writtenTypes` (formats.ts).
 * Throws Problem `not-acceptable` if the format cannot express this document: with the obstacles,
 * and the media types in which it is `available`.
 */
export function writeInvoice(
  mediaType: string,
  document: InvoiceDocument,
  numbers: Numbers,
): string {
  const format = writtenAs(mediaType);
  if (format === undefined) throw new RangeError(`${mediaType} is not written here`);
  const result = attempt(format, document, numbers);
  if ("text" in result) return result.text;
  const available = [
    formats.json.mediaType,
    ...writeAll(document, numbers).map((other) => other.mediaType),
    pdfType,
  ];
  const [first] = result.obstacles;
  throw new Problem(
    "not-acceptable",
    `This invoice cannot be written as ${mediaType}: ` +
      `${first?.detail ?? "its content has no place there"}`,
    {
      violations: result.obstacles,
      extra: { available },
    },
  );
}
