/**
 * What doctor can find: what it means, what to do, and which findings follow from which, so that
 * whoever looks sees the cause first and does not chase what goes away with it. docs/operations.md
 * has the table, and more on each.
 */
export const findingTable = {
  "database-unreachable": {
    means: "PostgreSQL does not answer at DATABASE_URL",
    do: "Start it, or mend the address. Gateways wait for it and go on by themselves",
  },
  "migrations-pending": {
    means: "The schema is older than this software",
    do: "node server/cli.ts migrate, or start `serve`, which does it",
  },
  "not-examined": {
    means: "A part could not be looked at",
    do: "Mend what the detail says and ask again",
  },
  "node-unreachable": {
    means: "The node does not answer at RPC_URL",
    do: "Start it, or mend the address. Nothing is lost: what is accepted waits",
  },
  "wrong-chain": {
    means: "The node's chain is not the one that DEPLOYMENT describes",
    do: "Mend RPC_URL or DEPLOYMENT before anything else; do not rebuild",
  },
  "wrong-database": {
    means: "The database has followed another chain",
    do: "Mend DATABASE_URL or DEPLOYMENT; after the chain was made anew on purpose: rebuild",
  },
  "contracts-missing": {
    means: "There is no ledger of this network at the address that DEPLOYMENT tells",
    do: "Mend DEPLOYMENT; a node that syncs has it later",
  },
  "head-still": {
    means: "The chain has had no new block for longer than MAX_HEAD_AGE",
    do: "Look at the validators, and at this node's peers; then at both clocks",
  },
  "node-still": {
    means: "This node stands still while the node of a gateway goes on",
    do: "Look at this node's peers and disk. The chain moves; a gateway at this node hands its work to another by itself",
  },
  "holder-blind": {
    means: "The node of the process that works is away, stands still, or contradicts itself",
    do: "Mend that process's node. Another process takes over within seconds if its own node serves; while none does, what is accepted waits",
  },
  "gas-above-block": {
    means:
      "A block of the chain has less gas than MAX_TX_GAS: no node takes the largest transactions",
    do: "Set MAX_TX_GAS to what a block has, or raise the validators' limit; a gateway does not start before",
  },
  "ledger-closed": {
    means: "The bureau has closed the ledger: acts and lots wait",
    do: "Nothing, or the bureau opens it: PATCH /v1/ledger",
  },
  "cursor-missing": { means: "No gateway has followed the chain yet", do: "Start `serve`" },
  "cursor-lags": {
    means: "The projections are far behind the chain",
    do: "If it shrinks, wait. If not: is a `serve` running, who holds `following`, what does its log say",
  },
  "node-behind": {
    means: "The node does not have the block that the projections are at",
    do: "A node that syncs: wait. A node that was restored: let it sync",
  },
  "cursor-forked": {
    means: "The chain has another block where the projections are",
    do: "Make sure that this node's chain is the right one; then stop `serve`, rebuild, start",
  },
  "lane-waits": {
    means: "A transaction has been on its way for too long",
    do: "Look at the node's pool and at last_error; the same bytes go out again by themselves",
  },
  "lane-blocked": {
    means: "The node refuses a transaction, and its lane waits behind it",
    do: "By the reason in the runbook: mend the node, or give the transaction up (node server/cli.ts cancel ID)",
  },
  "lane-missing": {
    means: "Calls of the bureau wait, and this database has no sending key of the bureau",
    do: "node server/cli.ts bureau, and grant the address its roles (scripts/deploy.ts --bureau)",
  },
  "send-unknown": {
    means: "A transaction was sent several times and has no outcome",
    do: "Does the node know its hash? If the chain moves and it stays so: the node refuses it, see last_error",
  },
  "operation-waits": {
    means: "An operation has stood in one state for too long, and nothing explains it",
    do: "Look for its id in the log; then at lanes and node",
  },
  "awaiting-signature": {
    means: "Lots wait for the signature of an issuer that keeps its own key",
    do: "Remind the issuer: GET /v1/operations?status=awaiting-signature shows it what to sign",
  },
  "issuer-suspended": {
    means: "Accepted invoices of an issuer wait until it may issue again",
    do: "Nothing, or the bureau reinstates it; they keep their numbers",
  },
  "lots-wait": {
    means: "Accepted invoices are not put into lots",
    do: "Is a `serve` running, and who holds `sealing`? Its log says when a lot cannot be closed",
  },
  "webhook-failing": {
    means: "A webhook's endpoint does not take its events",
    do: "Tell its owner; the events are kept and tried again for days",
  },
  "webhook-disabled": {
    means: "A webhook was switched off because its endpoint failed for days, or is gone",
    do: "Its owner mends the endpoint, enables it and replays from its position",
  },
  "red-letter-waits": {
    means: "The chain has a red letter's act, and the red letter has no number yet",
    do: "By its problem: the issuer wants numbers or quota, or is suspended; it goes on by itself",
  },
  "audit-finding": {
    means: "The bureau's auditor has found something in sealed documents",
    do: "An alarm for the bureau, not for the operator: docs/audit.md says what each kind means",
  },
  "audit-waits": {
    means: "Sealed lots wait for their documents",
    do: "Their issuers' gateways deposit them: ask whoever operates them; onepiao_deposits_waiting there",
  },
  "deposits-wait": {
    means: "Lots of this gateway are not deposited with the bureau",
    do: "By the error: is DEPOSIT_URL up, does DEPOSIT_TOKEN hold, is DEPOSIT_KID the bureau's key; they are sent again by themselves",
  },
  "nobody-works": {
    means: "Nobody holds a lease, so nobody does that work",
    do: "Start `serve`; if one runs, does its heartbeat reach the database",
  },
  "expiry-waits": {
    means: "Stored answers are older than IDEMPOTENCY_DAYS",
    do: "Upkeep deletes them: is a `serve` running, and who holds `upkeep`?",
  },
  "reconcile-difference": {
    means: "What is stored is not what the chain has",
    do: "An alarm: somebody was at the database, or it was restored. See the runbook, by kind, before anything else",
  },
  "reconcile-old": {
    means: "No complete comparison with the chain has come to its end for long",
    do: "node server/cli.ts reconcile; then look why upkeep does not",
  },
} as const satisfies Record<string, { means: string; do: string }>;
export type FindingCode = keyof typeof findingTable;

