-- stored. An invoice that was issued elsewhere (外部票), as an employer has registered it: each registration is a claim of its own,
-- with the document that came with it. `number`: its id on the ledger (protocol/ledger/external.ts).
create table external_invoices (
  claim    uuid primary key references claims,
  number   numeric not null,
  employer int not null,
  document bytea not null,
  source   bytea
);
create index on external_invoices (number, claim);
create index on external_invoices (employer, claim);
