/**
 * Quota (授信额度): the gross amount that an issuer may issue in a month. The bureau grants it and the
 * issuer draws it ahead, both on the chain; what invoices have used of it is counted here.
 *
 * Owns `quota_use`: the amount that an issuer has used in a period, sealed. An issuer's row is
 * locked while its quota is booked or given back, so two transactions never count on the same
 * amount.
 */
import { formatMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { enqueue } from "../../acts/operations.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Taxpayer } from "./taxpayers.ts";

export type Quotas = ReturnType<typeof createQuotas>;

/** The quota period of an instant: the calendar month in China (UTC+8 all year), as yyyymm. */
export function periodOf(at: Date): number {
  const local = new Date(at.getTime() + 8 * 3_600_000);
  return local.getUTCFullYear() * 100 + local.getUTCMonth() + 1;
}

/** An issuer's quota of one period, held while invoices are booked. */
export type HeldQuota = {
  /**
   * Books an invoice against what is drawn. Enough is drawn: booked. Not enough, but the quota
   * allows it: "not-drawn", and nothing is booked. Beyond the quota: the refusal. A red letter
   * (negative) gives back.
   */
  book(gross: bigint): "booked" | "not-drawn" | Problem;
  /** Whether anything was booked since it is held. */
  readonly booked: boolean;
  used(): bigint;
};

function heldQuota(
  row: { granted: string | null; drawn: string | null; leaving: string },
  before: bigint,
): HeldQuota {
  const granted = BigInt(row.granted ?? 0);
  const usable = BigInt(row.drawn ?? 0) - BigInt(row.leaving);
  let [used, booked] = [before, false];
  return {
    book(gross) {
      const after = used + gross;
      if (after > granted) {
        const detail = `The period's quota is ${formatMoney(granted)} of which ${formatMoney(used)} is used; this invoice is ${formatMoney(gross)}`;
        return new Problem("quota-exceeded", detail);
      }
      if (after > usable && gross > 0n) return "not-drawn";
      [used, booked] = [after, true];
      return "booked";
    },
    get booked() {
      return booked;
    },
    used: () => used,
  };
}

/** `drawStep`: draws are multiples of it, in cents. */
type Deps = { vault: Vault; drawStep: bigint };

export function createQuotas({ vault, drawStep }: Deps) {
  /** The amount that is on its way back to the bureau: no invoice counts on it any more. */
  const leaving = (tx: Tx, account: unknown, period: number) => tx`(
    select coalesce(sum((command->>'amount')::numeric), 0) from operation_now
    where party = ${account} and kind = 'give-back' and (command->>'period')::int = ${period}
      and status in ('queued', 'awaiting-signature', 'signed', 'sent'))`;

  async function read(tx: Tx, taxpayer: Taxpayer, period: number) {
    // one statement: what is on its way back must not land between two looks
    const [row] = await tx<(RowOf<"quota_now", "granted" | "drawn"> & { leaving: string })[]>`
      select granted, drawn, ${leaving(tx, taxpayer.account, period)} as leaving from quota_now where taxpayer = ${taxpayer.index} and period = ${period}`;
    const drawn = BigInt(row?.drawn ?? 0);
    const [use] = await tx<
      RowOf<"quota_use", "sealed">[]
    >`select sealed from quota_use where taxpayer = ${taxpayer.index} and period = ${period}`;
    const used = use ? openUsed(taxpayer.index, period, use.sealed) : 0n;
    return {
      granted: BigInt(row?.granted ?? 0),
      drawn,
      used,
      usable: drawn - BigInt(row?.leaving ?? 0),
    };
  }

  const sealUsed = (index: number, period: number, used: bigint) =>
    vault.seal("parties", `quota/${index}/${period}`, used.toString());
  const openUsed = (index: number, period: number, sealed: Buffer) =>
    BigInt(vault.open("parties", `quota/${index}/${period}`, sealed).toString());

  /** What every issuer has used of a period, by index. */
  async function usedIn(tx: Tx, period: number): Promise<Map<number, bigint>> {
    const rows = await tx<
      RowOf<"quota_use", "taxpayer" | "sealed">[]
    >`select taxpayer, sealed from quota_use where period = ${period}`;
    return new Map(rows.map((row) => [row.taxpayer, openUsed(row.taxpayer, period, row.sealed)]));
  }

  /**
   * Locks the issuers' rows of used quota, in the order of `indexes` (ascending), and reads them.
   */
  async function lockQuotas(
    tx: Tx,
    indexes: readonly number[],
    period: number,
  ): Promise<Map<number, bigint>> {
    const lock = () => tx<RowOf<"quota_use", "taxpayer" | "sealed">[]>`
      select taxpayer, sealed from quota_use where period = ${period} and taxpayer = any(${indexes}::int[]) order by taxpayer for update`;
    let rows = await lock();
    if (rows.length < indexes.length) {
      await tx`
        insert into quota_use (taxpayer, period, sealed)
        select taxpayer, ${period}, sealed from unnest(${indexes}::int[], ${indexes.map((index) => sealUsed(index, period, 0n))}::bytea[]) as n (taxpayer, sealed)
        order by taxpayer on conflict do nothing`;
      rows = await lock();
    }
    return new Map(rows.map((row) => [row.taxpayer, openUsed(row.taxpayer, period, row.sealed)]));
  }

  const draw = (tx: Tx, taxpayer: Taxpayer, period: number, amount: bigint) =>
    enqueue(tx, {
      kind: "draw",
      party: taxpayer.account,
      command: {
        type: "registry",
        message: "Draw",
        index: taxpayer.index,
        period,
        amount: amount.toString(),
      },
      signers: [taxpayer.account],
    });

  return {
    read,
    usedIn,
    draw,

    set: (tx: Tx, caller: Caller, taxpayer: Taxpayer, period: number, granted: bigint) =>
      enqueue(tx, {
        kind: "quota",
        party: caller.account,
        command: {
          type: "call",
          contract: "registry",
          function: "setQuota",
          args: [taxpayer.index, period, granted.toString()],
        },
      }),

    /** Gives back what is drawn and unused; from now on no invoice counts on it. */
    async giveBack(tx: Tx, taxpayer: Taxpayer, period: number, amount: bigint): Promise<string> {
      await lockQuotas(tx, [taxpayer.index], period);
      const { drawn, used, usable } = await read(tx, taxpayer, period);
      if (usable - amount < used)
        throw new Problem(
          "give-back-exceeds-drawn",
          `Of ${formatMoney(drawn)} drawn, ${formatMoney(used)} is used`,
        );
      return enqueue(tx, {
        kind: "give-back",
        party: taxpayer.account,
        command: {
          type: "registry",
          message: "GiveBack",
          index: taxpayer.index,
          period,
          amount: amount.toString(),
        },
        signers: [taxpayer.account],
      });
    },

    /**
     * The quotas of these issuers in a period, by index, each held until `tx` ends: one transaction
     * at a time books an issuer's quota or gives it back. Always locked in one order, so that two
     * groups cannot wait for each other.
     */
    async hold(
      tx: Tx,
      issuers: readonly Taxpayer[],
      period: number,
    ): Promise<Map<number, HeldQuota>> {
      const indexes = [...new Set(issuers.map((issuer) => issuer.index))].sort((a, b) => a - b);
      const used = await lockQuotas(tx, indexes, period);
      const rows = await tx<
        (RowOf<"taxpayer_now", "index"> & {
          granted: string | null;
          drawn: string | null;
          leaving: string;
        })[]
      >`
        select t.index, q.granted, q.drawn, ${leaving(tx, tx`t.account`, period)} as leaving
        from taxpayer_now t left join quota_now q on q.taxpayer = t.index and q.period = ${period} where t.index = any(${indexes}::int[])`;
      return new Map(rows.map((row) => [row.index, heldQuota(row, used.get(row.index) ?? 0n)]));
    },

    /** Writes the quotas that `hold` returned and that were booked. */
    async save(tx: Tx, period: number, quotas: ReadonlyMap<number, HeldQuota>): Promise<void> {
      const booked = [...quotas].filter(([, quota]) => quota.booked);
      if (booked.length === 0) return;
      await tx`
        update quota_use q set sealed = b.sealed
        from unnest(${booked.map(([index]) => index)}::int[], ${booked.map(([index, { used }]) => sealUsed(index, period, used()))}::bytea[]) as b (taxpayer, sealed)
        where q.taxpayer = b.taxpayer and q.period = ${period}`;
    },

    /**
     * Draws in round amounts what `gross` more needs, one draw at a time. Undefined when there is
     * nothing to wait for: enough is drawn, or no more is granted, or the draw waits for the
     * party's own signature.
     */
    async drawAhead(
      tx: Tx,
      taxpayer: Taxpayer,
      period: number,
      gross: bigint,
    ): Promise<"begun" | "under way" | undefined> {
      await tx`select pg_advisory_xact_lock(hashtext(${`draw/${taxpayer.account}`}))`;
      const [pending] = await tx<RowOf<"operation_now", "status">[]>`
        select status from operation_now where party = ${taxpayer.account} and kind = 'draw' and status in ('queued', 'awaiting-signature', 'signed', 'sent') limit 1`;
      if (pending) return pending.status === "awaiting-signature" ? undefined : "under way";
      const { granted, used, usable } = await read(tx, taxpayer, period);
      const short = used + gross - usable;
      const round = ((short + drawStep - 1n) / drawStep) * drawStep;
      // an amount on its way back arrives before this draw: an account's acts go one after the
      // other
      const room = granted - usable;
      const amount = round < room ? round : room;
      if (short <= 0n || amount <= 0n) return undefined;
      await draw(tx, taxpayer, period, amount);
      return "begun";
    },
  };
}
