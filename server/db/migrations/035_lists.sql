-- Lists and looks for work read the rows that they answer with, however much is stored of others or of long ago: each has an index
-- that begins with whose it is and ends with its order (docs/adr/0028-lists.md). Where one table cannot know, triggers keep a column
-- or a row for it, so that no writer can forget it.

-- ── invoices ────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- A list goes in the order of acceptance. The time is that at which the row is written, under the issuer's lock, and not that at which its
-- transaction began: what an issuer's list shows after one of its invoices never comes in front of it later.
alter table invoices alter column accepted_at set default now() + (clock_timestamp() - transaction_timestamp());
drop index invoices_accepted_at_idx;

-- Of an invoice issued elsewhere there is none.
alter table invoice_states add column accepted_at timestamptz;
update invoice_states s set accepted_at = i.accepted_at from invoices i where i.number = s.number;
update imported m set state = m.state || jsonb_build_object('accepted_at', i.accepted_at) from invoices i where i.number = m.number and m.state is not null;

drop index invoice_states_holder_number_idx, invoice_states_employer_number_idx, invoice_states_issuer_number_idx;
create index invoice_states_holder on invoice_states (holder, state, accepted_at, number) where lot is not null;
create index invoice_states_issuer on invoice_states (issuer, state, accepted_at, number) where lot is not null;
create index invoice_states_employer on invoice_states (employer, state, accepted_at, number) where lot is not null and employer <> 0;
create index invoice_states_trade on invoice_states (issuer, employer, state, accepted_at, number) where lot is not null and employer <> 0;
create index invoice_states_state on invoice_states (state, accepted_at, number) where lot is not null;

-- work. The accepted invoices that have no row of invoice_states, which is mostly those of the last second.
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
insert into unsealed (number, issuer, holder, buyer, accepted_at)
  select i.number, i.issuer, i.leaf_holder, i.leaf_buyer, i.accepted_at from invoices i
  where not exists (select 1 from invoice_states s where s.number = i.number);

create function invoices_accepted() returns trigger language plpgsql as $$
begin
  insert into unsealed (number, issuer, holder, buyer, accepted_at) select number, issuer, leaf_holder, leaf_buyer, accepted_at from made;
  return null;
end $$;
create trigger invoices_accepted after insert on invoices referencing new table as made for each statement execute function invoices_accepted();

-- By its key, whatever the planner believes of a table that is nearly empty: behind a chain that stands still it is not.
create function unsealed_gone() returns trigger language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  delete from unsealed u using changed c where u.accepted_at = c.accepted_at and u.number = c.number;
  return null;
end $$;
create trigger unsealed_gone after insert on invoice_states referencing new table as changed for each statement execute function unsealed_gone();
create trigger unsealed_gone after delete on invoices referencing old table as changed for each statement execute function unsealed_gone();

create function unsealed_again() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    truncate unsealed;
    insert into unsealed (number, issuer, holder, buyer, accepted_at) select number, issuer, leaf_holder, leaf_buyer, accepted_at from invoices;
  else
    insert into unsealed (number, issuer, holder, buyer, accepted_at)
      select i.number, i.issuer, i.leaf_holder, i.leaf_buyer, i.accepted_at from gone g join invoices i on i.number = g.number on conflict do nothing;
  end if;
  return null;
end $$;
create trigger unsealed_again after delete on invoice_states referencing old table as gone for each statement execute function unsealed_again();
create trigger unsealed_emptied after truncate on invoice_states for each statement execute function unsealed_again();

-- What a reader was given is in the order of its list.
alter table grants add column accepted_at timestamptz;
update grants g set accepted_at = i.accepted_at from invoices i where i.number = g.number;
drop index grants_grantee_number_idx;
create index grants_grantee on grants (grantee, accepted_at, number) where withdrawn_at is null;

-- The latest days of an invoice's readers.
alter table reads drop constraint reads_pkey;
alter table reads add primary key (number, day, account, form);

