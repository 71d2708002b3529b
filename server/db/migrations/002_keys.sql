-- server/keys. The vault's data keys, and private keys sealed under them.

-- stored. A data key is wrapped once for each master key that opens it: two while the master key
-- is rotated. `master`: a hash that says which one.
create table data_keys (
  purpose    text not null,
  wrapped    bytea not null,
  created_at timestamptz not null default now(),
  master     text not null default '',
  primary key (purpose, master)
);

-- stored. Private keys of accounts that are in custody here.
create table keystore (
  address    text primary key,
  sealed     bytea not null,
  created_at timestamptz not null default now()
);
