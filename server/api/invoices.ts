/** HTTP shape of invoices. */

import { invoiceDocument } from "@onepiao/protocol/formats/document.ts";
import {
  endingOf,
  formatOf,
  titlesOf,
  writtenAs,
  writtenFormats,
  writtenTypes,
} from "@onepiao/protocol/formats/formats.ts";
import { moneyOf } from "@onepiao/protocol/formats/red-letter.ts";
import { pdfType, writeInvoice } from "@onepiao/protocol/formats/write.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import {
  accountSchema,
  amountsSchema,
  fromBeforeTo,
  momentFrom,
  numberSchema,
  taxIdQuery,
  timeQuery,
} from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Documents } from "../features/invoices/documents.ts";
import type { Grants } from "../features/invoices/grants.ts";
import type { InvoiceLists, Perspective, Place } from "../features/invoices/invoice-lists.ts";
import {
  amountOf,
  type InvoiceRow,
  type Invoices,
  invoiceStatuses,
  linksOf,
} from "../features/invoices/invoices.ts";
import type { RedLetters } from "../features/invoices/red-letters.ts";
import type { Papers } from "../features/proof/papers.ts";
import { type Caller, fileAnswer, fileType, roles, routeFor } from "../kernel/api.ts";
import { markFrom, marks } from "../mirror/entries.ts";

const route = routeFor<Tx>();
const tag = "Invoices";

const account = accountSchema;
const status = z.enum(invoiceStatuses);
/** A place in the list: microseconds of acceptance, and the number. */
const placeSchema = z
  .string()
  .regex(/^\d{1,17}-\d{20}$/, "page-format")
  .transform((text): Place => {
    const [micros, number] = text.split("-") as [string, string];
    return { micros: BigInt(micros), number };
  })
  .meta({ id: "InvoicePlace", example: "1793000000000000-26442000000000000001" });
const links = z.object({ self: z.string(), history: z.string() });
const summary = z
  .object({
    number: numberSchema,
    status,
    version: z.number().int().describe("Acts on it so far"),
    titled: z.boolean(),
    holder: account,
    entry: z.enum(marks).optional().describe("Mark of book entry; for its employer and the bureau"),
    reverses: numberSchema.optional().describe("The invoice that this red letter takes back"),
    acceptedAt: z.iso.datetime(),
    issuedAt: z.iso.datetime().optional().describe("Sealed on the chain"),
    seller: z.string(),
    buyer: z.string(),
    currency: z.string(),
    gross: z.string(),
    payable: z
      .string()
      .describe("What is to be paid of it: gross + collected − prepaid + rounding"),
    links,
  })
  .meta({ id: "InvoiceSummary" });
const full = summary
  .extend({
    lot: numberSchema.optional(),
    left: amountsSchema
      .optional()
      .describe("What its red letters have left; absent for a red letter"),
    redLetters: z
      .array(z.object({ id: z.uuid(), status: z.string(), number: numberSchema.optional() }))
      .optional()
      .describe("Red letters that are issued or under way"),
    replaces: numberSchema.optional().describe("The voided invoice whose place it takes"),
    replacedBy: numberSchema.optional(),
    document: invoiceDocument,
  })
  .meta({ id: "Invoice" });
const historySchema = z.object({
  items: z.array(
    z.object({
      position: z.string(),
      type: z.string(),
      at: z.iso.datetime(),
      tx: z.string().optional(),
      data: z.record(z.string(), z.unknown()),
    }),
  ),
});

/** The encrypted document, for a reader that decrypts it. */
const sealedType = "application/vnd.onepiao.sealed+json";

