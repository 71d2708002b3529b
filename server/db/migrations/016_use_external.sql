-- server/features/use. Documents of invoices issued elsewhere that do not fit together.

-- stored. `kind`: what does not fit (external-findings.ts). `number`: the invoice's id on the
-- ledger. `employer`: whose document showed it. `claim`: the registration that it was compared with.
-- `digest`: keyed; the same finding is stored once. What the documents say stands sealed.
create table external_findings (
  id         uuid primary key default uuidv7(),
  kind       text not null check (kind in ('conflict')),
  number     numeric not null,
  employer   int not null,
  claim      uuid not null references claims,
  digest     bytea not null unique,
  sealed     bytea not null,
  created_at timestamptz not null default now()
);
create index external_findings_employer on external_findings (employer, id);
create index external_findings_number on external_findings (number);
