-- server/feed. The follower's cursor, the feed, and what the feed says beside the chain.

-- projected. The last block that is in the projections; moved in the same transaction as they are.
create table cursor (
  id      int primary key default 1 check (id = 1),
  block   bigint not null,
  hash    text not null,
  time    bigint not null,
  genesis text not null
);

-- projected. Rows in the chain's order. `position` counts the places of our own events within a
-- block (server/feed/places.ts). `bureau`: members that the bureau's `data` has in addition.
-- `log_index` and `tx`: null for a notice, which has no log and no transaction.
create table feed (
  position  bigint primary key,
  type      text not null,
  number    numeric,
  accounts  text[] not null,
  data      jsonb not null,
  at        timestamptz not null,
  tx        text,
  bureau    jsonb,
  log_index int
);
create index on feed (number, position) where number is not null;
-- Pages of the refused attempts at a second reimbursement, newest first.
create index feed_refused on feed (position) where type = 'reimbursement.refused';

-- projected. Who sees which row, in the order of rows ('*': every party). A page of one party's
-- rows after a position needs a btree over (account, position). Triggers keep it, in the
-- transaction of the row, so that no writer of the feed can forget it.
create table feed_accounts (
  account  text not null,
  position bigint not null,
  primary key (account, position)
);

create function feed_told() returns trigger language plpgsql as $$
begin
  insert into feed_accounts (account, position)
    select distinct unnest(accounts), position from told;
  return null;
end $$;
create trigger feed_told after insert on feed
  referencing new table as told for each statement execute function feed_told();

create function feed_emptied() returns trigger language plpgsql as $$
begin
  truncate feed_accounts;
  return null;
end $$;
create trigger feed_emptied after truncate on feed
  for each statement execute function feed_emptied();

-- stored. What the feed says and no event of the chain does (server/feed/notices.ts). It stands
-- behind the events of `block`; null: not in the feed yet.
create table notices (
  id         bigint generated always as identity primary key,
  type       text not null,
  number     numeric,
  accounts   text[] not null,
  data       jsonb not null,
  bureau     jsonb,
  block      bigint,
  created_at timestamptz not null default now()
);
create index on notices (block, id);
create index on notices (id) where block is null;

-- How far the projections have come.
create view chain_now as select block, hash, time, genesis from cursor;
create view feed_now as
  select position, type, number, accounts, data, bureau, at, tx from feed;
create view feed_accounts_now as select account, position from feed_accounts;
