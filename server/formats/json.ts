/**
 * Invoice JSON: bytes → document and holder.
 *
 * Owns: what JSON leaves open and an invoice must not (repeated members, numbers for money, unknown members), and the small
 * normalisations (a rate has one text, a discount line is marked). Does not own: the shape (document.ts), the rules (rules.ts).
 */
import { normaliseDecimal, parseMoney } from "../kernel/money.ts";
import { Problem, type Violation } from "../kernel/problems.ts";
import { type InvoiceDocument, invoiceRequest, shapeViolations } from "./document.ts";
import { checkDocument, isDiscount } from "./rules.ts";
import { decodeUtf8 } from "./xml.ts";

const maxDepth = 16;

function malformed(rule: string, detail: string, field = "", cause?: unknown): Problem {
  return new Problem("malformed-document", detail, { violations: [{ field, rule, detail }], cause });
}

type Level = { members: Set<string> | undefined; at: string; index: number };
const pointerOf = (levels: readonly Level[]) =>
  levels.map(({ members, at, index }) => `/${members ? at.replaceAll("~", "~0").replaceAll("/", "~1") : index}`).join("");

/** The end of the string that begins at `from` (a quote): the index of its closing quote. */
function stringEnd(text: string, from: number): number {
  let end = from;
  do {
    end = text.indexOf('"', end + 1);
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) return end;
  } while (end > 0);
  return text.length;
}

/** Refuses members that stand twice (JSON.parse would silently take the last) and absurd depth. The text is known to be JSON. */
function checkMembers(text: string): void {
  const levels: Level[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const level = levels[levels.length - 1];
    if (code === 34) {
      const end = stringEnd(text, i);
      let next = end + 1;
      while (text.charCodeAt(next) <= 32) next++;
      if (text.charCodeAt(next) === 58 && level?.members) {
        const raw = text.slice(i + 1, end);
        const key = raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
        level.at = key;
        if (level.members.has(key)) throw malformed("duplicate-member", "A member stands twice in one object", pointerOf(levels).slice(0, 300));
        level.members.add(key);
      }
      i = end;
    } else if (code === 123 || code === 91) {
      if (levels.length >= maxDepth) throw malformed("too-deep", `More than ${maxDepth} levels`);
      levels.push({ members: code === 123 ? new Set() : undefined, at: "", index: 0 });
    } else if (code === 125 || code === 93) levels.pop();
    else if (code === 44 && level) level.index++;
  }
}

function invalid(violations: readonly Violation[]): Problem {
  const first = violations[0];
  return new Problem("invalid-document", first ? `${first.field || "The document"}: ${first.detail}` : "The invoice breaks a rule", { violations });
}

/** Reads a JSON invoice. Throws Problem `malformed-document` (no JSON, repeated members) or `invalid-document`. */
export function readJson(body: Uint8Array): { document: InvoiceDocument; holder?: string } {
  const decoded = decodeUtf8(body, malformed);
  const text = decoded.startsWith("\ufeff") ? decoded.slice(1) : decoded;
  if (text.trim() === "") throw malformed("empty", "The body is empty");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // V8's message quotes the text, which may be personal: only the position goes out.
    const position = error instanceof SyntaxError ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
    throw malformed("not-json", position === undefined ? "The body is not JSON" : `The body is not JSON at character ${position}`);
  }
  checkMembers(text);
  const shaped = invoiceRequest.safeParse(value);
  if (!shaped.success) throw invalid(shapeViolations(shaped.error));
  const { holder, ...document } = shaped.data;
  const taxed = [...document.lines, ...(document.allowances ?? []), ...(document.taxBreakdown ?? [])];
  for (const part of taxed) if (part.taxRate !== undefined) part.taxRate = normaliseDecimal(part.taxRate) ?? part.taxRate;
  const violations = checkDocument(document, "json");
  if (violations.length > 0) throw invalid(violations);
  const gross = parseMoney(document.totals.gross);
  for (const line of document.lines) if (isDiscount(line, gross)) line.discount = true;
  return holder === undefined ? { document } : { document, holder };
}
