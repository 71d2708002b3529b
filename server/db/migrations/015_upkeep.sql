-- server/upkeep. Comparing what is stored with the chain, and lots on their way to the bureau.

-- work. recent: what is sealed from now on, as it comes. sweep: everything, again and again.
-- `block`: up to here it is compared. `ended_at`: when a sweep last came to its end.
create table reconcile_cursors (
  name     text primary key check (name in ('recent', 'sweep')),
  block    bigint not null,
  begun_at timestamptz not null default now(),
  ended_at timestamptz,
  lots     bigint not null default 0,
  invoices bigint not null default 0
);

-- work. A difference as it stands: found again, it keeps its row; mended, it loses it. `subject`:
-- an invoice's number, or a lot's first.
create table reconcile_findings (
  kind     text not null,
  subject  numeric not null,
  detail   text not null,
  found_at timestamptz not null default now(),
  seen_at  timestamptz not null default now(),
  primary key (kind, subject)
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

create view reconcile_cursor_now as
  select name, block, begun_at, ended_at, lots, invoices from reconcile_cursors;
create view delivery_now as select lot, tries, next_at, error, delivered_at from deliveries;
