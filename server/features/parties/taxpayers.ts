/**
 * Taxpayers: who they are. Other features look the parties of an invoice up here. A taxpayer sees
 * itself, the bureau sees all.
 *
 * Owns the taxpayers' rows of `parties`, where name and tax id stand sealed; the chain has a salted
 * commitment to them. What the registry says of a taxpayer is read from the mirror. Does not own:
 * what changes in the registry (registration.ts), quota (quotas.ts), segments (segments.ts).
 */
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import {
  identityCommitment,
  type Identity as KnownIdentity,
} from "@onepiao/protocol/proofs/bundle.ts";
import type { Named } from "@onepiao/protocol/proofs/naming.ts";
import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { type NameSince, nameOn, nameWritten } from "@onepiao/protocol/values/names.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { normaliseTaxId, regionOf } from "@onepiao/protocol/values/tax-id.ts";
import { capabilityBits } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Standing } from "../../mirror/registry.ts";

export type Capability = keyof typeof capabilityBits;
/**
 * The sealed content of `parties`. `name`: the name of the enrolment; `names`: later names, in the
 * order of their days.
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
  /** Today's name. */
  name: string;
  /** All past and future names, starting with that of the enrolment. */
  names: readonly [NameSince, ...NameSince[]];
  taxId: string;
  region: string;
  currency: string;
  capabilities: Capability[];
  standing: Standing;
  /** Enrolled because an invoice is titled to it; it has not joined yet (buyers.ts). */
  dormant: boolean;
};

/** Later names of one taxpayer. */
const MAX_NAMES = 50;

export type Taxpayers = ReturnType<typeof createTaxpayers>;

const named = (mask: number) =>
  (Object.keys(capabilityBits) as Capability[]).filter(
    (capability) => (mask & capabilityBits[capability]) !== 0,
  );

