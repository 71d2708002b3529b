-- server/acts. What parties and the bureau want done on the chain, and what became of it.

-- work. queued → (awaiting-signature →) signed → sent → done | refused | failed. The acting party
-- signs first, and at most one more after it.
create table operations (
  id         uuid primary key default uuidv7(),
  kind       text not null,
  party      text not null,
  command    jsonb not null,
  signers    text[] not null default '{}',
  status     text not null default 'queued' check (status in
             ('queued', 'awaiting-signature', 'signed', 'sent', 'done', 'refused', 'failed')),
  message    jsonb,
  digest     text,
  signatures jsonb not null default '{}',
  send       bigint references sends,
  problem    jsonb,
  result     jsonb,
  tries      int not null default 0,
  not_before timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint operations_signers check (cardinality(signers) <= 2)
);
create index on operations (status, id)
  where status in ('queued', 'awaiting-signature', 'signed', 'sent');
create index on operations (digest) where digest is not null;
create index on operations (send) where send is not null;
-- What an issuer's quota waits for: each group of invoices asks it.
create index on operations (party, kind)
  where status in ('queued', 'awaiting-signature', 'signed', 'sent');
create index operations_party on operations (party, status, id);
create index operations_second on operations ((signers[2]), status, id)
  where signers[2] is not null;
create index operations_ended on operations (status, id)
  where status in ('done', 'refused', 'failed');
-- Whose enrolment it was: asked when its tax id comes again.
create index operations_enrolled on operations ((command->'args'->>0), id) where kind = 'enrol';

-- work. The invoices of an unfinished act; acts on one invoice go one after the other.
create table operation_invoices (
  operation uuid not null references operations on delete cascade,
  number    numeric not null,
  primary key (operation, number)
);
create index on operation_invoices (number);

-- work. A lot that was closed: its root is fixed from here on.
create table sealings (
  first     numeric(20) primary key,
  segment   numeric(20) not null,
  issuer    int not null,
  count     int not null,
  root      text not null,
  operation uuid not null unique references operations
);

-- projected. Whether the bureau has closed the ledger.
create table ledger_state (
  id     int primary key default 1 check (id = 1),
  closed boolean not null
);

create view operation_now as
  select id, kind, party, command, signers, status, message, digest, signatures, send, problem,
    result, tries, not_before, created_at, updated_at
  from operations;
create view sealing_now as select first, segment, issuer, count, root, operation from sealings;
create view ledger_now as select closed from ledger_state;
