-- Documents in parts, who may read them, and who has.

-- What a leaf commits to is another hash from here on (protocol/proofs/parts.ts), and documents are sealed with chain and contract in
-- what is authenticated. Invoices of before cannot be opened or proved; no release had any.
do $$ begin
  if exists (select 1 from invoices) then
    raise exception 'This database has invoices of a version before documents had parts; it cannot be taken over';
  end if;
end $$;

-- stored. A data key is wrapped once for each master key that opens it; two while the master key is being rotated.
-- `master`: which one, told by a hash; '' from before.
alter table data_keys add column master text not null default '';
alter table data_keys drop constraint data_keys_pkey;
alter table data_keys add primary key (purpose, master);

-- stored. The key that documents are encrypted to for a party that reads them by itself. `public`: a JWK (RFC 7517).
-- `sealed`: the private one, when it is kept here.
create table encryption_keys (
  account    text primary key references parties,
  public     jsonb not null,
  sealed     bytea,
  created_at timestamptz not null default now()
);

-- stored. Reading given to somebody who is no party of the invoice. It lasts while whoever gave it is one.
create table grants (
  id           uuid primary key default uuidv7(),
  number       numeric not null,
  grantee      text not null references parties,
  giver        text not null,
  until        timestamptz,
  created_at   timestamptz not null default now(),
  withdrawn_at timestamptz
);
create unique index on grants (number, grantee, giver) where withdrawn_at is null;
create index on grants (grantee, number) where withdrawn_at is null;

-- stored. Who has read what of an invoice: one row a day for each reader and form, with how often.
create table reads (
  number   numeric not null,
  account  text not null,
  form     text not null,
  day      date not null default (now() at time zone 'Asia/Shanghai')::date,
  times    int not null default 1,
  first_at timestamptz not null default now(),
  last_at  timestamptz not null default now(),
  key_id   text not null,
  primary key (number, account, form, day)
);
