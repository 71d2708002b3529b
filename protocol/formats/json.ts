/**
 * Invoice JSON: bytes → document and holder.
 *
 * Owns: what JSON allows and an invoice does not (numbers for money, unknown members), and small
 * normalisations (a rate has one text, a discount line is marked). Does not own: the shape
 * (document.ts), prices with tax inside (gross.ts), the rules (rules.ts).
 */
import { decodeUtf8 } from "../values/encoding.ts";
import { readJsonText } from "../values/json.ts";
import { normaliseDecimal } from "../values/money.ts";
import { Problem, type Violation } from "../values/problems.ts";
import { invoiceRequest, shapeViolations } from "./document.ts";
import { formats } from "./formats.ts";
import { documentOf } from "./gross.ts";
import type { BytesReader, Reading } from "./reading.ts";
import { checkDocument, markDiscounts } from "./rules.ts";

const maxDepth = 16;
const { rules } = formats.json;

/** Nobody issues such an invoice here; one that was issued elsewhere may be so. */
const noSeller: Violation = {
  field: "/seller/taxId",
  rule: "missing-member",
  detail: "this member is required of an issuer; a document from elsewhere may lack it",
};

function malformed(rule: string, detail: string, field = ""): Problem {
  return new Problem("malformed-document", detail, { violations: [{ field, rule, detail }] });
}

function invalid(violations: readonly Violation[]): Problem {
  const first = violations[0];
  return new Problem(
    "invalid-document",
    first ? `${first.field || "The document"}: ${first.detail}` : "The invoice breaks a rule",
    { violations },
  );
}

/** Code and number of an older invoice or a fiscal bill, as one id. Throws `invalid-document`. */
function codedId(code: string, number = ""): string {
  if (number.length === (code.length === 8 ? 10 : 8) && /^\d+$/.test(number))
    return `${code}-${number}`;
  const detail =
    code.length === 8
      ? "the number of a fiscal bill, beside its code, has 10 digits"
      : "the number of an invoice, beside its code, has 8 digits";
  throw invalid([{ field: "/sourceId", rule: "number-beside-code", detail }]);
}

/**
 * Reads a JSON invoice. Throws Problem `malformed-document` (not JSON, duplicate members) or
 * `invalid-document`.
 */
function read(body: Uint8Array): Reading {
  const text = decodeUtf8(body, malformed);
  if (text.trim() === "") throw malformed("empty", "The body is empty");
  const value = readJsonText(text, malformed, { depth: maxDepth, plain: false });
  const shaped = invoiceRequest.safeParse(value);
  if (!shaped.success) throw invalid(shapeViolations(shaped.error, value));
  const { holder, code, ...request } = shaped.data;
  if (code !== undefined) request.sourceId = codedId(code, request.sourceId);
  const taxed = [...request.lines, ...(request.allowances ?? []), ...(request.taxBreakdown ?? [])];
  for (const part of taxed)
    if (part.taxRate !== undefined) part.taxRate = normaliseDecimal(part.taxRate) ?? part.taxRate;
  const whole = documentOf(request);
  if ("violations" in whole) throw invalid(whole.violations);
  const { document, derived } = whole;
  const violations = checkDocument(document, rules);
  if (violations.length > 0) throw invalid(violations);
  markDiscounts(document, rules);
  const notes = document.seller.taxId === undefined ? [noSeller] : undefined;
  return {
    document,
    ...(holder && { holder }),
    ...(derived && { derived }),
    ...(notes && { notes }),
  };
}

export const jsonReader: BytesReader = { read };
