/**
 * Taxpayers: enrolment, standing, keys, quota and segments, by the bureau; a taxpayer sees itself
 * and draws its own quota.
 *
 * Name and tax id are sealed in `parties`; the chain has a salted commitment to them. What the
 * registry says is read from the mirror. Other features look parties up here.
 */
import { randomBytes } from "node:crypto";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import { formatOf } from "@onepiao/protocol/formats/formats.ts";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import {
  identityCommitment,
  type Identity as KnownIdentity,
} from "@onepiao/protocol/proofs/bundle.ts";
import type { Named } from "@onepiao/protocol/proofs/naming.ts";
import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { formatMoney } from "@onepiao/protocol/values/money.ts";
import { type NameSince, nameOn, nameWritten, sameName } from "@onepiao/protocol/values/names.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { isTaxId, normaliseTaxId, regionOf } from "@onepiao/protocol/values/tax-id.ts";
import { enqueue } from "../../acts/operations.ts";
import { capabilityBits, ZERO_ACCOUNT } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Keystore } from "../../keys/keystore.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Standing } from "../../mirror/registry.ts";

export type Capability = keyof typeof capabilityBits;
/**
 * What is sealed in `parties`. `name`: that of the enrolment; `names`: the later ones, in the order
 * of their days.
 */
type Identity = {
  name: string;
  taxId: string;
  region: string;
  currency: string;
  salt: string;
  names?: Named[];
};
export type Taxpayer = {
  index: number;
  account: string;
  /** Today's. */
  name: string;
  /** All that it has had or will have, that of its enrolment first. */
  names: readonly [NameSince, ...NameSince[]];
  taxId: string;
  region: string;
  currency: string;
  capabilities: Capability[];
  standing: Standing;
};

/** Names of one taxpayer after that of its enrolment. */
const MAX_NAMES = 50;

export type Enrolment = {
  name: string;
  taxId: string;
  capabilities: Capability[];
  region?: string | undefined;
  currency: string;
  key: Custody;
};

/** Where a party's key is: made and kept here, or its own. */
export type Custody = { custody: "gateway" } | { custody: "own"; address: string };

/**
 * The address of a party's new key. Nobody has the zero address, which red letters belong to; and a
 * key that is kept here is some party's already, so it is nobody's own.
 */
export async function addressOf(tx: Tx, keys: Keystore, key: Custody): Promise<string> {
  if (key.custody === "gateway") return keys.create(tx);
  const address = checksummed(key.address);
  if (address === ZERO_ACCOUNT) {
    throw new Problem("zero-address", "The zero address has no key", {
      violations: [{ field: "/key/address", rule: "not-zero", detail: "Nobody can sign for it" }],
    });
  }
  // asked on this connection: a transaction that waits for a second one can wait for ever
  const [held] = await tx`select 1 from keystore where address = ${address}`;
  if (held) throw new Problem("account-enrolled", "The account is in use");
  return address;
}

export type Taxpayers = ReturnType<typeof createTaxpayers>;

const bits = (capabilities: readonly Capability[]) =>
  capabilities.reduce((sum, one) => sum | capabilityBits[one], 0);
const named = (mask: number) =>
  (Object.keys(capabilityBits) as Capability[]).filter((one) => (mask & capabilityBits[one]) !== 0);

