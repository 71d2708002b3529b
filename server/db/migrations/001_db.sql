-- server/db. Which of several processes works at what. All times are the database's.
--
-- How these files are arranged (docs/adr/0031-table-owners.md): a file creates the tables of one
-- room of the server and is named after it. A room's SQL names its own tables; of a room below, it
-- names views. A view whose name ends in `_now` is what the other rooms may read.
-- Each table is one of:
--   stored     what cannot be had from the chain: keys, documents, parties' names, requests
--   work       what is under way
--   projected  a function of the chain plus stored rows; `rebuild` empties and replays it
--   counted    a function of lots and documents, kept by upkeep
-- Nothing readable: names, tax ids, amounts and documents are sealed under data keys
-- (server/keys/vault.ts). What must be found by them has a keyed hash beside it (…_blind).

-- work. One row for each thing that one process at a time does (server/db/leases.ts). `term`
-- counts the holders; `detail` names the process for operators.
create table leases (
  name   text primary key,
  holder text not null,
  until  timestamptz not null,
  since  timestamptz not null,
  term   bigint not null default 1,
  detail text not null
);

-- work. One row for each process that runs, written with its heartbeat. `reach`: the newest block
-- up to which its node can serve the work; null while it cannot. `since`: when that began.
create table processes (
  holder text primary key,
  detail text not null,
  reach  bigint,
  since  timestamptz not null default now(),
  seen   timestamptz not null default now()
);

create view lease_now as select name, holder, until, since, term, detail from leases;
create view process_now as select holder, detail, reach, since, seen from processes;
