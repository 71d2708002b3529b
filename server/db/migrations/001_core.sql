-- Everything the gateway keeps. Three kinds of tables:
--   stored     what cannot be had from the chain: keys, documents, parties' names, requests
--   work       what is under way: operations, sends
--   projected  a function of the chain plus stored rows; `rebuild` empties and replays them
-- Nothing readable: names, tax ids, amounts and documents are sealed under data keys (server/keys/vault.ts); what must be
-- found by them has a keyed hash beside it (…_blind).

-- ── stored ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

create table data_keys (
  purpose    text primary key,
  wrapped    bytea not null,
  created_at timestamptz not null default now()
);

create table keystore (
  address    text primary key,
  sealed     bytea not null,
  created_at timestamptz not null default now()
);

-- `sealed`: {"name", "taxId"?, "currency"?, "region"?, "salt"?}. `custodial`: its key is in the keystore.
create table parties (
  account      text primary key,
  kind         text not null check (kind in ('bureau', 'taxpayer', 'person')),
  tax_id_blind bytea unique,
  sealed       bytea not null,
  created_by   text not null,
  created_at   timestamptz not null default now()
);

create table api_keys (
  id          text primary key,
  secret_hash bytea not null,
  account     text not null references parties,
  roles       text[] not null,
  created_by  text not null,
  created_at  timestamptz not null default now(),
  revoked_at  timestamptz
);
create index on api_keys (account);

-- A stored answer of a POST, sealed (body and headers). Written in the transaction that did its work, so it is there exactly when the work is.
create table idempotency (
  account      text not null,
  key          text not null,
  request_hash bytea not null,
  status       int not null,
  answer       bytea not null,
  created_at   timestamptz not null default now(),
  primary key (account, key)
);
create index on idempotency (created_at);

-- An accepted invoice; never changed. `leaf_…` is what the lot commits to. `reverses`: the invoice that this red letter names.
create table invoices (
  number       numeric(20) primary key,
  issuer       int not null,
  segment      numeric(20) not null,
  content      text not null,
  salt         bytea not null,
  leaf_holder  text not null,
  leaf_buyer   int not null,
  source_blind bytea,
  reverses     numeric(20),
  document     bytea not null,
  source       bytea,
  accepted_at  timestamptz not null default now()
);
create unique index on invoices (issuer, source_blind);
create index on invoices (reverses) where reverses is not null;

-- How far a segment's numbers are given away (accepted) and put into lots.
create table segment_use (
  segment  numeric(20) primary key,
  accepted bigint not null default 0,
  lotted   bigint not null default 0,
  check (lotted <= accepted)
);

-- Gross of the invoices accepted in a period, sealed.
create table quota_use (
  taxpayer int not null,
  period   int not null,
  sealed   bytea not null,
  primary key (taxpayer, period)
);

-- ── work ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- A transaction of one lane. `nonce`, `raw` and `hash` are written before the first broadcast and never change.
create table sends (
  id         bigint generated always as identity primary key,
  lane       text not null,
  to_address text not null,
  data       text not null,
  gas        bigint not null,
  status     text not null default 'queued' check (status in ('queued', 'pending', 'mined', 'failed')),
  nonce      bigint,
  raw        text,
  hash       text unique,
  block      bigint,
  tries      int not null default 0,
  last_error text,
  sent_at    timestamptz,
  created_at timestamptz not null default now(),
  unique (lane, nonce)
);
create index on sends (lane, id) where status in ('queued', 'pending');

-- The first nonce of a lane's key, asked of the chain once; every later one comes from `sends`.
create table lanes (
  name       text primary key,
  address    text not null,
  base_nonce bigint not null
);

