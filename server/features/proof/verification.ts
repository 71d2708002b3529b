/**
 * Verification (查验): whether an invoice is genuine, for anyone who asks.
 *
 * By its print: number, date and total. The answer says whether all three are right and what has
 * happened to the invoice, and nothing else about its content. Whether the invoice exists or not,
 * the work is one query and one opened document, and date and total are always both compared. Date
 * and total can be guessed, so wrong ones are counted per number (kernel/attempts.ts), over all
 * callers.
 *
 * Strangers' input is read, checked and compared in worker processes (checker.ts): the event loop
 * that serves everyone waits for none of it.
 *
 * By a bundle, however it arrives: judged by protocol/proofs/verdict.ts, with what registry and
 * ledger say at the last final block. Past keys and partial red letters come from the mirror.
 * Writes nothing, and does not count as a read of a document, because nobody sees the document.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { canonicalJson, type InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import {
  billOffice,
  type NationalCode,
  taxOffice,
} from "@onepiao/protocol/formats/national-code.ts";
import { dateOf, type QrContent } from "@onepiao/protocol/formats/qr.ts";
import { externalId } from "@onepiao/protocol/ledger/external.ts";
import { type IdentityKind, identityOf, type Original } from "@onepiao/protocol/ledger/identity.ts";
import { type Checked, namesBy } from "@onepiao/protocol/proofs/bundle.ts";
import {
  type Facts,
  type InvoiceState,
  judge,
  type Registered,
  type Verdict,
} from "@onepiao/protocol/proofs/verdict.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { type ChainClient, NodeDown, NodeRefused } from "../../chain/client.ts";
import type { Contracts } from "../../chain/contracts.ts";
import { type Enrolled, type Reading, readingAt } from "../../chain/reading.ts";
import type { Sql, Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { createAttempts } from "../../kernel/attempts.ts";
import type { Documents } from "../invoices/documents.ts";
import type { Checks, Says } from "./checker.ts";

/** Wrong dates and totals for one number until it is closed, and for how long at most. */
export const MAX_MISSES = 10;
const MISSES_WINDOW_MS = 15 * 60_000;

export type Printed = {
  number: string;
  date: string;
  total: string;
  /** `national`: a kind that no invoice of this network has. */
  kind?: QrContent["kind"] | "national" | undefined;
};
export const printedResults = [
  "valid",
  "adjusted",
  "reversed",
  "mismatch",
  "not-found",
  "not-sealed",
  "elsewhere",
] as const;
export type PrintedResult = (typeof printedResults)[number];
/**
 * `number`: the invoice's here; absent for a file that states none. `says`: what a file says.
 * `code`: what a code of the national platforms says. Of an invoice that is not found, and cannot
 * be of this network: `registered`: whether anybody in this network has claimed or reimbursed it;
 * `askAt`: where the authority is asked about it.
 */
export type CheckedPrint = {
  result: PrintedResult;
  number?: string;
  says?: Says;
  code?: Omit<NationalCode, "askAt">;
  registered?: boolean;
  askAt?: string;
  state?: InvoiceState;
  asOf: { block: number; time: string };
};

/** A checked bundle and what the chain says about it. `facts` undefined: no node has answered. */
export type Asked = {
  checked: Checked;
  printed: Facts["printed"];
  chain?: {
    reading: Reading;
    parties: Enrolled[];
    lotHash: string;
    registrars: string[];
    record: Awaited<ReturnType<Reading["record"]>>;
  };
};

type Row = {
  document: Buffer | null;
  state: InvoiceState | null;
  reverses: string | null;
  adjusted: number;
  sealed: boolean;
  allotted: boolean;
  registered: boolean;
  block: bigint;
  time: bigint;
};

export type Verification = ReturnType<typeof createVerification>;
type Deps = {
  sql: Sql;
  checks: Checks;
  documents: Pick<Documents, "seal" | "open">;
  contracts: Contracts;
  chain: ChainClient;
  finalityDepth: number;
  now?: () => number;
};

const digest = (parts: readonly unknown[]) =>
  createHash("sha256").update(JSON.stringify(parts)).digest();

/**
 * Stands in for a missing document, and has the size of an ordinary one. It is valid, so that each
 * format out can express it and its reader can read it back: the answer about a number that is not
 * here takes the way of every other answer.
 */
export const stranger: InvoiceDocument = {
  kind: "ordinary",
  issuedAt: "2000-01-01T00:00:00+08:00",
  currency: "CNY",
  seller: { taxId: "91440305MA4JURQ28R", name: "无" },
  buyer: { name: "无" },
  lines: Array.from({ length: 3 }, () => ({
    name: "*餐饮服务*餐费",
    unit: "次",
    quantity: "1",
    unitPrice: "188.68",
    amount: "188.68",
    taxRate: "0.06",
    tax: "11.32",
  })),
  totals: { net: "566.04", tax: "33.96", gross: "600.00" },
};
const NOBODYS = "0".repeat(20);

