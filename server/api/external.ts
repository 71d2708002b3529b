/** HTTP shape of external invoices. */

import { isCredit } from "@onepiao/protocol/formats/credit.ts";
import { invoiceDocument, invoiceRequest } from "@onepiao/protocol/formats/document.ts";
import {
  endingOf,
  formatNames,
  formatOf,
  mediaTypes,
  titlesOf,
} from "@onepiao/protocol/formats/formats.ts";
import {
  maxBody,
  notesSchema,
  type ReadInvoice,
  readInvoice,
  unreadSchema,
} from "@onepiao/protocol/formats/read.ts";
import { payableOf } from "@onepiao/protocol/formats/rules.ts";
import { ledgerNumber } from "@onepiao/protocol/ledger/external.ts";
import { facts } from "@onepiao/protocol/ledger/identity.ts";
import { amountPattern, decimalsOf } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import {
  accountSchema,
  externalIdSchema,
  invoiceNameSchema,
  operationRefSchema,
} from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import { amountOf } from "../features/invoices/invoices.ts";
import { accepted, settle } from "../features/out/operations.ts";
import type { Taxpayer, Taxpayers } from "../features/parties/taxpayers.ts";
import { lessCredits } from "../features/use/credit-records.ts";
import { type External, lookStates, type Registered } from "../features/use/external.ts";
import { checkDigitNotes, checks, provenOf } from "../features/use/external-checks.ts";
import type { Credits } from "../features/use/external-credits.ts";
import { NAMED, type NearMatch } from "../features/use/near.ts";
import { fileAnswer, fileType, routeFor } from "../kernel/api.ts";
import { nextOf, pageLimit } from "../kernel/page.ts";
import {
  creditHref,
  creditNote,
  creditOnInvoice,
  creditsMet,
  creditsOn,
  creditViews,
} from "./external-credits.ts";
import { claimHref, claimRef, claimRefOf, sameSchema } from "./external-findings.ts";

const route = routeFor<Tx>();
const tag = "External invoices";

const proofs = {
  proven: z.array(z.enum(checks)).describe("What was checked"),
  notProven: z.array(z.enum(checks)).describe("What this network has not checked"),
};
const nearSchema = z
  .array(
    z.object({
      invoice: invoiceNameSchema,
      number: z.string().describe("The number that it was issued under"),
      same: sameSchema,
      claim: claimRef.optional(),
    }),
  )
  .max(NAMED)
  .describe(
    "Other invoices of this employer with the same day, currency, gross and seller or buyer: look whether they are of one purchase. Nothing is refused",
  );
const summary = z
  .object({
    id: externalIdSchema,
    number: z.string().describe("Its number where it was issued"),
    format: z.enum(formatNames),
    claim: z.object({ id: z.uuid(), status: z.string(), href: z.string() }),
    holder: accountSchema.describe("The account that it is claimed for"),
    employer: z.object({ taxId: z.string(), name: z.string() }),
    registeredAt: z.iso.datetime(),
    seller: z.string(),
    buyer: z.string(),
    currency: z.string(),
    gross: z.string(),
    payable: z
      .string()
      .describe(
        "What is to be paid of it: gross + collected − prepaid + rounding, less what credit notes took before it was reimbursed",
      ),
    creditNotes: z
      .array(creditOnInvoice)
      .optional()
      .describe("Credit notes of it, if there are any"),
    ...proofs,
  })
  .meta({ id: "ExternalInvoiceSummary" });
const full = summary.extend({ document: invoiceDocument }).meta({ id: "ExternalInvoice" });
const pending = z.object({
  id: externalIdSchema,
  claim: claimRef,
  ...proofs,
  unread: unreadSchema.optional(),
  notes: notesSchema.optional(),
  nearDuplicates: nearSchema.optional(),
  operation: operationRefSchema,
});
const look = z
  .object({
    number: z.string().describe("Its number where it was issued"),
    ids: z
      .array(externalIdSchema)
      .describe("Its ids on the ledger: a national number is one, each id of a seller gives one"),
    state: z
      .enum(lookStates)
      .describe(
        "free; registered: by this employer; used: claimed from or reimbursed by another; conflict: registered with another seller, date or total; credited: credit notes have left nothing of it",
      ),
    original: z
      .object({
        id: externalIdSchema,
        state: z.string(),
        since: z.iso.datetime(),
        claim: z.uuid().optional(),
        href: z.string().optional(),
      })
      .optional()
      .describe("What is there already"),
    differs: z.array(z.enum(facts)).optional().describe("Of a conflict: in what"),
    creditNotes: z
      .array(creditOnInvoice)
      .optional()
      .describe("Credit notes of it, if there are any"),
    unread: unreadSchema.optional(),
    notes: notesSchema.optional(),
    nearDuplicates: nearSchema.optional(),
  })
  .meta({ id: "ExternalLook" });
