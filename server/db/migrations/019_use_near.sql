-- server/features/use. Documents that may be of one purchase (near.ts).

-- stored. Under which keys an invoice is a near duplicate of another. `blind`: keyed; 16 bytes of
-- the hash of a day, an amount and a name. `number`: on the ledger, of an external invoice or of an
-- invoice of this network. Invoices that were registered or claimed before this table are not in it.
create table near_keys (
  blind  bytea not null,
  number numeric not null,
  primary key (blind, number)
);

-- `claim`: of the other document, null if it is an invoice without a claim here. `bureau_only`: the
-- other document is another party's.
alter table external_findings
  drop constraint external_findings_kind_check,
  add constraint external_findings_kind_check check (kind in ('conflict', 'near-duplicate')),
  alter column claim drop not null,
  add column bureau_only boolean not null default false;
drop index external_findings_employer;
create index external_findings_employer on external_findings (employer, kind, id)
  where not bureau_only;
create index external_findings_kind on external_findings (kind, id);
create index external_findings_claim on external_findings (claim, id);