-- What a party or the bureau wants done on the chain, and what became of it.
--   queued → (awaiting-signature →) signed → sent → done | refused | failed
create table operations (
  id         uuid primary key default uuidv7(),
  kind       text not null,
  party      text not null,
  command    jsonb not null,
  signers    text[] not null default '{}',
  status     text not null default 'queued'
             check (status in ('queued', 'awaiting-signature', 'signed', 'sent', 'done', 'refused', 'failed')),
  message    jsonb,
  digest     text,
  signatures jsonb not null default '{}',
  send       bigint references sends,
  problem    jsonb,
  result     jsonb,
  tries      int not null default 0,
  not_before timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on operations (status, id) where status in ('queued', 'awaiting-signature', 'signed', 'sent');
create index on operations (digest) where digest is not null;
create index on operations (send) where send is not null;
create index on operations (party, id);

-- The invoices that an unfinished act is about; acts on one invoice go one after the other.
create table operation_invoices (
  operation uuid not null references operations on delete cascade,
  number    numeric(20) not null,
  primary key (operation, number)
);
create index on operation_invoices (number);

-- A lot that was closed: its root is fixed from here on.
create table sealings (
  first     numeric(20) primary key,
  segment   numeric(20) not null,
  issuer    int not null,
  count     int not null,
  root      text not null,
  operation uuid not null unique references operations
);

create table transfers (
  id         uuid primary key default uuidv7(),
  number     numeric(20) not null,
  sender     text not null,
  receiver   text not null,
  status     text not null default 'offered' check (status in ('offered', 'accepted', 'declined', 'withdrawn')),
  operation  uuid references operations,
  created_at timestamptz not null default now()
);
create index on transfers (receiver, id);
create index on transfers (sender, id);
create unique index on transfers (number) where status = 'offered';

-- An expense report. What became of it is told by its last operation and by the invoices' states.
create table claims (
  id         uuid primary key default uuidv7(),
  ref        text not null unique,
  holder     text not null,
  employer   int not null,
  sealed     bytea not null,
  operation  uuid not null references operations,
  created_at timestamptz not null default now()
);
create index on claims (holder, id);
create index on claims (employer, id);

create table claim_invoices (
  claim  uuid not null references claims,
  number numeric(20) not null,
  primary key (claim, number)
);
create index on claim_invoices (number);

-- ── projected ───────────────────────────────────────────────────────────────────────────────────────────────────────────

-- The last block that is in the projections; moved in the same transaction as they are.
create table cursor (
  id      int primary key default 1 check (id = 1),
  block   bigint not null,
  hash    text not null,
  time    bigint not null,
  genesis text not null
);

-- Order is the chain's: (block × 2^16 + log index) × 2^11 + row of the log.
create table feed (
  position bigint primary key,
  type     text not null,
  number   numeric(20),
  accounts text[] not null,
  data     jsonb not null,
  at       timestamptz not null,
  tx       text not null
);
create index on feed (number, position) where number is not null;
create index on feed using gin (accounts);

create table taxpayers (
  index        int primary key,
  account      text not null unique,
  capabilities int not null,
  standing     text not null
);

-- Keys that were rotated, and how many signed acts the registry has taken from an account.
create table accounts (
  account text primary key,
  key     text,
  counter bigint not null default 0
);

create table quotas (
  taxpayer int not null,
  period   int not null,
  granted  numeric(39) not null default 0,
  drawn    numeric(39) not null default 0,
  primary key (taxpayer, period)
);

create table ledger_state (
  id     int primary key default 1 check (id = 1),
  closed boolean not null
);

create table segments (
  first  numeric(20) primary key,
  issuer int not null,
  length bigint not null
);
create index on segments (issuer, first);

create table lots (
  first   numeric(20) primary key,
  issuer  int not null,
  segment numeric(20) not null,
  count   int not null,
  time    bigint not null,
  root    text not null,
  block   bigint not null
);

-- Invoices of sealed lots whose documents are here. `employer`: the titled buyer, or the employer who is claimed from.
create table invoice_states (
  number     numeric(20) primary key,
  lot        numeric(20) not null,
  issuer     int not null,
  state      text not null check (state in ('issued', 'claimed', 'reimbursed', 'reversed')),
  holder     text not null,
  employer   int not null,
  titled     boolean not null,
  version    int not null,
  claim_ref  text,
  issued_at  timestamptz not null,
  updated_at timestamptz not null
);
create index on invoice_states (holder, number);
create index on invoice_states (employer, number);
create index on invoice_states (issuer, number);

-- What became of a claim on the chain, by the reference that it was signed with.
create table claim_states (
  ref        text primary key,
  state      text not null check (state in ('claimed', 'reimbursed', 'rejected', 'withdrawn', 'reversed')),
  holder     text not null,
  employer   int not null,
  updated_at timestamptz not null
);