-- ── segments ────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- Since when, at the latest, a segment has accepted invoices that are in no lot; null: it has none. Whoever accepts sets it with the
-- count; the sealer, which never waits for whoever accepts, takes it away when it can.
alter table segment_accepted add column waiting_since timestamptz;
update segment_accepted a set waiting_since = now() from segment_use u where u.segment = a.segment and u.accepted > u.lotted;
create index segment_waiting on segment_accepted (waiting_since) where waiting_since is not null;
-- The segments that have accepted invoices in no lot; `lotted` of each by its key, however many there are.
create view segment_waits as
  select a.segment, a.accepted, coalesce(l.lotted, 0) as lotted, a.waiting_since
  from segment_accepted a left join lateral (select lotted from segment_lotted where segment = a.segment offset 0) l on true
  where a.waiting_since is not null and a.accepted > coalesce(l.lotted, 0);
-- How many invoices are in lots: the sealer's sum, of all segments.
create table lotted (
  id       int primary key default 1 check (id = 1),
  invoices bigint not null
);
insert into lotted (invoices) select coalesce(sum(lotted), 0) from segment_lotted;

-- projected, with the segments. Segments that have free numbers.
create table segment_free (
  issuer int not null,
  first  numeric(20) not null,
  primary key (issuer, first)
);
insert into segment_free (issuer, first)
  select s.issuer, s.first from segments s left join segment_accepted a on a.segment = s.first where coalesce(a.accepted, 0) < s.length;

create function segments_allotted() returns trigger language plpgsql as $$
begin
  if tg_op = 'TRUNCATE' then
    truncate segment_free;
  else
    insert into segment_free (issuer, first)
      select m.issuer, m.first from made m left join segment_accepted a on a.segment = m.first where coalesce(a.accepted, 0) < m.length on conflict do nothing;
  end if;
  return null;
end $$;
create trigger segments_allotted after insert on segments referencing new table as made for each statement execute function segments_allotted();
create trigger segments_emptied after truncate on segments for each statement execute function segments_allotted();

-- ── claims ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- What has become of a claim, beside what it is listed by: of the chain's word (claim_states), and before that of its operation's end.
alter table claims add column state text not null default 'submitted'
  check (state in ('submitted', 'refused', 'claimed', 'reimbursed', 'rejected', 'withdrawn', 'reversed'));
-- A claim is of the time that its id has, so that the order of ids is that of times.
update claims c set created_at = uuid_extract_timestamp(c.id),
  state = coalesce((select s.state from claim_states s where s.ref = c.ref),
                   (select 'refused' from operations o where o.id = c.operation and o.status in ('refused', 'failed')), 'submitted');
alter table claims alter column created_at drop default;
drop index claims_holder_id_idx, claims_employer_id_idx;
create index claims_holder on claims (holder, state, id);
create index claims_employer on claims (employer, state, id);
create index claims_operation on claims (operation);

create function claims_changed() returns trigger language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  update claims c set state = n.state from changed n where c.ref = n.ref;
  return null;
end $$;
create trigger claims_changed after insert on claim_states referencing new table as changed for each statement execute function claims_changed();
create trigger claims_moved after update on claim_states referencing new table as changed for each statement execute function claims_changed();

create function claims_forgotten() returns trigger language plpgsql as $$
begin
  update claims c set state = case when o.status in ('refused', 'failed') then 'refused' else 'submitted' end from operations o where o.id = c.operation;
  return null;
end $$;
create trigger claims_forgotten after truncate on claim_states for each statement execute function claims_forgotten();

create function claim_refused() returns trigger language plpgsql as $$
begin
  update claims set state = 'refused' where operation = new.id and state = 'submitted';
  return null;
end $$;
create trigger claim_refused after update of status on operations for each row
  when (new.status in ('refused', 'failed') and new.kind in ('claim', 'admit')) execute function claim_refused();

