-- What upkeep knows: how far the comparison of what is stored with the chain has come, and what it has found.

-- recent: what is sealed from now on, as it comes. sweep: everything, again and again. `block`: up to here it is compared.
create table reconcile_cursors (
  name     text primary key check (name in ('recent', 'sweep')),
  block    bigint not null,
  begun_at timestamptz not null default now(),
  -- when a sweep last came to its end
  ended_at timestamptz,
  lots     bigint not null default 0,
  invoices bigint not null default 0
);

-- The comparison goes by blocks.
create index on lots (block);

-- A difference as it stands: found again, it keeps its row; mended, it loses it. `subject`: an invoice's number, or a lot's first.
create table reconcile_findings (
  kind     text not null,
  subject  numeric(20) not null,
  detail   text not null,
  found_at timestamptz not null default now(),
  seen_at  timestamptz not null default now(),
  primary key (kind, subject)
);
