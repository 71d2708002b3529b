/**
 * The invoice document: what an invoice says, in whichever format it arrived.
 *
 * Owns: its shape (zod), its type, its only serialisation (the bytes that are hashed, encrypted and
 * stored), and the JSON request that carries it. Invariants: every amount is a string of
 * `moneyPattern`, every rate a fraction or one of two words, every object is closed (an unknown
 * member is refused). A document taxes its lines either one by one (`lines[].tax`) or by a
 * breakdown (`taxBreakdown`, as UBL does), never both. Does not own: the arithmetic between members
 * (rules.ts), reading bytes (read.ts).
 *
 * A check's message is `rule: detail`; `shapeViolations` names the rules of shape that zod defines.
 */
import * as z from "zod";
import { amountPattern, decimalPattern } from "../values/money.ts";
import { maxViolations, type Violation } from "../values/problems.ts";
import { accountSchema } from "../values/shapes.ts";
import { plainText } from "../values/text.ts";
import { placedElements } from "./elements.ts";
import { sourceFormats } from "./formats.ts";

export const maxLines = 2000;
/** The longest description, note, remark or terms, in characters. */
const longText = 10_000;

/** Active ISO 4217 currencies. Not those of funds, nor the two with four decimals (CLF, UYW). */
export const currencies = (
  "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP " +
  "BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP " +
  "GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR " +
  "KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK " +
  "MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR " +
  "SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS " +
  "UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
).split(" ");

/**
 * The words that may replace a rate: exempt from tax, not subject to tax, and taxed on a margin (on
 * the price less what was paid to others), where no rate leads from the amount to the tax.
 */
export const exempt = "免税";
export const notTaxed = "不征税";
export const onMargin = "差额征税";
/** The rate as a number: 0 for a word. */
export const fractionOf = (taxRate: string): string => (/^\d/.test(taxRate) ? taxRate : "0");

/**
 * Members that may have several lines, as remarks and descriptions do; every other text has one
 * line.
 */
export const paragraphMembers: ReadonlySet<string> = new Set([
  "address",
  "description",
  "exemptionReason",
  "legalForm",
  "note",
  "paymentTerms",
  "remark",
  "text",
]);
const paragraphs = (max: number) => plainText(max, { lines: true });

const money = z
  .string()
  .regex(amountPattern, 'money-format: an amount is a string with two decimals, such as "1130.00"')
  .meta({
    id: "Money",
    description:
      "A decimal string in the invoice's currency, with exactly two decimals, or three for " +
      "BHD, IQD, JOD, KWD, LYD, OMR and TND. Never a JSON number.",
    examples: ["1130.00"],
  });
const decimal = z
  .string()
  .regex(
    decimalPattern,
    "decimal-format: a decimal string with at most 13 digits before and 20 after the point",
  );
const taxRate = z
  .string()
  .regex(
    /^(?:0(?:\.\d{1,6})?|1(?:\.0{1,6})?|免税|不征税|差额征税)$/,
    'tax-rate-format: a fraction such as "0.06", or 免税 (exempt), 不征税 (not taxed) or 差额征税 (on a margin)',
  )
  .meta({
    id: "TaxRate",
    description:
      "The tax rate as a fraction, or 免税 (exempt), 不征税 (not subject to tax), or 差额征税 (taxed on a " +
      "margin).",
    examples: ["0.06", "免税"],
  });
const taxCategory = z.enum(["S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B"]).meta({
  id: "TaxCategory",
  description: "UNCL 5305 code, where the original gives one; says why a rate is 0.",
});
const date = z.iso.date("date-format: a real date, YYYY-MM-DD");
const country = z.string().regex(/^[A-Z]{2}$/, "country-format: two capital letters of ISO 3166-1");
const taxId = z
  .string()
  .regex(/^[0-9A-Z]{4,30}$/, "tax-id-format: 4 to 30 digits and capital letters")
  .meta({
    id: "TaxId",
    description:
      "18 characters of GB 32100-2015, an older Chinese id of 15 or 20, or a country code and the " +
      "foreign id.",
    examples: ["91440305MA4JURQ28R", "DE123456789"],
  });
const period = z.strictObject({ start: date.optional(), end: date.optional() });
const identifier = z.strictObject({ id: plainText(200), scheme: plainText(40).optional() });
/** What a party is registered for under an id: VAT, another tax, as a company. */
export const registrations = ["vat", "tax", "legal"] as const;
const partyIdentifier = identifier.extend({
  registration: z
    .enum(registrations)
    .optional()
    .describe(
      "vat: for VAT; tax: at a tax office; legal: in a register of companies. Without it: another id.",
    ),
});

