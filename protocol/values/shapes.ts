/** Shapes that more than one feature's routes use. */
import { z } from "zod";
import { accountPattern, hasTrueChecksum } from "./account.ts";
import { brokenTaxIdRule, normaliseTaxId } from "./tax-id.ts";

export const accountSchema = z
  .string()
  .regex(accountPattern, "account-format: 0x and 40 hex digits")
  .refine(hasTrueChecksum, {
    params: { rule: "account-checksum" },
    message:
      "Capitals and small letters are mixed, and make another checksum (EIP-55) than the account has",
  })
  .meta({
    id: "Account",
    description: "A party's permanent address; in mixed case its checksum (EIP-55) has to be right",
    example: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
  });
/**
 * A network's name: part of what every party signs, and of what is shown. 31 bytes: the contracts
 * keep it in one word.
 */
export const networkNameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,30}$/,
    "network-name: letters, digits, blank . _ -, 31 at most",
  );
/** 64 or 65 bytes of a secp256k1 signature. */
export const signatureSchema = z
  .string()
  .regex(/^0x([0-9a-fA-F]{128}|[0-9a-fA-F]{130})$/, "signature-format: 64 or 65 bytes in 0x-hex");
/** Where a party's key is to be; a key of one's own signs for whom it is registered. */
export const provenKeySchema = z.discriminatedUnion("custody", [
  z.strictObject({ custody: z.literal("gateway") }),
  z.strictObject({
    custody: z.literal("own"),
    address: accountSchema,
    proof: signatureSchema.describe(
      "The key's EIP-712 signature over Register(address account,address maker) in the ledger's domain",
    ),
  }),
]);
export const numberSchema = z
  .string()
  .regex(/^\d{20}$/, "number-has-20-digits")
  .meta({
    id: "InvoiceNumber",
    description: "YY RR C and 15 digits",
    example: "26442000000000000001",
  });
/**
 * An invoice that was issued elsewhere; the first bit is always set (protocol/ledger/external.ts).
 */
export const externalIdSchema = z
  .string()
  .regex(/^0x[89a-f][0-9a-f]{63}$/, "external-id-format")
  .meta({
    id: "ExternalId",
    description: "Follows from the seller's tax id and the original's number",
    example: `0x9d${"0".repeat(62)}`,
  });
/**
 * An invoice of this network or one that was issued elsewhere; as a number it is `BigInt(text)`.
 */
export const invoiceNameSchema = z
  .union([numberSchema, externalIdSchema])
  .describe("A number, or the id of an external invoice");
/**
 * What the issuer of an untitled invoice without a holder hands to its customer, and what takes the
 * invoice over.
 */
export const pickupSchema = z
  .strictObject({
    number: numberSchema,
    secret: z
      .string()
      .regex(/^0x[0-9a-fA-F]{64}$/, "secret-format")
      .describe("32 bytes; whoever has it takes the invoice over"),
  })
  .meta({ id: "Pickup", description: "What POST /v1/pickups takes" });
/** Why an invoice is taken back. */
export const reasonSchema = z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]).meta({
  id: "RedLetterReason",
  description: "1 issue error, 2 goods returned, 3 service ended, 4 sales allowance",
});
/** The same in a query. */
export const reasonQuery = z
  .enum(["1", "2", "3", "4"])
  .transform((text) => Number(text) as 1 | 2 | 3 | 4);
/**
 * A tax id in whatever way it is written: with blanks, dashes or a slash. Whether it is one is
 * asked by who looks it up.
 */
export const taxIdText = z
  .string()
  .regex(/^[ -~]{4,40}$/, "tax-id-format")
  .describe("Tax id");
/** A tax id in a query, in whatever way it is written; read as the one that is kept. */
export const taxIdQuery = z
  .string()
  .max(40)
  .regex(/^[ -~]*$/, "tax-id-format")
  .transform((text, { addIssue }) => {
    const taxId = normaliseTaxId(text);
    const rule = brokenTaxIdRule(taxId);
    if (rule)
      addIssue({
        code: "custom",
        params: { rule },
        message:
          "18 characters of GB 32100-2015 with a valid check digit, or a country code and a foreign id",
      });
    return taxId;
  });
/** A moment in a query. */
export const timeQuery = z.iso.datetime({ offset: true, error: "time-format" }).max(40);
export const momentFrom = (text: string | undefined): Date | undefined =>
  text === undefined ? undefined : new Date(text);
/** A query whose `from` comes before its `to`. */
export const fromBeforeTo = <
  Q extends z.ZodType<{ from?: string | undefined; to?: string | undefined }>,
>(
  query: Q,
): Q =>
  query.refine(
    ({ from, to }) => from === undefined || to === undefined || new Date(from) < new Date(to),
    {
      path: ["from"],
      params: { rule: "before-to" },
      error: "The range ends before it begins",
    },
  );
const amount = z.string().meta({ example: "188.68" });
export const amountsSchema = z
  .object({ net: amount, tax: amount, gross: amount })
  .meta({ id: "Amounts" });
/** What a 202 says of the work that goes on. */
export const operationRefSchema = z
  .object({ id: z.uuid(), href: z.string() })
  .meta({ id: "OperationRef" });
/** A place in the feed: a decimal number within 63 bits. */
export const positionSchema = z
  .string()
  .regex(/^\d{1,18}$/, "position-format")
  .transform((text) => BigInt(text))
  .meta({
    id: "Position",
    description: "A place in the feed, as an event or a page gives it",
    example: "3616131121152",
  });
const sealedBytes = z
  .object({ aad: z.string(), iv: z.string(), ciphertext: z.string(), tag: z.string() })
  .meta({ id: "SealedBytes" });
/** A document as a reader gets it that opens it by itself. */
export const sealedDocumentSchema = z
  .object({
    number: numberSchema,
    salt: z.string().describe("32 bytes in 0x-hex: what the parts' salts follow from"),
    key: z
      .string()
      .describe(
        "The content key: a JWE to the caller's key; in a lot, under the lot's key (RFC 3394), base64url",
      ),
    document: sealedBytes.describe("AES-256-GCM, base64url; aad is authenticated as it stands"),
  })
  .meta({ id: "SealedDocument" });
