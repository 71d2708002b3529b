/**
 * Parts of a document, each salted and hashed separately, so that a holder can disclose some of
 * them and keep the others private.
 *
 *   digest of part i = keccak256(0x03 ‖ i ‖ salt of i, 16 bytes ‖ canonical JSON of its value;
 *                      nothing if it is absent)
 *   content          = keccak256(0x02 ‖ digest 0 ‖ … ‖ digest 14)     the leaf commits to it
 *
 * All fifteen digests are always there, so their number does not reveal which parts a document has.
 * Prefixes keep these hashes apart from those of leaves (0x00) and nodes (0x01). Salts and
 * disclosing: disclosing.ts. A browser runs this file too. Why not SD-JWT (RFC 9901):
 * docs/adr/0011.
 *
 * Invariant: a document's parts give the document again, to the last character of its canonical
 * JSON.
 */
import * as z from "zod";
import { fromHex, hashBytes, toHex, toUtf8 } from "#bytes";
import { canonicalJson, type InvoiceDocument, invoiceDocument } from "../formats/document.ts";
import { keccak } from "../ledger/tree.ts";

/** In the order of their digests; a name never moves to another position. */
export const partNames = [
  "kind",
  "date",
  "currency",
  "seller",
  "sellerDetails",
  "buyer",
  "buyerDetails",
  "lines",
  "total",
  "tax",
  "remark",
  "passengers",
  "terms",
  "origin",
  "reverses",
] as const;
export type PartName = (typeof partNames)[number];
export type Parts = { [name in PartName]?: unknown };

/**
 * A disclosed part. `salt`: 16 bytes in 0x-hex. An absent `value` shows that the document has no
 * such part.
 */
export type ShownPart = { salt: string; value?: unknown };
/** A disclosure: all digests of a document, and the disclosed parts. */
export type Disclosure = { digests: string[]; parts: { [name in PartName]?: ShownPart } };

export const SALT_BYTES = 16;

/** Undefined in place of an object without members. */
const nonEmpty = (members: Record<string, unknown>): unknown =>
  Object.values(members).some((member) => member !== undefined) ? members : undefined;

/** A document's parts; absent ones are undefined. */
export function partsOf(document: InvoiceDocument): Parts {
  const {
    kind,
    issuedAt,
    currency,
    lines,
    allowances,
    taxBreakdown,
    remark,
    passengers,
    elements,
    reverses,
    sourceId,
    source,
  } = document;
  const { taxId: sellerId, name: sellerName, ...sellerDetails } = document.seller;
  const { taxId: buyerId, name: buyerName, ...buyerDetails } = document.buyer;
  const { gross, ...totals } = document.totals;
  const { dueDate, period, paymentTerms, drawer, references, attachments, taxBureau } = document;
  const { typeCode, preceding } = document;
  return {
    kind,
    date: issuedAt,
    currency,
    seller: { taxId: sellerId, name: sellerName },
    sellerDetails: nonEmpty(sellerDetails),
    buyer: { taxId: buyerId, name: buyerName },
    buyerDetails: nonEmpty(buyerDetails),
    lines,
    total: gross,
    tax: { totals, allowances, taxBreakdown },
    remark,
    // sections of special trades are as personal as passengers are
    passengers: elements === undefined ? passengers : { passengers, elements },
    terms: nonEmpty({
      dueDate,
      period,
      paymentTerms,
      drawer,
      references,
      attachments,
      taxBureau,
      typeCode,
      preceding,
    }),
    origin: nonEmpty({ sourceId, source }),
    reverses,
  };
}

const { shape } = invoiceDocument;
const byName = { taxId: true, name: true } as const;
/** A part without members is absent: an empty object would be a second way to say so. */
const ifAny = <T extends z.ZodObject>(part: T) =>
  part
    .refine(
      (value) => Object.keys(value).length > 0,
      "empty-part: a part without members is absent",
    )
    .optional();

/**
 * The shape of each part, closed: a member of one part cannot pass for a member of another. An
 * absent part is `undefined`.
 */
export const partShapes: Readonly<Record<PartName, z.ZodType>> = {
  kind: shape.kind,
  date: shape.issuedAt,
  currency: shape.currency,
  seller: shape.seller.pick(byName),
  sellerDetails: ifAny(shape.seller.omit(byName)),
  buyer: shape.buyer.pick(byName),
  buyerDetails: ifAny(shape.buyer.omit(byName)),
  lines: shape.lines,
  total: shape.totals.shape.gross,
  tax: z.strictObject({
    totals: shape.totals.omit({ gross: true }),
    allowances: shape.allowances,
    taxBreakdown: shape.taxBreakdown,
  }),
  remark: shape.remark,
  passengers: z
    .union([
      shape.passengers.unwrap(),
      z.strictObject({ passengers: shape.passengers, elements: shape.elements.unwrap() }),
    ])
    .optional(),
  terms: ifAny(
    invoiceDocument.pick({
      dueDate: true,
      period: true,
      paymentTerms: true,
      drawer: true,
      references: true,
      attachments: true,
      taxBureau: true,
      typeCode: true,
      preceding: true,
    }),
  ),
  origin: ifAny(invoiceDocument.pick({ sourceId: true, source: true })),
  reverses: shape.reverses,
};

/** The document that consists of these parts. Does not check its shape. */
export function documentOfParts(parts: Parts): unknown {
  const objects = parts as Record<PartName, Record<string, unknown> | undefined>;
  const { totals, ...rest } = (objects.tax ?? {}) as { totals?: Record<string, unknown> };
  const members: Record<string, unknown> = {
    kind: parts.kind,
    issuedAt: parts.date,
    currency: parts.currency,
    seller: { ...objects.seller, ...objects.sellerDetails },
    buyer: { ...objects.buyer, ...objects.buyerDetails },
    lines: parts.lines,
    totals: { ...totals, gross: parts.total },
    ...rest,
    remark: parts.remark,
    ...(Array.isArray(parts.passengers) ? { passengers: parts.passengers } : objects.passengers),
    ...objects.terms,
    ...objects.origin,
    reverses: parts.reverses,
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** The digest of the part at this position of `partNames`. */
export function digestOf(index: number, salt: Uint8Array, value: unknown): Uint8Array {
  const text = toUtf8(value === undefined ? "" : canonicalJson(value));
  const input = new Uint8Array(2 + SALT_BYTES + text.length);
  input[0] = 3;
  input[1] = index;
  input.set(salt, 2);
  input.set(text, 2 + SALT_BYTES);
  return hashBytes(input);
}

/** The content hash of all fifteen digests. */
export function contentOf(digests: readonly Uint8Array[]): string {
  const input = new Uint8Array(1 + 32 * digests.length);
  input[0] = 2;
  for (const [i, digest] of digests.entries()) input.set(digest, 1 + 32 * i);
  return keccak(input);
}

/** The digest of a disclosed part. Requirement: a salt of 16 bytes in 0x-hex. */
export const digestShown = (name: PartName, { salt, value }: ShownPart): string =>
  toHex(digestOf(partNames.indexOf(name), fromHex(salt), value));

/**
 * The content hash that a disclosure leads to, and the names of the disclosed parts that do not
 * match their digest (none if all do). Requirement: fifteen digests of 32 bytes and salts of 16, in
 * 0x-hex.
 */
export function contentShown({ digests, parts }: Disclosure): {
  content: string;
  wrong: PartName[];
} {
  const wrong = partNames.filter((name, i) => {
    const part = parts[name];
    return part !== undefined && digestShown(name, part) !== digests[i]?.toLowerCase();
  });
  return { content: contentOf(digests.map(fromHex)), wrong };
}
