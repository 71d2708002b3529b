-- Keys that have no secret: they are shown by signing in at the operator's identity provider (OpenID Connect).
alter table api_keys alter column secret_hash drop not null;
alter table api_keys
  -- The name that the provider knows the person by: keyed hash, and sealed.
  add column name_blind bytea,
  add column name_sealed bytea,
  -- Keyed hash of the provider's issuer and subject, since the person's first signing in.
  add column subject_blind bytea,
  add column signed_in_at timestamptz,
  add constraint api_keys_one_way check ((secret_hash is null) = (name_blind is not null) and (name_blind is null) = (name_sealed is null));
create index on api_keys (name_blind) where name_blind is not null;
create index on api_keys (subject_blind) where subject_blind is not null;
