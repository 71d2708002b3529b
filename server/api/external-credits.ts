/** HTTP shape of credit notes of external invoices, and of what was reimbursed too much. */

import { creditEffects } from "@onepiao/protocol/formats/credit.ts";
import { invoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { endingOf, formatNames, formatOf } from "@onepiao/protocol/formats/formats.ts";
import { notesSchema, type ReadInvoice, unreadSchema } from "@onepiao/protocol/formats/read.ts";
import { externalHex } from "@onepiao/protocol/ledger/external.ts";
import { facts } from "@onepiao/protocol/ledger/identity.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { externalIdSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Taxpayer, Taxpayers } from "../features/parties/taxpayers.ts";
import { claimStatuses } from "../features/use/claim-records.ts";
import { type CreditNote, type Effect, isOverpaid } from "../features/use/credit-records.ts";
import type { Credits, Met } from "../features/use/external-credits.ts";
import { type Caller, fileAnswer, fileType, routeFor } from "../kernel/api.ts";
import { pageLimit } from "../kernel/page.ts";
import { claimHref } from "./external-findings.ts";

const route = routeFor<Tx>();
const tag = "External invoices";

export const creditHref = (id: string) => `/v1/external-credits/${id}`;

const effectSchema = z
  .enum(creditEffects)
  .describe(
    "reduces: deducted; exceeds: more than was left, deducted as far as there was; differs: another seller, currency or day, not deducted; several: names several invoices, not deducted; other-employer: recorded by another employer, nothing but a warning",
  );
const taken = z
  .object({ gross: z.string(), payable: z.string() })
  .describe("What it takes of the invoice: of its gross, and of what is to be paid");
const differs = z.array(z.enum(facts)).optional().describe("Of differs: in what");
const party = z.object({ taxId: z.string(), name: z.string() });

/** A credit note, as its original shows it. */
export const creditOnInvoice = z
  .object({
    number: z.string().describe("Its number where it was issued"),
    amount: z.string().describe("What it takes back, with tax"),
    effect: effectSchema,
    taken,
    differs,
    overpaid: z.boolean().describe("It came after the invoice was reimbursed"),
    recoveredAt: z.iso.datetime().optional(),
    credit: z.uuid().optional().describe("If this employer has recorded it"),
  })
  .meta({ id: "ExternalCreditOnInvoice" });

const effectOnClaim = z.object({
  id: externalIdSchema.describe("Of the original"),
  number: z.string().describe("The original's number where it was issued"),
  effect: effectSchema,
  taken,
  differs,
  overpaid: z.boolean().describe("It came after the original was reimbursed"),
  recoveredAt: z.iso.datetime().optional(),
  claim: z.object({ id: z.uuid(), status: z.enum(claimStatuses), href: z.string() }),
  employer: party.describe("From which the original is claimed"),
});
export const creditNote = z
  .object({
    credit: z.uuid().optional().describe("Its id here; absent with dryRun, if it is not recorded"),
    id: externalIdSchema,
    number: z.string().describe("Its number where it was issued"),
    format: z.enum(formatNames),
    employer: party.describe("Who has recorded it"),
    recordedAt: z.iso.datetime().optional(),
    seller: z.string(),
    buyer: z.string(),
    issuedOn: z.iso.date(),
    currency: z.string(),
    amount: z.string().describe("What it takes back, with tax"),
    originals: z
      .array(z.object({ number: z.string(), date: z.iso.date().optional() }))
      .describe("The invoices that it names"),
    effects: z
      .array(effectOnClaim)
      .describe("What it does to registrations in this gateway; an employer sees its own"),
    unread: unreadSchema.optional(),
    notes: notesSchema.optional(),
  })
  .meta({ id: "ExternalCreditNote" });
const overpaid = z
  .object({
    overpaid: z.uuid(),
    amount: z.string().describe("What was reimbursed too much"),
    currency: z.string(),
    recoveredAt: z.iso.datetime().optional(),
    original: z.object({ id: externalIdSchema, number: z.string() }),
    creditNote: z.object({ credit: z.uuid(), number: z.string(), href: z.string() }),
    claim: z.object({ id: z.uuid(), href: z.string() }),
    employer: party,
  })
  .meta({ id: "ExternalOverpaid" });

const differing = (all: Effect["differs"]) => (all.length > 0 ? { differs: [...all] } : {});
const recovery = ({ recovered_at }: Effect) =>
  recovered_at === null ? {} : { recoveredAt: recovered_at.toISOString() };

/** What credit notes do to a registration. */
export const creditsOn = (effects: readonly Effect[]) =>
  effects.map((effect) => ({
    number: effect.note.number,
    amount: effect.note.amount,
    effect: effect.effect,
    taken: effect.taken,
    ...differing(effect.differs),
    overpaid: isOverpaid(effect),
    ...recovery(effect),
    ...(effect.effect === "other-employer" ? {} : { credit: effect.credit }),
  }));
/** What credit notes would do to a registration. */
export const creditsMet = (all: readonly Met[]) =>
  all.map(({ note, effect, differs, taken }) => ({
    number: note.number,
    amount: note.credit.amount,
    effect,
    taken,
    ...differing(differs),
    overpaid: false,
    ...(effect === "other-employer" ? {} : { credit: note.id }),
  }));

type Deps = { credits: Credits; taxpayers: Taxpayers };

/** The views of credit notes, for these routes and that of registrations. */
export function creditViews({ credits, taxpayers }: Deps) {
  const named = (taxpayer: Taxpayer | undefined) => ({
    taxId: taxpayer?.taxId ?? "",
    name: taxpayer?.name ?? "",
  });
  const facts = (note: Omit<CreditNote, "id" | "at">) => ({
    id: note.hex,
    number: note.number,
    format: formatOf(note.document),
    seller: note.document.seller.name,
    buyer: note.document.buyer.name,
    issuedOn: note.stated.days.at(-1) as string,
    currency: note.document.currency,
    amount: note.credit.amount,
    originals: note.credit.originals.map(({ number, date }) => ({ number, ...(date && { date }) })),
  });

  async function views(sql: Tx, caller: Caller, notes: readonly CreditNote[]) {
    const effects = await credits.effectsOf(
      sql,
      "credit",
      notes.map(({ id }) => id),
    );
    const parties = await taxpayers.byIndexes(sql, [
      ...new Set([
        ...notes.map(({ employer }) => employer),
        ...[...effects.values()].flat().map(({ employer }) => employer),
      ]),
    ]);
    const all = caller.roles.includes("bureau");
    return notes.map((note) => ({
      credit: note.id,
      ...facts(note),
      employer: named(parties.get(note.employer)),
      recordedAt: note.at.toISOString(),
      // whose else the original is, is not its recorder's to know
      effects: (effects.get(note.id) ?? [])
        .filter(({ employer }) => all || employer === note.employer)
        .map((effect) => ({
          id: externalHex(effect.number),
          number: effect.original,
          effect: effect.effect,
          taken: effect.taken,
          ...differing(effect.differs),
          overpaid: isOverpaid(effect),
          ...recovery(effect),
          claim: { id: effect.claim, status: effect.state, href: claimHref(effect.claim) },
          employer: named(parties.get(effect.employer)),
        })),
    }));
  }

  return {
    views,
    named,
    viewOf: async (sql: Tx, caller: Caller, note: CreditNote) =>
      (await views(sql, caller, [note]))[0] as Awaited<ReturnType<typeof views>>[number],

    /** What recording would do. Nothing is written. */
    async look(sql: Tx, caller: Caller, read: ReadInvoice) {
      const { examined, known, effects } = await credits.look(sql, caller, read);
      if (known) return (await views(sql, caller, [known]))[0];
      return {
        ...facts(examined),
        employer: named(examined.taxpayer),
        effects: effects.map(({ original, meeting, late, taken }) => ({
          id: externalHex(original.ids[0] as string),
          number: original.number,
          effect: meeting.effect,
          taken,
          ...differing(meeting.differs),
          overpaid: late,
          claim: { id: original.claim, status: original.state, href: claimHref(original.claim) },
          employer: named(examined.taxpayer),
        })),
      };
    },
  };
}

export function externalCreditRoutes({ credits, taxpayers }: Deps) {
  const { views, viewOf, named } = creditViews({ credits, taxpayers });
  const creditParam = z.object({ credit: z.uuid() });
  const before = z.uuid().optional().describe("`next` of the page before");

  async function overpaidViews(sql: Tx, all: readonly Effect[]) {
    const employers = await taxpayers.byIndexes(sql, [
      ...new Set(all.map(({ employer }) => employer)),
    ]);
    return all.map((effect) => ({
      overpaid: effect.id,
      amount: effect.taken.payable,
      currency: effect.currency,
      ...recovery(effect),
      original: { id: externalHex(effect.number), number: effect.original },
      creditNote: {
        credit: effect.credit,
        number: effect.note.number,
        href: creditHref(effect.credit),
      },
      claim: { id: effect.claim, href: claimHref(effect.claim) },
      employer: named(employers.get(effect.employer)),
    }));
  }

  return [
    route({
      method: "get",
      path: "/v1/external-credits",
      summary: "Recorded credit notes of external invoices, newest first",
      description:
        "An employer sees its own, the bureau all. `POST /v1/external-invoices` records them. With `doubtful=true` a page may have fewer entries than asked for, and `next` goes on.",
      tag,
      roles: ["employer", "bureau"],
      query: z.object({
        before,
        limit: pageLimit,
        doubtful: z
          .enum(["true", "false"])
          .optional()
          .describe("true: only those with an effect other than reduces"),
      }),
      answers: {
        200: {
          description: "A page",
          schema: z.object({ items: z.array(creditNote), next: z.uuid().optional() }),
        },
      },
      async run({ sql, caller, query: { doubtful, ...query } }) {
        const { items, next } = await credits.list(sql, caller, {
          ...query,
          doubtful: doubtful === "true",
        });
        return {
          status: 200,
          body: { items: await views(sql, caller, items), ...(next && { next }) },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/external-credits/{credit}",
      summary: "One credit note with its document",
      tag,
      roles: ["employer", "bureau"],
      params: creditParam,
      answers: {
        200: {
          description: "The credit note",
          schema: creditNote.extend({ document: invoiceDocument }),
        },
      },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const note = await credits.get(sql, caller, params.credit);
        return {
          status: 200,
          body: { ...(await viewOf(sql, caller, note)), document: note.document },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/external-credits/{credit}/original",
      summary: "The original of a credit note as it was recorded, byte for byte",
      tag,
      roles: ["employer", "bureau"],
      params: creditParam,
      produces: [fileType],
      answers: { 200: { description: "The original" } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const source = await credits.sourceOf(sql, caller, params.credit);
        if (source === undefined)
          throw new Problem(
            "not-found",
            "This credit note was recorded as JSON: its document is the original",
          );
        return fileAnswer(source.bytes, `${params.credit}.original.${endingOf(source.format)}`);
      },
    }),
    route({
      method: "get",
      path: "/v1/external-overpaid",
      summary: "What was reimbursed too much: credit notes that came after the reimbursement",
      description:
        "An employer sees its own, the bureau all, newest first. The first page has the sums by currency.",
      tag,
      roles: ["employer", "bureau"],
      query: z.object({
        before,
        limit: pageLimit,
        state: z.enum(["open", "recovered"]).default("open"),
      }),
      answers: {
        200: {
          description: "A page",
          schema: z.object({
            items: z.array(overpaid),
            next: z.uuid().optional(),
            sums: z
              .array(z.object({ currency: z.string(), amount: z.string(), count: z.int() }))
              .optional()
              .describe("Of all pages, with the first one"),
            sumsOfNewest: z
              .literal(true)
              .optional()
              .describe("There are so many that only the newest 10,000 are added up"),
          }),
        },
      },
      async run({ sql, caller, query: { state, ...query } }) {
        const { items, next, sums } = await credits.overpaid(sql, caller, {
          ...query,
          recovered: state === "recovered",
        });
        return {
          status: 200,
          body: {
            items: await overpaidViews(sql, items),
            ...(next && { next }),
            ...(sums && { sums: sums.all, ...(sums.isAll ? {} : { sumsOfNewest: true as const }) }),
          },
        };
      },
    }),
    route({
      method: "post",
      path: "/v1/external-overpaid/{overpaid}/recovered",
      summary: "Mark a sum that was reimbursed too much as recovered",
      description:
        "The employer has it back, from the holder or the seller. It stays in the list of what is recovered.",
      tag,
      roles: ["employer"],
      params: z.object({ overpaid: z.uuid() }),
      answers: { 200: { description: "Marked", schema: overpaid } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const effect = await credits.recover(sql, caller, params.overpaid);
        const [body] = await overpaidViews(sql, [effect]);
        return { status: 200, body };
      },
    }),
  ] as const;
}