-- Registrations by whom they are for, too.
alter table external_invoices add column holder text;
update external_invoices e set holder = c.holder from claims c where c.id = e.claim;
alter table external_invoices alter column holder set not null;
create index external_invoices_holder on external_invoices (holder, claim);

-- ── transfers, operations, red letters ──────────────────────────────────────────────────────────────────────────────────

drop index transfers_receiver_id_idx, transfers_sender_id_idx;
create index transfers_sender on transfers (sender, status, id);
create index transfers_receiver on transfers (receiver, status, id);

-- The acting party signs first, and at most one more after it.
alter table operations add constraint operations_signers check (cardinality(signers) <= 2);
drop index operations_party_id_idx;
create index operations_party on operations (party, status, id);
create index operations_second on operations ((signers[2]), status, id) where signers[2] is not null;
create index operations_ended on operations (status, id) where status in ('done', 'refused', 'failed');
-- Whose enrolment it was: looked at when its tax id comes again.
create index operations_enrolled on operations ((command->'args'->>0), id) where kind = 'enrol';

drop index red_letters_issuer_id_idx, red_letters_employer_id_idx;
create index red_letters_issuer on red_letters (issuer, status, id);
create index red_letters_employer on red_letters (employer, status, id);
create index red_letters_status on red_letters (status, id);
-- Whose act the chain has refused for want of consent: what upkeep looks for, and whoever begins or asks anew takes away.
alter table red_letters add column sent_back boolean not null default false;
update red_letters r set sent_back = true from operations o
  where o.id = r.operation and o.status = 'refused' and o.problem->>'code' = 'consent-invalid' and r.number is null and not r.acted;
create index red_letters_operation on red_letters (operation) where operation is not null;
create index red_letters_sent_back on red_letters (invoice) where sent_back;

create function red_letter_sent_back() returns trigger language plpgsql as $$
begin
  update red_letters set sent_back = true where operation = new.id;
  return null;
end $$;
create trigger red_letter_sent_back after update of status on operations for each row
  when (new.status = 'refused' and new.kind in ('reverse', 'adjust') and new.problem->>'code' = 'consent-invalid') execute function red_letter_sent_back();

-- ── the bureau's ────────────────────────────────────────────────────────────────────────────────────────────────────────

create index parties_bureau on parties (kind) where kind = 'bureau';
-- Whoever goes through the lots goes by block and first number.
drop index lots_block_idx;
create index lots_order on lots (block, first);
create index quotas_period on quotas (period, taxpayer);
create index quota_use_period on quota_use (period, taxpayer);
create index audit_sums_period on audit_sums (period, issuer);
create index audit_findings_latest on audit_findings (found_at, kind, issuer, subject);

-- When a lot is tried next, in the place of when it was tried last: the longer
-- it has waited for its documents, the less often, and at once when some come.
alter table audit_lots add column next_at timestamptz not null default now();
alter table audit_lots drop column tried_at;
create index audit_lots_next on audit_lots (next_at) where state = 'waiting';
-- How many lots are judged.
alter table audit_cursor add column judged bigint not null default 0;
update audit_cursor set judged = (select count(*) from audit_lots where state = 'summed');

-- How many lots are counted without their documents; of these, the ones that the audit has had meanwhile are looked at first.
alter table stats_cursor add column undocumented bigint not null default 0;
update stats_cursor set undocumented = (select count(*) from stats_undocumented);
alter table stats_undocumented add column audited boolean not null default false;
update stats_undocumented u set audited = true from audit_lots a where a.first = u.lot and a.state = 'summed';
create index stats_audited on stats_undocumented (lot) where audited;
create function lot_audited() returns trigger language plpgsql as $$
begin
  update stats_undocumented set audited = true where lot = new.first;
  return null;
end $$;
create trigger lot_audited after update of state on audit_lots for each row when (new.state = 'summed') execute function lot_audited();
