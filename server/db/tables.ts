/**
 * The columns of every table and view, by the room that owns it: made by scripts/tables.ts from
 * the migrations. A statement says which it reads: `tx<RowOf<"lots", "first" | "count">[]>`.
 */
import type { Json } from "./sql.ts";

/** A row of a table or a view, or some of its columns. */
export type RowOf<T extends keyof Tables, C extends keyof Tables[T] = keyof Tables[T]> = Pick<
  Tables[T],
  C
>;

export type Tables = {
  // server/db
  migrations: {
    name: string;
    applied_at: Date;
  };
  leases: {
    name: string;
    holder: string;
    until: Date;
    since: Date;
    term: bigint;
    detail: string;
  };
  processes: {
    holder: string;
    detail: string;
    reach: bigint | null;
    since: Date;
    seen: Date;
  };
  lease_now: {
    name: string;
    holder: string;
    until: Date;
    since: Date;
    term: bigint;
    detail: string;
  };
  process_now: {
    holder: string;
    detail: string;
    reach: bigint | null;
    since: Date;
    seen: Date;
  };
  // server/keys
  data_keys: {
    purpose: string;
    wrapped: Buffer;
    created_at: Date;
    master: string;
  };
  keystore: {
    address: string;
    sealed: Buffer;
    created_at: Date;
  };
  // server/txs
  lanes: {
    name: string;
    address: string;
    base_nonce: bigint;
  };
  sends: {
    id: bigint;
    lane: string;
    to_address: string;
    data: string;
    gas: bigint;
    status: "queued" | "pending" | "mined" | "failed";
    nonce: bigint | null;
    raw: string | null;
    hash: string | null;
    block: bigint | null;
    tries: number;
    last_error: string | null;
    sent_at: Date | null;
    created_at: Date;
    fault: "landed" | "rejected" | "unknown" | "down" | null;
    reason: string | null;
    errors: number;
    first_error_at: Date | null;
    retry_at: Date | null;
    cancel_raw: string | null;
    cancel_hash: string | null;
  };
  lane_now: {
    name: string;
    address: string;
  };
  send_now: {
    id: bigint;
    lane: string;
    status: "queued" | "pending" | "mined" | "failed";
    nonce: bigint | null;
    hash: string | null;
    tries: number;
    last_error: string | null;
    fault: "landed" | "rejected" | "unknown" | "down" | null;
    reason: string | null;
    errors: number;
    first_error_at: Date | null;
    retry_at: Date | null;
    cancel_hash: string | null;
    sent_at: Date | null;
    created_at: Date;
  };
  // server/feed
  cursor: {
    id: number;
    block: bigint;
    hash: string;
    time: bigint;
    genesis: string;
  };
  feed: {
    position: bigint;
    type: string;
    number: string | null;
    accounts: string[];
    data: Json;
    at: Date;
    tx: string | null;
    bureau: Json | null;
    log_index: number | null;
  };
  feed_accounts: {
    account: string;
    position: bigint;
  };
  notices: {
    id: bigint;
    type: string;
    number: string | null;
    accounts: string[];
    data: Json;
    bureau: Json | null;
    block: bigint | null;
    created_at: Date;
  };
  chain_now: {
    block: bigint;
    hash: string;
    time: bigint;
    genesis: string;
  };
  feed_now: {
    position: bigint;
    type: string;
    number: string | null;
    accounts: string[];
    data: Json;
    bureau: Json | null;
    at: Date;
    tx: string | null;
  };
  feed_accounts_now: {
    account: string;
    position: bigint;
  };
  // server/accepted
  invoices: {
    number: string;
    issuer: number;
    segment: string;
    content: string;
    salt: Buffer;
    leaf_holder: string;
    leaf_buyer: number;
    source_blind: Buffer | null;
    reverses: string | null;
    document: Buffer;
    source: Buffer | null;
    accepted_at: Date;
  };
  imported: {
    number: string;
    lot: string;
    path: string[];
    seal: Json;
    account: string;
    block: bigint;
    state: Json | null;
    created_at: Date;
  };
  segment_accepted: {
    segment: string;
    accepted: bigint;
    waiting_since: Date | null;
  };
  accepted_now: {
    number: string;
    issuer: number;
    content: string;
    salt: Buffer;
    leaf_holder: string;
    leaf_buyer: number;
    source_blind: Buffer | null;
    reverses: string | null;
    document: Buffer;
    source: Buffer | null;
    accepted_at: Date;
  };
  imported_now: {
    number: string;
    lot: string;
    path: string[];
    seal: Json;
    block: bigint;
    state: Json | null;
  };
  segment_accepted_now: {
    segment: string;
    accepted: bigint;
    waiting_since: Date | null;
  };
  document_hashes: {
    blind: Buffer;
    accepted_at: Date;
    number: string;
  };
  document_hash_now: {
    blind: Buffer;
    accepted_at: Date;
    number: string;
  };
  // server/mirror
  taxpayers: {
    index: number;
    account: string;
    capabilities: number;
    standing: string;
    identity: string | null;
  };
  accounts: {
    account: string;
    key: string | null;
    counter: bigint;
  };
  account_keys: {
    account: string;
    key: string;
  };
  quotas: {
    taxpayer: number;
    period: number;
    granted: string;
    drawn: string;
  };
  segments: {
    first: string;
    issuer: number;
    length: bigint;
  };
  lots: {
    first: string;
    issuer: number;
    segment: string;
    count: number;
    time: bigint;
    root: string;
    block: bigint;
  };
  invoice_states: {
    number: string;
    lot: string | null;
    issuer: number;
    state: "issued" | "claimed" | "reimbursed" | "reversed";
    holder: string;
    employer: number;
    titled: boolean;
    version: number;
    claim_ref: string | null;
    issued_at: Date;
    updated_at: Date;
    entry: 1 | 2 | 3 | 6;
    entry_at: Date | null;
    entry_act: string | null;
    entry_tx: string | null;
    entry_block: bigint | null;
    accepted_at: Date | null;
  };
  adjustments: {
    number: string;
    times: number;
  };
  claimed_versions: {
    number: string;
    version: number;
    holder: string;
    employer: number;
  };
  attempts: {
    party: string;
    kind: "claim" | "reimburse" | "admit";
    number: string;
    version: number;
    counterparty: string;
    employer: number | null;
    act: string;
    reason: string;
    block: bigint;
    log: number;
  };
  taxpayer_now: {
    index: number;
    account: string;
    capabilities: number;
    standing: string;
    identity: string | null;
  };
  account_now: {
    account: string;
    key: string | null;
    counter: bigint;
  };
  account_key_now: {
    account: string;
    key: string;
  };
  quota_now: {
    taxpayer: number;
    period: number;
    granted: string;
    drawn: string;
  };
  segment_now: {
    first: string;
    issuer: number;
    length: bigint;
  };
  lot_now: {
    first: string;
    issuer: number;
    segment: string;
    count: number;
    time: bigint;
    root: string;
    block: bigint;
  };
  attempt_now: {
    party: string;
    kind: "claim" | "reimburse" | "admit";
    number: string;
    version: number;
    act: string;
    block: bigint;
    log: number;
  };
  adjustment_now: {
    number: string;
    times: number;
  };
  record_now: {
    number: string;
    lot: string | null;
    issuer: number;
    state: "issued" | "claimed" | "reimbursed" | "reversed";
    holder: string;
    employer: number;
    titled: boolean;
    version: number;
    claim_ref: string | null;
    entry: 1 | 2 | 3 | 6;
    issued_at: Date;
    updated_at: Date;
    accepted_at: Date | null;
  };
  invoice_now: {
    number: string;
    issuer: number;
    lot: string | null;
    state: "accepted" | "issued" | "claimed" | "reimbursed" | "reversed";
    holder: string;
    employer: number;
    titled: boolean;
    version: number;
    entry: 1 | 2 | 3 | 6;
    issued_at: Date | null;
    updated_at: Date | null;
    content: string;
    leaf_holder: string;
    leaf_buyer: number;
    salt: Buffer;
    source_blind: Buffer | null;
    reverses: string | null;
    document: Buffer;
    source: Buffer | null;
    accepted_at: Date;
  };
  // server/acts
  operations: {
    id: string;
    kind: string;
    party: string;
    command: Json;
    signers: string[];
    status: "queued" | "awaiting-signature" | "signed" | "sent" | "done" | "refused" | "failed";
    message: Json | null;
    digest: string | null;
    signatures: Json;
    send: bigint | null;
    problem: Json | null;
    result: Json | null;
    tries: number;
    not_before: Date;
    created_at: Date;
    updated_at: Date;
  };
  operation_invoices: {
    operation: string;
    number: string;
  };
  sealings: {
    first: string;
    segment: string;
    issuer: number;
    count: number;
    root: string;
    operation: string;
  };
  ledger_state: {
    id: number;
    closed: boolean;
  };
  operation_now: {
    id: string;
    kind: string;
    party: string;
    command: Json;
    signers: string[];
    status: "queued" | "awaiting-signature" | "signed" | "sent" | "done" | "refused" | "failed";
    message: Json | null;
    digest: string | null;
    signatures: Json;
    send: bigint | null;
    problem: Json | null;
    result: Json | null;
    tries: number;
    not_before: Date;
    created_at: Date;
    updated_at: Date;
  };
  sealing_now: {
    first: string;
    segment: string;
    issuer: number;
    count: number;
    root: string;
    operation: string;
  };
  ledger_now: {
    closed: boolean;
  };
  // server/sealing
  segment_lotted: {
    segment: string;
    lotted: bigint;
  };
  lotted: {
    id: number;
    invoices: bigint;
  };
  lotted_now: {
    invoices: bigint;
  };
  segment_use_now: {
    segment: string;
    accepted: bigint;
    lotted: bigint;
  };
  segment_waits_now: {
    segment: string;
    accepted: bigint;
    lotted: bigint;
    waiting_since: Date | null;
  };
  // server/features/parties
  parties: {
    account: string;
    kind: "bureau" | "taxpayer" | "person";
    tax_id_blind: Buffer | null;
    sealed: Buffer;
    created_by: string;
    created_at: Date;
    manager: string | null;
  };
  api_keys: {
    id: string;
    secret_hash: Buffer | null;
    account: string;
    roles: string[];
    created_by: string;
    created_at: Date;
    revoked_at: Date | null;
    name_blind: Buffer | null;
    name_sealed: Buffer | null;
    subject_blind: Buffer | null;
    signed_in_at: Date | null;
    managed_by: string;
    bearer: string | null;
  };
  sessions: {
    id_hash: Buffer;
    key_id: string;
    created_at: Date;
    seen_at: Date;
    sealed: Buffer | null;
  };
  sign_ins_used: {
    hash: Buffer;
    until: Date;
  };
  encryption_keys: {
    account: string;
    public: Json;
    created_at: Date;
  };
  deposit_keys: {
    id: bigint;
    account: string;
    public: Json;
    sealed: Buffer;
    created_at: Date;
  };
  shown_accounts: {
    account: string;
    shown_by: string;
    created_at: Date;
  };
  quota_use: {
    taxpayer: number;
    period: number;
    sealed: Buffer;
  };
  party_now: {
    account: string;
    kind: "bureau" | "taxpayer" | "person";
    manager: string | null;
  };
  api_key_now: {
    id: string;
    account: string;
    revoked_at: Date | null;
  };
  directory: {
    tax_id: string;
    name: string;
    folded: string;
    pairs: number[];
  };
  buyer_enrolments: {
    account: string;
    requested_by: string;
    requested_at: Date;
    suspension: string | null;
    joined_at: Date | null;
  };
  // server/features/out
  webhooks: {
    id: string;
    account: string;
    roles: string[];
    sealed: Buffer;
    types: string[] | null;
    position: bigint;
    tries: number;
    next_at: Date;
    claim: string | null;
    claimed_until: Date | null;
    disabled: "party" | "failing" | "gone" | null;
    created_at: Date;
    updated_at: Date;
    latest: bigint;
    slow: boolean;
  };
  webhook_attempts: {
    id: bigint;
    webhook: string;
    event: bigint | null;
    at: Date;
    status: number | null;
    ms: number;
    error: string | null;
  };
  webhook_backlog_now: {
    id: string;
    disabled: "party" | "failing" | "gone" | null;
    tries: number;
    since: Date | null;
  };
  webhook_now: {
    id: string;
    account: string;
    tries: number;
    disabled: "party" | "failing" | "gone" | null;
  };
  // server/features/invoices
  unsealed: {
    number: string;
    issuer: number;
    holder: string;
    buyer: number;
    accepted_at: Date;
  };
  segment_free: {
    issuer: number;
    first: string;
  };
  grants: {
    id: string;
    number: string;
    grantee: string;
    giver: string;
    until: Date | null;
    created_at: Date;
    withdrawn_at: Date | null;
    accepted_at: Date | null;
  };
  reads: {
    number: string;
    account: string;
    form: string;
    day: Date;
    times: number;
    first_at: Date;
    last_at: Date;
    key_id: string;
  };
  red_letters: {
    id: string;
    invoice: string;
    issuer: number;
    employer: number;
    by_issuer: boolean;
    status: "01" | "02" | "03" | "04" | "05" | "06" | "07" | "08" | "09";
    ref: string;
    sealed: Buffer;
    operation: string | null;
    acted: boolean;
    number: string | null;
    replacement: string | null;
    problem: string | null;
    not_before: Date;
    confirm_by: Date | null;
    created_at: Date;
    updated_at: Date;
    sent_back: boolean;
  };
  red_letter_sources: {
    issuer: number;
    source_blind: Buffer;
    red_letter: string;
  };
  red_letter_now: {
    id: string;
    invoice: string;
    issuer: number;
    employer: number;
    status: "01" | "02" | "03" | "04" | "05" | "06" | "07" | "08" | "09";
    operation: string | null;
    acted: boolean;
    number: string | null;
    problem: string | null;
    not_before: Date;
    created_at: Date;
    updated_at: Date;
  };
  // server/features/use
  transfers: {
    id: string;
    number: string;
    sender: string;
    receiver: string;
    status: "offered" | "accepted" | "declined" | "withdrawn";
    operation: string | null;
    created_at: Date;
  };
  claims: {
    id: string;
    ref: string;
    holder: string;
    employer: number;
    sealed: Buffer;
    operation: string;
    created_at: Date;
    state:
      | "submitted"
      | "refused"
      | "claimed"
      | "reimbursed"
      | "rejected"
      | "withdrawn"
      | "reversed";
  };
  claim_invoices: {
    claim: string;
    number: string;
  };
  claim_states: {
    ref: string;
    state: "claimed" | "reimbursed" | "rejected" | "withdrawn" | "reversed";
    holder: string;
    employer: number;
    updated_at: Date;
  };
  entry_words: {
    operation: string;
    sealed: Buffer;
  };
  external_invoices: {
    claim: string;
    number: string;
    employer: number;
    document: Buffer;
    source: Buffer | null;
    holder: string;
  };
  external_findings: {
    id: string;
    kind: "conflict" | "near-duplicate";
    number: string;
    employer: number;
    claim: string | null;
    digest: Buffer;
    sealed: Buffer;
    created_at: Date;
    bureau_only: boolean;
  };
  near_keys: {
    blind: Buffer;
    number: string;
  };
  external_credits: {
    id: string;
    number: string;
    employer: number;
    document: Buffer;
    source: Buffer | null;
    created_at: Date;
  };
  external_credit_ids: {
    employer: number;
    number: string;
    credit: string;
  };
  external_credit_originals: {
    credit: string;
    number: string;
    year: number;
  };
  external_credit_effects: {
    id: string;
    credit: string;
    claim: string;
    employer: number;
    effect: "reduces" | "exceeds" | "differs" | "several" | "other-employer";
    late: boolean;
    sealed: Buffer;
    recovered_at: Date | null;
  };
  // server/features/bureau
  deposit_lots: {
    lot: string;
    depositor: string;
    key: string;
    created_at: Date;
  };
  deposits: {
    lot: string;
    depositor: string;
    number: string;
    holder: string;
    buyer: bigint;
    reverses: string | null;
    accepted_at: Date;
    salt: Buffer;
    key: Buffer;
    document: Buffer;
  };
  audit_cursor: {
    id: number;
    block: bigint;
    first: string;
    judged: bigint;
  };
  audit_lots: {
    first: string;
    state: "waiting" | "summed";
    since: Date;
    next_at: Date;
  };
  audit_sums: {
    issuer: number;
    period: number;
    sealed: Buffer;
  };
  audit_red: {
    number: string;
    original: string;
    sealed: Buffer;
  };
  audit_findings: {
    kind: string;
    issuer: number;
    subject: string;
    found_at: Date;
  };
  stats_acts: {
    grain: "minute" | "hour" | "day" | "month";
    start: Date;
    kind: string;
    count: bigint;
  };
  stats_cursor: {
    id: number;
    block: bigint;
    first: string;
    undocumented: bigint;
  };
  stats_buckets: {
    grain: "minute" | "hour" | "day" | "month";
    start: Date;
    lots: bigint;
    invoices: bigint;
    sealed: Buffer;
  };
  stats_issuers: {
    grain: "day" | "month";
    start: Date;
    issuer: number;
    lots: bigint;
    invoices: bigint;
    sealed: Buffer;
  };
  stats_undocumented: {
    lot: string;
    audited: boolean;
  };
  audit_lot_now: {
    first: string;
    state: "waiting" | "summed";
    since: Date;
    next_at: Date;
  };
  audit_finding_now: {
    kind: string;
    issuer: number;
    subject: string;
    found_at: Date;
  };
  stats_cursor_now: {
    block: bigint;
    first: string;
    undocumented: bigint;
  };
  // server/http
  idempotency: {
    account: string;
    key: string;
    request_hash: Buffer;
    status: number;
    answer: Buffer;
    created_at: Date;
    key_id: string;
    roles: string[];
  };
  idempotency_now: {
    created_at: Date;
  };
  // server/upkeep
  reconcile_cursors: {
    name: "recent" | "sweep";
    block: bigint;
    begun_at: Date;
    ended_at: Date | null;
    lots: bigint;
    invoices: bigint;
  };
  reconcile_findings: {
    kind: string;
    subject: string;
    detail: string;
    found_at: Date;
    seen_at: Date;
  };
  delivery_cursor: {
    id: number;
    block: bigint;
    first: string;
  };
  deliveries: {
    lot: string;
    tries: number;
    next_at: Date;
    error: string | null;
    delivered_at: Date | null;
  };
  reconcile_cursor_now: {
    name: "recent" | "sweep";
    block: bigint;
    begun_at: Date;
    ended_at: Date | null;
    lots: bigint;
    invoices: bigint;
  };
  delivery_now: {
    lot: string;
    tries: number;
    next_at: Date;
    error: string | null;
    delivered_at: Date | null;
  };
};
