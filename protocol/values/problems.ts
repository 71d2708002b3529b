/**
 * The catalogue of the gateway's refusals, and the error that carries a refusal (RFC 9457).
 *
 * Owns: code → HTTP status, title, what a client may do (retry). Every custom error of the
 * contracts has an entry (`chain` names it; a test compares with the ABIs). Does not own: how a
 * problem is sent (http/problem.ts).
 */

/**
 * never: the same request cannot succeed; same-key: try again with the same Idempotency-Key; later:
 * try again after something else has changed.
 */
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
  "idempotency-key-running": entry(
    409,
    "The first request with this Idempotency-Key is still running",
    "same-key",
  ),
  unauthenticated: entry(401, "No valid API key"),
  "sign-in-refused": entry(401, "The identity provider did not confirm who this is"),
  forbidden: entry(403, "This role may not do this"),
  "cross-site-request": entry(403, "A session's request has to come from the console's own page"),
  "wrong-host": entry(421, "The request asks for a host that this gateway does not serve"),
  "not-found": entry(404, "It does not exist, or you may not see it"),
  "method-not-allowed": entry(405, "This path does not support this method"),
  "not-acceptable": entry(406, "No representation matches the Accept header"),
  "body-too-large": entry(413, "The body is larger than the limit"),
  "too-slow": entry(408, "The request, or the reading of its answer, took too long", "same-key"),
  "unsupported-media-type": entry(415, "This Content-Type is not supported here"),
  "rate-limited": entry(429, "Too many requests", "same-key"),
  internal: entry(
    500,
    "Something failed on our side; the log has it under the request id",
    "same-key",
  ),
  unavailable: entry(503, "A part that this request needs is not available now", "same-key"),

  // documents
  "malformed-document": entry(400, "The document cannot be read"),
  "forbidden-markup": entry(400, "XML with a DTD or an entity is refused"),
  "invalid-document": entry(422, "The invoice breaks a rule"),
  "duplicate-source": entry(409, "The seller has already issued this original"),
  "seller-not-caller": entry(403, "The invoice's seller is not the caller's taxpayer"),
  "buyer-not-enrolled": entry(422, "The buyer's tax id is not enrolled"),
  "buyer-enrolling": entry(
    409,
    "The buyer is being enrolled, and the chain does not have it yet",
    "same-key",
  ),
  "enrolment-limit": entry(
    409,
    "The party has reached its limit of buyers enrolled in a day",
    "later",
  ),
  "name-not-enrolled": entry(422, "The seller or the titled buyer is enrolled under another name"),
  "currency-not-accounted": entry(422, "The issuer accounts in another currency"),
  "quota-exceeded": entry(409, "The issuing quota of this period is used up", "later"),
  "quota-not-drawn": entry(409, "The quota drawn does not cover this invoice", "later"),
  "no-segment": entry(409, "No free number is left in the issuer's segments", "later"),
  "red-letter-refused": entry(422, "The invoice cannot be taken back like this"),
  "red-letter-open": entry(409, "Another red letter for this invoice is under way", "later"),
  "red-letter-state": entry(409, "The red letter's state does not allow this"),
  "external-issued-here": entry(
    409,
    "The invoice was issued in this network: claim it under its number here",
  ),
  "external-conflict": entry(
    409,
    "The invoice is registered with another seller, date or total",
    "later",
  ),
  "external-credited": entry(
    409,
    "Credit notes have taken the invoice back: nothing is left to pay",
  ),
  "external-registered": entry(409, "This employer has registered the invoice already", "later"),

  // parties
  "tax-id-enrolled": entry(409, "This tax id is enrolled already"),
  "key-not-shown": entry(422, "The proof does not show that the party has the account's key"),
  "invoice-busy": entry(409, "Another act on this invoice waits for its outcome", "later"),
  "invoice-not-sealed": entry(409, "The invoice is accepted but not sealed yet", "later"),
  "claim-state": entry(409, "The claim's state does not allow this"),
  "transfer-state": entry(409, "The transfer's state does not allow this"),
  "already-taken-over": entry(409, "The invoice has been taken over already"),
  "bundle-invalid": entry(422, "The bundle does not prove the invoice"),
  "grant-exists": entry(409, "The account may read the invoice already"),
  "last-admin-key": entry(409, "A party cannot revoke its last admin key", "later"),
  "key-limit": entry(409, "The party has reached its limit of API keys", "later"),
  "person-limit": entry(409, "The party has reached its limit of persons", "later"),
  "person-left": entry(409, "The person has left"),
  "person-has-no-key": entry(409, "The person has no key of its own", "later"),
  "account-limit": entry(409, "The party has reached its limit of accounts"),
  "deposit-key-limit": entry(409, "The deposit key has reached its limit of rotations"),
  "grant-limit": entry(409, "The invoice has reached its limit of grants", "later"),
  "encryption-key-missing": entry(
    409,
    "The party has registered no encryption key of its own",
    "later",
  ),
  "signature-not-wanted": entry(409, "This operation does not wait for a signature"),
  "signature-expired": entry(409, "The party's signature was not given in time", "later"),
  "too-many-streams": entry(429, "The limit of open streams is reached", "later"),
  "webhook-limit": entry(409, "The party has reached its limit of webhooks", "later"),
  "webhook-url-refused": entry(422, "The gateway does not call this webhook URL"),
  "webhook-test-failed": entry(422, "The test delivery to the webhook did not succeed", "later"),
  "not-sandbox": entry(403, "Only a sandbox supports this"),

  // the contracts' own reasons
  "already-claimed": entry(409, "The invoice is claimed already", "later", "AlreadyClaimed"),
  "already-reimbursed": entry(
    409,
    "The invoice is reimbursed already",
    "never",
    "AlreadyReimbursed",
  ),
  "wrong-state": entry(409, "The invoice's state does not allow this", "never", "WrongState"),
  "not-claimed-from": entry(
    409,
    "The invoice is not claimed from this employer",
    "never",
    "NotClaimedFrom",
  ),
  "titled-to-another": entry(
    409,
    "The invoice is titled to another employer",
    "never",
    "TitledToAnother",
  ),
  "claim-term-running": entry(
    409,
    "The employer still has time to decide",
    "later",
    "ClaimTermRunning",
  ),
  "receiver-invalid": entry(
    422,
    "The receiver cannot take this invoice",
    "never",
    "ReceiverInvalid",
  ),
  "holder-suspended": entry(403, "The holder is suspended", "later", "HolderSuspended"),
  "employer-not-active": entry(
    403,
    "The employer is suspended or not enrolled as one",
    "later",
    "EmployerNotActive",
  ),
  "issuer-not-active": entry(
    403,
    "The issuer is suspended or not enrolled as one",
    "later",
    "IssuerNotActive",
  ),
  "version-exhausted": entry(409, "The invoice has changed too often", "never", "VersionExhausted"),
  "not-external": entry(
    422,
    "This is not the id of an invoice issued elsewhere",
    "never",
    "NotExternal",
  ),
  "not-employer-of": entry(409, "The invoice is not this employer's", "never", "NotEmployerOf"),
  "mark-invalid": entry(422, "This mark of book entry does not exist", "never", "MarkInvalid"),
  "already-entered": entry(409, "The invoice is entered already", "later", "AlreadyEntered"),
  "not-entered": entry(409, "The invoice is not entered", "later", "NotEntered"),
  "is-red-letter": entry(422, "The invoice is itself a red letter", "never", "RedLetter"),
  "stale-version": entry(
    409,
    "The invoice has changed since this act was signed",
    "later",
    "StaleVersion",
  ),
  "signature-invalid": entry(
    422,
    "The chain does not accept the party's signature",
    "never",
    "SignatureInvalid",
  ),
  "consent-invalid": entry(
    422,
    "The chain does not accept the other party's signature",
    "never",
    "ConsentInvalid",
  ),
  "holder-differs": entry(
    422,
    "The invoices of one act have different holders",
    "never",
    "HolderDiffers",
  ),
  "issuer-differs": entry(
    422,
    "The invoice was sealed by another issuer",
    "never",
    "IssuerDiffers",
  ),
  "ids-not-ascending": entry(422, "The act names an invoice twice", "never", "IdsNotAscending"),
  "act-size": entry(422, "An act covers 1 to 100 invoices", "never", "ActSize"),
  "kind-unknown": entry(422, "The ledger does not know this kind of act", "never", "KindUnknown"),
  "evidence-missing": entry(
    500,
    "The act was sent without the evidence it needs",
    "same-key",
    "EvidenceMissing",
  ),
  "lot-unknown": entry(409, "The ledger does not know this lot", "later", "LotUnknown"),
  "proof-invalid": entry(409, "The invoice differs from what was sealed", "never", "ProofInvalid"),
  "lot-size": entry(500, "A lot holds 1 to 1,024 invoices", "never", "LotSize"),
  "segment-not-owned": entry(
    409,
    "The segment belongs to another issuer",
    "never",
    "SegmentNotOwned",
  ),
  "lot-out-of-order": entry(
    409,
    "An earlier lot of this segment is missing",
    "later",
    "LotOutOfOrder",
  ),
  "segment-overrun": entry(409, "The lot goes past its segment", "never", "SegmentOverrun"),
  "seal-invalid": entry(422, "The chain does not accept the issuer's seal", "never", "SealInvalid"),
  "ledger-closed": entry(503, "The bureau has closed the ledger", "later", "LedgerClosed"),
  "batch-size": entry(500, "Too many lots or acts in one transaction", "never", "BatchSize"),
  "claim-term-invalid": entry(500, "The claim term is out of bounds", "never", "ClaimTermInvalid"),
  "registry-invalid": entry(
    500,
    "The registry's address has no contract",
    "never",
    "RegistryInvalid",
  ),
  "zero-address": entry(422, "The account or key is the zero address", "never", "ZeroAddress"),
  "account-enrolled": entry(409, "The account is enrolled already", "never", "AccountEnrolled"),
  "taxpayer-unknown": entry(404, "The taxpayer is not enrolled", "never", "TaxpayerUnknown"),
  "taxpayer-suspended": entry(403, "The taxpayer is suspended", "later", "TaxpayerSuspended"),
  "standing-invalid": entry(422, "This standing does not exist", "never", "StandingInvalid"),
  "capabilities-invalid": entry(
    422,
    "A taxpayer is issuer, employer or both",
    "never",
    "CapabilitiesInvalid",
  ),
  "capability-missing": entry(
    403,
    "The taxpayer is not enrolled as an issuer",
    "later",
    "CapabilityMissing",
  ),
  "period-invalid": entry(422, "A period is a calendar month as yyyymm", "never", "PeriodInvalid"),
  "amount-zero": entry(422, "The amount is zero", "never", "AmountZero"),
  "quota-below-drawn": entry(
    409,
    "The quota is less than what is drawn",
    "never",
    "QuotaBelowDrawn",
  ),
  "quota-draw-exceeded": entry(409, "The draw exceeds the quota", "later", "QuotaExceeded"),
  "give-back-exceeds-drawn": entry(
    409,
    "More is given back than is drawn and unused",
    "never",
    "GiveBackExceedsDrawn",
  ),
  "series-invalid": entry(422, "A series is five digits", "never", "SeriesInvalid"),
  "segment-length-invalid": entry(
    422,
    "A segment holds at least one number",
    "never",
    "SegmentLengthInvalid",
  ),
  "series-exhausted": entry(
    409,
    "The series does not have enough numbers left",
    "never",
    "SeriesExhausted",
  ),
  "counter-mismatch": entry(
    409,
    "The signed act's counter differs from the account's",
    "later",
    "CounterMismatch",
  ),
  "signer-mismatch": entry(
    422,
    "The signature is not by the account's key",
    "never",
    "SignerMismatch",
  ),

  // the contracts' access control and libraries
  "access-managed-unauthorized": entry(
    403,
    "The sending key does not have this role on the chain",
    "never",
    "AccessManagedUnauthorized",
  ),
  "access-managed-required-delay": entry(
    403,
    "The access manager requires a delay",
    "never",
    "AccessManagedRequiredDelay",
  ),
  "access-managed-invalid-authority": entry(
    500,
    "The contract's authority is invalid",
    "never",
    "AccessManagedInvalidAuthority",
  ),
  "access-manager-already-scheduled": entry(
    409,
    "The operation is scheduled already",
    "never",
    "AccessManagerAlreadyScheduled",
  ),
  "access-manager-bad-confirmation": entry(
    422,
    "The confirmation of the renounced role is wrong",
    "never",
    "AccessManagerBadConfirmation",
  ),
  "access-manager-expired": entry(
    409,
    "The scheduled operation has expired",
    "never",
    "AccessManagerExpired",
  ),
  "access-manager-invalid-initial-admin": entry(
    500,
    "The first admin is invalid",
    "never",
    "AccessManagerInvalidInitialAdmin",
  ),
  "access-manager-locked-function": entry(
    500,
    "The function is locked",
    "never",
    "AccessManagerLockedFunction",
  ),
  "access-manager-locked-role": entry(
    500,
    "The role is locked",
    "never",
    "AccessManagerLockedRole",
  ),
  "access-manager-not-ready": entry(
    409,
    "The scheduled operation is not ready",
    "never",
    "AccessManagerNotReady",
  ),
  "access-manager-not-scheduled": entry(
    409,
    "The operation is not scheduled",
    "never",
    "AccessManagerNotScheduled",
  ),
  "access-manager-unauthorized-account": entry(
    403,
    "The account does not have this role",
    "never",
    "AccessManagerUnauthorizedAccount",
  ),
  "access-manager-unauthorized-call": entry(
    403,
    "The account may not make this call",
    "never",
    "AccessManagerUnauthorizedCall",
  ),
  "access-manager-unauthorized-cancel": entry(
    403,
    "The account may not cancel this",
    "never",
    "AccessManagerUnauthorizedCancel",
  ),
  "access-manager-unauthorized-consume": entry(
    403,
    "The account may not consume this",
    "never",
    "AccessManagerUnauthorizedConsume",
  ),
  "address-empty-code": entry(
    500,
    "There is no contract at the address",
    "never",
    "AddressEmptyCode",
  ),
  "failed-call": entry(500, "A call between contracts failed", "never", "FailedCall"),
  "insufficient-balance": entry(500, "The balance is too low", "never", "InsufficientBalance"),
  "invalid-short-string": entry(
    500,
    "The network's name cannot be read",
    "never",
    "InvalidShortString",
  ),
  "string-too-long": entry(500, "The network's name is too long", "never", "StringTooLong"),
  "safe-cast-overflowed-uint-downcast": entry(
    500,
    "A number is too large for its type",
    "never",
    "SafeCastOverflowedUintDowncast",
  ),
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof catalogue;

