-- server/features/parties. Who there is, by which keys they call, and what they may issue.

-- stored. `sealed`: {"name", "taxId"?, "currency"?, "region"?, "salt"?}. `manager`: of a person,
-- the party that manages its access, from its making until the person leaves. Of others: null.
create table parties (
  account      text primary key,
  kind         text not null check (kind in ('bureau', 'taxpayer', 'person')),
  tax_id_blind bytea unique,
  sealed       bytea not null,
  created_by   text not null,
  created_at   timestamptz not null default now(),
  manager      text references parties
);
create index on parties (manager) where manager is not null;
create index parties_bureau on parties (kind) where kind = 'bureau';

-- stored. Who calls. A key with the role `admin` counts as every role of its party, and manages the
-- party's keys and those of the persons that the party manages. A key without a secret is shown by
-- signing in at the operator's identity provider: `name_blind`, `name_sealed`: the name by which
-- the provider knows the person; `subject_blind`: the provider's issuer and subject, since the
-- person's first signing in. `managed_by`: who lists and ends this key: the manager of its party,
-- or the party itself. `bearer`: the person who has the key of another party: it ends when that
-- person leaves.
create table api_keys (
  id            text primary key,
  secret_hash   bytea,
  account       text not null references parties,
  roles         text[] not null,
  created_by    text not null,
  created_at    timestamptz not null default now(),
  revoked_at    timestamptz,
  name_blind    bytea,
  name_sealed   bytea,
  subject_blind bytea,
  signed_in_at  timestamptz,
  managed_by    text not null,
  bearer        text references parties,
  constraint api_keys_one_way check ((secret_hash is null) = (name_blind is not null)
    and (name_blind is null) = (name_sealed is null))
);
create index on api_keys (account, created_at desc, id desc);
create index on api_keys (managed_by, created_at desc, id desc);
create index on api_keys (created_by, created_at desc, id desc);
create index on api_keys (bearer) where bearer is not null;
create index on api_keys (name_blind) where name_blind is not null;
create index on api_keys (subject_blind) where subject_blind is not null;

-- work. A browser that has shown an API key. Of the cookie's random value only its SHA-256 is kept.
-- A session ends with its key, after a time without a request, and a time after it began. `sealed`:
-- where its person leaves the provider; the provider's own word of who signed in is in it.
create table sessions (
  id_hash    bytea primary key,
  key_id     text not null references api_keys (id),
  created_at timestamptz not null default now(),
  seen_at    timestamptz not null default now(),
  sealed     bytea
);
create index on sessions (key_id, created_at);
create index on sessions (seen_at);

-- work. Flows and proofs of sign-in that were used: each is good once. Kept until it expires.
create table sign_ins_used (
  hash  bytea primary key,
  until timestamptz not null
);
create index on sign_ins_used (until);

-- stored. The key that documents are encrypted to for a party that reads them by itself. `public`:
-- a JWK (RFC 7517).
create table encryption_keys (
  account    text primary key references parties,
  public     jsonb not null,
  created_at timestamptz not null default now()
);

-- stored. Keys that deposits are encrypted to. They are kept here and rotated; older ones go on
-- opening what was encrypted to them. `sealed`: the private key. The newest is the one to encrypt
-- to.
create table deposit_keys (
  id         bigint generated always as identity primary key,
  account    text not null references parties,
  public     jsonb not null,
  sealed     bytea not null,
  created_at timestamptz not null default now()
);
create index on deposit_keys (account, id desc);

-- stored. Accounts that are no party here and have shown that somebody can sign for them: of other
-- gateways' persons, above all. An invoice may be issued to them. `shown_by`: the party that has
-- brought the proof.
create table shown_accounts (
  account    text primary key,
  shown_by   text not null references parties,
  created_at timestamptz not null default now()
);
create index on shown_accounts (shown_by);

-- stored. Gross of the invoices accepted in a period, sealed.
create table quota_use (
  taxpayer int not null,
  period   int not null,
  sealed   bytea not null,
  primary key (taxpayer, period)
);
create index quota_use_period on quota_use (period, taxpayer);

create view party_now as select account, kind, manager from parties;
create view api_key_now as select id, account, revoked_at from api_keys;
