/** Shapes that the routes of several features share. */
import { z } from "zod";
import { accountPattern, hasTrueChecksum } from "./account.ts";
import { brokenTaxIdRule, normaliseTaxId } from "./tax-id.ts";

export const accountSchema = z
  .string()
  .regex(accountPattern, "account-format: 0x and 40 hex digits")
  .refine(hasTrueChecksum, {
    params: { rule: "account-checksum" },
    message:
      "Capitals and small letters are mixed, and make another checksum (EIP-55) than the " +
      "account has",
  })
  .meta({
    id: "Account",
    description: "A party's permanent address; in mixed case its checksum (EIP-55) has to be right",
    example: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
  });
/**
 * A network's name: every party signs it, and it is shown. 31 bytes, because the contracts keep it
 * in one word.
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
/** Where a party's key is kept. A key of the party's own has to sign its registration. */
export const provenKeySchema = z.discriminatedUnion("custody", [
  z.strictObject({ custody: z.literal("gateway") }),
  z.strictObject({
    custody: z.literal("own"),
    address: accountSchema,
    proof: signatureSchema.describe(
      "The key's EIP-712 signature over Register(address account,address maker) in the " +
        "ledger's domain",
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
 * The id of an invoice issued elsewhere; the first bit is always set (protocol/ledger/external.ts).
 */
export const externalIdSchema = z
  .string()
  .regex(/^0x[89a-f][0-9a-f]{63}$/, "external-id-format")
  .meta({
    id: "ExternalId",
    description: "Follows from the seller's tax id and the original's number",
    example: `0x9d${"0".repeat(62)}`,
  });
/** An invoice of this network or one issued elsewhere; `BigInt(text)` is its number. */
export const invoiceNameSchema = z
  .union([numberSchema, externalIdSchema])
  .describe("A number, or the id of an external invoice");
/**
 * The issuer of an untitled invoice without a holder hands this to its customer, who takes the
 * invoice over with it.
 */
export const pickupSchema = z
  .strictObject({
    number: numberSchema,
    secret: z
      .string()
      .regex(/^0x[0-9a-fA-F]{64}$/, "secret-format")
      .describe("32 bytes; presenting it takes the invoice over"),
  })
  .meta({ id: "Pickup", description: "What POST /v1/pickups takes" });
/** Why an invoice is taken back. */
export const reasonSchema = z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]).meta({
  id: "RedLetterReason",
  description: "1 issue error, 2 goods returned, 3 service ended, 4 sales allowance",
});
/** The same reason in a query. */
export const reasonQuery = z
  .enum(["1", "2", "3", "4"])
  .transform((text) => Number(text) as 1 | 2 | 3 | 4);
/**
 * A tax id in any spelling: with blanks, dashes or a slash. The look-up decides whether it is
 * valid.
 */
export const taxIdText = z
  .string()
  .regex(/^[ -~]{4,40}$/, "tax-id-format")
  .describe("Tax id");
/** A tax id that somebody types, in any spelling; the result is its only written form. */
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
          "18 characters of GB 32100-2015 with a valid check digit, or a country code and a " +
          "foreign id",
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
/** Points from a 202 answer to the operation. */
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
/** A document for a reader that decrypts it without the gateway. */
export const sealedDocumentSchema = z
  .object({
    number: numberSchema,
    salt: z.string().describe("32 bytes in 0x-hex: what the parts' salts follow from"),
    key: z
      .string()
      .describe(
        "The content key: a JWE to the caller's key; in a lot, under the lot's key (RFC " +
          "3394), base64url",
      ),
    document: sealedBytes.describe("AES-256-GCM, base64url; aad is authenticated as it stands"),
  })
  .meta({ id: "SealedDocument" });
