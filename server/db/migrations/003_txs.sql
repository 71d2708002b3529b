-- server/txs. Transactions of the gateway, each in the lane of its sending key.

-- work. The first nonce of a lane's key, asked of the chain once; later ones come from `sends`.
create table lanes (
  name       text primary key,
  address    text not null,
  base_nonce bigint not null
);

-- work. A transaction of one lane. `nonce`, `raw` and `hash` are written before the first broadcast
-- and never change. `fault` and `reason`: the node's last answer, unless it accepted, in the words
-- of server/chain/faults.ts; it came `errors` times in a row since `first_error_at`. The bytes are
-- not offered again before `retry_at`. `cancel_raw`, `cancel_hash`: a no-op under the same nonce,
-- written before its broadcast; one of the two lands.
create table sends (
  id             bigint generated always as identity primary key,
  lane           text not null,
  to_address     text not null,
  data           text not null,
  gas            bigint not null,
  status         text not null default 'queued'
                 check (status in ('queued', 'pending', 'mined', 'failed')),
  nonce          bigint,
  raw            text,
  hash           text unique,
  block          bigint,
  tries          int not null default 0,
  last_error     text,
  sent_at        timestamptz,
  created_at     timestamptz not null default now(),
  fault          text check (fault in ('landed', 'rejected', 'unknown', 'down')),
  reason         text,
  errors         int not null default 0,
  first_error_at timestamptz,
  retry_at       timestamptz,
  cancel_raw     text,
  cancel_hash    text unique,
  unique (lane, nonce)
);
create index on sends (lane, id) where status in ('queued', 'pending');

create view lane_now as select name, address from lanes;
create view send_now as
  select id, lane, status, nonce, hash, tries, last_error, fault, reason, errors, first_error_at,
    retry_at, cancel_hash, sent_at, created_at
  from sends;