const partyShape = {
  name: plainText(300),
  tradingName: plainText(300).optional(),
  address: paragraphs(600).optional(),
  country: country.optional(),
  phone: plainText(100).optional(),
  bankName: plainText(200).optional(),
  bankAccount: plainText(100).optional(),
  legalForm: paragraphs(1000).optional(),
  endpoint: identifier.optional().describe("Electronic address (UBL EndpointID)."),
  identifiers: z.array(partyIdentifier).max(20).optional(),
  contact: z
    .strictObject({
      name: plainText(200).optional(),
      phone: plainText(100).optional(),
      email: plainText(200).optional(),
    })
    .optional(),
};
const seller = z.strictObject({ taxId: taxId.optional(), ...partyShape }).meta({ id: "Seller" });
const buyer = z.strictObject({ taxId: taxId.optional(), ...partyShape }).meta({
  id: "Buyer",
  description:
    "Without a taxId the invoice is untitled: any employer may be asked to reimburse it.",
});

const allowance = z
  .strictObject({
    charge: z.boolean().describe("false: takes the amount off; true: adds it."),
    amount: money,
    base: money.optional(),
    percent: decimal.optional(),
    reason: plainText(500).optional(),
    reasonCode: plainText(40).optional(),
    taxRate: taxRate.optional().describe("Required on the document's level."),
    taxCategory: taxCategory.optional(),
  })
  .meta({
    id: "Allowance",
    description: "An allowance or a charge, on a line or on the whole document.",
  });

const line = z
  .strictObject({
    name: plainText(1000),
    id: plainText(100).optional().describe("The line's id in the original (UBL)."),
    description: paragraphs(longText).optional(),
    spec: plainText(200).optional(),
    unit: plainText(40).optional(),
    quantity: decimal.optional(),
    unitPrice: decimal.optional(),
    baseQuantity: decimal
      .optional()
      .describe("The unit price is for this many units; 1 unless given."),
    amount: money.describe("Without tax. quantity × unitPrice, less allowances, plus charges."),
    taxRate,
    taxCategory: taxCategory.optional(),
    tax: money
      .optional()
      .describe("amount × taxRate. Required unless the document has a taxBreakdown."),
    taxCode: plainText(40)
      .optional()
      .describe("税收分类编码 (19 digits), or the classification code of the original."),
    discount: z
      .literal(true)
      .optional()
      .describe(
        "A discount line: takes something off the line before it. Filled in by the gateway.",
      ),
    note: paragraphs(longText).optional(),
    period: period.optional(),
    allowances: z.array(allowance).max(50).optional(),
  })
  .meta({ id: "InvoiceLine" });

const noLines = "no-lines: an invoice has at least one line";
const totals = z.strictObject({
  net: money,
  tax: money,
  gross: money,
  lines: money.optional(),
  allowances: money.optional(),
  charges: money.optional(),
  prepaid: money.optional(),
  rounding: money.optional(),
  collected: money
    .optional()
    .describe("Collected for somebody else beside the gross (代收), such as a vehicle tax."),
  payable: money.optional().describe("What is to be paid: gross + collected − prepaid + rounding."),
  accounting: z
    .strictObject({ currency: z.enum(currencies), tax: money })
    .optional()
    .describe("The tax in the currency in which it is accounted for (EN 16931: BT-111)."),
  inWords: plainText(120)
    .optional()
    .describe("The gross amount in Chinese figures; must agree with gross."),
});
const time = z.iso
  .datetime({
    offset: true,
    error: "time-format: a real time of RFC 3339 with seconds and an offset",
  })
  .max(40);

