/** HTTP shape of external invoices. */

import { invoiceDocument, invoiceRequest } from "@onepiao/protocol/formats/document.ts";
import {
  endingOf,
  formatNames,
  formatOf,
  mediaTypes,
  titlesOf,
} from "@onepiao/protocol/formats/formats.ts";
import { notesSchema, readInvoice, unreadSchema } from "@onepiao/protocol/formats/read.ts";
import { ledgerNumber } from "@onepiao/protocol/ledger/external.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import {
  accountSchema,
  externalIdSchema,
  operationRefSchema,
} from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import { accepted, settle } from "../features/out/operations.ts";
import type { Taxpayer, Taxpayers } from "../features/parties/taxpayers.ts";
import type { External, Registered } from "../features/use/external.ts";
import { checks, provenOf } from "../features/use/external-checks.ts";
import { fileAnswer, fileType, routeFor } from "../kernel/api.ts";
import { nextOf, pageLimit } from "../kernel/page.ts";

const route = routeFor<Tx>();
const tag = "External invoices";

const proofs = {
  proven: z.array(z.enum(checks)).describe("What was checked"),
  notProven: z.array(z.enum(checks)).describe("What this network has not checked"),
};
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
    ...proofs,
  })
  .meta({ id: "ExternalInvoiceSummary" });
const full = summary.extend({ document: invoiceDocument }).meta({ id: "ExternalInvoice" });
const pending = z.object({
  id: externalIdSchema,
  claim: z.object({ id: z.uuid(), href: z.string() }),
  ...proofs,
  unread: unreadSchema.optional(),
  notes: notesSchema.optional(),
  operation: operationRefSchema,
});
const idParam = z.object({ id: externalIdSchema });
const seen = ["employer", "holder", "bureau"] as const;
const claimHref = (id: string) => `/v1/claims/${id}`;

export function externalRoutes(external: External, taxpayers: Taxpayers) {
  async function views(sql: Tx, all: readonly Registered[]) {
    const employers = await taxpayers.byIndexes(sql, [
      ...new Set(all.map(({ employer }) => employer)),
    ]);
    return all.map((invoice) => view(invoice, employers.get(invoice.employer)));
  }
  const whole = async (sql: Tx, invoice: Registered) => ({
    ...(await views(sql, [invoice]))[0],
    document: invoice.document,
  });

  function view(
    { id, number, claim, holder, registeredAt, document }: Registered,
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
      currency: document.currency,
      gross: document.totals.gross,
      ...provenOf(document),
    };
  }

  return [
    route({
      method: "post",
      path: "/v1/external-invoices",
      summary: "Register an invoice that was issued elsewhere, and claim it",
      description:
        `${titlesOf(formatNames)}. The number it was issued under is the sourceId, if the format has no other place for it. ` +
        "One employer can claim it, once, at whichever gateway. Reimburse, reject or enter it like any claim. `notProven` says what has not been checked.",
      tag,
      roles: ["employer"],
      query: z.object({
        holder: accountSchema
          .optional()
          .describe("The employee that it is claimed for; default: the employer's own account"),
      }),
      rawBody: { mediaTypes, schema: invoiceRequest },
      answers: {
        201: {
          description: "Claimed: no other employer can claim it",
          schema: full.extend({ unread: unreadSchema.optional(), notes: notesSchema.optional() }),
        },
        202: { description: "Taken up", schema: pending },
      },
      problems: [
        "malformed-document",
        "forbidden-markup",
        "invalid-document",
        "external-red-letter",
        "titled-to-another",
        "external-issued-here",
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
        const { id, claim, operation, document } = await external.register(sql, caller, {
          read,
          holder: query.holder ?? read.holder,
        });
        const { unread = [], notes = [] } = read;
        return accepted(operation, {
          id,
          claim: { id: claim, href: claimHref(claim) },
          ...provenOf(document),
          ...(unread.length > 0 && { unread }),
          ...(notes.length > 0 && { notes }),
        });
      },
      settled: (sql, answer, caller) =>
        settle(sql, answer, async () => {
          const { id, claim, unread, notes } = answer.body as {
            id: string;
            claim: { id: string };
            unread?: string[];
            notes?: z.infer<typeof notesSchema>;
          };
          const registered = await external.ofClaim(sql, caller, claim.id);
          return {
            status: 201,
            body: {
              ...(await whole(sql, registered)),
              ...(unread && { unread }),
              ...(notes && { notes }),
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
        return fileAnswer(source.text, `${params.id}.original.${endingOf(source.format)}`);
      },
    }),
  ] as const;
}
