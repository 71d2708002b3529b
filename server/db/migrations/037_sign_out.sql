-- Signing in and out at the operator's identity provider.

-- work. Flows and proofs of sign-in that were used: none is good twice. Kept until it would not be good any more anyway.
create table sign_ins_used (
  hash  bytea primary key,
  until timestamptz not null
);
create index on sign_ins_used (until);

-- Where the session's person leaves the provider, sealed: the provider's own word of who signed in is in it.
alter table sessions add column sealed bytea;