const documentShape = {
  kind: z.enum(["ordinary", "special"]).describe("普通发票 or 增值税专用发票."),
  issuedAt: time,
  currency: z.enum(currencies),
  seller,
  buyer,
  lines: z.array(line).min(1, noLines).max(maxLines),
  allowances: z
    .array(allowance)
    .max(100)
    .optional()
    .describe("Of the whole document; needs a taxBreakdown."),
  taxBreakdown: z
    .array(
      z.strictObject({
        taxRate,
        taxCategory: taxCategory.optional(),
        taxable: money,
        tax: money,
        exemptionReason: paragraphs(1000).optional(),
        exemptionCode: plainText(60).optional(),
      }),
    )
    .min(1)
    .max(100)
    .optional()
    .describe("Tax by rate, for documents whose lines carry none of their own."),
  totals,
  typeCode: z
    .string()
    .regex(/^\d{1,3}$/, "type-code-format: up to three digits")
    .optional()
    .describe(
      "What the original is, by UNTDID 1001, unless it is a 380 or a red letter (384): 381 " +
        "credit note, 384 correction, 386 prepayment, 389 self-billing …",
    ),
  preceding: z
    .array(z.strictObject({ id: plainText(200), date: date.optional() }))
    .min(1)
    .max(100)
    .optional()
    .describe("The invoices that this one corrects, credits or settles, by their issuer's ids."),
  dueDate: date.optional(),
  period: period.optional(),
  paymentTerms: paragraphs(longText).optional(),
  remark: paragraphs(longText).optional(),
  drawer: plainText(100).optional(),
  sourceId: plainText(200)
    .optional()
    .describe("The issuer's own id of the original: one original is issued once."),
  references: z
    .strictObject({
      buyer: plainText(200).optional(),
      order: plainText(200).optional(),
      salesOrder: plainText(200).optional(),
      contract: plainText(200).optional(),
      project: plainText(200).optional(),
    })
    .optional(),
  attachments: z
    .array(
      z.strictObject({
        id: plainText(200),
        description: paragraphs(1000).optional(),
        filename: plainText(300).optional(),
        mimeType: plainText(100).optional(),
        bytes: z
          .string()
          .regex(/^(?:0|[1-9]\d{0,8})$/, "bytes-format: a number of bytes, as a string")
          .optional(),
        sha256: plainText(64).optional(),
        uri: plainText(1000).optional().describe("Where it is, if the original only links to it."),
      }),
    )
    .max(100)
    .optional()
    .describe("What the original has embedded; the bytes stay in the original."),
  taxBureau: z
    .strictObject({
      code: plainText(40).optional(),
      name: plainText(200).optional(),
      issuedAt: time
        .optional()
        .describe("When the bureau issued it, if the original says so apart from `issuedAt`."),
    })
    .optional(),
  passengers: z
    .array(
      z.strictObject({
        traveller: plainText(200).optional(),
        documentType: plainText(100).optional().describe("The kind of identity document."),
        idNumber: plainText(100).optional(),
        date: plainText(40).optional(),
        from: plainText(200).optional(),
        to: plainText(200).optional(),
        vehicle: plainText(100).optional(),
        seat: plainText(100).optional(),
        grade: plainText(100).optional().describe("The class, 等级."),
      }),
    )
    .max(200)
    .optional()
    .describe("Personal data; never leaves the encrypted document."),
  elements: placedElements.optional(),
  reverses: z
    .strictObject({
      number: z
        .string()
        .regex(/^\d{20}$/, "number-not-20-digits: an invoice number has 20 digits")
        .optional(),
      sourceId: plainText(200).optional(),
    })
    .optional()
    .describe(
      "The invoice that this red letter reverses, by number or by the issuer's own id: one of " +
        "the two.",
    ),
};

/**
 * What a gateway stores. `source` is set if the original is kept: its hash ties the stored text to
 * the document.
 */
export const invoiceDocument = z
  .strictObject({
    ...documentShape,
    source: z
      .strictObject({
        format: z.enum(sourceFormats),
        sha256: z.string().regex(/^[0-9a-f]{64}$/, "hash-format: 64 hex digits"),
      })
      .optional(),
  })
  .meta({ id: "InvoiceDocument" });
export type InvoiceDocument = z.infer<typeof invoiceDocument>;
export type InvoiceLine = InvoiceDocument["lines"][number];

/**
 * A line as a request states it: without tax (`amount` and `tax`), with tax (`grossAmount`, or a
 * quantity and a price with tax), or both, if they agree. gross.ts derives what is absent.
 */
const requestLine = z
  .strictObject({
    ...line.shape,
    amount: line.shape.amount.optional(),
    tax: money.optional().describe("amount × taxRate, or what the line's gross leaves for it."),
    grossAmount: money
      .optional()
      .describe("With tax inside (含税): amount + tax. Instead of the two, or beside them."),
    grossUnitPrice: decimal
      .optional()
      .describe("The unit price with tax inside (含税单价), instead of unitPrice."),
    priceIncludesTax: z
      .boolean()
      .optional()
      .describe("true: this line's unitPrice has the tax inside, as grossUnitPrice has."),
  })
  .meta({ id: "InvoiceRequestLine" });
