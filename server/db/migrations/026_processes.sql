-- How far the node of each process reaches, so that work goes to a process that can do it.

-- work. One row for each process that runs, written with its heartbeat (server/db/leases.ts). Times are the database's alone.
-- `reach`: the newest block up to which its node can serve the work; null while it cannot. `since`: when it became that.
create table processes (
  holder text primary key,
  detail text not null,
  reach  bigint,
  since  timestamptz not null default now(),
  seen   timestamptz not null default now()
);
