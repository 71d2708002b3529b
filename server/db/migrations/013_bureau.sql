-- server/features/bureau. The bureau's auditor, what other gateways deposit for it, and statistics.
-- Counts are on the chain and stand here in the clear; amounts are sealed.

-- stored. Documents of lots that were sealed through other gateways, as those have deposited them.
-- By depositor: what one deposits does not stand in the way of another's. `key` of a lot: a JWE to
-- the bureau; of a document: under the lot's key.
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

-- stored. Up to which lot the audit has taken up lots, in the chain's order; `judged`: how many.
create table audit_cursor (
  id     int primary key default 1 check (id = 1),
  block  bigint not null,
  first  numeric(20) not null,
  judged bigint not null default 0
);

-- stored. What became of each lot that was taken up. `next_at`: when it is tried next: the longer
-- it has waited for its documents, the less often, and at once when some come.
create table audit_lots (
  first   numeric(20) primary key,
  state   text not null default 'waiting' check (state in ('waiting', 'summed')),
  since   timestamptz not null default now(),
  next_at timestamptz not null default now()
);
create index audit_lots_next on audit_lots (next_at) where state = 'waiting';

-- stored. Gross and tax of audited invoices by issuer and period, sealed.
create table audit_sums (
  issuer int not null,
  period int not null,
  sealed bytea not null,
  primary key (issuer, period)
);
create index audit_sums_period on audit_sums (period, issuer);

-- stored. Red letters by what they take back; their gross, sealed.
create table audit_red (
  number   numeric(20) primary key,
  original numeric(20) not null,
  sealed   bytea not null
);
create index on audit_red (original);

-- stored. `subject`: a lot's first number, an invoice's number, or a period.
create table audit_findings (
  kind     text not null,
  issuer   int not null,
  subject  numeric not null,
  found_at timestamptz not null default now(),
  primary key (kind, issuer, subject)
);
create index audit_findings_latest on audit_findings (found_at, kind, issuer, subject);

-- projected. How many acts of each kind there were, of a minute, hour, day and month (days and
-- months are China's).
create table stats_acts (
  grain text not null check (grain in ('minute', 'hour', 'day', 'month')),
  start timestamptz not null,
  kind  text not null,
  count bigint not null,
  primary key (grain, start, kind)
);

-- counted. Everything up to here is counted: the lots of the blocks before, and of this one those
-- up to `first`. `undocumented`: how many of them without their documents.
create table stats_cursor (
  id           int primary key default 1 check (id = 1),
  block        bigint not null,
  first        numeric(20) not null,
  undocumented bigint not null default 0
);

-- counted. All lots sealed in a bucket. `sealed`: sums by currency, in all, by region and by trade.
create table stats_buckets (
  grain    text not null check (grain in ('minute', 'hour', 'day', 'month')),
  start    timestamptz not null,
  lots     bigint not null,
  invoices bigint not null,
  sealed   bytea not null,
  primary key (grain, start)
);

-- counted. The same of one issuer, without the parts.
create table stats_issuers (
  grain    text not null check (grain in ('day', 'month')),
  start    timestamptz not null,
  issuer   int not null,
  lots     bigint not null,
  invoices bigint not null,
  sealed   bytea not null,
  primary key (grain, start, issuer)
);

-- counted. Lots that are counted without what their invoices amount to: not all of their documents
-- are here. Those that the audit has had meanwhile are looked at first.
create table stats_undocumented (
  lot     numeric(20) primary key,
  audited boolean not null default false
);
create index stats_audited on stats_undocumented (lot) where audited;

create function lot_audited() returns trigger language plpgsql as $$
begin
  update stats_undocumented set audited = true where lot = new.first;
  return null;
end $$;
create trigger lot_audited after update of state on audit_lots for each row
  when (new.state = 'summed') execute function lot_audited();

create view audit_lot_now as select first, state, since, next_at from audit_lots;
create view audit_finding_now as select kind, issuer, subject, found_at from audit_findings;
create view stats_cursor_now as select block, first, undocumented from stats_cursor;
