-- Lists by date. Rows are appended in the order of their time, so where they lie says when they are of: a BRIN index keeps the first and
-- last time of every 128 pages, is some kilobytes for millions of invoices, and costs an insert next to nothing, where a B-tree would
-- take an entry of every invoice. `autosummarize`: what was appended since the last vacuum would otherwise be read whole each time.
create index on invoices using brin (accepted_at) with (autosummarize = on);
