-- server/features/use. Red letters and credit notes of invoices issued elsewhere.

-- stored. As an employer has recorded them, sealed with their originals. `number`: the id that names
-- it, made like the id of an invoice (protocol/ledger/external.ts); it is never on the ledger.
create table external_credits (
  id         uuid primary key default uuidv7(),
  number     numeric not null,
  employer   int not null,
  document   bytea not null,
  source     bytea,
  created_at timestamptz not null default now()
);
create index external_credits_employer on external_credits (employer, id);

-- stored. All ids of a credit note: an employer records it once.
create table external_credit_ids (
  employer int not null,
  number   numeric not null,
  credit   uuid not null references external_credits,
  primary key (employer, number)
);

-- stored. The ids that the invoices named in a credit note may have. `year`: of issue; where the
-- note does not say it, of each year that it may be, until one of them is known.
create table external_credit_originals (
  credit uuid not null references external_credits,
  number numeric not null,
  year   int not null,
  primary key (credit, number)
);
create index external_credit_originals_number on external_credit_originals (number);

-- stored. What a credit note does to the registration of its original (credit-effects.ts), written
-- when the later of the two comes. `employer`: whose registration it is. `late`: it had been
-- reimbursed, or was about to be. Amounts stand sealed. `recovered_at`: the employer has the money
-- back.
create table external_credit_effects (
  id           uuid primary key default uuidv7(),
  credit       uuid not null references external_credits,
  claim        uuid not null references claims,
  employer     int not null,
  effect       text not null check (effect in
               ('reduces', 'exceeds', 'differs', 'several', 'other-employer')),
  late         boolean not null,
  sealed       bytea not null,
  recovered_at timestamptz,
  unique (credit, claim)
);
create index external_credit_effects_claim on external_credit_effects (claim);
create index external_credit_effects_late on external_credit_effects (employer, id) where late;
create index external_credit_effects_late_all on external_credit_effects (id) where late;
