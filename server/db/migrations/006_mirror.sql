-- server/mirror. What the chain says, as tables: registry and ledger. Everything is projected.

create table taxpayers (
  index        int primary key,
  account      text not null unique,
  capabilities int not null,
  standing     text not null,
  -- The registry's commitment to tax id and name.
  identity     text
);

-- Keys that were rotated, and how many signed acts the registry has taken from an account.
create table accounts (
  account text primary key,
  key     text,
  counter bigint not null default 0
);

-- Every key that an account was rotated to. The account itself is its first.
create table account_keys (
  account text not null,
  key     text not null,
  primary key (account, key)
);

create table quotas (
  taxpayer int not null,
  period   int not null,
  granted  numeric(39) not null default 0,
  drawn    numeric(39) not null default 0,
  primary key (taxpayer, period)
);
create index quotas_period on quotas (period, taxpayer);

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
create index lots_order on lots (block, first);

-- The record of each invoice whose document is here, and of each that was issued elsewhere and
-- admitted. The latter goes by its id on the chain (77 or 78 digits) and has no lot, no issuer
-- (`issuer` 0) and no `accepted_at`. `employer`: the titled buyer, or the employer that is claimed
-- from. `entry`: 1 not entered, 2 entered and deductible, 3 entered and not deductible, 6 revoked;
-- `entry_…`: the act that set it, null if none did. `updated_at`: since when it has this state and
-- holder.
create table invoice_states (
  number      numeric primary key,
  lot         numeric(20),
  issuer      int not null,
  state       text not null check (state in ('issued', 'claimed', 'reimbursed', 'reversed')),
  holder      text not null,
  employer    int not null,
  titled      boolean not null,
  version     int not null,
  claim_ref   text,
  issued_at   timestamptz not null,
  updated_at  timestamptz not null,
  entry       smallint not null default 1 check (entry in (1, 2, 3, 6)),
  entry_at    timestamptz,
  entry_act   text,
  entry_tx    text,
  entry_block bigint,
  accepted_at timestamptz
);
create index invoice_states_holder
  on invoice_states (holder, state, accepted_at, number) where lot is not null;
create index invoice_states_issuer
  on invoice_states (issuer, state, accepted_at, number) where lot is not null;
create index invoice_states_employer
  on invoice_states (employer, state, accepted_at, number) where lot is not null and employer <> 0;
create index invoice_states_trade on invoice_states (issuer, employer, state, accepted_at, number)
  where lot is not null and employer <> 0;
create index invoice_states_state
  on invoice_states (state, accepted_at, number) where lot is not null;

-- How many partial red letters the chain has of an invoice, also where its document is elsewhere.
create table adjustments (
  number numeric primary key,
  times  int not null
);

-- Which holder has claimed an invoice from which employer, by the version at which the claim left
-- it: a row for each claim on the chain, also where the document is elsewhere.
create table claimed_versions (
  number   numeric not null,
  version  int not null,
  holder   text not null,
  employer int not null,
  primary key (number, version)
);

-- Attempts at a second reimbursement (server/mirror/attempts.ts), each once: `block`, `log`, `act`
-- are of the refusal that showed it first. `version`: that of the invoice when it could not be had
-- any more. `party`, `counterparty`, `employer`: null or '' when the signed act could not be read.
create table attempts (
  party        text not null,
  kind         text not null check (kind in ('claim', 'reimburse', 'admit')),
  number       numeric not null,
  version      int not null,
  counterparty text not null,
  employer     int,
  act          text not null,
  reason       text not null,
  block        bigint not null,
  log          int not null,
  primary key (party, kind, number, version, counterparty)
);
create unique index on attempts (block, log);
create index on attempts (act, number);

create view taxpayer_now as
  select index, account, capabilities, standing, identity from taxpayers;
create view account_now as select account, key, counter from accounts;
create view account_key_now as select account, key from account_keys;
create view quota_now as select taxpayer, period, granted, drawn from quotas;
create view segment_now as select first, issuer, length from segments;
create view lot_now as select first, issuer, segment, count, time, root, block from lots;
create view attempt_now as
  select party, kind, number, version, act, block, log from attempts;
create view adjustment_now as select number, times from adjustments;

-- The chain's record of an invoice.
create view record_now as
  select number, lot, issuer, state, holder, employer, titled, version, claim_ref, entry, issued_at,
    updated_at, accepted_at
  from invoice_states;

-- An accepted invoice with the chain's record of it. Until its lot is sealed its state is
-- 'accepted', and its holder and employer are those of its leaf. A reader of the leaf's columns
-- alone costs no look at the record: the planner drops the join.
create view invoice_now as
  select i.number, i.issuer, s.lot, coalesce(s.state, 'accepted') as state,
    coalesce(s.holder, i.leaf_holder) as holder, coalesce(s.employer, i.leaf_buyer) as employer,
    i.leaf_buyer <> 0 as titled, coalesce(s.version, 0) as version,
    coalesce(s.entry, 1) as entry, s.issued_at, s.updated_at,
    i.content, i.leaf_holder, i.leaf_buyer, i.salt, i.source_blind, i.reverses, i.document,
    i.source, i.accepted_at
  from accepted_now i left join invoice_states s on s.number = i.number;
