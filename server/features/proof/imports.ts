/**
 * Imports: an invoice that was sealed through another organisation's gateway is brought here by its
 * bundle, checked against the chain, and goes on from here: it is claimed, reimbursed, transferred,
 * entered. Any number of gateways may have it; the chain decides between them.
 *
 * | step | what | else |
 * | --- | --- | --- |
 * | the bundle proves itself | all its parts, path, seal (protocol/proofs/bundle.ts) | bundle-invalid |
 * | it contradicts nothing | document, lot, leaf and parties, both of them there (protocol/proofs/contradictions.ts) | bundle-invalid |
 * | this network, and the chain has the lot | name, chain id, contracts; the mirrored header | bundle-invalid, lot-unknown |
 * | its issuer has sealed it | the seal's key is one that the issuer had: the seal travels with the invoice | bundle-invalid |
 * | what has happened to it | its events from the chain, applied by the mirror, and the record says the same | unavailable |
 * | the caller is a party of it now | its holder, or its titled or claiming employer | forbidden |
 *
 * Invariant: an imported invoice's state is what its events give. The cursor is held meanwhile, so
 * no event falls between the blocks read here and the block that the follower applies next. The
 * feed here does not report earlier events.
 */

import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { type Bundle, checkBundle } from "@onepiao/protocol/proofs/bundle.ts";
import { saltsShown } from "@onepiao/protocol/proofs/disclosing.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { acceptImported, keepRecord } from "../../accepted/accepting.ts";
import type { ChainClient } from "../../chain/client.ts";
import type { Contracts } from "../../chain/contracts.ts";
import type { Json, Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Applied } from "../../feed/follower.ts";
import { notify } from "../../feed/notices.ts";
import type { Caller } from "../../kernel/api.ts";
import { beginRecord, recordAsText, setSince } from "../../mirror/imported.ts";
import { ledgerMirror } from "../../mirror/ledger.ts";
import type { Documents } from "../invoices/documents.ts";
import type { InvoiceRow, Invoices } from "../invoices/invoices.ts";
import type { Names } from "../parties/names.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";

type Deps = {
  contracts: Contracts;
  chain: Pick<ChainClient, "logs" | "call">;
  documents: Documents;
  invoices: Invoices;
  taxpayers: Taxpayers;
  names: Names;
};
export type Imports = ReturnType<typeof createImports>;

const states = ["none", "issued", "claimed", "reimbursed", "reversed"] as const;
/** Blocks that one request to the chain covers. */
const BLOCKS = 10_000;

