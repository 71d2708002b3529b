-- Red letters (红字发票): the confirmation sheet from its opening to the red letter's own number.

-- stored. What is to be taken back of an invoice, and who has agreed to it (server/features/invoices/red-letters.ts).
--   status       the sheet's states, 01 to 09
--   by_issuer    who has opened it; false: the employer
--   employer     whose consent is wanted, or is there; 0: nobody's
--   ref          what its act on the chain is signed with: the content hash of the red letter
--   sealed       {"document", "salt", "reason"?, "source"?, "instead"?: {"document", "source"?, "holder"?}}
--   acted        the chain has the act: the red letter is due
--   number       of the red letter; replacement: of the invoice that takes the original's place
--   problem      code of why it is due and not issued yet; not before `not_before` it is tried again
create table red_letters (
  id          uuid primary key default uuidv7(),
  invoice     numeric(20) not null references invoices,
  issuer      int not null,
  employer    int not null,
  by_issuer   boolean not null,
  status      text not null check (status in ('01', '02', '03', '04', '05', '06', '07', '08', '09')),
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
  check ((status in ('02', '03')) = (confirm_by is not null))
);
-- One sheet at a time is open for an invoice: what is left is decided by one.
create unique index red_letters_open on red_letters (invoice) where number is null and status in ('01', '02', '03', '04');
create index on red_letters (invoice, id);
create index on red_letters (issuer, id);
create index on red_letters (employer, id);
create index on red_letters (confirm_by) where confirm_by is not null;
create index on red_letters (id) where acted and number is null;

-- stored. The issuer's own ids of red letters and replacements that are not issued yet: nothing else takes them meanwhile.
create table red_letter_sources (
  issuer       int not null,
  source_blind bytea not null,
  red_letter   uuid not null references red_letters,
  primary key (issuer, source_blind)
);
create index on red_letter_sources (red_letter);