export function invoiceRoutes(deps: {
  invoices: Invoices;
  invoiceLists: InvoiceLists;
  documents: Documents;
  grants: Grants;
  papers: Papers;
  redLetters: RedLetters;
}) {
  const { invoices, invoiceLists, documents, grants, papers, redLetters } = deps;
  function view(row: InvoiceRow, seesEntry: boolean) {
    const document = invoices.documentOf(row);
    const { seller, buyer } = document;
    return {
      number: row.number,
      status: row.status,
      version: row.version,
      titled: row.titled,
      holder: row.holder,
      ...(seesEntry ? { entry: markFrom(row.entry) } : {}),
      ...(row.reverses === null ? {} : { reverses: row.reverses }),
      acceptedAt: row.accepted_at.toISOString(),
      ...(row.issued_at ? { issuedAt: row.issued_at.toISOString() } : {}),
      seller: seller.name,
      buyer: buyer.name,
      ...amountOf(document),
      links: linksOf(row.number),
    };
  }

  /** What its red letters have taken back, and which invoice takes whose place. */
  async function takenBack(sql: Tx, row: InvoiceRow) {
    if (row.reverses !== null) return {};
    const { sheets, left, replaces, replacedBy } = await redLetters.summaryOf(sql, row);
    return {
      left: moneyOf(left),
      redLetters: sheets.map(({ id, status, number }) => ({
        id,
        status,
        ...(number === null ? {} : { number }),
      })),
      ...(replaces ? { replaces } : {}),
      ...(replacedBy ? { replacedBy } : {}),
    };
  }

  const perspectiveOf = (caller: Caller): Perspective =>
    (["issuer", "employer", "holder"] as const).find((role) => caller.roles.includes(role)) ??
    "holder";

  return [
    route({
      method: "get",
      path: "/v1/invoices/{number}",
      summary: "One invoice with its document",
      description:
        `By Accept as JSON, its document as PDF, ${titlesOf(writtenFormats)}, or encrypted as it is stored, for a caller with an encryption key. ` +
        "Not every format can express every document: 406 then says why, and `available` lists the others. Every read is logged.",
      tag,
      roles,
      params: z.object({ number: numberSchema }),
      produces: ["application/json", ...writtenTypes, pdfType, sealedType],
      answers: { 200: { description: "The invoice", schema: full } },
      problems: ["not-found", "not-acceptable", "encryption-key-missing"],
      async run({ sql, caller, params, accept }) {
        const row = await grants.readable(sql, caller, params.number);
        if (accept === sealedType) {
          const body = await documents.sealedFor(sql, caller, row);
          await grants.logReads(sql, caller, [row.number], "sealed");
          return { status: 200, body, headers: { "Content-Type": sealedType, Vary: "Accept" } };
        }
        if (accept === pdfType) {
          const body = await papers.pdf(sql, caller, row);
          await grants.logReads(sql, caller, [row.number], "pdf");
          return {
            status: 200,
            body,
            headers: {
              "Content-Type": pdfType,
              "Content-Disposition": `inline; filename="${row.number}.pdf"`,
              Vary: "Accept",
            },
          };
        }
        const format = writtenAs(accept);
        if (format !== undefined) {
          const body = writeInvoice(accept, invoices.documentOf(row), {
            number: row.number,
            reverses: row.reverses ?? undefined,
          });
          await grants.logReads(sql, caller, [row.number], format);
          return {
            status: 200,
            body,
            headers: { "Content-Type": `${accept}; charset=utf-8`, Vary: "Accept" },
          };
        }
        await grants.logReads(sql, caller, [row.number], "json");
        const seesEntry = (await invoices.seesEntries(sql, caller))(row);
        const lot = row.lot === null ? {} : { lot: row.lot };
        return {
          status: 200,
          body: {
            ...view(row, seesEntry),
            ...lot,
            ...(await takenBack(sql, row)),
            document: invoices.documentOf(row),
          },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/invoices/{number}/original",
      summary: "The original, byte for byte",
      tag,
      roles,
      params: z.object({ number: numberSchema }),
      produces: [fileType],
      answers: { 200: { description: "The original" } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const row = await grants.readable(sql, caller, params.number);
        const bytes = await invoices.sourceOf(sql, params.number);
        if (bytes === undefined)
          throw new Problem(
            "not-found",
            "This invoice was issued from JSON: its document is the original",
          );
        await grants.logReads(sql, caller, [params.number], "original");
        return fileAnswer(
          bytes,
          `${params.number}.original.${endingOf(formatOf(invoices.documentOf(row)))}`,
        );
      },
    }),
    route({
      method: "get",
      path: "/v1/invoices/{number}/history",
      summary: "What has happened to an invoice, as the chain tells it",
      tag,
      roles,
      params: z.object({ number: numberSchema }),
      answers: { 200: { description: "Events, oldest first", schema: historySchema } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        await invoices.visible(sql, caller, params.number);
        const items = (await invoices.history(sql, caller, params.number)).map((row) => ({
          position: row.position.toString(),
          type: row.type,
          at: row.at.toISOString(),
          ...(row.tx === null ? {} : { tx: row.tx }),
          data: row.data,
        }));
        return { status: 200, body: { items } };
      },
    }),
    route({
      method: "get",
      path: "/v1/invoices",
      summary: "The caller's invoices, in the order in which they were accepted",
      description:
        "Go on with `after` = `next` until there is no `next`. A page may have fewer invoices than `limit`, or none, and still have a `next`: a search of one party's invoices for another party's looks at a bounded number of invoices per page.",
      tag,
      roles,
      query: fromBeforeTo(
        z.object({
          as: z
            .enum(["issuer", "holder", "employer", "grantee"])
            .optional()
            .describe(
              "Invoices that the caller issued, holds, has to reimburse (titled to it or claimed from it), or may read by a grant; default: the key's first role",
            ),
          status: status.optional(),
          from: timeQuery.optional().describe("Accepted at this time or later"),
          to: timeQuery.optional().describe("Accepted before"),
          buyer: taxIdQuery.optional().describe("Tax id of the employer that it is titled to"),
          seller: taxIdQuery.optional().describe("Tax id of the issuer"),
          sourceId: plainText(200)
            .optional()
            .describe(
              "The issuer's own id of the original: among the caller's own invoices as an issuer, or else with `seller`",
            ),
          documentHash: z
            .string()
            .regex(/^[0-9a-fA-F]{64}$/, "hash-format")
            .optional()
            .describe(
              "SHA-256 in hex of the original as it was sent, or of the document as canonical JSON (document.json of the archive pack)",
            ),
          order: z.enum(["asc", "desc"]).default("asc").describe("desc: the newest first"),
          after: placeSchema.optional().describe("`next` of the page before"),
          limit: z.coerce.number().int().min(1).max(100).default(50),
        }),
      ),
      answers: {
        200: {
          description: "A page",
          schema: z.object({ items: z.array(summary), next: z.string().optional() }),
        },
      },
      async run({ sql, caller, query }) {
        const as = query.as ?? perspectiveOf(caller);
        if (as !== "grantee" && !caller.roles.includes(as) && !caller.roles.includes("bureau"))
          throw new Problem("forbidden", `This API key does not have the ${as} role`);
        const { rows, next } = await invoiceLists.page(sql, caller, {
          ...query,
          as,
          granted: as === "grantee" ? grants.granted(sql, caller) : undefined,
          from: momentFrom(query.from),
          to: momentFrom(query.to),
        });
        await grants.logReads(
          sql,
          caller,
          rows.map((row) => row.number),
          "list",
        );
        const seesEntry = await invoices.seesEntries(sql, caller);
        return {
          status: 200,
          body: {
            items: rows.map((row) => view(row, seesEntry(row))),
            ...(next ? { next: `${next.micros}-${next.number}` } : {}),
          },
        };
      },
    }),
  ] as const;
}