const byChainError = new Map<string, Code>(
  (Object.entries(catalogue) as [Code, Entry][]).flatMap(([code, { chain }]) =>
    chain === undefined ? [] : [[chain, code] as const],
  ),
);

/** The catalogue's code for a custom error of the contracts; undefined if it has none. */
export const codeOfChainError = (name: string): Code | undefined => byChainError.get(name);

/**
 * One broken rule: `field` is a JSON pointer or, in XML, the path of the element; `rule` is a
 * stable kebab-case name.
 */
export type Violation = { field: string; rule: string; detail: string };

/**
 * Every search for broken rules stops at this number: nobody reads more, and a hostile body gets no
 * long answer.
 */
export const maxViolations = 20;
const clipped = ({ field, rule, detail }: Violation): Violation => ({
  field: clip(field, 300),
  rule,
  detail: clip(detail, 300),
});
const clip = (text: string, most: number) =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;

/**
 * A refusal. `detail` is for people; `violations` name fields and rules, the first `maxViolations`
 * of them; `extra` members go into the problem+json as they are. Details and fields are clipped, so
 * a problem is short however much was wrong.
 */
export class Problem extends Error {
  readonly code: Code;
  readonly violations: readonly Violation[];
  readonly extra: Readonly<Record<string, unknown>>;
  /**
   * Removes the cause of the refusal. It runs after the rollback; then the request is tried again
   * once.
   */
  readonly remedy: (() => Promise<void>) | undefined;

  constructor(
    code: Code,
    detail: string,
    more: {
      violations?: readonly Violation[];
      extra?: Record<string, unknown>;
      cause?: unknown;
      remedy?: () => Promise<void>;
    } = {},
  ) {
    super(clip(detail, 700), more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "Problem";
    this.code = code;
    this.violations = (more.violations ?? []).slice(0, maxViolations).map(clipped);
    this.extra = more.extra ?? {};
    this.remedy = more.remedy;
  }

  get status(): number {
    return catalogue[this.code].status;
  }
}
