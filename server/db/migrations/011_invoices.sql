-- server/features/invoices. Lists of what was accepted, who reads documents, and red letters.

-- work. The accepted invoices that have no record yet, which is mostly those of the last second.
-- Triggers keep it on the tables that decide, so that no writer can forget it.
create table unsealed (
  number      numeric(20) not null,
  issuer      int not null,
  holder      text not null,
  buyer       int not null,
  accepted_at timestamptz not null,
  primary key (accepted_at, number)
);
create index on unsealed (holder, accepted_at, number);
create index on unsealed (issuer, accepted_at, number);

create function invoices_accepted() returns trigger language plpgsql as $$
begin
  insert into unsealed (number, issuer, holder, buyer, accepted_at)
    select number, issuer, leaf_holder, leaf_buyer, accepted_at from made;
  return null;
end $$;
create trigger invoices_accepted after insert on invoices
  referencing new table as made for each statement execute function invoices_accepted();

-- By its key, whatever the planner believes of a table that is nearly empty: behind a chain that
-- stands still it is not.
create function unsealed_gone() returns trigger language plpgsql
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  delete from unsealed u using changed c
    where u.accepted_at = c.accepted_at and u.number = c.number;
  return null;
end $$;
create trigger unsealed_gone after insert on invoice_states
  referencing new table as changed for each statement execute function unsealed_gone();
create trigger unsealed_gone after delete on invoices
  referencing old table as changed for each statement execute function unsealed_gone();

create function unsealed_again() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    truncate unsealed;
    insert into unsealed (number, issuer, holder, buyer, accepted_at)
      select number, issuer, leaf_holder, leaf_buyer, accepted_at from accepted_now;
  else
    insert into unsealed (number, issuer, holder, buyer, accepted_at)
      select i.number, i.issuer, i.leaf_holder, i.leaf_buyer, i.accepted_at
      from gone g join accepted_now i on i.number = g.number on conflict do nothing;
  end if;
  return null;
end $$;
create trigger unsealed_again after delete on invoice_states
  referencing old table as gone for each statement execute function unsealed_again();
create trigger unsealed_emptied after truncate on invoice_states
  for each statement execute function unsealed_again();

-- projected, with the mirror's segments. Segments that have free numbers.
create table segment_free (
  issuer int not null,
  first  numeric(20) not null,
  primary key (issuer, first)
);

create function segments_allotted() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    truncate segment_free;
  else
    insert into segment_free (issuer, first)
      select m.issuer, m.first from made m
      left join segment_accepted_now a on a.segment = m.first
      where coalesce(a.accepted, 0) < m.length on conflict do nothing;
  end if;
  return null;
end $$;
create trigger segments_allotted after insert on segments
  referencing new table as made for each statement execute function segments_allotted();
create trigger segments_emptied after truncate on segments
  for each statement execute function segments_allotted();

-- stored. Reading given to somebody who is no party of the invoice. It lasts while its giver is
-- one.
create table grants (
  id           uuid primary key default uuidv7(),
  number       numeric not null,
  grantee      text not null references parties,
  giver        text not null,
  until        timestamptz,
  created_at   timestamptz not null default now(),
  withdrawn_at timestamptz,
  accepted_at  timestamptz
);
create unique index on grants (number, grantee, giver) where withdrawn_at is null;
create index grants_grantee on grants (grantee, accepted_at, number) where withdrawn_at is null;

-- stored. Who has read what of an invoice: one row a day for each reader and form, with how often.
create table reads (
  number   numeric not null,
  account  text not null,
  form     text not null,
  day      date not null default (now() at time zone 'Asia/Shanghai')::date,
  times    int not null default 1,
  first_at timestamptz not null default now(),
  last_at  timestamptz not null default now(),
  key_id   text not null,
  primary key (number, day, account, form)
);

-- stored. Red letters (红字发票), from the opening of the confirmation sheet to the red letter's own
-- number: what is to be taken back of an invoice, and who has agreed to it (red-letters.ts).
--   status       the sheet's states, 01 to 09
--   by_issuer    who has opened it; false: the employer
--   employer     whose consent is wanted, or is there; 0: nobody's
--   ref          what its act on the chain is signed with: the content hash of the red letter
--   sealed       {"document", "salt", "reason"?, "original"?,
--                 "instead"?: {"document", "original"?, "holder"?}}
--   acted        the chain has the act: the red letter is due
--   number       of the red letter; replacement: of the invoice that takes the original's place
--   problem      code of why it is due and not issued yet; not before `not_before` it is tried
--                again
--   sent_back    the chain has refused its act for want of consent: upkeep looks for it, and it is
--                cleared when somebody begins or asks again
create table red_letters (
  id          uuid primary key default uuidv7(),
  invoice     numeric(20) not null references invoices,
  issuer      int not null,
  employer    int not null,
  by_issuer   boolean not null,
  status      text not null
              check (status in ('01', '02', '03', '04', '05', '06', '07', '08', '09')),
  ref         text not null unique,
  sealed      bytea not null,
  operation   uuid references operations,
  acted       boolean not null default false,
  number      numeric(20) unique,
  replacement numeric(20) unique,
  problem     text,
  not_before  timestamptz not null default now(),
  confirm_by  timestamptz,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  sent_back   boolean not null default false,
  check ((status in ('02', '03')) = (confirm_by is not null))
);
-- One sheet at a time is open for an invoice: it decides what is left.
create unique index red_letters_open on red_letters (invoice)
  where number is null and status in ('01', '02', '03', '04');
create index on red_letters (invoice, id);
create index on red_letters (confirm_by) where confirm_by is not null;
create index on red_letters (id) where acted and number is null;
create index red_letters_issuer on red_letters (issuer, status, id);
create index red_letters_employer on red_letters (employer, status, id);
create index red_letters_status on red_letters (status, id);
create index red_letters_operation on red_letters (operation) where operation is not null;
create index red_letters_sent_back on red_letters (invoice) where sent_back;

create function red_letter_sent_back() returns trigger language plpgsql as $$
begin
  update red_letters set sent_back = true where operation = new.id;
  return null;
end $$;
create trigger red_letter_sent_back after update of status on operations for each row
  when (new.status = 'refused' and new.kind in ('reverse', 'adjust')
    and new.problem->>'code' = 'consent-invalid')
  execute function red_letter_sent_back();

-- stored. The issuer's own ids of red letters and replacements that are not issued yet: nothing
-- else takes them meanwhile.
create table red_letter_sources (
  issuer       int not null,
  source_blind bytea not null,
  red_letter   uuid not null references red_letters,
  primary key (issuer, source_blind)
);
create index on red_letter_sources (red_letter);

create view red_letter_now as
  select id, invoice, issuer, employer, status, operation, acted, number, problem, not_before,
    created_at, updated_at
  from red_letters;
