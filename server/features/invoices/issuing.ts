/**
 * Issuing: everything between a read document and a row that will be sealed.
 *
 * Accepted means: number, leaf and encrypted document are one SQL transaction, so a crash leaves
 * either all or nothing, and the sealer takes the number up in its turn. Invoices that come at once
 * are accepted in one transaction (kernel/api.ts, Together). Each step of it is one statement for
 * all of them:
 *
 *   parties → hold the issuers' quotas → red letters' sheets → originals issued before → free numbers → decide, one by one, in memory → write
 *
 * The issuers' quotas are held first and until the transaction ends, so one transaction at a time
 * decides for an issuer: whether an original is new, what quota is left, which number is next. A
 * refusal is decided before anything is written.
 */
import { randomBytes } from "node:crypto";
import { canonicalJson, type InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import { formatOf } from "@onepiao/protocol/formats/formats.ts";
import type { ReadInvoice } from "@onepiao/protocol/formats/read.ts";
import { redLetterOf } from "@onepiao/protocol/formats/red-letter.ts";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { brokenIssueTime, chinaDay, type TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import { nameOn } from "@onepiao/protocol/values/names.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import { ZERO_ACCOUNT } from "../../chain/contracts.ts";
import { announce, type Changes, momentNow, type Sql, type Tx } from "../../db/db.ts";
import type { Caller } from "../../kernel/api.ts";
import { accountOfSecret } from "../../keys/keystore.ts";
import type { Accounts } from "../parties/accounts.ts";
import {
  checkNames,
  type HeldQuota,
  periodOf,
  type Taxpayer,
  type Taxpayers,
} from "../parties/taxpayers.ts";
import type { Documents } from "./documents.ts";
import { type Invoices, type Original, sourceKey } from "./invoices.ts";
import type { Reason, RedLetters, Sheet } from "./red-letters.ts";

type Deps = {
  sql: Sql;
  accounts: Accounts;
  documents: Documents;
  taxpayers: Taxpayers;
  invoices: Invoices;
  redLetters: RedLetters;
  changes: Changes;
  bounds: TimeBounds;
};
export type Issuing = ReturnType<typeof createIssuing>;

/**
 * Gross that a batch has accepted so far, in cents: an expectation of what is still to come of it.
 */
export type Course = { gross: bigint };

/**
 * One invoice to be issued. `holder`: account of the first holder, from beside the document;
 * `reason`: of a red letter; `course`: of its batch.
 */
export type Wanted = {
  caller: Pick<Caller, "account">;
  read: ReadInvoice;
  holder: string | undefined;
  reason?: Reason | undefined;
  course?: Course;
};

export type Accepted = { number: string; pickup: string | undefined };
/** A red letter gets its number when the chain has its act: until then there is its sheet. */
export type Opened = { redLetter: string };

const DRAW_PATIENCE_MS = 15_000;
/** Draws that are begun in a row: a draw that the chain refuses is not tried for ever. */
const MAX_DRAWS = 3;
/** How long an invoice takes to be booked once its quota is drawn. */
const BOOKING_MS = 1_000;

/** An invoice whose parties are known. */
type Draft = {
  document: InvoiceDocument;
  issuer: Taxpayer;
  buyer: Taxpayer | undefined;
  holder: string | undefined;
  gross: bigint;
  /** Keyed hash of the original's id. */
  source: Buffer | null;
  sourceText: string | undefined;
  course: Course | undefined;
};
/** A run of free numbers of a segment. */
type Free = { segment: string; next: bigint; left: bigint };
/**
 * `pickup`: the secret of the one-time key that an invoice to nobody in particular is sealed to.
 * `salt`: of a red letter, whose content was signed before it got its number.
 */
type Row = Draft & {
  number: string;
  segment: string;
  reverses: string | null;
  pickup: string | undefined;
  salt?: Buffer;
};

/** What a group's decisions are made on, and what they leave for the next one. */
type Desk = {
  quotas: Map<number, HeldQuota>;
  /** Originals issued before, by issuer and blind. */
  issued: Map<string, Original>;
  free: Map<number, Free[]>;
};

export function createIssuing(deps: Deps) {
  const { accounts, documents, taxpayers, invoices, redLetters } = deps;

  // ── who ────────────────────────────────────────────────────────────────────────────────────────

  /** The named first holders that the network knows. */
  const holdersOf = (tx: Tx, wanted: readonly Wanted[]) =>
    accounts.known(
      tx,
      wanted.flatMap(({ holder }) => (holder === undefined ? [] : [checksummed(holder)])),
    );

  /**
   * `holders`: the accounts that may be named; undefined for one that was looked at when its red
   * letter was opened.
   */
  function draftOf(
    { caller, read, holder, course }: Omit<Wanted, "reason">,
    parties: Awaited<ReturnType<Taxpayers["among"]>>,
    holders: ReadonlySet<string> | undefined,
  ): Draft {
    const { document, source } = read;
    const byTaxId = (taxId: string) => parties.byTaxId.get(normaliseTaxId(taxId));
    const field = (member: string) => fieldIn(formatOf(document), member);
    const seller = byTaxId(document.seller.taxId);
    if (!seller || seller.account !== caller.account) {
      throw new Problem(
        "seller-not-caller",
        "The seller's tax id is not that of the API key's taxpayer",
        {
          violations: [
            {
              field: field("/seller/taxId"),
              rule: "seller-is-caller",
              detail: "An issuer issues its own invoices",
            },
          ],
        },
      );
    }
    if (seller.standing !== "active" || !seller.capabilities.includes("issuer"))
      throw new Problem("issuer-not-active", "The issuer is suspended or not enrolled as one");
    if (seller.currency !== document.currency) {
      throw new Problem(
        "currency-not-accounted",
        `The issuer accounts and draws quota in ${seller.currency}`,
        {
          violations: [
            {
              field: field("/currency"),
              rule: "currency-of-issuer",
              detail: `Expected ${seller.currency}`,
            },
          ],
        },
      );
    }
    const buyer = document.buyer.taxId === undefined ? undefined : byTaxId(document.buyer.taxId);
    if (document.buyer.taxId !== undefined && !buyer) {
      throw new Problem(
        "buyer-not-enrolled",
        "No enrolled taxpayer has the buyer's tax id, so nobody could reimburse this invoice",
        {
          violations: [
            {
              field: field("/buyer/taxId"),
              rule: "buyer-enrolled",
              detail: "Let the bureau enrol it, or leave the tax id out for an untitled invoice",
            },
          ],
        },
      );
    }
    const named = holder === undefined ? undefined : checksummed(holder);
    if (named === ZERO_ACCOUNT) {
      const detail = "Nobody can sign for the zero address";
      throw new Problem("zero-address", detail, {
        violations: [{ field: "/holder", rule: "not-zero", detail }],
      });
    }
    if (named !== undefined && holders?.has(named) === false)
      throw accounts.unknownHolder("/holder");
    return {
      document,
      issuer: seller,
      buyer,
      holder: named,
      gross: parseMoney(document.totals.gross),
      source:
        document.sourceId === undefined
          ? null
          : invoices.sourceBlind(seller.taxId, document.sourceId),
      sourceText: source?.text,
      course,
    };
  }

  /**
   * What an invoice says that is issued now; what was accepted before was judged then. Throws
   * invalid-document, name-not-enrolled.
   */
  function checkWords({ document, issuer, buyer }: Draft, now: Date): void {
    const broken = brokenIssueTime(document.issuedAt, now, deps.bounds);
    if (broken) {
      const field = fieldIn(formatOf(document), "/issuedAt");
      throw new Problem("invalid-document", `${field}: ${broken.detail}`, {
        violations: [{ field, ...broken }],
      });
    }
    const day = chinaDay(new Date(document.issuedAt));
    checkNames(document, {
      seller: nameOn(issuer.names, day),
      ...(buyer ? { buyer: nameOn(buyer.names, day) } : {}),
    });
  }

  // ── what is left ───────────────────────────────────────────────────────────────────────────────

  /**
   * The issuers' segments with free numbers, lowest first; as many as could be needed. Those that
   * are full are not looked at.
   */
  async function freeNumbers(tx: Tx, drafts: readonly Draft[]): Promise<Map<number, Free[]>> {
    const wanted = Map.groupBy(drafts, (draft) => draft.issuer.index);
    const rows = await tx<{ issuer: number; first: string; length: bigint; accepted: bigint }[]>`
      select w.issuer, f.first, f.length, f.accepted
      from unnest(${[...wanted.keys()]}::int[], ${[...wanted.values()].map((of) => of.length)}::int[]) as w (issuer, count),
      lateral (
        select s.first, s.length, coalesce(u.accepted, 0) as accepted
        from (select first from segment_free where issuer = w.issuer order by first limit w.count + 1) n
        cross join lateral (select first, length from segments where first = n.first offset 0) s
        left join segment_accepted u on u.segment = n.first where coalesce(u.accepted, 0) < s.length order by s.first limit w.count
      ) f order by w.issuer, f.first`;
    const free = new Map<number, Free[]>();
    for (const { issuer, first, length, accepted } of rows) {
      const segments = free.get(issuer) ?? [];
      segments.push({ segment: first, next: BigInt(first) + accepted, left: length - accepted });
      free.set(issuer, segments);
    }
    return free;
  }

  // ── decide ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * Opens the sheet of a red letter that came as a document: of the issuer's own invoice, which it
   * names.
   */
  async function openRed(
    tx: Tx,
    { issuer, document, sourceText }: Draft,
    reason: Reason | undefined,
  ): Promise<Sheet> {
    const { number, sourceId = "" } = document.reverses ?? {};
    const named =
      number === undefined
        ? tx`source_blind = ${invoices.sourceBlind(issuer.taxId, sourceId)}`
        : tx`number = ${number}`;
    const [known] = await tx<
      { number: string }[]
    >`select number from invoices where issuer = ${issuer.index} and ${named}`;
    if (!known) {
      const detail = "This issuer has issued no such invoice here";
      throw new Problem("red-letter-refused", detail, {
        violations: [{ field: "/reverses", rule: "original-unknown", detail }],
      });
    }
    return redLetters.open(tx, "issuer", known.number, () => document, {
      reason,
      source: sourceText,
    });
  }

  /**
   * The invoices that wait for quota, by issuer: what is drawn is enough for all of them, and for
   * what their batches bring next.
   */
  const wanting = new Map<string, Set<Pick<Draft, "gross" | "course">>>();
  const sum = (of: Iterable<{ gross: bigint }>) =>
    [...of].reduce((total, { gross }) => total + gross, 0n);

  /** Who looks after the draws of an issuer, for all who wait for them. */
  const drawing = new Map<string, Promise<void>>();

  /**
   * Draws until what is drawn covers all who wait. For a batch as much again as it has had so far:
   * so a long one waits for a few draws and not for one every few hundred lines.
   */
  async function draw(
    issuer: Taxpayer,
    period: number,
    waiting: ReadonlySet<Pick<Draft, "gross" | "course">>,
  ): Promise<void> {
    const { sql, changes } = deps;
    let draws = 0;
    for (const end = Date.now() + DRAW_PATIENCE_MS; Date.now() < end && draws < MAX_DRAWS; ) {
      const change = changes.wait(250, "block", "outcome");
      const all = sum(waiting) + sum(new Set([...waiting].flatMap((one) => one.course ?? [])));
      const begun = await sql.begin((tx) => taxpayers.drawAhead(tx, issuer, period, all));
      if (begun === undefined) break;
      if (begun === "begun") draws += 1;
      await change;
    }
  }

  /** Waits until the quota that an invoice needs is drawn, as far as it can be. */
  const drawAndWait =
    ({ issuer, gross, course }: Draft, period: number) =>
    async (): Promise<void> => {
      const waiting = wanting.get(issuer.account) ?? new Set();
      wanting.set(issuer.account, waiting);
      const own = { gross, course };
      waiting.add(own);
      const name = `${issuer.account}/${period}`;
      const draws =
        drawing.get(name) ?? draw(issuer, period, waiting).finally(() => drawing.delete(name));
      drawing.set(name, draws);
      await draws;
      // it is booked only after this, and until then the others must not count on its part
      setTimeout(() => {
        waiting.delete(own);
        if (waiting.size === 0) wanting.delete(issuer.account);
      }, BOOKING_MS).unref();
    };

  /** The row of an invoice, taken off what is left; throws its refusal, with nothing taken. */
  function decide(draft: Draft, period: number, desk: Desk): Row {
    const { issuer, source } = draft;
    const original = source && desk.issued.get(sourceKey(issuer.index, source));
    if (original) throw invoices.duplicate(original);
    return take(draft, period, desk);
  }

  /**
   * The same, without a look at whether its original is new. `red`: it is a red letter, of this
   * invoice, whose content was signed with this salt.
   */
  function take(
    draft: Draft,
    period: number,
    desk: Desk,
    red?: { reverses: string; salt: Buffer },
  ): Row {
    const { issuer, gross, source } = draft;
    const run = desk.free.get(issuer.index)?.find((one) => one.left > 0n);
    if (!run)
      throw new Problem(
        "no-segment",
        "The bureau has allotted this issuer no numbers that are still free",
      );
    const booked =
      desk.quotas.get(issuer.index)?.book(gross) ??
      new Problem("issuer-not-active", "The issuer is not enrolled");
    if (booked instanceof Problem) throw booked;
    if (booked === "not-drawn") {
      throw new Problem(
        "quota-not-drawn",
        `The quota drawn does not cover ${formatMoney(gross)}; more is being drawn`,
        {
          remedy: drawAndWait(draft, period),
        },
      );
    }
    const number = run.next.toString();
    run.next += 1n;
    run.left -= 1n;
    if (draft.course) draft.course.gross += gross;
    if (source) desk.issued.set(sourceKey(issuer.index, source), { number, state: "accepted" });
    const toNobody = red === undefined && draft.holder === undefined && draft.buyer === undefined;
    const pickup = toNobody ? invoices.pickupSecret(number) : undefined;
    return { ...draft, number, segment: run.segment, reverses: null, ...red, pickup };
  }

  // ── write ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * The account that an invoice is sealed to. A red letter belongs to nobody: no act can be made on
   * it.
   */
  const leafHolder = ({ reverses, holder, buyer, pickup }: Row) =>
    pickup !== undefined
      ? accountOfSecret(pickup)
      : reverses !== null
        ? ZERO_ACCOUNT
        : ((holder ?? buyer?.account) as string);

  /** `free`: what is left of the segments that the numbers were taken from. */
  async function write(tx: Tx, rows: readonly Row[], { free }: Pick<Desk, "free">): Promise<void> {
    const sealed = rows.map((row) => {
      const salt = row.salt ?? randomBytes(32);
      return {
        salt,
        content: contentHash(salt, row.document),
        document: documents.seal(row.number, canonicalJson(row.document)),
        source:
          row.sourceText === undefined ? null : documents.sealSource(row.number, row.sourceText),
      };
    });
    await tx`
      insert into invoices (number, issuer, segment, content, salt, leaf_holder, leaf_buyer, source_blind, reverses, document, source)
      select * from unnest(
        ${rows.map((row) => row.number)}::numeric[], ${rows.map((row) => row.issuer.index)}::int[], ${rows.map((row) => row.segment)}::numeric[],
        ${sealed.map((one) => one.content)}::text[], ${sealed.map((one) => one.salt)}::bytea[], ${rows.map(leafHolder)}::text[],
        ${rows.map((row) => row.buyer?.index ?? 0)}::int[], ${rows.map((row) => row.source)}::bytea[], ${rows.map((row) => row.reverses)}::numeric[],
        ${sealed.map((one) => one.document)}::bytea[], ${sealed.map((one) => one.source)}::bytea[])`;
    await announce(tx, "accepted");
    const taken = [...Map.groupBy(rows, (row) => row.segment)];
    await tx`
      insert into segment_accepted (segment, accepted, waiting_since)
      select segment, accepted, now()
      from unnest(${taken.map(([segment]) => segment)}::numeric[], ${taken.map(([, of]) => of.length)}::bigint[]) as n (segment, accepted)
      on conflict (segment) do update
        set accepted = segment_accepted.accepted + excluded.accepted, waiting_since = coalesce(segment_accepted.waiting_since, excluded.waiting_since)`;
    const full = [...free].flatMap(([issuer, runs]) =>
      runs.filter((run) => run.left === 0n).map(({ segment }) => ({ issuer, segment })),
    );
    if (full.length === 0) return;
    await tx`
      delete from segment_free f using unnest(${full.map((one) => one.issuer)}::int[], ${full.map((one) => one.segment)}::numeric[]) as n (issuer, first)
      where f.issuer = n.issuer and f.first = n.first`;
  }

  return {
    /**
     * Accepts invoices: for each the number that it will be sealed under, or its refusal, which
     * leaves nothing behind. `pickup`: the secret that takes it over, for an untitled invoice
     * without a holder. Of a red letter the sheet that is opened.
     */
    async accept(tx: Tx, group: readonly Wanted[]): Promise<(Accepted | Opened | Problem)[]> {
      const results: (Accepted | Opened | Problem)[] = [];
      const attempt = async <T>(
        place: number,
        work: () => T | Promise<T>,
      ): Promise<T | undefined> => {
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          results[place] = error;
          return undefined;
        }
      };
      const taxIds = group.flatMap(({ read: { document } }) => [
        document.seller.taxId,
        ...(document.buyer.taxId === undefined ? [] : [document.buyer.taxId]),
      ]);
      const parties = await taxpayers.among(tx, [], [...new Set(taxIds)]);
      const holders = await holdersOf(tx, group);
      const now = await momentNow(tx);
      const drafts: { place: number; draft: Draft }[] = [];
      for (const [place, wanted] of group.entries()) {
        const draft = await attempt(place, () => {
          const one = draftOf(wanted, parties, holders);
          // a red letter's words are judged beside its original's
          if (one.document.reverses === undefined) checkWords(one, now);
          return one;
        });
        if (draft) drafts.push({ place, draft });
      }
      if (drafts.length === 0) return results;
      const period = periodOf(now);
      const all = drafts.map(({ draft }) => draft);
      const quotas = await taxpayers.holdQuotas(
        tx,
        all.map((draft) => draft.issuer),
        period,
      );
      const [red, plain] = [true, false].map((wanted) =>
        drafts.filter(({ draft }) => (draft.document.reverses !== undefined) === wanted),
      ) as [typeof drafts, typeof drafts];
      // first, so that the ids which they keep are seen by the others
      for (const { place, draft } of red) {
        const sheet = await attempt(place, () => openRed(tx, draft, group[place]?.reason));
        if (sheet) results[place] = { redLetter: sheet.id };
      }
      const sources = plain.flatMap(({ draft: { issuer, source } }) =>
        source === null ? [] : [{ issuer: issuer.index, blind: source }],
      );
      const desk: Desk = {
        quotas,
        issued: await invoices.issuedBefore(tx, sources),
        free: await freeNumbers(
          tx,
          plain.map(({ draft }) => draft),
        ),
      };
      const rows: Row[] = [];
      for (const { place, draft } of plain) {
        const row = await attempt(place, () => decide(draft, period, desk));
        if (!row) continue;
        rows.push(row);
        results[place] = { number: row.number, pickup: row.pickup };
      }
      if (rows.length > 0) await write(tx, rows, desk);
      await taxpayers.keepQuotas(tx, period, quotas);
      return results;
    },

    /**
     * Void and replace (作废重开): opens the red letter over all that is left of an invoice, with the
     * invoice that takes its place.
     */
    async replace(
      tx: Tx,
      { number, issuer: index }: { number: string; issuer: number },
      wanted: Wanted,
    ): Promise<Sheet> {
      const { document } = wanted.read;
      const parties = await taxpayers.among(
        tx,
        [],
        [
          document.seller.taxId,
          ...(document.buyer.taxId === undefined ? [] : [document.buyer.taxId]),
        ],
      );
      const draft = draftOf(wanted, parties, await holdersOf(tx, [wanted]));
      const { issuer, holder, sourceText } = draft;
      if (document.reverses !== undefined) {
        const detail = "The invoice that takes the place is no red letter";
        throw new Problem("red-letter-refused", detail, {
          violations: [{ field: "/reverses", rule: "not-a-red-letter", detail }],
        });
      }
      if (issuer.index !== index)
        throw new Problem("forbidden", "Only its issuer replaces an invoice");
      const now = await momentNow(tx);
      checkWords(draft, now);
      await taxpayers.holdQuotas(tx, [issuer], periodOf(now));
      return redLetters.open(
        tx,
        "issuer",
        number,
        (original, left) => redLetterOf(original, left, { whole: true }, now),
        {
          reason: wanted.reason,
          instead: { document, source: sourceText, holder },
        },
      );
    },

    /**
     * Issues a red letter whose act the chain has, and with it the invoice that takes the
     * original's place: one transaction, once. Nothing happens when it is issued already. Throws
     * what keeps it from being issued now.
     */
    async issueRedLetter(tx: Tx, id: string): Promise<void> {
      const sheet = await redLetters.find(tx, id);
      const issuer = sheet && (await taxpayers.byIndex(tx, sheet.issuer));
      if (!issuer) return;
      const period = periodOf(await momentNow(tx));
      const quotas = await taxpayers.holdQuotas(tx, [issuer], period);
      if (!(await redLetters.hold(tx, id))) return;
      const { document, salt, source, invoice, instead } = sheet;
      const wanted = [{ document, source, holder: undefined }, ...(instead ? [instead] : [])];
      const taxIds = wanted.flatMap((one) => [
        one.document.seller.taxId,
        ...(one.document.buyer.taxId === undefined ? [] : [one.document.buyer.taxId]),
      ]);
      const parties = await taxpayers.among(tx, [], taxIds);
      const readOf = (one: (typeof wanted)[number]): ReadInvoice => ({
        document: one.document,
        ...(one.source === undefined || one.document.source === undefined
          ? {}
          : { source: { format: one.document.source.format, text: one.source } }),
      });
      const drafts = wanted.map((one) =>
        draftOf({ caller: issuer, read: readOf(one), holder: one.holder }, parties, undefined),
      );
      // their own ids are kept for them
      const desk: Desk = { quotas, issued: new Map(), free: await freeNumbers(tx, drafts) };
      // the red letter first: it gives back what its replacement may need
      const rows = drafts.map((draft, i) =>
        take(
          draft,
          period,
          desk,
          i === 0 ? { reverses: invoice, salt: Buffer.from(salt, "hex") } : undefined,
        ),
      );
      await write(tx, rows, desk);
      await taxpayers.keepQuotas(tx, period, quotas);
      const [red, next] = rows as [Row, Row | undefined];
      await redLetters.issued(tx, id, red.number, next?.number);
    },
  };
}
