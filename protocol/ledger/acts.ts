/**
 * The acts on invoices, one row each: who signs, who consents, what is signed, what evidence the
 * ledger needs, in which states it accepts the act, its event, how the record changes, and which
 * parties see it in the feed.
 *
 * The rows are in the order of the contract's `Kind`: a row's position is the kind's number. Typed
 * messages, dispatcher, mirror, feed, statistics and documents follow from this table. A gateway
 * adds gas and statistics by the same names in server/chain/acts.ts. The contract holds the rules
 * (contracts/InvoiceLedger.sol); this table describes them.
 */

/**
 * States of a record, in the order of the contract's `State`. "none": no act has touched the
 * invoice.
 */
export const recordStates = ["none", "issued", "claimed", "reimbursed", "reversed"] as const;
export type RecordState = (typeof recordStates)[number];
export type State = Exclude<RecordState, "none">;

/**
 * A party's relation to an invoice. The employer: the titled buyer, or the employer of the claim.
 */
export type Party = "issuer" | "holder" | "receiver" | "employer";

/** How an act changes the record of an invoice. The names are those of the event's arguments. */
export type RecordChange = {
  /** The new state; its time is that of the event. Absent: state and time stay. */
  state?: State;
  holder?: string;
  employer?: string;
  /** The reference of the claim that the invoice is in from now on. */
  claim?: string;
  /**
   * The claim ends: the record loses its reference and, unless the invoice is titled, its employer.
   */
  release?: true;
  /** The mark of book entry. */
  mark?: string;
  /** A part of the invoice is taken back: only the record's version changes. */
  part?: true;
};

export type Act = {
  signs: "holder" | "employer" | "issuer";
  consents?: { who: "receiver" | "employer"; when: string };
  /**
   * The signed fields before `ref` and the invoices, in this order. In the contract's `Act`, an
   * address is in `to`, an index in `taxpayer`.
   */
  fields: Readonly<Record<string, "address" | "uint32">>;
  /** The meaning of `ref`. */
  ref: string;
  /**
   * The invoices for which the ledger needs evidence of the seal: untouched ones, all (a record
   * does not name the issuer), or none (they were issued elsewhere).
   */
  evidence: "untouched" | "all" | "none";
  /** The states in which the ledger accepts the act. An untouched invoice counts as issued. */
  from: readonly State[];
  /** The ledger emits one such event for each invoice of the act. */
  event: string;
  record: RecordChange;
  /** The ledger raises an alarm when it refuses this act for a second reimbursement. */
  alarm?: true;
  /** The event in the feed, and the parties that see it. The bureau sees every event. */
  feed: { type: string; seenBy: readonly Party[] };
};

const claimed = {
  event: "Claimed",
  record: { state: "claimed", holder: "holder", employer: "employer", claim: "ref" },
  alarm: true,
  feed: { type: "claim.created", seenBy: ["holder", "employer"] },
} as const;
const whenUsed = { who: "employer", when: "once it is claimed, reimbursed or entered" } as const;

