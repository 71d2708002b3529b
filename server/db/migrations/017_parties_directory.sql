-- The bureau's directory of taxpayers (docs/adr/0039-directory.md).

-- stored. Companies by their tax ids, whether they are enrolled or not. A public register: names
-- stand here as they are, because they are searched by their parts. Nothing here says who trades
-- with whom. `folded`: the name as it is compared; `pairs`: its pairs of neighbouring UTF-16 units,
-- each as 32 bits.
create table directory (
  tax_id text collate "C" primary key,
  name   text not null,
  folded text collate "C" not null,
  pairs  int[] not null
);
create index directory_name on directory (folded, tax_id);
create index directory_pairs on directory using gin (pairs);

-- stored. Taxpayers that were enrolled because an invoice is titled to them: their keys are the
-- bureau's gateway's, and nobody calls for them until they join. `requested_by`: the issuer, which
-- may cause so many in a day. `suspension`: the operation that suspends it. `joined_at`: since then
-- it is a taxpayer like any other. At another gateway a row says only who asked.
create table buyer_enrolments (
  account      text primary key references parties on delete cascade,
  requested_by text not null references parties,
  requested_at timestamptz not null default now(),
  suspension   uuid,
  joined_at    timestamptz
);
create index on buyer_enrolments (requested_by, requested_at);
create index buyer_enrolments_active on buyer_enrolments (account)
  where suspension is null and joined_at is null;
