-- Sessions of the console: a browser that has shown an API key. Of the cookie's random value only its SHA-256 is kept.

-- work. A session ends with its key, after a time without a request, and a time after it began (keys/sessions.ts).
create table sessions (
  id_hash    bytea primary key,
  key_id     text not null references api_keys (id),
  created_at timestamptz not null default now(),
  seen_at    timestamptz not null default now()
);
create index on sessions (key_id, created_at);
create index on sessions (seen_at);
