-- server/features/use. What holders and employers do with invoices.

-- stored.
create table transfers (
  id         uuid primary key default uuidv7(),
  number     numeric not null,
  sender     text not null,
  receiver   text not null,
  status     text not null default 'offered'
             check (status in ('offered', 'accepted', 'declined', 'withdrawn')),
  operation  uuid references operations,
  created_at timestamptz not null default now()
);
create unique index on transfers (number) where status = 'offered';
create index transfers_sender on transfers (sender, status, id);
create index transfers_receiver on transfers (receiver, status, id);

-- stored. An expense report. A claim is of the time that its id has, so that the order of ids is
-- that of times. `state`: as the chain says (claim_states), and before that how its operation
-- ended; triggers keep it, so that one index of this table lists it.
create table claims (
  id         uuid primary key default uuidv7(),
  ref        text not null unique,
  holder     text not null,
  employer   int not null,
  sealed     bytea not null,
  operation  uuid not null references operations,
  created_at timestamptz not null,
  state      text not null default 'submitted' check (state in
             ('submitted', 'refused', 'claimed', 'reimbursed', 'rejected', 'withdrawn', 'reversed'))
);
create index claims_holder on claims (holder, state, id);
create index claims_employer on claims (employer, state, id);
create index claims_operation on claims (operation);

-- stored.
create table claim_invoices (
  claim  uuid not null references claims,
  number numeric not null,
  primary key (claim, number)
);
create index on claim_invoices (number);

-- projected. What became of a claim on the chain, by the reference that it was signed with.
create table claim_states (
  ref        text primary key,
  state      text not null check (state in
             ('claimed', 'reimbursed', 'rejected', 'withdrawn', 'reversed')),
  holder     text not null,
  employer   int not null,
  updated_at timestamptz not null
);

create function claims_changed() returns trigger language plpgsql
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  update claims c set state = n.state from changed n where c.ref = n.ref;
  return null;
end $$;
create trigger claims_changed after insert on claim_states
  referencing new table as changed for each statement execute function claims_changed();
create trigger claims_moved after update on claim_states
  referencing new table as changed for each statement execute function claims_changed();

create function claims_forgotten() returns trigger language plpgsql as $$
begin
  update claims c
    set state = case when o.status in ('refused', 'failed') then 'refused' else 'submitted' end
    from operation_now o where o.id = c.operation;
  return null;
end $$;
create trigger claims_forgotten after truncate on claim_states
  for each statement execute function claims_forgotten();

create function claim_refused() returns trigger language plpgsql as $$
begin
  update claims set state = 'refused' where operation = new.id and state = 'submitted';
  return null;
end $$;
create trigger claim_refused after update of status on operations for each row
  when (new.status in ('refused', 'failed') and new.kind in ('claim', 'admit'))
  execute function claim_refused();

-- stored. What an employer keeps beside an act of entry, for itself alone:
-- {"period"?, "voucher"?}.
create table entry_words (
  operation uuid primary key references operations,
  sealed    bytea not null
);

-- stored. An invoice that was issued elsewhere (外部票), as an employer has registered it: each
-- registration is a claim of its own, with the document that came with it. `number`: its id on the
-- ledger (protocol/ledger/external.ts).
create table external_invoices (
  claim    uuid primary key references claims,
  number   numeric not null,
  employer int not null,
  document bytea not null,
  source   bytea,
  holder   text not null
);
create index on external_invoices (number, claim);
create index on external_invoices (employer, claim);
create index external_invoices_holder on external_invoices (holder, claim);
