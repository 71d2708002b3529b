-- Statistics for the bureau. How many is on the chain and stands here in the clear; what amounts to how much is sealed.

-- projected: how many acts of each kind there were, of a minute, hour, day and month (days and months are China's).
create table stats_acts (
  grain text not null check (grain in ('minute', 'hour', 'day', 'month')),
  start timestamptz not null,
  kind  text not null,
  count bigint not null,
  primary key (grain, start, kind)
);

-- counted: a function of the lots and of the documents (server/upkeep/counting.ts); `rebuild` empties it, and it is counted anew.

-- Everything up to here is counted: the lots of the blocks before, and of this one those up to `first`.
create table stats_cursor (
  id    int primary key default 1 check (id = 1),
  block bigint not null,
  first numeric(20) not null
);

-- All lots sealed in a bucket. `sealed`: sums by currency, in all, by region and by trade.
create table stats_buckets (
  grain    text not null check (grain in ('minute', 'hour', 'day', 'month')),
  start    timestamptz not null,
  lots     bigint not null,
  invoices bigint not null,
  sealed   bytea not null,
  primary key (grain, start)
);

-- The same of one issuer, without the parts.
create table stats_issuers (
  grain    text not null check (grain in ('day', 'month')),
  start    timestamptz not null,
  issuer   int not null,
  lots     bigint not null,
  invoices bigint not null,
  sealed   bytea not null,
  primary key (grain, start, issuer)
);

-- Lots that are counted, but not what their invoices amount to: not all of their documents are here.
create table stats_undocumented (
  lot numeric(20) primary key
);

-- Pages of the refused attempts at a second reimbursement, newest first.
create index feed_refused on feed (position) where type = 'reimbursement.refused';