const table = {
  Transfer: {
    signs: "holder",
    consents: { who: "receiver", when: "always" },
    fields: { to: "address" },
    ref: "free",
    evidence: "untouched",
    from: ["issued"],
    event: "Transferred",
    record: { state: "issued", holder: "to" },
    feed: { type: "invoice.transferred", seenBy: ["holder", "receiver"] },
  },
  Claim: {
    signs: "holder",
    fields: { employer: "uint32" },
    ref: "the claim",
    evidence: "untouched",
    from: ["issued"],
    ...claimed,
  },
  Withdraw: {
    signs: "holder",
    fields: {},
    ref: "free",
    evidence: "untouched",
    from: ["claimed"],
    event: "Withdrawn",
    record: { state: "issued", release: true },
    feed: { type: "claim.withdrawn", seenBy: ["holder", "employer"] },
  },
  Reimburse: {
    signs: "employer",
    fields: { employer: "uint32" },
    ref: "free",
    evidence: "untouched",
    from: ["claimed"],
    event: "Reimbursed",
    record: { state: "reimbursed" },
    alarm: true,
    feed: { type: "invoice.reimbursed", seenBy: ["holder", "employer"] },
  },
  Reject: {
    signs: "employer",
    fields: { employer: "uint32" },
    ref: "hash of the reason",
    evidence: "untouched",
    from: ["claimed"],
    event: "Rejected",
    record: { state: "issued", release: true },
    feed: { type: "claim.rejected", seenBy: ["holder", "employer"] },
  },
  Reverse: {
    signs: "issuer",
    consents: whenUsed,
    fields: { issuer: "uint32" },
    ref: "content hash of the red letter",
    evidence: "all",
    from: ["issued", "claimed", "reimbursed"],
    event: "Reversed",
    record: { state: "reversed" },
    feed: { type: "invoice.reversed", seenBy: ["issuer", "holder", "employer"] },
  },
  Adjust: {
    signs: "issuer",
    consents: whenUsed,
    fields: { issuer: "uint32" },
    ref: "content hash of the red letter",
    evidence: "all",
    from: ["issued", "claimed", "reimbursed"],
    event: "Adjusted",
    record: { part: true },
    feed: { type: "invoice.adjusted", seenBy: ["issuer", "holder", "employer"] },
  },
  Enter: {
    signs: "employer",
    fields: { employer: "uint32" },
    ref: "the mark",
    evidence: "untouched",
    // the ledger accepts a revocation in every state
    from: ["issued", "claimed", "reimbursed", "reversed"],
    event: "Entered",
    record: { mark: "mark" },
    feed: { type: "invoice.entered", seenBy: ["employer"] },
  },
  Admit: {
    signs: "employer",
    fields: { employer: "uint32", holder: "address" },
    ref: "the claim",
    evidence: "none",
    from: ["issued"],
    ...claimed,
  },
} as const satisfies Record<string, Act>;

export type ActKind = keyof typeof table;
export const acts: Readonly<Record<ActKind, Act>> = table;
/** In the order of the contract's `Kind`. */
export const actKinds = Object.keys(table) as readonly ActKind[];
export const kindNumber = (kind: ActKind): number => actKinds.indexOf(kind);

/** The event types of acts in the feed. */
export type ActFeedType = (typeof table)[ActKind]["feed"]["type"];
export const actFeedTypes = [...new Set(actKinds.map((kind) => table[kind].feed.type))] as const;

/**
 * The acts by the ledger's event. Acts that share an event change the record in the same way and
 * have one type in the feed.
 */
export type EventOfAct = Pick<Act, "event" | "record" | "feed"> & { kinds: readonly ActKind[] };
export const actEvents: ReadonlyMap<string, EventOfAct> = new Map(
  Object.values(acts).map(({ event, record, feed }) => [
    event,
    { event, record, feed, kinds: actKinds.filter((kind) => acts[kind].event === event) },
  ]),
);

/** Whether an act of this kind creates the record of an invoice that was issued elsewhere. */
export const opensExternal = (kind: ActKind): boolean => acts[kind].evidence === "none";

/** Whether an act on an invoice at this version carries evidence. */
export const needsEvidence = (kind: ActKind, version: number): boolean => {
  const { evidence } = acts[kind];
  return evidence === "all" || (evidence === "untouched" && version === 0);
};

/** Whether an act makes a claim or decides on one. */
export const isOfClaim = (kind: ActKind): boolean => {
  const { record, from } = acts[kind];
  return record.claim !== undefined || from.every((state) => state === "claimed");
};

/** Whether an act can change an invoice that is reimbursed or reversed. */
export const isLate = (kind: ActKind): boolean =>
  acts[kind].from.some((state) => state === "reimbursed" || state === "reversed");