export type RequestLine = z.infer<typeof requestLine>;

/**
 * The JSON body of an issue request: the document, and next to it the account that will hold the
 * invoice. Lines may state prices with tax inside; then totals may be absent.
 */
export const invoiceRequest = z
  .strictObject({
    ...documentShape,
    lines: z.array(requestLine).min(1, noLines).max(maxLines),
    priceIncludesTax: z
      .boolean()
      .optional()
      .describe("priceIncludesTax of every line that does not state it."),
    totals: totals
      .partial({ net: true, tax: true, gross: true })
      .optional()
      .describe("Required, with net, tax and gross, unless a line states its gross."),
    code: z
      .string()
      .regex(
        /^(?:\d{8}|\d{10}|\d{12})$/,
        "code-format: the code of an invoice has 10 or 12 digits, that of a fiscal bill 8",
      )
      .optional()
      .describe(
        "The code of an older invoice (发票代码) or a fiscal bill (票据代码), if sourceId is its number " +
          "alone. The document has both as its sourceId: 044031900111-12345678.",
      ),
    holder: accountSchema
      .optional()
      .describe(
        "Account of the first holder. Without it: the buyer's account, or a pickup key for an " +
          "untitled invoice.",
      ),
  })
  .meta({ id: "InvoiceRequest" });
export type InvoiceRequest = z.infer<typeof invoiceRequest>;

const pointer = (path: readonly PropertyKey[]) =>
  path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/**
 * What a choice between two shapes breaks: that of the shape which the value has the type of. A
 * value that has neither's type breaks the first.
 */
const chosenIssues = (issue: z.core.$ZodIssue): z.core.$ZodIssue[] => {
  if (issue.code !== "invalid_union") return [issue];
  const isOfType = (branch: readonly z.core.$ZodIssue[]) =>
    !branch.some((each) => each.code === "invalid_type" && each.path.length === 0);
  const branch = issue.errors.find(isOfType) ?? issue.errors[0] ?? [];
  return branch.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
};

const isAbsent = (value: unknown, path: readonly PropertyKey[]): boolean =>
  path.reduce<unknown>((inner, step) => (inner as Record<PropertyKey, unknown>)?.[step], value) ===
  undefined;

/**
 * zod's issues as violations: field is a JSON pointer. At most `maxViolations`. With the value that
 * was checked, a member is missing whatever its type is; zod says so of plain types only.
 */
export function shapeViolations(error: z.ZodError, value?: unknown): Violation[] {
  const violations: Violation[] = [];
  for (const issue of error.issues.flatMap(chosenIssues)) {
    if (violations.length >= maxViolations) break;
    const field = pointer(issue.path);
    if (value !== undefined && isAbsent(value, issue.path)) {
      violations.push({ field, rule: "missing-member", detail: "this member is required" });
      continue;
    }
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys.slice(0, maxViolations))
        violations.push({
          field: pointer([...issue.path, key.slice(0, 100)]),
          rule: "unknown-member",
          detail: "there is no such member",
        });
      continue;
    }
    const stated = /^([a-z0-9-]+): (.*)$/s.exec(issue.message);
    if (issue.code === "custom" && typeof issue.params?.["rule"] === "string") {
      violations.push({ field, rule: issue.params["rule"], detail: issue.message });
    } else if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) {
      violations.push({ field, rule: "missing-member", detail: "this member is required" });
    } else if (issue.code === "invalid_type") {
      violations.push({ field, rule: "wrong-type", detail: stated?.[2] ?? issue.message });
    } else if (stated?.[1] !== undefined && stated[2] !== undefined) {
      violations.push({ field, rule: stated[1], detail: stated[2] });
    } else if (issue.code === "too_big") {
      violations.push({
        field,
        rule: issue.origin === "array" ? "too-many" : "too-long",
        detail: `at most ${issue.maximum}`,
      });
    } else {
      violations.push({
        field,
        rule: issue.code === "too_small" ? "too-few" : "unknown-value",
        detail: issue.message.slice(0, 300),
      });
    }
  }
  return violations.slice(0, maxViolations);
}

/**
 * The only text of a value of strings, booleans, arrays and objects: members sorted by code unit,
 * absent ones left out, no blanks.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${texts.join(",")}}`;
}

/** The gateway's numbers of an invoice and of the invoice that it reverses. */
export type Numbers = { number: string; reverses?: string | undefined };
