-- server/features/out. Webhooks: which subscriptions there are, and how far each is delivered.

-- stored, and its own work. A subscription of one party (server/features/out/deliverer.ts).
--   sealed         {"url", "description"?, "secrets": [{"secret", "until"?}]}
--   roles          those of the key that made it: what it sees, and who may steer it
--   types          null: all that these roles see
--   position       everything up to here is delivered, or is nothing that it sees
--   latest         the last position of the feed that its party sees: greater than `position` as
--                  long as something is to be delivered. Who makes a subscription holds the cursor
--                  meanwhile, so that no row comes between
--   tries          attempts at the event after `position` that failed
--   claimed_until  a process delivers until then; `claim` says whose claim it is
--   slow           its receiver was slow the last time: it shares its places with those that fail
--   disabled       why nothing is delivered: party, failing, gone; null: it is active
create table webhooks (
  id            uuid primary key default uuidv7(),
  account       text not null references parties,
  roles         text[] not null,
  sealed        bytea not null,
  types         text[],
  position      bigint not null,
  tries         int not null default 0,
  next_at       timestamptz not null default now(),
  claim         uuid,
  claimed_until timestamptz,
  disabled      text check (disabled in ('party', 'failing', 'gone')),
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  latest        bigint not null default 0,
  slow          boolean not null default false
);
create index on webhooks (account, id);
create index webhooks_due on webhooks (next_at) where disabled is null and position < latest;
create index webhooks_bureau on webhooks (id) where 'bureau' = any(roles);

create function feed_to_deliver() returns trigger language plpgsql as $$
begin
  update webhooks w set latest = n.latest
    from (
      select account, max(position) as latest
      from (select unnest(accounts) as account, position from told) a group by account
    ) n
    where w.account = n.account;
  update webhooks w set latest = n.latest
    from (select max(position) as latest from told) n where 'bureau' = any(w.roles);
  if exists (select 1 from told where '*' = any(accounts)) then
    update webhooks set latest = (select max(position) from told);
  end if;
  return null;
end $$;
create trigger feed_to_deliver after insert on feed
  referencing new table as told for each statement execute function feed_to_deliver();

-- work. The last attempts of a subscription, for its owner to look at. `event` is a feed position,
-- null for the test delivery.
create table webhook_attempts (
  id      bigint generated always as identity primary key,
  webhook uuid not null references webhooks on delete cascade,
  event   bigint,
  at      timestamptz not null default now(),
  status  int,
  ms      int not null,
  error   text
);
create index on webhook_attempts (webhook, id);

-- Since when each subscription has something to be delivered; null: it has not, or is disabled.
create view webhook_backlog_now as
  select w.id, w.disabled, w.tries, f.at as since
  from webhooks w left join feed_now f
    on w.disabled is null and w.position < w.latest and f.position =
      case when 'bureau' = any(w.roles)
        then (select min(n.position) from feed_now n where n.position > w.position)
        else least(
          (select min(a.position) from feed_accounts_now a
            where a.account = w.account and a.position > w.position),
          (select min(a.position) from feed_accounts_now a
            where a.account = '*' and a.position > w.position)) end;
create view webhook_now as select id, account, tries, disabled from webhooks;
