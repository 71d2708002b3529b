/**
 * What became of claims on the chain, and what the feed says about it. Runs before the ledger's
 * mirror, which erases a claim's reference.
 */
import { acts, isOfClaim } from "@onepiao/protocol/ledger/acts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { addActRow, onActs } from "../../feed/acts.ts";
import type { Applied, Projection } from "../../feed/follower.ts";

type ClaimEvent = { event: Applied; number: string; ref: string; employer: number; holder: string };

/**
 * Only its holder and its employer see a claim: the issuer need not know who reimburses whom. A
 * claim made here is named by its id, and every claim by the reference that it was signed with.
 */
async function tellAll(tx: Tx, all: readonly ClaimEvent[]): Promise<void> {
  const employers = await tx<RowOf<"taxpayer_now", "index" | "account">[]>`
    select index, account from taxpayer_now where index = any(${[...new Set(all.map((row) => row.employer))]}::int[])`;
  const claims = await tx<
    RowOf<"claims", "id" | "ref">[]
  >`select ref, id from claims where ref = any(${[...new Set(all.map((row) => row.ref))]}::text[])`;
  const accountOf = new Map(employers.map((row) => [row.index, row.account]));
  const idOf = new Map(claims.map((row) => [row.ref, row.id]));
  const names = await tx<RowOf<"external_invoices", "claim" | "number">[]>`
    select claim, number from external_invoices where claim = any(${[...idOf.values()]}::uuid[])`;
  const nameOf = new Map(names.map((row) => [row.claim, row.number]));
  for (const { event, number, ref, employer, holder } of all) {
    const claim = idOf.get(ref);
    // an invoice with several ids has one row, under the id that names it
    const name = claim === undefined ? undefined : nameOf.get(claim);
    if (name !== undefined && name !== number) continue;
    addActRow(
      event,
      { holder, employer: accountOf.get(employer) },
      { ...(claim === undefined ? {} : { claim }), ref, employer },
    );
  }
}

/** Makes the claims of these events. */
async function made(tx: Tx, run: readonly Applied[]): Promise<void> {
  const all = run.map((event): ClaimEvent => {
    const { id, ref, employer, holder } = event.args as {
      id: string;
      ref: string;
      employer: number;
      holder: string;
    };
    return { event, number: id, ref, employer, holder };
  });
  const claims = [...new Map(all.map((claim) => [claim.ref, claim])).values()];
  await tx`
    insert into claim_states (ref, state, holder, employer, updated_at)
    select ref, 'claimed', holder, employer, at
    from unnest(${claims.map((claim) => claim.ref)}::text[], ${claims.map((claim) => claim.holder)}::text[], ${claims.map((claim) => claim.employer)}::int[],
                ${claims.map((claim) => claim.event.at)}::timestamptz[]) as c (ref, holder, employer, at)
    on conflict (ref) do nothing`;
  await tellAll(tx, all);
}

/**
 * Ends the claims of the events' invoices, which the invoices' records still name. The claim's
 * state is the event's name in lower case. The feed gets decisions on a claim from here, any other
 * act from its feature.
 */
const ended = (state: string, decision: boolean) => async (tx: Tx, run: readonly Applied[]) => {
  const numbers = run.map((event) => event.args["id"] as string);
  const rows = await tx<
    (RowOf<"record_now", "number" | "holder" | "employer"> & { claim_ref: string })[]
  >`
    select number, claim_ref, holder, employer from record_now where number = any(${numbers}::numeric[]) and claim_ref is not null`;
  const records = new Map(rows.map((row) => [row.number, row]));
  const all = run.flatMap((event): ClaimEvent[] => {
    const number = event.args["id"] as string;
    const record = records.get(number);
    return record
      ? [{ event, number, ref: record.claim_ref, employer: record.employer, holder: record.holder }]
      : [];
  });
  if (all.length === 0) return;
  // one row per claim, although each of its invoices has an event
  const at = new Map(all.map((claim) => [claim.ref, claim.event.at]));
  await tx`
    update claim_states c set state = ${state}, updated_at = e.at
    from unnest(${[...at.keys()]}::text[], ${[...at.values()]}::timestamptz[]) as e (ref, at) where c.ref = e.ref`;
  if (decision) await tellAll(tx, all);
};

export const claimProjection: Projection = {
  name: "claims",
  tables: ["claim_states"],
  on: onActs(({ event, record, kinds }) => {
    if (record.claim !== undefined) return made;
    const ends =
      record.state !== undefined && kinds.some((kind) => acts[kind].from.includes("claimed"));
    return ends ? ended(event.toLowerCase(), kinds.every(isOfClaim)) : undefined;
  }),
};
