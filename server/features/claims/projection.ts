/** What became of claims on the chain, and what the feed says of it. Runs before the ledger's mirror, which lets a claim's reference go. */
import type { Tx } from "../../db/db.ts";
import type { Applied, Projection } from "../../feed/follower.ts";

type State = "claimed" | "reimbursed" | "rejected" | "withdrawn" | "reversed";

/** Its holder and its employer see a claim, and nobody else: the issuer has no part in who is reimbursed by whom. */
async function accountsOf(tx: Tx, employer: number, holder: string): Promise<string[]> {
  const rows = await tx<{ account: string }[]>`select account from taxpayers where index = ${employer}`;
  return [holder, ...rows.map((row) => row.account)];
}

/** How the feed names a claim: by its id when it was made here, and by what it was signed with. */
async function namesOf(tx: Tx, ref: string): Promise<{ claim?: string; ref: string }> {
  const [row] = await tx<{ id: string }[]>`select id from claims where ref = ${ref}`;
  return { ...(row ? { claim: row.id } : {}), ref };
}

/** The claim that an event is about, as the invoice's record still has it. */
const ended = (state: State, type: string | undefined) => async (tx: Tx, event: Applied) => {
  const number = event.args["id"] as string;
  const [row] = await tx<{ claim_ref: string | null; holder: string; employer: number }[]>`
    select claim_ref, holder, employer from invoice_states where number = ${number}`;
  if (!row?.claim_ref) return;
  await tx`update claim_states set state = ${state}, updated_at = ${event.at} where ref = ${row.claim_ref}`;
  if (type === undefined) return;
  event.tell({
    type,
    number,
    accounts: await accountsOf(tx, row.employer, row.holder),
    data: { ...(await namesOf(tx, row.claim_ref)), employer: row.employer },
  });
};

export const claimProjection: Projection = {
  name: "claims",
  tables: ["claim_states"],
  on: {
    async Claimed(tx, event) {
      const { id, ref, employer, holder } = event.args as { id: string; ref: string; employer: number; holder: string };
      // one row a claim; each of its invoices has an event
      await tx`
        insert into claim_states (ref, state, holder, employer, updated_at) values (${ref}, 'claimed', ${holder}, ${employer}, ${event.at})
        on conflict (ref) do nothing`;
      event.tell({ type: "claim.created", number: id, accounts: await accountsOf(tx, employer, holder), data: { ...(await namesOf(tx, ref)), employer } });
    },
    Reimbursed: ended("reimbursed", "invoice.reimbursed"),
    Rejected: ended("rejected", "claim.rejected"),
    Withdrawn: ended("withdrawn", "claim.withdrawn"),
    // the invoice's own event is told by the invoices
    Reversed: ended("reversed", undefined),
  },
};