/** `subject`: what it is about: a lane, an id, a number. */
export type Finding = {
  code: FindingCode;
  subject: string;
  detail: string;
  /** The finding that explains it: it goes away with that one. */
  follows?: FindingCode;
};

/**
 * What explains a finding, the nearest to the root first. A finding that is not here is always a
 * cause.
 */
const explainedBy: Partial<Record<FindingCode, readonly FindingCode[]>> = {
  "cursor-lags": ["holder-blind", "nobody-works"],
  "lots-wait": ["holder-blind", "nobody-works"],
  "lane-blocked": ["gas-above-block"],
  "lane-waits": ["holder-blind", "nobody-works", "head-still", "gas-above-block", "lane-blocked"],
  "send-unknown": ["holder-blind", "nobody-works", "head-still", "gas-above-block", "lane-blocked"],
  "operation-waits": [
    "holder-blind",
    "nobody-works",
    "head-still",
    "gas-above-block",
    "lane-blocked",
    "lane-waits",
  ],
  "expiry-waits": ["nobody-works"],
  "reconcile-old": ["holder-blind", "nobody-works", "head-still"],
};

/** The same findings, causes first; `follows` names the cause of each that has one among them. */
export function withCauses(findings: readonly Finding[]): Finding[] {
  const codes = new Set(findings.map(({ code }) => code));
  const explained = findings.map((one) => {
    const follows = explainedBy[one.code]?.find((code) => codes.has(code));
    return follows === undefined ? one : { ...one, follows };
  });
  return [
    ...explained.filter((one) => one.follows === undefined),
    ...explained.filter((one) => one.follows !== undefined),
  ];
}