/** An issuer's quota of one period while it is booked from. */
export type HeldQuota = {
  /**
   * Counts gross against what is drawn. Enough: booked. Not enough, but the quota allows it:
   * "not-drawn", and nothing is booked. Beyond the quota: the refusal. A red letter (negative)
   * flows back.
   */
  book(gross: bigint): "booked" | "not-drawn" | Problem;
  /** Booked from since it is held. */
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
        const detail = `The period's quota is ${formatMoney(granted)} and ${formatMoney(used)} of it is used; this invoice is ${formatMoney(gross)}`;
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

/**
 * Throws name-not-enrolled where a document calls its seller or buyer by another name than these:
 * those that the parties had on its day, or of a red letter its original's. Both are said, at the
 * field where the name stands in the document's format.
 */
export function checkNames(
  document: InvoiceDocument,
  enrolled: { seller: NameSince; buyer?: NameSince },
): void {
  const violations = (["seller", "buyer"] as const).flatMap((side) => {
    const right = enrolled[side];
    const written = document[side].name;
    if (right === undefined || sameName(written, right.name)) return [];
    const since = right.from === undefined ? "" : ` (since ${right.from})`;
    const detail = `“${written}” is written here; the ${side} is enrolled as “${right.name}”${since}`;
    return [{ field: fieldIn(formatOf(document), `/${side}/name`), rule: `${side}-name`, detail }];
  });
  const [first] = violations;
  if (first) throw new Problem("name-not-enrolled", first.detail, { violations });
}

export function createTaxpayers(deps: { vault: Vault; keys: Keystore; drawStep: bigint }) {
  const { vault, keys } = deps;
  const blind = (taxId: string) => vault.blind("tax-id", taxId);
  const identityOf = (account: string, sealed: Buffer): Identity =>
    JSON.parse(vault.open("parties", account, sealed).toString());

  type Row = {
    account: string;
    sealed: Buffer;
    index: number | null;
    capabilities: number | null;
    standing: Standing | null;
    now: Date;
  };
  // the other table's rows one by one, by their key: a plan for any values would read all of it
  const select = (tx: Tx) => tx`
    select p.account, p.sealed, t.index, t.capabilities, t.standing, now() as now
    from parties p left join lateral (select index, capabilities, standing from taxpayers where account = p.account offset 0) t on true`;
  const selectFrom = (tx: Tx, taxpayers: unknown) => tx`
    select t.account, p.sealed, t.index, t.capabilities, t.standing, now() as now
    from (${taxpayers}) t cross join lateral (select sealed from parties where account = t.account offset 0) p order by t.index`;

  function taxpayerOf(row: Row | undefined): Taxpayer | undefined {
    if (!row || row.index === null) return undefined;
    const {
      name,
      taxId,
      region,
      currency,
      names: later = [],
    } = identityOf(row.account, row.sealed);
    const names: Taxpayer["names"] = [{ name }, ...later];
    return {
      index: row.index,
      account: row.account,
      name: nameOn(names, chinaDay(row.now)).name,
      names,
      taxId,
      region,
      currency,
      capabilities: named(row.capabilities ?? 0),
      standing: row.standing ?? "none",
    };
  }

  const byTaxId = async (tx: Tx, taxId: string) =>
    taxpayerOf(
      (
        await tx<
          Row[]
        >`${select(tx)} where p.tax_id_blind = ${blind(normaliseTaxId(taxId) ?? taxId)}`
      )[0],
    );
  const byIndex = async (tx: Tx, index: number) =>
    taxpayerOf(
      (await tx<Row[]>`${selectFrom(tx, tx`select * from taxpayers where index = ${index}`)}`)[0],
    );
  async function byIndexes(tx: Tx, indexes: readonly number[]): Promise<Map<number, Taxpayer>> {
    const rows = await tx<
      Row[]
    >`${selectFrom(tx, tx`select * from taxpayers where index = any(${indexes}::int[])`)}`;
    return new Map(rows.flatMap((row) => taxpayerOf(row) ?? []).map((one) => [one.index, one]));
  }
  const byAccount = async (tx: Tx, account: string) =>
    taxpayerOf((await tx<Row[]>`${select(tx)} where p.account = ${account}`)[0]);

  /** Taxpayers by account and by tax id, in one look. */
  async function among(
    tx: Tx,
    accounts: readonly string[],
    taxIds: readonly string[],
  ): Promise<{ byAccount: Map<string, Taxpayer>; byTaxId: Map<string, Taxpayer> }> {
    const blinds = taxIds.map((taxId) => blind(normaliseTaxId(taxId) ?? taxId));
    const rows = await tx<Row[]>`
      ${select(tx)} where p.account = any(${accounts}::text[])
      union ${select(tx)} where p.tax_id_blind = any(${blinds}::bytea[])`;
    const found = rows.map(taxpayerOf).filter((one) => one !== undefined);
    return {
      byAccount: new Map(found.map((one) => [one.account, one])),
      byTaxId: new Map(found.map((one) => [one.taxId, one])),
    };
  }

  /**
   * Who these taxpayers are, with the salts that open the registry's commitments; those that are
   * not known here are left out. Of later names each has the one that `written` says it is called
   * by, on a day; without it the last of all.
   */
  async function identities(
    tx: Tx,
    indexes: readonly number[],
    written: (index: number) => { name: string; day: string } | undefined = () => undefined,
  ): Promise<KnownIdentity[]> {
    const rows = await tx<
      Row[]
    >`${selectFrom(tx, tx`select * from taxpayers where index = any(${[...indexes]}::int[])`)}`;
    return rows.map((row) => {
      const { taxId, name, salt, names: later = [] } = identityOf(row.account, row.sealed);
      const index = row.index as number;
      const said = written(index);
      const called =
        said === undefined
          ? later.at(-1)
          : nameWritten<Named | { name: string; from?: undefined }>(
              [{ name }, ...later],
              said.name,
              said.day,
            );
      return {
        index,
        account: row.account,
        taxId,
        name,
        salt,
        ...(called?.from === undefined ? {} : { named: called }),
      };
    });
  }

  /** Names of a party, held until `tx` ends. */
  async function heldIdentity(tx: Tx, account: string): Promise<Identity | undefined> {
    const [row] = await tx<
      { sealed: Buffer }[]
    >`select sealed from parties where account = ${account} and kind = 'taxpayer' for update`;
    return row && identityOf(account, row.sealed);
  }
  const keepNames = (tx: Tx, account: string, identity: Identity, names: Named[]) =>
    tx`update parties set sealed = ${vault.seal("parties", account, JSON.stringify({ ...identity, names }))} where account = ${account}`;

  /**
   * Takes over who a taxpayer is, when that is what the registry was told at its enrolment: of a
   * party that a bureau has enrolled through another gateway. Returns whether it is known here now.
   * `currency`: what it accounts in, which the registry does not say. Requirement: a later name is
   * the bureau's word (features/names).
   */
  async function adopt(
    tx: Tx,
    { index, account, taxId, name, salt, named }: KnownIdentity,
    currency: string,
  ): Promise<boolean> {
    const [row] = await tx<
      { identity: string | null; account: string }[]
    >`select account, identity from taxpayers where index = ${index}`;
    if (
      !row ||
      row.account !== checksummed(account) ||
      row.identity !== identityCommitment({ salt, taxId, name })
    )
      return false;
    const identity: Identity = { name, taxId, region: regionOf(taxId), currency, salt };
    await tx`
      insert into parties (account, kind, tax_id_blind, sealed, created_by)
      values (${row.account}, 'taxpayer', ${blind(taxId)}, ${vault.seal("parties", row.account, JSON.stringify(identity))}, ${row.account}) on conflict do nothing`;
    const known = await heldIdentity(tx, row.account);
    if (known === undefined) return false;
    const { names = [] } = known;
    if (named !== undefined && !names.some(({ from }) => from === named.from)) {
      const all = [...names, named].sort((a, b) => (a.from < b.from ? -1 : 1)).slice(-MAX_NAMES);
      await keepNames(tx, row.account, known, all);
    }
    return true;
  }

  /** The taxpayer that the caller may see: the bureau sees all, a taxpayer itself. */
  async function visible(tx: Tx, caller: Caller, taxId: string): Promise<Taxpayer> {
    const found = await byTaxId(tx, taxId);
    if (!found || (found.account !== caller.account && !caller.roles.includes("bureau"))) {
      throw new Problem(
        "not-found",
        "There is no enrolled taxpayer with this tax id that you may see",
      );
    }
    return found;
  }

  async function refuseEnrolled(tx: Tx, taxId: string): Promise<void> {
    const [known] = await tx<Row[]>`${select(tx)} where p.tax_id_blind = ${blind(taxId)}`;
    if (!known) return;
    throw new Problem("tax-id-enrolled", "This tax id is enrolled already", {
      extra: { original: { account: known.account, state: known.standing ?? "pending" } },
    });
  }

  /** An enrolment that the chain has refused does not hold its tax id. */
  async function forgetRefused(tx: Tx, taxId: string): Promise<void> {
    await tx`
      delete from parties p where p.tax_id_blind = ${blind(taxId)}
        and (select o.status from operations o where o.kind = 'enrol' and o.command->'args'->>0 = p.account order by o.id desc limit 1) in ('refused', 'failed')`;
  }

  /** What is on its way back to the bureau: nobody counts on it any more. */
  const leaving = (tx: Tx, account: unknown, period: number) => tx`(
    select coalesce(sum((command->>'amount')::numeric), 0) from operations
    where party = ${account} and kind = 'give-back' and (command->>'period')::int = ${period}
      and status in ('queued', 'awaiting-signature', 'signed', 'sent'))`;

  async function quotaOf(tx: Tx, taxpayer: Taxpayer, period: number) {
    // one statement: what is on its way back must not land between two looks
    const [row] = await tx<{ granted: string; drawn: string; leaving: string }[]>`
      select granted, drawn, ${leaving(tx, taxpayer.account, period)} as leaving from quotas where taxpayer = ${taxpayer.index} and period = ${period}`;
    const drawn = BigInt(row?.drawn ?? 0);
    const [use] = await tx<
      { sealed: Buffer }[]
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
      { taxpayer: number; sealed: Buffer }[]
    >`select taxpayer, sealed from quota_use where period = ${period}`;
    return new Map(rows.map((row) => [row.taxpayer, openUsed(row.taxpayer, period, row.sealed)]));
  }

  /**
   * Locks the issuers' rows of what is used, in the order of `indexes` (ascending), and reads them.
   */
  async function lockQuotas(
    tx: Tx,
    indexes: readonly number[],
    period: number,
  ): Promise<Map<number, bigint>> {
    const lock = () => tx<{ taxpayer: number; sealed: Buffer }[]>`
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
    byTaxId,
    byIndex,
    byIndexes,
    byAccount,
    among,
    identities,
    adopt,
    /** The names after that of the enrolment, in the order of their days. */
    laterNames: async (tx: Tx, account: string): Promise<readonly Named[]> =>
      (await heldIdentity(tx, account))?.names ?? [],

    /**
     * Adds a name, from a day on that comes after those of all others; that of the last day is put
     * right. Throws invalid-request. The bureau's signature is checked by whoever calls.
     */
    async addName(tx: Tx, account: string, named: Named): Promise<void> {
      const identity = await heldIdentity(tx, account);
      if (identity === undefined)
        throw new Problem("not-found", "There is no enrolled taxpayer of this account");
      const { names = [] } = identity;
      const refuse = (rule: string, detail: string) =>
        new Problem("invalid-request", detail, { violations: [{ field: "/from", rule, detail }] });
      const last = names.at(-1);
      if (last && named.from < last.from)
        throw refuse(
          "after-last-name",
          `It has another name from ${last.from} on: names are added in their order`,
        );
      const before = names.filter(({ from }) => from !== named.from);
      if (before.length >= MAX_NAMES)
        throw refuse("too-many-names", `A taxpayer has at most ${MAX_NAMES} names`);
      await keepNames(tx, account, identity, [...before, named]);
    },
    visible,
    quotaOf,
    usedIn,

    async enrol(
      tx: Tx,
      caller: Caller,
      enrolment: Enrolment,
    ): Promise<{ account: string; taxId: string; operation: string }> {
      const taxId = normaliseTaxId(enrolment.taxId);
      if (taxId === undefined || !isTaxId(taxId)) {
        throw new Problem("invalid-request", "The tax id is not valid", {
          violations: [
            {
              field: "/taxId",
              rule: "tax-id-check-digit",
              detail:
                "18 characters of GB 32100-2015 with a valid check digit, or a country code and a foreign id",
            },
          ],
        });
      }
      await forgetRefused(tx, taxId);
      await refuseEnrolled(tx, taxId);
      const account = await addressOf(tx, keys, enrolment.key);
      const salt = randomBytes(32).toString("hex");
      const identity: Identity = {
        name: enrolment.name,
        taxId,
        region: enrolment.region ?? regionOf(taxId),
        currency: enrolment.currency,
        salt,
      };
      const sealed = vault.seal("parties", account, JSON.stringify(identity));
      const made = await tx`
        insert into parties (account, kind, tax_id_blind, sealed, created_by)
        values (${account}, 'taxpayer', ${blind(taxId)}, ${sealed}, ${caller.account}) on conflict do nothing`;
      if (made.count === 0) {
        // somebody was faster: with the tax id, or with the account
        await refuseEnrolled(tx, taxId);
        throw new Problem("account-enrolled", "The account is in use");
      }
      const commitment = identityCommitment(identity);
      const operation = await enqueue(tx, {
        kind: "enrol",
        party: caller.account,
        command: {
          type: "call",
          contract: "registry",
          function: "enrol",
          args: [account, commitment, bits(enrolment.capabilities)],
        },
      });
      return { account, taxId, operation };
    },

    setStanding: (tx: Tx, caller: Caller, taxpayer: Taxpayer, standing: "active" | "suspended") =>
      enqueue(tx, {
        kind: "standing",
        party: caller.account,
        command: {
          type: "call",
          contract: "registry",
          function: "setStanding",
          args: [taxpayer.index, standing === "active" ? 1 : 2],
        },
      }),

    setCapabilities: (tx: Tx, caller: Caller, taxpayer: Taxpayer, capabilities: Capability[]) =>
      enqueue(tx, {
        kind: "capabilities",
        party: caller.account,
        command: {
          type: "call",
          contract: "registry",
          function: "setCapabilities",
          args: [taxpayer.index, bits(capabilities)],
        },
      }),

    /**
     * By the bureau without the old key, or by the party, signed with the old key. `key`: the
     * address of the new one, which has shown itself.
     */
    rotateKey: (tx: Tx, caller: Caller, taxpayer: Taxpayer, key: string): Promise<string> =>
      caller.roles.includes("bureau")
        ? enqueue(tx, {
            kind: "key-rotation",
            party: caller.account,
            command: {
              type: "call",
              contract: "registry",
              function: "rotateKey",
              args: [taxpayer.account, key],
            },
          })
        : enqueue(tx, {
            kind: "key-rotation",
            party: taxpayer.account,
            command: { type: "registry", message: "RotateKey", account: taxpayer.account, key },
            signers: [taxpayer.account],
          }),

    setQuota: (tx: Tx, caller: Caller, taxpayer: Taxpayer, period: number, granted: bigint) =>
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

    draw,

    /** Gives back what is drawn and not used; from here on no invoice counts on it. */
    async giveBack(tx: Tx, taxpayer: Taxpayer, period: number, amount: bigint): Promise<string> {
      await lockQuotas(tx, [taxpayer.index], period);
      const { drawn, used, usable } = await quotaOf(tx, taxpayer, period);
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
     * The quotas of these issuers in a period, by index, each held until `tx` ends: one at a time
     * books an issuer's quota, or gives it back. Always locked in one order, so that two groups
     * cannot wait for each other.
     */
    async holdQuotas(
      tx: Tx,
      issuers: readonly Taxpayer[],
      period: number,
    ): Promise<Map<number, HeldQuota>> {
      const indexes = [...new Set(issuers.map((issuer) => issuer.index))].sort((a, b) => a - b);
      const used = await lockQuotas(tx, indexes, period);
      const rows = await tx<
        { index: number; granted: string | null; drawn: string | null; leaving: string }[]
      >`
        select t.index, q.granted, q.drawn, ${leaving(tx, tx`t.account`, period)} as leaving
        from taxpayers t left join quotas q on q.taxpayer = t.index and q.period = ${period} where t.index = any(${indexes}::int[])`;
      return new Map(rows.map((row) => [row.index, heldQuota(row, used.get(row.index) ?? 0n)]));
    },

    /** Writes what holdQuotas has lent out. */
    async keepQuotas(
      tx: Tx,
      period: number,
      quotas: ReadonlyMap<number, HeldQuota>,
    ): Promise<void> {
      const booked = [...quotas].filter(([, quota]) => quota.booked);
      if (booked.length === 0) return;
      await tx`
        update quota_use q set sealed = b.sealed
        from unnest(${booked.map(([index]) => index)}::int[], ${booked.map(([index, { used }]) => sealUsed(index, period, used()))}::bytea[]) as b (taxpayer, sealed)
        where q.taxpayer = b.taxpayer and q.period = ${period}`;
    },

    /**
     * Draws in round amounts what so much more gross needs, one draw at a time. Undefined when
     * there is nothing to wait for: it is drawn, or no more is granted, or the draw waits for the
     * party's own signature.
     */
    async drawAhead(
      tx: Tx,
      taxpayer: Taxpayer,
      period: number,
      gross: bigint,
    ): Promise<"begun" | "under way" | undefined> {
      await tx`select pg_advisory_xact_lock(hashtext(${`draw/${taxpayer.account}`}))`;
      const [pending] = await tx<{ status: string }[]>`
        select status from operations where party = ${taxpayer.account} and kind = 'draw' and status in ('queued', 'awaiting-signature', 'signed', 'sent') limit 1`;
      if (pending) return pending.status === "awaiting-signature" ? undefined : "under way";
      const { granted, used, usable } = await quotaOf(tx, taxpayer, period);
      const short = used + gross - usable;
      const round = ((short + deps.drawStep - 1n) / deps.drawStep) * deps.drawStep;
      // what is on its way back is there before this draw: an account's acts go one after the other
      const room = granted - usable;
      const amount = round < room ? round : room;
      if (short <= 0n || amount <= 0n) return undefined;
      await draw(tx, taxpayer, period, amount);
      return "begun";
    },

    allotSegment: (tx: Tx, caller: Caller, taxpayer: Taxpayer, series: number, length: bigint) =>
      enqueue(tx, {
        kind: "segment",
        party: caller.account,
        command: {
          type: "call",
          contract: "registry",
          function: "allotSegment",
          args: [taxpayer.index, series, length.toString()],
        },
      }),

    /** By first number; `after`: the first number of the last one of the page before. */
    async segmentsOf(
      tx: Tx,
      taxpayer: Taxpayer,
      { after, limit }: { after?: string | undefined; limit: number },
    ) {
      const rows = await tx<{ first: string; length: bigint; accepted: bigint | null }[]>`
        select s.first, s.length, a.accepted from (
          select first, length from segments where issuer = ${taxpayer.index} and first > ${after ?? 0} order by first limit ${limit}
        ) s left join segment_accepted a on a.segment = s.first order by s.first`;
      return rows.map((row) => ({
        first: row.first,
        length: Number(row.length),
        used: Number(row.accepted ?? 0n),
      }));
    },

    async list(tx: Tx, filter: { after?: number | undefined; limit: number }): Promise<Taxpayer[]> {
      const page = tx`select * from taxpayers where index > ${filter.after ?? 0} order by index limit ${filter.limit}`;
      const rows = await tx<Row[]>`${selectFrom(tx, page)}`;
      return rows.map((row) => taxpayerOf(row) as Taxpayer);
    },
  };
}

/** The quota period of an instant: the calendar month in China (UTC+8 all year), as yyyymm. */
export function periodOf(at: Date): number {
  const local = new Date(at.getTime() + 8 * 3_600_000);
  return local.getUTCFullYear() * 100 + local.getUTCMonth() + 1;
}

/** The series YY RR C of an issuer's numbers: year, region, channel 2 (this network's). */
export const seriesOf = (at: Date, region: string): number =>
  Number(`${String(periodOf(at)).slice(2, 4)}${region}2`);
