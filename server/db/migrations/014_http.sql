-- server/http. Answers that are given again.

-- stored. An answer of a POST, sealed (body and headers). Written in the transaction that did its
-- work, so it is there exactly when the work is. It is given again to the key that asked, and to
-- keys with all of its `roles`.
create table idempotency (
  account      text not null,
  key          text not null,
  request_hash bytea not null,
  status       int not null,
  answer       bytea not null,
  created_at   timestamptz not null default now(),
  key_id       text not null,
  roles        text[] not null,
  primary key (account, key)
);
create index on idempotency (created_at);

create view idempotency_now as select created_at from idempotency;
