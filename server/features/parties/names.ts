/**
 * Names of taxpayers: what an invoice may call its seller and its titled buyer, and how a name is
 * changed.
 *
 * A taxpayer has the name of its enrolment, which the registry's commitment covers, and later
 * names, each from a day on and signed by the bureau (protocol/proofs/naming.ts). Another gateway
 * gets the bureau's signature with the name; the chain's access manager says whether the signer is
 * the bureau. taxpayers.ts stores the names.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import { compactSignature, type Domain, noSignature } from "@onepiao/protocol/ledger/messages.ts";
import { type Named, nameDigest, namedBy } from "@onepiao/protocol/proofs/naming.ts";
import { chinaDay } from "@onepiao/protocol/values/dates.ts";
import { type NameSince, nameOn, sameName } from "@onepiao/protocol/values/names.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { ChainClient } from "../../chain/client.ts";
import type { Contracts } from "../../chain/contracts.ts";
import { readingAt } from "../../chain/reading.ts";
import { momentNow, type Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Keystore } from "../../keys/keystore.ts";
import type { Lookup } from "./directory.ts";
import type { Taxpayer, Taxpayers } from "./taxpayers.ts";

type Deps = {
  keys: Keystore;
  contracts: Contracts;
  chain: ChainClient;
  taxpayers: Taxpayers;
  directory: Pick<Lookup, "find">;
};
export type Names = ReturnType<typeof createNames>;

/** A change is announced at most this long before its day, and for no day before the year 2000. */
const AHEAD_DAYS = 366;
const EARLIEST = "2000-01-01";
const DAY_MS = 86_400_000;

const refuse = (field: string, rule: string, detail: string) =>
  new Problem("invalid-request", detail, { violations: [{ field, rule, detail }] });

/**
 * Throws name-not-enrolled if a document calls its seller or buyer by another name than these: the
 * names that the parties had on its day, or for a red letter its original's. Names every wrong
 * party, at the field where its name stands in the document's format.
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
    return [{ field: fieldIn(document, `/${side}/name`), rule: `${side}-name`, detail }];
  });
  const [first] = violations;
  if (first) throw new Problem("name-not-enrolled", first.detail, { violations });
}

export function createNames({ keys, contracts, chain, taxpayers, directory }: Deps) {
  const { network, chainId, ledger } = contracts.deployment;
  const domain: Domain = { name: network, version: "1", chainId, verifyingContract: ledger };

  /** Whether the bureau has signed it, according to the chain now. Throws what the node throws. */
  async function isBureaus(account: string, named: Named): Promise<boolean> {
    const signer = namedBy(domain, account, named);
    return (
      signer !== undefined &&
      (await (await readingAt(chain, contracts)).registrars([signer])).length === 1
    );
  }

  /**
   * The bureau's own signature. Throws for a caller that is not the bureau, or whose key is kept
   * elsewhere.
   */
  async function signed(
    caller: Caller,
    account: string,
    name: { name: string; from: string },
  ): Promise<Named> {
    const signature = caller.roles.includes("bureau")
      ? await keys.sign(caller.account, nameDigest(domain, account, name))
      : undefined;
    if (signature === undefined)
      throw refuse(
        "/signature",
        "named-by-bureau",
        "Only the bureau gives a name: its signature is missing",
      );
    return { ...name, signature };
  }

  return {
    isBureaus,

    /** Gives a taxpayer another name from today on. Throws if the bureau's key is not here. */
    async giveFromToday(
      tx: Tx,
      bureau: Pick<Caller, "account">,
      account: string,
      name: string,
    ): Promise<void> {
      const from = chinaDay(await momentNow(tx));
      const signature = await keys.sign(
        bureau.account,
        nameDigest(domain, account, { name, from }),
      );
      if (signature === undefined)
        throw refuse(
          "/name",
          "named-by-bureau",
          "It is enrolled under another name, and the bureau's key is not here to sign a new one",
        );
      await taxpayers.addName(tx, account, { name, from, signature });
    },

    /**
     * Gives a taxpayer another name from a day on. `signature`: the bureau's, if it signed
     * elsewhere. Throws not-found, invalid-request.
     */
    async give(
      tx: Tx,
      caller: Caller,
      taxId: string,
      { name, from, signature }: { name: string; from: string; signature?: string | undefined },
    ): Promise<Named> {
      const { account } = await taxpayers.visible(tx, caller, taxId);
      const last = chinaDay(new Date((await momentNow(tx)).getTime() + AHEAD_DAYS * DAY_MS));
      if (from < EARLIEST || from > last)
        throw refuse("/from", "day-of-name", `A day from ${EARLIEST} to ${last}`);
      const own =
        signature === undefined ? await signed(caller, account, { name, from }) : undefined;
      const named = own ?? {
        name,
        from,
        signature: compactSignature(signature ?? "") ?? noSignature,
      };
      if (!(await isBureaus(account, named)))
        throw refuse(
          "/signature",
          "named-by-bureau",
          "This signature is not by a registrar of the bureau on the chain",
        );
      await taxpayers.addName(tx, account, named);
      return named;
    },

    /** All names of a taxpayer, starting with that of its enrolment. */
    async list(tx: Tx, caller: Caller, taxId: string): Promise<(NameSince | Named)[]> {
      const taxpayer = await taxpayers.visible(tx, caller, taxId);
      const later = await taxpayers.laterNames(tx, taxpayer.account);
      return [{ name: taxpayer.names[0].name }, ...later];
    },

    /**
     * The title of an invoice on a day: the enrolled taxpayer and its name on that day, or a
     * company of the directory. Throws not-found.
     */
    async titleOf(
      tx: Tx,
      taxId: string,
      day: string | undefined,
    ): Promise<{ taxId: string; name: string }> {
      const taxpayer: Taxpayer | undefined = await taxpayers.byTaxId(tx, taxId);
      if (!taxpayer) {
        const listed = await directory.find(tx, taxId);
        if (listed) return listed;
        throw new Problem(
          "not-found",
          "No enrolled taxpayer has this tax id, and no company of the directory",
        );
      }
      return {
        taxId: taxpayer.taxId,
        name: day === undefined ? taxpayer.name : nameOn(taxpayer.names, day).name,
      };
    },
  };
}
