-- Book entry (入账).

-- Of an invoice's record: the act that set its present mark (`entry`), for whoever wants to see it on the chain. Null: never marked.
alter table invoice_states add column entry_at timestamptz;
alter table invoice_states add column entry_act text;
alter table invoice_states add column entry_tx text;
alter table invoice_states add column entry_block bigint;

-- stored. What an employer keeps beside an act of entry, for itself alone: {"period"?, "voucher"?}.
create table entry_words (
  operation uuid primary key references operations,
  sealed    bytea not null
);
