-- Who manages whose access. A key with the role `admin` counts as every role of its party, and manages the party's keys and those of
-- the persons that the party manages (server/features/access).

-- stored. `manager`: of a person, the party that manages its access, from its making until the person leaves. Of others: null.
alter table parties add column manager text references parties;
update parties p set manager = m.account from parties m where p.kind = 'person' and m.account = p.created_by and m.account <> p.account;
create index on parties (manager) where manager is not null;

-- `managed_by`: who lists and ends this key: the manager of its party, or the party itself. `bearer`: in whose hands the key of
-- another party is: it ends when that person leaves.
alter table api_keys add column managed_by text, add column bearer text references parties;
update api_keys k set managed_by = coalesce(p.manager, p.account) from parties p where p.account = k.account;
alter table api_keys alter column managed_by set not null;
drop index api_keys_account_idx;
create index on api_keys (account, created_at desc, id desc);
create index on api_keys (managed_by, created_at desc, id desc);
create index on api_keys (created_by, created_at desc, id desc);
create index on api_keys (bearer) where bearer is not null;

-- A stored answer is given again to the key that asked, and to keys with all of its roles. Of rows from before this version nobody
-- knows who asked: keys with the role `admin` get them alone.
alter table idempotency add column key_id text not null default '', add column roles text[] not null default '{admin}';
alter table idempotency alter column key_id drop default, alter column roles drop default;