export function createImports({ contracts, chain, documents, invoices, taxpayers, names }: Deps) {
  const { network, chainId, registry, ledger } = contracts.deployment;
  const refuse = (field: string, rule: string, detail: string) =>
    new Problem("bundle-invalid", detail, { violations: [{ field, rule, detail }] });

  function checked(value: unknown) {
    const result = checkBundle(value);
    const failed = result.steps.find((step) => !step.ok);
    if (failed?.step === "parties" || failed?.step === "document") {
      const violations = result.contradictions.map(({ field, rule, detail }) => ({
        field,
        rule,
        detail,
      }));
      throw new Problem("bundle-invalid", failed.detail, { violations });
    }
    if (failed || !result.bundle)
      throw refuse("", failed?.step ?? "format", failed?.detail ?? "This is not a bundle");
    if (!result.document)
      throw refuse(
        "/parts",
        "whole",
        "Parts of the bundle are hidden: only a whole one can be imported",
      );
    const [missing] = result.unattributed;
    if (missing)
      throw refuse(
        "/parties",
        "party-missing",
        `The bundle names a ${missing}, and no party says which taxpayer that is`,
      );
    const { network: named } = result.bundle;
    const same =
      named.name === network &&
      named.chainId === chainId &&
      named.registry.toLowerCase() === registry.toLowerCase() &&
      named.ledger.toLowerCase() === ledger.toLowerCase();
    if (!same)
      throw refuse(
        "/network",
        "same-network",
        `The bundle is named the network ${named.name}; this is ${network}`,
      );
    return { bundle: result.bundle, document: result.document, signer: result.signer as string };
  }

  /** The lot as the chain has it, from the mirror. Throws lot-unknown, bundle-invalid. */
  async function lotOf(
    tx: Tx,
    { lot }: Bundle,
  ): Promise<{ first: string; block: number; at: Date }> {
    const [known] = await tx<
      RowOf<"lot_now", "issuer" | "segment" | "count" | "time" | "root" | "block">[]
    >`
      select issuer, segment, count, time, root, block from lot_now where first = ${lot.first}`;
    if (!known)
      throw new Problem("lot-unknown", `The chain is not known here to have a lot ${lot.first}`);
    const same =
      known.issuer === lot.issuer &&
      known.count === lot.count &&
      known.segment === lot.segment &&
      Number(known.time) === lot.time &&
      known.root === lot.root.toLowerCase();
    if (!same) throw refuse("/lot", "lot-on-chain", "The chain has another lot of this number");
    return { first: lot.first, block: Number(known.block), at: new Date(lot.time * 1_000) };
  }

  /**
   * Checks that the seal is by a key that the issuer has or had, from the mirror. Throws
   * bundle-invalid.
   */
  async function checkSeal(tx: Tx, issuer: number, signer: string): Promise<void> {
    const [own] = await tx`
      select 1 from taxpayer_now t where t.index = ${issuer}
        and (t.account = ${signer} or exists (select 1 from account_key_now k where k.account = t.account and k.key = ${signer}))`;
    if (!own)
      throw refuse(
        "/seal",
        "issuer",
        `Taxpayer ${issuer} never had the key ${signer}, which has made the seal`,
      );
  }

  /** Applies the chain's events about an invoice up to a block, as the follower would have done. */
  async function replay(tx: Tx, number: string, from: number, to: number): Promise<void> {
    // these events have the invoice's id as their first indexed argument. Refusals have it too, but
    // anyone can cause them, and they change nothing
    const changes = Object.keys(ledgerMirror.on).filter((name) => name !== "LotSealed");
    const names = changes.map((name) => contracts.topics(name)[0] ?? "");
    const topic = `0x${BigInt(number).toString(16).padStart(64, "0")}`;
    for (let begin = from; begin <= to; begin += BLOCKS) {
      const logs = await chain.logs([ledger], begin, Math.min(to, begin + BLOCKS - 1), [
        names,
        topic,
      ]);
      for (const event of logs.map((log) => contracts.event(log))) {
        if (!event || event.args["id"] !== number) continue;
        // the record later gives the time
        await ledgerMirror.on[event.name]?.(tx, [
          { ...event, at: new Date(0), tell: () => {} } satisfies Applied,
        ]);
      }
    }
  }

  /**
   * Compares the replayed state with the chain's record at this block: a difference means that the
   * node has not returned every event.
   */
  async function confirm(tx: Tx, number: string, block: number): Promise<void> {
    const data = await chain.call(
      ledger,
      contracts.ledgerCall("record", [number]),
      undefined,
      block,
    );
    const record = contracts.ledgerResult("record", data)[0] as {
      holder: string;
      employer: bigint;
      state: bigint;
      version: bigint;
      updatedAt: bigint;
    };
    const row = (await invoices.find(tx, number)) as InvoiceRow;
    const untouched = record.state === 0n && row.version === 0;
    const same =
      untouched ||
      (row.status === states[Number(record.state)] &&
        row.holder === record.holder &&
        row.employer === Number(record.employer) &&
        row.version === Number(record.version));
    if (!same)
      throw new Problem(
        "unavailable",
        "The node does not tell all that has become of this invoice",
      );
    if (!untouched) await setSince(tx, number, Number(record.updatedAt));
  }

  return {
    /**
     * Imports an invoice; doing it again changes nothing. `value`: parsed JSON. Throws as the table
     * above says.
     */
    async bring(tx: Tx, caller: Caller, value: unknown): Promise<InvoiceRow> {
      const { bundle, document, signer } = checked(value);
      const { number, leaf, lot: header } = bundle;
      // the follower waits while this is decided, and nobody else imports the same invoice
      const [cursor] = await tx<
        RowOf<"chain_now", "block">[]
      >`select block from chain_now for share`;
      await tx`select pg_advisory_xact_lock(hashtext(${`import/${number}`}))`;
      const known = await invoices.find(tx, number);
      if (known?.lot) return invoices.visible(tx, caller, number);
      if (known)
        throw new Problem(
          "invoice-not-sealed",
          "The invoice was issued here and is not sealed yet",
        );
      const lot = await lotOf(tx, bundle);
      await checkSeal(tx, header.issuer, signer);
      const block = Number(cursor?.block ?? 0n);
      const holder = checksummed(leaf.holder);
      for (const [i, party] of bundle.parties.entries()) {
        const currency = party.index === header.issuer ? document.currency : "CNY";
        if (party.named && !(await names.isBureaus(checksummed(party.account), party.named)))
          throw refuse(
            `/parties/${i}/named`,
            "named-by-bureau",
            `The chain does not have as the bureau's registrar who has signed a name of taxpayer ${party.index}`,
          );
        if (!(await taxpayers.adopt(tx, party, currency)))
          throw refuse(
            `/parties/${i}`,
            "enrolled-so",
            `The registry has another commitment for taxpayer ${party.index}`,
          );
      }
      const { issuer, segment } = header;
      await acceptImported(tx, {
        number,
        issuer,
        segment,
        content: leaf.content,
        salt: saltsShown(bundle as Parameters<typeof saltsShown>[0]),
        holder,
        buyer: leaf.buyer,
        document: documents.seal(number, canonicalJson(document)),
        fileBlinds: invoices.fileBlinds(document),
        lot: lot.first,
        path: bundle.path,
        seal: { segment, ...bundle.seal } as unknown as Json,
        account: caller.account,
        block,
      });
      await beginRecord(tx, {
        number,
        lot: lot.first,
        issuer,
        holder,
        buyer: leaf.buyer,
        at: lot.at,
      });
      await replay(tx, number, lot.block, block);
      await confirm(tx, number, block);
      await keepRecord(tx, number, await recordAsText(tx, number));
      const invoice = await invoices.visible(tx, caller, number).catch((cause: unknown) => {
        if (cause instanceof Problem && cause.code === "not-found")
          throw new Problem(
            "forbidden",
            "Only the invoice's holder, and the employer that it is titled to or claimed from, bring it here",
          );
        throw cause;
      });
      const employer =
        invoice.employer === 0
          ? undefined
          : (await taxpayers.byIndex(tx, invoice.employer))?.account;
      await notify(tx, [
        {
          type: "invoice.imported",
          number,
          accounts: [invoice.holder, ...(employer ? [employer] : [])],
          data: { lot: lot.first, state: invoice.status },
        },
      ]);
      return invoice;
    },
  };
}
