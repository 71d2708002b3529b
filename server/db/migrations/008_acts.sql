-- Three more kinds of acts: a partial red letter (adjust), book entry (enter), and what was issued elsewhere (admit).

-- An invoice issued elsewhere goes by its id on the chain, which has the top bit of 256 set: 77 or 78 digits.
alter table invoice_states alter column number type numeric;
alter table operation_invoices alter column number type numeric;
alter table claim_invoices alter column number type numeric;
alter table transfers alter column number type numeric;
alter table feed alter column number type numeric;
alter table reconcile_findings alter column subject type numeric;

-- It has no lot and no issuer here: `lot` null, `issuer` 0. `entry`: the mark of book entry by its code: 1 not entered, 2 entered and
-- deductible, 3 entered and not deductible, 6 entry revoked. `updated_at`: since when it has this state and holder, as the record has it.
alter table invoice_states
  alter column lot drop not null,
  add column entry smallint not null default 1 check (entry in (1, 2, 3, 6));
