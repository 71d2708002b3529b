/**
 * Draws ahead: while an issuer's invoices wait for quota, one draw at a time goes to the chain for
 * all of them. The list of waiting invoices is per process: each process draws for its own
 * requests, and `drawAhead` of quotas.ts keeps them from drawing twice.
 */
import type { Changes, Sql } from "../../db/db.ts";
import type { Quotas } from "../parties/quotas.ts";
import type { Taxpayer } from "../parties/taxpayers.ts";
import type { Draft } from "./drafts.ts";

const DRAW_PATIENCE_MS = 15_000;
/** Draws begun in a row: a draw that the chain refuses is not tried for ever. */
const MAX_DRAWS = 3;
/** How long an invoice takes to be booked once its quota is drawn. */
const BOOKING_MS = 1_000;

type Waiting = Pick<Draft, "gross" | "course">;
export type Draws = ReturnType<typeof createDraws>;

const sum = (amounts: Iterable<{ gross: bigint }>) =>
  [...amounts].reduce((total, { gross }) => total + gross, 0n);

export function createDraws({
  sql,
  changes,
  quotas,
}: {
  sql: Sql;
  changes: Changes;
  quotas: Quotas;
}) {
  /** The invoices that wait for quota, by issuer: a draw covers all of them and their batches. */
  const queues = new Map<string, Set<Waiting>>();
  /** The draws that are under way, by issuer and period. */
  const drawing = new Map<string, Promise<void>>();

  /**
   * Draws until what is drawn covers all that wait. For a batch it adds as much again as the batch
   * has had so far: a long batch waits for a few draws, not for one every few hundred lines.
   */
  async function draw(
    issuer: Taxpayer,
    period: number,
    waiting: ReadonlySet<Waiting>,
  ): Promise<void> {
    let draws = 0;
    for (const end = Date.now() + DRAW_PATIENCE_MS; Date.now() < end && draws < MAX_DRAWS; ) {
      const change = changes.wait(250, "block", "outcome");
      const gross = sum(waiting) + sum(new Set([...waiting].flatMap(({ course }) => course ?? [])));
      const begun = await sql.begin((tx) => quotas.drawAhead(tx, issuer, period, gross));
      if (begun === undefined) break;
      if (begun === "begun") draws += 1;
      await change;
    }
  }

  return {
    /** Waits until the quota that an invoice needs is drawn, as far as it can be. */
    async cover({ issuer, gross, course }: Draft, period: number): Promise<void> {
      const waiting = queues.get(issuer.account) ?? new Set();
      queues.set(issuer.account, waiting);
      const own = { gross, course };
      waiting.add(own);
      const name = `${issuer.account}/${period}`;
      const draws =
        drawing.get(name) ?? draw(issuer, period, waiting).finally(() => drawing.delete(name));
      drawing.set(name, draws);
      await draws;
      // the invoice is booked only after this; until then no other may count on its part
      setTimeout(() => {
        waiting.delete(own);
        if (waiting.size === 0) queues.delete(issuer.account);
      }, BOOKING_MS).unref();
    },
  };
}