export function createTaxpayers({ vault }: { vault: Vault }) {
  const blind = (taxId: string) => vault.blind("tax-id", taxId);
  const identityOf = (account: string, sealed: Buffer): Identity =>
    JSON.parse(vault.open("parties", account, sealed).toString());

  type Row = {
    account: string;
    sealed: Buffer;
    index: number | null;
    capabilities: number | null;
    standing: Standing | null;
    dormant: boolean;
    now: Date;
  };
  const dormant = (tx: Tx, account: string) => tx`
    exists (select 1 from buyer_enrolments where account = ${tx(account)}.account
      and joined_at is null) as dormant`;
  // looks the other table's rows up one by one, by their key: a plan for any values would read all
  // of it
  const select = (tx: Tx) => tx`
    select p.account, p.sealed, t.index, t.capabilities, t.standing, ${dormant(tx, "p")}, now() as now
    from parties p left join lateral (select index, capabilities, standing from taxpayer_now where account = p.account offset 0) t on true`;
  const selectFrom = (tx: Tx, taxpayers: unknown) => tx`
    select t.account, p.sealed, t.index, t.capabilities, t.standing, ${dormant(tx, "t")}, now() as now
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
      dormant: row.dormant,
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
      (
        await tx<Row[]>`${selectFrom(tx, tx`select * from taxpayer_now where index = ${index}`)}`
      )[0],
    );
  async function byIndexes(tx: Tx, indexes: readonly number[]): Promise<Map<number, Taxpayer>> {
    const rows = await tx<
      Row[]
    >`${selectFrom(tx, tx`select * from taxpayer_now where index = any(${indexes}::int[])`)}`;
    return new Map(
      rows.flatMap((row) => taxpayerOf(row) ?? []).map((taxpayer) => [taxpayer.index, taxpayer]),
    );
  }
  const byAccount = async (tx: Tx, account: string) =>
    taxpayerOf((await tx<Row[]>`${select(tx)} where p.account = ${account}`)[0]);

  /** Taxpayers by account and by tax id, in one query. */
  async function among(
    tx: Tx,
    accounts: readonly string[],
    taxIds: readonly string[],
  ): Promise<{ byAccount: Map<string, Taxpayer>; byTaxId: Map<string, Taxpayer> }> {
    const blinds = taxIds.map((taxId) => blind(normaliseTaxId(taxId) ?? taxId));
    const rows = await tx<Row[]>`
      ${select(tx)} where p.account = any(${accounts}::text[])
      union ${select(tx)} where p.tax_id_blind = any(${blinds}::bytea[])`;
    const taxpayers = rows.map(taxpayerOf).filter((taxpayer) => taxpayer !== undefined);
    return {
      byAccount: new Map(taxpayers.map((taxpayer) => [taxpayer.account, taxpayer])),
      byTaxId: new Map(taxpayers.map((taxpayer) => [taxpayer.taxId, taxpayer])),
    };
  }

  /**
   * Who these taxpayers are, with the salts that open the registry's commitments; unknown ones are
   * left out. Each has the later name by which `written` says that a document calls it on a day;
   * without it, its last name.
   */
  async function identities(
    tx: Tx,
    indexes: readonly number[],
    written: (index: number) => { name: string; day: string } | undefined = () => undefined,
  ): Promise<KnownIdentity[]> {
    const rows = await tx<
      Row[]
    >`${selectFrom(tx, tx`select * from taxpayer_now where index = any(${[...indexes]}::int[])`)}`;
    return rows.map((row) => {
      const { taxId, name, salt, names: later = [] } = identityOf(row.account, row.sealed);
      const index = row.index as number;
      const document = written(index);
      const called =
        document === undefined
          ? later.at(-1)
          : nameWritten<Named | { name: string; from?: undefined }>(
              [{ name }, ...later],
              document.name,
              document.day,
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

  /** A party's identity, locked until `tx` ends. */
  async function heldIdentity(tx: Tx, account: string): Promise<Identity | undefined> {
    const [row] = await tx<
      RowOf<"parties", "sealed">[]
    >`select sealed from parties where account = ${account} and kind = 'taxpayer' for update`;
    return row && identityOf(account, row.sealed);
  }
  const keep = (tx: Tx, account: string, identity: Identity) =>
    tx`update parties set sealed = ${vault.seal("parties", account, JSON.stringify(identity))} where account = ${account}`;
  const keepNames = (tx: Tx, account: string, identity: Identity, names: Named[]) =>
    keep(tx, account, { ...identity, names });

  /** Stores who a party is. Returns false when its account or its tax id has a row already. */
  async function record(
    tx: Tx,
    account: string,
    identity: Identity,
    creator: string,
  ): Promise<boolean> {
    const sealed = vault.seal("parties", account, JSON.stringify(identity));
    const made = await tx`
      insert into parties (account, kind, tax_id_blind, sealed, created_by)
      values (${account}, 'taxpayer', ${blind(identity.taxId)}, ${sealed}, ${creator}) on conflict do nothing`;
    return made.count > 0;
  }

  /**
   * Stores who a taxpayer is, if this is what the registry's commitment says: for a party that a
   * bureau has enrolled through another gateway. Returns whether it is known here now. `currency`:
   * the currency it accounts in, which the registry does not say. Requirement: the bureau has
   * signed a later name (names.ts).
   */
  async function adopt(
    tx: Tx,
    { index, account, taxId, name, salt, named }: KnownIdentity,
    currency: string,
  ): Promise<boolean> {
    const [row] = await tx<
      RowOf<"taxpayer_now", "identity" | "account">[]
    >`select account, identity from taxpayer_now where index = ${index}`;
    if (
      !row ||
      row.account !== checksummed(account) ||
      row.identity !== identityCommitment({ salt, taxId, name })
    )
      return false;
    const identity: Identity = { name, taxId, region: regionOf(taxId), currency, salt };
    await record(tx, row.account, identity, row.account);
    const known = await heldIdentity(tx, row.account);
    if (known === undefined) return false;
    const { names = [] } = known;
    if (named !== undefined && !names.some(({ from }) => from === named.from)) {
      const all = [...names, named].sort((a, b) => (a.from < b.from ? -1 : 1)).slice(-MAX_NAMES);
      await keepNames(tx, row.account, known, all);
    }
    return true;
  }

  /**
   * The taxpayer, if the caller may see it: the bureau sees all, a taxpayer sees itself. Throws
   * not-found.
   */
  async function visible(tx: Tx, caller: Caller, taxId: string): Promise<Taxpayer> {
    const taxpayer = await byTaxId(tx, taxId);
    if (!taxpayer || (taxpayer.account !== caller.account && !caller.roles.includes("bureau"))) {
      throw new Problem(
        "not-found",
        "There is no enrolled taxpayer with this tax id that you may see",
      );
    }
    return taxpayer;
  }

  type Enrolling = { account: string; taxpayer: Taxpayer | undefined };
  /** Who has a tax id, or is being enrolled under it. A refused enrolment does not hold it. */
  async function holderOf(tx: Tx, taxId: string): Promise<Enrolling | undefined> {
    await tx`
      delete from parties p where p.tax_id_blind = ${blind(taxId)}
        and (select o.status from operation_now o where o.kind = 'enrol' and o.command->'args'->>0 = p.account order by o.id desc limit 1) in ('refused', 'failed')`;
    const [known] = await tx<Row[]>`${select(tx)} where p.tax_id_blind = ${blind(taxId)}`;
    return known && { account: known.account, taxpayer: taxpayerOf(known) };
  }

  /** Throws tax-id-enrolled. */
  async function checkFree(tx: Tx, taxId: string): Promise<void> {
    const known = await holderOf(tx, taxId);
    if (!known) return;
    const { account, taxpayer } = known;
    throw new Problem("tax-id-enrolled", "This tax id is enrolled already", {
      extra: { original: { account, state: taxpayer?.standing ?? "pending" } },
    });
  }

  return {
    byTaxId,
    byIndex,
    byIndexes,
    byAccount,
    among,
    identities,
    adopt,
    record,
    checkFree,
    visible,

    /** The taxpayer with a tax id; "pending" while the chain does not have its enrolment. */
    async enrolmentOf(tx: Tx, taxId: string): Promise<Taxpayer | "pending" | undefined> {
      const known = await holderOf(tx, taxId);
      return known && (known.taxpayer ?? "pending");
    },

    /** Sets what the registry does not say about a taxpayer. */
    async setAccounting(
      tx: Tx,
      account: string,
      accounting: { region: string; currency: string },
    ): Promise<void> {
      const identity = await heldIdentity(tx, account);
      if (identity) await keep(tx, account, { ...identity, ...accounting });
    },

    /** The later names, in the order of their days. */
    laterNames: async (tx: Tx, account: string): Promise<readonly Named[]> =>
      (await heldIdentity(tx, account))?.names ?? [],

    /**
     * Adds a name from a day on. The day must come after the days of all others; a name for the
     * last day replaces that name. Throws invalid-request. The caller checks the bureau's
     * signature.
     */
    async addName(tx: Tx, account: string, named: Named): Promise<void> {
      const identity = await heldIdentity(tx, account);
      if (identity === undefined)
        throw new Problem("not-found", "There is no enrolled taxpayer with this account");
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

    async list(tx: Tx, filter: { after?: number | undefined; limit: number }): Promise<Taxpayer[]> {
      const page = tx`select * from taxpayer_now where index > ${filter.after ?? 0} order by index limit ${filter.limit}`;
      const rows = await tx<Row[]>`${selectFrom(tx, page)}`;
      return rows.map((row) => taxpayerOf(row) as Taxpayer);
    },
  };
}
