/** A sheet learns that the chain has its act: by what the act was signed with, whoever has relayed it. Its red letter is due then. */
import type { Tx } from "../../db/db.ts";
import type { Applied, Projection } from "../../feed/follower.ts";

async function acted(tx: Tx, run: readonly Applied[]): Promise<void> {
  await tx`
    update red_letters r set acted = true, updated_at = now()
    from unnest(${run.map((event) => event.args["id"])}::numeric[], ${run.map((event) => event.args["ref"])}::text[]) as e (number, ref)
    where r.ref = e.ref and r.invoice = e.number and not r.acted`;
}

export const redLetterProjection: Projection = {
  name: "red-letters",
  tables: [],
  on: { Reversed: acted, Adjusted: acted },
};
