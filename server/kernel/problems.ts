/**
 * The catalogue of everything that the gateway refuses, and the error that carries a refusal (RFC 9457).
 *
 * Owns: code → HTTP status, title, what a client may do (retry). Every custom error of the contracts has an entry
 * (`chain` names it; a test compares with the ABIs). Does not own: how a problem is written to the wire (http/problem.ts).
 */

/** never: the same request will never succeed; same-key: try again with the same Idempotency-Key; later: after something else has changed. */
export type Retry = "never" | "same-key" | "later";
type Entry = { status: number; title: string; retry: Retry; chain?: string };
const entry = (status: number, title: string, retry: Retry = "never", chain?: string): Entry =>
  chain === undefined ? { status, title, retry } : { status, title, retry, chain };

export const catalogue = {
  // requests
  "malformed-request": entry(400, "The request cannot be read"),
  "invalid-request": entry(422, "A field of the request breaks a rule"),
  "idempotency-key-missing": entry(400, "A POST needs an Idempotency-Key header"),
  "idempotency-key-reused": entry(422, "This Idempotency-Key was used with another body"),
  "idempotency-key-running": entry(409, "The first request with this Idempotency-Key is still running", "same-key"),
  unauthenticated: entry(401, "No valid API key"),
  forbidden: entry(403, "This role may not do this"),
  "not-found": entry(404, "There is no such thing, or it is not yours to see"),
  "method-not-allowed": entry(405, "This path does not know this method"),
  "not-acceptable": entry(406, "No representation matches the Accept header"),
  "body-too-large": entry(413, "The body is larger than the limit"),
  "unsupported-media-type": entry(415, "This Content-Type is not read here"),
  "rate-limited": entry(429, "Too many requests", "same-key"),
  internal: entry(500, "Something broke on our side; the request id finds it in the log", "same-key"),
  unavailable: entry(503, "A part that this request needs is not there now", "same-key"),

  // documents
  "malformed-document": entry(400, "The document cannot be read"),
  "forbidden-markup": entry(400, "A DTD or an entity in XML is refused"),
  "invalid-document": entry(422, "The invoice breaks a rule"),
  "duplicate-source": entry(409, "The seller has issued this original before"),
  "seller-not-caller": entry(403, "The invoice's seller is not the caller's taxpayer"),
  "buyer-not-enrolled": entry(422, "The buyer's tax id is not enrolled"),
  "currency-not-accounted": entry(422, "The issuer accounts in another currency"),
  "quota-exceeded": entry(409, "The issuing quota of this period is used up", "later"),
  "quota-not-drawn": entry(409, "The quota drawn does not cover this invoice", "later"),
  "no-segment": entry(409, "No free number is left in the issuer's segments", "later"),
  "red-letter-refused": entry(422, "This invoice cannot be reversed so"),

  // parties
  "tax-id-enrolled": entry(409, "This tax id is enrolled already"),
  "invoice-busy": entry(409, "Another act on this invoice waits for its outcome", "later"),
  "invoice-not-sealed": entry(409, "The invoice is accepted but not sealed yet", "later"),
  "claim-state": entry(409, "The claim's state does not allow this"),
  "transfer-state": entry(409, "The transfer's state does not allow this"),
  "signature-invalid": entry(422, "The signature is not by the party's key over this message"),
  "signature-not-wanted": entry(409, "This operation waits for no signature"),
  "not-sandbox": entry(403, "Only a sandbox does this"),
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof catalogue;

/** One broken rule: `field` is a JSON pointer, or for XML the path of elements; `rule` is a stable kebab-case name. */
export type Violation = { field: string; rule: string; detail: string };

/** A refusal. `detail` is for people; `violations` name fields and rules; `extra` members go into the problem+json as they are. */
export class Problem extends Error {
  readonly code: Code;
  readonly violations: readonly Violation[];
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(code: Code, detail: string, more: { violations?: readonly Violation[]; extra?: Record<string, unknown>; cause?: unknown } = {}) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "Problem";
    this.code = code;
    this.violations = more.violations ?? [];
    this.extra = more.extra ?? {};
  }

  get status(): number {
    return catalogue[this.code].status;
  }
}
