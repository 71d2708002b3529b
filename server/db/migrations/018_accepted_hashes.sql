-- server/accepted. Invoices found by a file of theirs.

-- stored. Keyed hashes of the SHA-256 of an invoice's files: of its document (canonical JSON), and
-- of the original, if that is kept. A plain hash would let anybody guess what a short document
-- says. Invoices that were accepted before this table are not in it.
create table document_hashes (
  blind       bytea not null,
  accepted_at timestamptz not null,
  number      numeric(20) not null references invoices,
  primary key (blind, accepted_at, number)
);

create view document_hash_now as select blind, accepted_at, number from document_hashes;
