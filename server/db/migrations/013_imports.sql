-- Invoices that were sealed through another gateway and brought here by a bundle, and who taxpayers are.

-- projected. The registry's commitment to a taxpayer's tax id and name. Rows of before get it with the next `rebuild`.
alter table taxpayers add column identity text;

-- stored. What evidence of an imported invoice is made of; its document and leaf are in `invoices`. `salt` there is what the salts of
-- its parts follow from, or, of an imported one, those salts themselves. `block`: up to where the chain was asked what had become of
-- it; `state`: its row of invoice_states then.
create table imported (
  number     numeric(20) primary key references invoices,
  lot        numeric(20) not null,
  path       text[] not null,
  seal       jsonb not null,
  account    text not null,
  block      bigint not null,
  state      jsonb,
  created_at timestamptz not null default now()
);
create index on imported (lot);
create index on imported (block);