const idParam = z.object({ id: externalIdSchema });
const seen = ["employer", "holder", "bureau"] as const;

/** The invoice with what its registration says that it collects. Throws invalid-request. */
function collecting(read: ReadInvoice, collected: string): ReadInvoice {
  const { document } = read;
  const refuse = (rule: string, detail: string) =>
    new Problem("invalid-request", detail, { violations: [{ field: "?collected", rule, detail }] });
  if (document.totals.collected !== undefined)
    throw refuse("collected-twice", "The document says itself what it collects");
  const decimals = decimalsOf(document.currency);
  if (!amountPattern.test(collected) || collected.at(-decimals - 1) !== ".")
    throw refuse("money-format", `An amount in ${document.currency} has ${decimals} decimals`);
  if (collected.startsWith("-") || !/[1-9]/.test(collected))
    throw refuse("more-than-zero", "What is collected is more than nothing");
  try {
    const payable = payableOf(document, collected);
    return {
      ...read,
      document: { ...document, totals: { ...document.totals, collected, payable } },
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw refuse("amount-bounds", "What is to be paid is out of the bounds of an amount");
  }
}

const nearOf = ({ same, claim, ...match }: NearMatch) => ({
  ...match,
  same: [...same],
  ...(claim !== undefined && { claim: claimRefOf(claim) }),
});

type Deps = { external: External; credits: Credits; taxpayers: Taxpayers };

export function externalRoutes({ external, credits, taxpayers }: Deps) {
  const creditNotes = creditViews({ credits, taxpayers });
  async function views(sql: Tx, all: readonly Registered[]) {
    const employers = await taxpayers.byIndexes(sql, [
      ...new Set(all.map(({ employer }) => employer)),
    ]);
    return Promise.all(all.map((invoice) => view(invoice, employers.get(invoice.employer))));
  }
  const whole = async (sql: Tx, invoice: Registered) => ({
    ...(await views(sql, [invoice]))[0],
    document: invoice.document,
  });

  async function view(
    { id, number, claim, holder, registeredAt, document, credits }: Registered,
    employer: Taxpayer | undefined,
  ) {
    return {
      id,
      number,
      format: formatOf(document),
      claim: { ...claim, href: claimHref(claim.id) },
      holder,
      employer: { taxId: employer?.taxId ?? "", name: employer?.name ?? "" },
      registeredAt: registeredAt.toISOString(),
      seller: document.seller.name,
      buyer: document.buyer.name,
      ...amountOf(document),
      payable: lessCredits(amountOf(document), credits).payable,
      ...(credits.length > 0 && { creditNotes: creditsOn(credits) }),
      ...(await provenOf(document)),
    };
  }

  return [
    route({
      method: "post",
      path: "/v1/external-invoices",
      summary:
        "Register an invoice that was issued elsewhere, and claim it; or record its credit note",
      description:
        `${titlesOf(formatNames)}. The number it was issued under is the sourceId, if the format has no other place for it. ` +
        "One employer can claim it, once, at whichever gateway; `?dryRun=true` looks without a claim. Reimburse, reject or enter it like any claim. A red letter or credit note is recorded and deducted, never claimed. `notProven` says what has not been checked.",
      tag,
      roles: ["employer"],
      query: z.object({
        holder: accountSchema
          .optional()
          .describe("The employee that it is claimed for; default: the employer's own account"),
        dryRun: z
          .enum(["true", "false"])
          .optional()
          .describe("true: only says what a registration would find. Writes and tells nothing"),
        collected: z
          .string()
          .regex(/^-?[0-9.]{1,20}$/, "money-format")
          .optional()
          .describe(
            "What the invoice collects for somebody else beside its gross, if its format has no place for it: the vehicle tax in an insurance's remark",
          ),
      }),
      rawBody: {
        mediaTypes,
        schema: invoiceRequest,
        maxBytes: maxBody,
        instead:
          "Of a PDF, an OFD, a ZIP or a picture send the XML that comes with it or is inside, or " +
          "what it says as JSON",
      },
      answers: {
        200: {
          description: "With dryRun: what it would find or do. Without: a known credit note",
          schema: z.union([look, creditNote]),
        },
        201: {
          description: "Claimed: no other employer can claim it. A credit note is recorded",
          schema: z.union([
            full.extend({
              unread: unreadSchema.optional(),
              notes: notesSchema.optional(),
              nearDuplicates: nearSchema.optional(),
            }),
            creditNote,
          ]),
        },
        202: { description: "Taken up", schema: pending },
      },
      problems: [
        "malformed-document",
        "forbidden-markup",
        "invalid-document",
        "titled-to-another",
        "external-issued-here",
        "external-conflict",
        "external-credited",
        "external-registered",
        "receiver-invalid",
        "employer-not-active",
        "already-claimed",
        "already-reimbursed",
        "signature-expired",
      ],
      async run({ sql, caller, body, mediaType, query }) {
        const read = readInvoice(mediaType, body);
        if (query.holder !== undefined && read.holder !== undefined)
          throw new Problem(
            "invalid-request",
            "The holder is named twice, in the query and in the body",
          );
        const { unread = [] } = read;
        const notes = [...(read.notes ?? []), ...(await checkDigitNotes(read.document))];
        const remarks = {
          ...(unread.length > 0 && { unread }),
          ...(notes.length > 0 && { notes }),
        };
        const warned = (matches: readonly NearMatch[]) =>
          matches.length > 0 && { nearDuplicates: matches.map(nearOf) };
        const holder = query.holder ?? read.holder;
        const dryRun = query.dryRun === "true";
        if (isCredit(read.document)) {
          const stray =
            query.holder !== undefined || read.holder !== undefined ? "holder" : "collected";
          if (stray === "holder" || query.collected !== undefined)
            throw new Problem("invalid-request", `A credit note is recorded, without ${stray}`, {
              violations: [
                {
                  field: stray === "holder" && query.holder === undefined ? "/holder" : `?${stray}`,
                  rule: "not-of-credit-note",
                  detail: "A credit note is claimed for nobody",
                },
              ],
            });
          if (dryRun) {
            const look = await creditNotes.look(sql, caller, read);
            return { status: 200, body: { ...look, ...remarks } };
          }
          const { note, isNew } = await credits.record(sql, caller, read);
          return {
            status: isNew ? 201 : 200,
            body: { ...(await creditNotes.viewOf(sql, caller, note)), ...remarks },
            headers: { Location: creditHref(note.id) },
          };
        }
        const complete = query.collected === undefined ? read : collecting(read, query.collected);
        if (dryRun) {
          const {
            differs,
            credits: met,
            nearDuplicates,
            ...look
          } = await external.look(sql, caller, { read: complete, holder });
          const body = {
            ...look,
            ...(differs && { differs: [...differs] }),
            ...(met.length > 0 && { creditNotes: creditsMet(met) }),
            ...remarks,
            ...warned(nearDuplicates),
          };
          return { status: 200, body };
        }
        const made = await external.register(sql, caller, { read: complete, holder });
        return accepted(made.operation, {
          id: made.id,
          claim: claimRefOf(made.claim),
          ...(await provenOf(made.document)),
          ...remarks,
          ...warned(made.nearDuplicates),
        });
      },
      settled: (sql, answer, caller) =>
        settle(sql, answer, async () => {
          const { id, claim, unread, notes, nearDuplicates } = answer.body as {
            id: string;
            claim: { id: string };
            unread?: string[];
            notes?: z.infer<typeof notesSchema>;
            nearDuplicates?: z.infer<typeof nearSchema>;
          };
          const registered = await external.ofClaim(sql, caller, claim.id);
          return {
            status: 201,
            body: {
              ...(await whole(sql, registered)),
              ...(unread && { unread }),
              ...(notes && { notes }),
              ...(nearDuplicates && { nearDuplicates }),
            },
            headers: { Location: `/v1/external-invoices/${id}` },
          };
        }),
    }),
    route({
      method: "get",
      path: "/v1/external-invoices",
      summary: "Registered external invoices, newest first",
      tag,
      roles: seen,
      query: z.object({
        before: z.uuid().optional().describe("`next` of the page before"),
        limit: pageLimit,
      }),
      answers: {
        200: {
          description: "A page",
          schema: z.object({ items: z.array(summary), next: z.uuid().optional() }),
        },
      },
      async run({ sql, caller, query }) {
        const rows = await external.list(sql, caller, query);
        return {
          status: 200,
          body: {
            items: await views(sql, rows),
            ...nextOf(rows, query.limit, ({ claim }) => claim.id),
          },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/external-invoices/{id}",
      summary: "One external invoice with its document",
      description: "Of several registrations, the one that is in force, or else the last one.",
      tag,
      roles: seen,
      params: idParam,
      answers: { 200: { description: "The invoice", schema: full } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const registered = await external.get(sql, caller, ledgerNumber(params.id));
        return { status: 200, body: await whole(sql, registered) };
      },
    }),
    route({
      method: "get",
      path: "/v1/external-invoices/{id}/original",
      summary: "The original as it was registered, byte for byte",
      tag,
      roles: seen,
      params: idParam,
      produces: [fileType],
      answers: { 200: { description: "The original" } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const source = await external.sourceOf(sql, caller, ledgerNumber(params.id));
        if (source === undefined)
          throw new Problem(
            "not-found",
            "This invoice was registered as JSON: its document is the original",
          );
        return fileAnswer(source.bytes, `${params.id}.original.${endingOf(source.format)}`);
      },
    }),
  ] as const;
}