/** What was issued elsewhere: its ids on the ledger, and where to ask about it. */
type Elsewhere = { ids: readonly string[]; askAt?: string | undefined };
const nowhere: Elsewhere = { ids: [] };
const offices: Partial<Record<IdentityKind, string>> = {
  national: taxOffice,
  invoice: taxOffice,
  bill: billOffice,
};
function elsewhereOf(original: Original): Elsewhere {
  const identity = identityOf(original);
  if (!("keys" in identity)) return nowhere;
  return { ids: identity.keys.map(externalId), askAt: offices[identity.kind] };
}
/** Of a print in yuan, which names no seller: a national number, or code and number. */
const printedElsewhere = (number: string, day: string, code?: string): Elsewhere => {
  const elsewhere = elsewhereOf({ number, code, day, currency: "CNY", seller: { name: "" } });
  return elsewhere.askAt === undefined ? nowhere : elsewhere;
};

export function createVerification({
  sql,
  checks,
  documents,
  contracts,
  chain,
  finalityDepth,
  now,
}: Deps) {
  const { network: name, chainId, registry, ledger } = contracts.deployment;
  const network = { name, chainId, registry, ledger };
  const misses = createAttempts({
    limit: MAX_MISSES,
    windowMs: MISSES_WINDOW_MS,
    ...(now ? { now } : {}),
  });
  const decoy = documents.seal(NOBODYS, canonicalJson(stranger));

  async function look(
    tx: Sql | Tx,
    number: string,
    ids: readonly string[],
  ): Promise<Row | undefined> {
    const [row] = await tx<Row[]>`
      select i.document, i.reverses, s.state, coalesce(a.times, 0) as adjusted, c.block, c.time,
             coalesce((select l.first + l.count > ${number}::numeric from lot_now l where l.first <= ${number}::numeric order by l.first desc limit 1), false) as sealed,
             coalesce((select g.first + g.length > ${number}::numeric from segment_now g where g.first <= ${number}::numeric order by g.first desc limit 1), false) as allotted,
             exists (select 1 from record_now r where r.number = any(${[...ids]}::numeric[]) and r.state in ('claimed', 'reimbursed')) as registered
      from chain_now c
      left join invoice_now i on i.number = ${number}::numeric
      left join record_now s on s.number = i.number
      left join adjustment_now a on a.number = i.number`;
    return row;
  }

  const asOfRow = (row: Row | undefined) => ({
    block: Number(row?.block ?? 0n),
    time: new Date(Number(row?.time ?? 0n) * 1_000).toISOString(),
  });

  const outside = (row: Row | undefined, { ids, askAt }: Elsewhere) => ({
    ...(ids.length > 0 && { registered: row?.registered ?? false }),
    ...(askAt !== undefined && { askAt }),
  });

  /**
   * Looks one number up and opens one document, real or stand-in; `agrees` compares it. Throws
   * `rate-limited`.
   */
  async function compared(
    tx: Sql | Tx,
    number: string,
    elsewhere: Elsewhere,
    agrees: (document: InvoiceDocument, row: Pick<Row, "reverses">) => boolean | Promise<boolean>,
  ): Promise<CheckedPrint> {
    const wait = misses.take(number);
    if (wait > 0) {
      const detail =
        "This number was tried too often with a date, total or content that does not match; a bundle or a signed QR code still works";
      throw new Problem("rate-limited", detail, { extra: { retryAfterSeconds: wait } });
    }
    let missed = false;
    try {
      const row = await look(tx, number, elsewhere.ids);
      const here = row?.document ?? undefined;
      const document = here ? documents.open(number, here) : documents.open(NOBODYS, decoy);
      const same = await agrees(document, { reverses: row?.reverses ?? null });
      const asOf = asOfRow(row);
      const answer = (result: PrintedResult, state?: InvoiceState): CheckedPrint => ({
        result,
        number,
        ...(state ? { state } : {}),
        asOf,
      });
      if (row === undefined || here === undefined) {
        if (row?.sealed) return answer("elsewhere");
        return { ...answer("not-found"), ...(row?.allotted ? {} : outside(row, elsewhere)) };
      }
      if (!same) {
        missed = true;
        return answer("mismatch");
      }
      // only accepted, or sealed with other content than was accepted here
      if (row.state === null) return answer(row.sealed ? "elsewhere" : "not-sealed");
      if (row.state === "reversed") return answer("reversed", row.state);
      return answer(row.adjusted > 0 ? "adjusted" : "valid", row.state);
    } finally {
      if (!missed) misses.giveBack(number);
    }
  }

  return {
    byPrint: (tx: Tx, { number, date, total, kind }: Printed): Promise<CheckedPrint> =>
      compared(tx, number, printedElsewhere(number, date), (document) =>
        timingSafeEqual(
          digest([
            dateOf(document),
            document.totals.gross,
            kind === undefined ? "" : document.kind,
          ]),
          digest([date, total, kind ?? ""]),
        ),
      ),

    /**
     * By a code that only the national platforms print. One with a number of 20 digits is compared
     * like a print: it is not ours unless date and total agree, and ours have a kind too.
     */
    async byCode(tx: Tx, { askAt, ...code }: NationalCode): Promise<CheckedPrint> {
      const { kind, number = "", date = "", total = "" } = code;
      if (kind === "national") {
        const print = await this.byPrint(tx, { number, date, total, kind });
        return { ...print, code };
      }
      const elsewhere = kind === "link" ? nowhere : printedElsewhere(number, date, code.code);
      const row = await look(tx, NOBODYS, elsewhere.ids);
      const asOf = asOfRow(row);
      return { result: "not-found", code, ...outside(row, elsewhere), askAt, asOf };
    },

    /**
     * By XML: compared as a whole with the stored document of its number, as far as the format can
     * express it; `not-found` also for a file that states no number of 20 digits. Holds no database
     * connection while it reads and compares. Throws the reader's Problems.
     */
    async byXml(mediaType: string, bytes: Uint8Array): Promise<CheckedPrint> {
      const read = await checks.run("xml", mediaType, bytes);
      const { number, original, format, content, says } = read;
      const elsewhere = elsewhereOf(original);
      if (number === undefined) {
        const row = await look(sql, NOBODYS, elsewhere.ids);
        return { result: "not-found", says, ...outside(row, elsewhere), asOf: asOfRow(row) };
      }
      const answer = await compared(sql, number, elsewhere, async (document, { reverses }) => {
        const ours = await checks.run("written", format, document, {
          number,
          reverses: reverses ?? undefined,
        });
        return ours !== undefined && timingSafeEqual(Buffer.from(ours), Buffer.from(content));
      });
      return { ...answer, says };
    },

    /** Asks the chain about a checked bundle; holds no database connection. */
    async ask(checked: Checked, printed?: Facts["printed"]): Promise<Asked> {
      const own = checked.bundle;
      // a bundle of another network, or a wrong one, needs no node
      if (
        !checked.ok ||
        own === undefined ||
        own.network.chainId !== chainId ||
        own.network.ledger.toLowerCase() !== ledger.toLowerCase()
      )
        return { checked, printed };
      try {
        const reading = await readingAt(chain, contracts, finalityDepth);
        const indexes = [...new Set([own.lot.issuer, ...own.parties.map((party) => party.index)])];
        const [lotHash, record, registrars, ...parties] = await Promise.all([
          reading.lotHash(own.lot.first),
          reading.record(own.number),
          reading.registrars(namesBy(own)),
          ...indexes.map((index) => reading.taxpayer(index)),
        ]);
        return {
          checked,
          printed,
          chain: {
            reading,
            lotHash,
            record,
            registrars,
            parties: parties.filter((party) => party !== undefined),
          },
        };
      } catch (cause) {
        if (cause instanceof NodeDown || cause instanceof NodeRefused) return { checked, printed };
        throw cause;
      }
    },

    async byBundle(
      tx: Tx,
      { checked, printed, chain }: Asked,
    ): Promise<Verdict & { asOf?: CheckedPrint["asOf"] }> {
      if (chain === undefined || checked.bundle === undefined)
        return judge(checked, { network, printed });
      const { number } = checked.bundle;
      const accounts = chain.parties.map(({ account }) => account);
      const past = await tx<
        RowOf<"account_key_now", "account" | "key">[]
      >`select account, key from account_key_now where account = any(${accounts}::text[])`;
      const [adjusted] = await tx<
        RowOf<"adjustment_now", "times">[]
      >`select times from adjustment_now where number = ${number}`;
      const registered = chain.parties.map(({ index, account, key, identity }): Registered => {
        const before = past
          .filter((retired) => retired.account === account && retired.key !== key)
          .map((retired) => retired.key);
        return {
          index,
          account,
          identity,
          keys: [...new Set([...(key === account ? [] : [account]), ...before, key])],
        };
      });
      const { reading, lotHash, record, registrars } = chain;
      const verdict = judge(checked, {
        network,
        printed,
        registered,
        registrars,
        ledger: {
          block: reading.block,
          time: reading.time,
          lotHash,
          record,
          adjusted: adjusted?.times ?? 0,
        },
      });
      return {
        ...verdict,
        asOf: { block: reading.block, time: new Date(reading.time * 1_000).toISOString() },
      };
    },
  };
}
