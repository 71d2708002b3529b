-- Several processes on one database: who works at what, and what the node says of sends that do not get through.

-- work. One row for each thing that one process at a time does (server/db/leases.ts). Times are the database's alone. `term` counts
-- the holders; `detail` names the process for whoever looks.
create table leases (
  name   text primary key,
  holder text not null,
  until  timestamptz not null,
  since  timestamptz not null,
  term   bigint not null default 1,
  detail text not null
);

-- The node's last answer to a send's bytes, while it is none of "accepted": `fault` and `reason` in the words of
-- server/chain/faults.ts, so many `errors` in a row since `first_error_at`. `retry_at`: not offered again before.
-- `cancel_raw`, `cancel_hash`: a no-op under the same nonce, written before its broadcast; one of the two lands.
alter table sends
  add column fault text check (fault in ('landed', 'rejected', 'unknown', 'down')),
  add column reason text,
  add column errors int not null default 0,
  add column first_error_at timestamptz,
  add column retry_at timestamptz,
  add column cancel_raw text,
  add column cancel_hash text unique;
