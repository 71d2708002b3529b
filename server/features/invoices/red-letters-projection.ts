/**
 * What the chain's events mean for red letters, which are found by the reference that their act was
 * signed with: the sheet records that the chain has its act, so its red letter is due; the
 * invoice's parties see the act in the feed.
 */
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { addActRow } from "../../feed/acts.ts";
import type { Applied, Projection } from "../../feed/follower.ts";

type Parties = { number: string; holder: string; issuer: string; employer: string | null };

async function acted(tx: Tx, run: readonly Applied[]): Promise<void> {
  const numbers = run.map((event) => event.args["id"] as string);
  const refs = run.map((event) => event.args["ref"] as string);
  await tx`
    update red_letters r set acted = true, updated_at = now()
    from unnest(${numbers}::numeric[], ${refs}::text[]) as e (number, ref)
    where r.ref = e.ref and r.invoice = e.number and not r.acted`;
  const parties = await tx<Parties[]>`
    select s.number, s.holder, i.account as issuer, e.account as employer from record_now s
    join taxpayer_now i on i.index = s.issuer left join taxpayer_now e on e.index = s.employer where s.number = any(${numbers}::numeric[])`;
  const sheets = await tx<
    RowOf<"red_letters", "ref" | "id">[]
  >`select ref, id from red_letters where ref = any(${refs}::text[])`;
  const partiesOf = new Map(parties.map((row) => [row.number, row]));
  const sheetOf = new Map(sheets.map((row) => [row.ref, row.id]));
  for (const [place, event] of run.entries()) {
    const [number, ref] = [numbers[place] as string, refs[place] as string];
    const { issuer, holder, employer } = partiesOf.get(number) ?? {};
    // a red letter has its number after this: it is named by its id when it was opened here, and by
    // what its act was signed with
    const redLetter = sheetOf.get(ref);
    addActRow(
      event,
      { issuer, holder, employer: employer ?? undefined },
      { ...(redLetter === undefined ? {} : { redLetter }), ref },
    );
  }
}

export const redLetterProjection: Projection = {
  name: "red-letters",
  tables: [],
  on: { Reversed: acted, Adjusted: acted },
};
