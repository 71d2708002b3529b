-- server/accepted. Invoices as they were accepted, and how far each segment's numbers are used.

-- stored. An accepted invoice; never changed. `leaf_…` is what the lot commits to. `reverses`: the
-- invoice that this red letter names. `accepted_at` is the time at which the row is written, under
-- the issuer's lock, and not that at which its transaction began: a page of an issuer's list that
-- was read never gets another row in front.
create table invoices (
  number       numeric(20) primary key,
  issuer       int not null,
  segment      numeric(20) not null,
  content      text not null,
  salt         bytea not null,
  leaf_holder  text not null,
  leaf_buyer   int not null,
  source_blind bytea,
  reverses     numeric(20),
  document     bytea not null,
  source       bytea,
  accepted_at  timestamptz not null default now() + (clock_timestamp() - transaction_timestamp())
);
create unique index on invoices (issuer, source_blind);
create index on invoices (reverses) where reverses is not null;

-- stored. What evidence of an imported invoice is made of: sealed through another gateway, brought
-- here by a bundle. Its document and leaf are in `invoices`, where its `salt` is the salts of its
-- parts themselves. `block`: up to where the chain was asked what had become of it; `state`: its
-- record then, a row of invoice_states.
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

-- stored. How many numbers of a segment are given to invoices. Since when, at the latest, some of
-- these are in no lot: `waiting_since`; null: all are. Issuing sets it with the count; the sealer,
-- which waits for no issuer, clears it when it can. How many are in lots is another table
-- (segment_lotted): in one row two writers waited for each other, in a circle.
create table segment_accepted (
  segment       numeric(20) primary key,
  accepted      bigint not null default 0,
  waiting_since timestamptz
);
create index segment_waiting on segment_accepted (waiting_since) where waiting_since is not null;

create view accepted_now as
  select number, issuer, content, salt, leaf_holder, leaf_buyer, source_blind, reverses, document,
    source, accepted_at
  from invoices;
create view imported_now as select number, lot, path, seal, block, state from imported;
create view segment_accepted_now as select segment, accepted, waiting_since from segment_accepted;
