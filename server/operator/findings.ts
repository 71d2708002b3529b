/**
 * The findings of doctor: what each means, what to do, and which findings explain others, so that
 * the operator sees the cause first and does not chase its effects. docs/operations.md has the
 * table, with more details.
 */
export const findingTable = {
  "database-unreachable": {
    means: "PostgreSQL does not answer at DATABASE_URL",
    do: "Start it, or correct the address. Gateways wait for it and continue automatically",
  },
  "migrations-pending": {
    means: "The schema is older than this software",
    do: "node server/cli.ts migrate, or start `serve`, which migrates",
  },
  "not-examined": {
    means: "A part could not be examined",
    do: "Fix what the detail says and run doctor again",
  },
  "node-unreachable": {
    means: "The node does not answer at RPC_URL",
    do: "Start it, or correct the address. Nothing is lost: accepted work waits",
  },
  "wrong-chain": {
    means: "The node's chain is not the one that DEPLOYMENT describes",
    do: "Correct RPC_URL or DEPLOYMENT before anything else; do not rebuild",
  },
  "wrong-database": {
    means: "The database has followed another chain",
    do: "Correct DATABASE_URL or DEPLOYMENT; if the chain was recreated on purpose: rebuild",
  },
  "contracts-missing": {
    means: "There is no ledger of this network at the address in DEPLOYMENT",
    do: "Correct DEPLOYMENT; a node that is still syncing will have it later",
  },
  "head-still": {
    means: "The chain has had no new block for longer than MAX_HEAD_AGE",
    do: "Check the validators and this node's peers; then both clocks",
  },
  "node-still": {
    means: "This node stands still while the node of a gateway goes on",
    do:
      "Check this node's peers and disk. The chain moves; a gateway at this node hands its " +
      "work to another automatically",
  },
  "holder-blind": {
    means: "The node of the process that works is away, stands still, or contradicts itself",
    do:
      "Repair that process's node. Another process takes over within seconds if its own node " +
      "serves; until one does, accepted work waits",
  },
  "gas-above-block": {
    means:
      "A block of the chain has less gas than MAX_TX_GAS: no node accepts the largest transactions",
    do:
      "Set MAX_TX_GAS to a block's gas, or raise the validators' limit; until then no gateway " +
      "starts",
  },
  "ledger-closed": {
    means: "The bureau has closed the ledger: acts and lots wait",
    do: "Nothing, or the bureau opens it: PATCH /v1/ledger",
  },
  "cursor-missing": { means: "No gateway has followed the chain yet", do: "Start `serve`" },
  "cursor-lags": {
    means: "The projections are far behind the chain",
    do:
      "If the lag shrinks, wait. If not: is a `serve` running, which process holds " +
      "`following`, what does its log say",
  },
  "node-behind": {
    means: "The node does not have the block that the projections are at",
    do: "If the node is syncing: wait. If it was restored: let it sync",
  },
  "cursor-forked": {
    means: "The chain has another block where the projections are",
    do: "Make sure that this node is on the right chain; then stop `serve`, rebuild, start",
  },
  "lane-waits": {
    means: "A transaction has been pending for too long",
    do: "Check the node's pool and last_error; the same bytes go out again automatically",
  },
  "lane-blocked": {
    means: "The node refuses a transaction, and its lane waits behind it",
    do:
      "Look the reason up in the runbook: fix the node, or give the transaction up (node " +
      "server/cli.ts cancel ID)",
  },
  "lane-missing": {
    means: "Calls of the bureau wait, and this database has no sending key of the bureau",
    do: "node server/cli.ts bureau, and grant the address its roles (scripts/deploy.ts --bureau)",
  },
  "send-unknown": {
    means: "A transaction was sent several times and has no outcome",
    do:
      "Does the node know its hash? If the chain moves and nothing changes: the node refuses " +
      "it, see last_error",
  },
  "operation-waits": {
    means: "An operation has been in one state for too long, and nothing explains it",
    do: "Search the log for its id; then check lanes and node",
  },
  "awaiting-signature": {
    means: "Lots wait for the signature of an issuer that keeps its own key",
    do: "Remind the issuer: GET /v1/operations?status=awaiting-signature lists what to sign",
  },
  "issuer-suspended": {
    means: "Accepted invoices of an issuer wait until it may issue again",
    do: "Nothing, or the bureau reinstates it; they keep their numbers",
  },
  "lots-wait": {
    means: "Accepted invoices are not put into lots",
    do:
      "Is a `serve` running, and which process holds `sealing`? Its log says if a lot cannot " +
      "be closed",
  },
  "webhook-failing": {
    means: "A webhook's endpoint does not accept its events",
    do: "Inform its owner; the events are kept and retried for days",
  },
  "webhook-disabled": {
    means: "A webhook was disabled because its endpoint failed for days, or is gone",
    do: "Its owner repairs the endpoint, enables the webhook and replays from its position",
  },
  "red-letter-waits": {
    means: "The chain has a red letter's act, and the red letter has no number yet",
    do:
      "Its problem says why: the issuer needs numbers or quota, or is suspended; then it " +
      "continues automatically",
  },
  "audit-finding": {
    means: "The bureau's auditor has found something in sealed documents",
    do: "An alarm for the bureau, not for the operator: docs/audit.md says what each kind means",
  },
  "audit-waits": {
    means: "Sealed lots wait for their documents",
    do:
      "Their issuers' gateways deposit them: ask the operators; see onepiao_deposits_waiting " +
      "there",
  },
  "deposits-wait": {
    means: "Lots of this gateway are not deposited with the bureau",
    do:
      "The error says why: is DEPOSIT_URL up, is DEPOSIT_TOKEN valid, is DEPOSIT_KID the " +
      "bureau's key; they are sent again automatically",
  },
  "nobody-works": {
    means: "No process holds a lease, so nobody does that work",
    do: "Start `serve`; if one runs, does its heartbeat reach the database",
  },
  "expiry-waits": {
    means: "Stored answers are older than IDEMPOTENCY_DAYS",
    do: "Upkeep deletes them: is a `serve` running, and which process holds `upkeep`?",
  },
  "reconcile-difference": {
    means: "Stored data differ from the chain",
    do:
      "An alarm: the database was modified, or restored. Look the kind up in the runbook " +
      "before anything else",
  },
  "reconcile-old": {
    means: "No complete comparison with the chain has ended for a long time",
    do: "node server/cli.ts reconcile; then find out why upkeep does not do it",
  },
} as const satisfies Record<string, { means: string; do: string }>;
export type FindingCode = keyof typeof findingTable;

/** `subject`: the lane, id or number concerned. */
export type Finding = {
  code: FindingCode;
  subject: string;
  detail: string;
  /** The finding that explains this one: solving that one removes both. */
  follows?: FindingCode;
};

/**
 * What explains a finding, the root cause first. A finding that is not listed is always a cause.
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

/** The same findings, causes first; `follows` names a finding's cause, if it is among them. */
export function withCauses(findings: readonly Finding[]): Finding[] {
  const codes = new Set(findings.map(({ code }) => code));
  const explained = findings.map((finding) => {
    const follows = explainedBy[finding.code]?.find((code) => codes.has(code));
    return follows === undefined ? finding : { ...finding, follows };
  });
  return [
    ...explained.filter((finding) => finding.follows === undefined),
    ...explained.filter((finding) => finding.follows !== undefined),
  ];
}
