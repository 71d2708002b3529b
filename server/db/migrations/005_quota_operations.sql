-- What an issuer's quota waits for: looked at by every group of invoices, beside all the lots that are the issuer's operations too.
create index on operations (party, kind) where status in ('queued', 'awaiting-signature', 'signed', 'sent');
