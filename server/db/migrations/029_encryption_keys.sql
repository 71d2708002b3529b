-- Encryption keys by purpose: the key that a party opens documents with is its own and is replaced at its wish; the key that deposits
-- are encrypted to is kept here, and is rotated: the keys before it go on opening what was encrypted to them.

-- stored. `sealed`: the private key. The newest of an account is the one to encrypt to.
create table deposit_keys (
  id         bigint generated always as identity primary key,
  account    text not null references parties,
  public     jsonb not null,
  sealed     bytea not null,
  created_at timestamptz not null default now()
);
create index on deposit_keys (account, id desc);
insert into deposit_keys (account, public, sealed, created_at) select account, public, sealed, created_at from encryption_keys where sealed is not null;
delete from encryption_keys where sealed is not null;
alter table encryption_keys drop column sealed;
