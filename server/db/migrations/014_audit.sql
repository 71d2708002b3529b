-- The bureau's auditor, what other gateways deposit for it, and what the feed tells beside the chain.

-- stored. What the feed tells and no event of the chain says (server/feed/notices.ts). `block`: told behind this block's events;
-- null: not told yet.
create table notices (
  id         bigint generated always as identity primary key,
  type       text not null,
  number     numeric,
  accounts   text[] not null,
  data       jsonb not null,
  bureau     jsonb,
  block      bigint,
  created_at timestamptz not null default now()
);
create index on notices (block, id);
create index on notices (id) where block is null;
-- A notice has no transaction.
alter table feed alter column tx drop not null;

-- stored. Documents of lots that were sealed through other gateways, as their gateways have deposited them. By depositor: what one
-- deposits does not stand in the way of another's. `key` of a lot: a JWE to the bureau; of a document: under the lot's key.
create table deposit_lots (
  lot        numeric(20) not null,
  depositor  text not null references parties,
  key        text not null,
  created_at timestamptz not null default now(),
  primary key (lot, depositor)
);
create table deposits (
  lot         numeric(20) not null,
  depositor   text not null,
  number      numeric(20) not null,
  holder      text not null,
  buyer       bigint not null,
  reverses    numeric(20),
  accepted_at timestamptz not null,
  salt        bytea not null,
  key         bytea not null,
  document    bytea not null,
  primary key (lot, depositor, number),
  foreign key (lot, depositor) references deposit_lots
);
create index on deposits (number);

-- stored. Lots taken up for the audit, in the chain's order, and what became of each.
create table audit_cursor (
  id    int primary key default 1 check (id = 1),
  block bigint not null,
  first numeric(20) not null
);
create table audit_lots (
  first    numeric(20) primary key,
  state    text not null default 'waiting' check (state in ('waiting', 'summed')),
  since    timestamptz not null default now(),
  tried_at timestamptz
);
create index on audit_lots (tried_at nulls first) where state = 'waiting';
-- Gross and tax of audited invoices by issuer and period, sealed.
create table audit_sums (
  issuer int not null,
  period int not null,
  sealed bytea not null,
  primary key (issuer, period)
);
-- Red letters by what they take back; their gross, sealed.
create table audit_red (
  number   numeric(20) primary key,
  original numeric(20) not null,
  sealed   bytea not null
);
create index on audit_red (original);
-- `subject`: a lot's first number, an invoice's number, or a period.
create table audit_findings (
  kind     text not null,
  issuer   int not null,
  subject  numeric not null,
  found_at timestamptz not null default now(),
  primary key (kind, issuer, subject)
);

-- work. Lots of ours on their way to the bureau's gateway.
create table delivery_cursor (
  id    int primary key default 1 check (id = 1),
  block bigint not null,
  first numeric(20) not null
);
create table deliveries (
  lot          numeric(20) primary key,
  tries        int not null default 0,
  next_at      timestamptz not null default now(),
  error        text,
  delivered_at timestamptz
);
create index on deliveries (next_at) where delivered_at is null;
