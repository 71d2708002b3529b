/** HTTP shape of issuing. */
import { z } from "zod";
import type { Tx } from "../../db/db.ts";
import { invoiceRequest } from "../../formats/document.ts";
import { mediaTypes, readInvoice } from "../../formats/read.ts";
import { type Answer, type Route, routeFor } from "../../kernel/api.ts";
import { Problem } from "../../kernel/problems.ts";
import { accountSchema, numberSchema, pickupSchema, reasonQuery } from "../../kernel/shapes.ts";
import { type InvoiceStatus, type Invoices, invoiceStatuses, linksOf } from "../invoices/invoices.ts";
import { type RedLetters, redLetterLink } from "../red-letters/red-letters.ts";
import type { Issuing, Wanted } from "./issuing.ts";

const route = routeFor<Tx>();
const receipt = z
  .object({
    number: numberSchema,
    status: z.enum(invoiceStatuses),
    links: z.object({ self: z.string(), history: z.string() }),
    pickup: pickupSchema.optional(),
  })
  .meta({ id: "InvoiceReceipt" });
const opened = z
  .object({ redLetter: z.object({ id: z.uuid(), status: z.string().optional(), href: z.string() }) })
  .meta({ id: "RedLetterReceipt", description: "Of a red letter, until it has its number" });

type Pickup = z.infer<typeof pickupSchema>;

const answer = (status: 201 | 202, number: string, state: InvoiceStatus, pickup: Pickup | undefined): Answer => ({
  status,
  body: { number, status: state, links: linksOf(number), ...(pickup && { pickup }) },
  headers: { Location: `/v1/invoices/${number}` },
});

const openedAnswer = (id: string, status?: string): Answer => ({
  status: 202,
  body: { redLetter: { id, ...(status === undefined ? {} : { status }), href: redLetterLink(id) } },
  headers: { Location: redLetterLink(id) },
});

export function issuingRoutes(issuing: Issuing, invoices: Invoices, redLetters: RedLetters): Route<Tx>[] {
  /** The red letter's receipt once it is sealed; the sheet as it stands when that waits for somebody. */
  async function whenIssued(sql: Tx, id: string): Promise<Answer | undefined> {
    const outcome = await redLetters.outcome(sql, id);
    if (outcome === "under way") return undefined;
    if (outcome.number === null) return openedAnswer(id, outcome.status);
    const row = await invoices.find(sql, outcome.number);
    return !row || row.status === "accepted" ? undefined : answer(201, outcome.number, row.status, undefined);
  }

  return [
    route({
      method: "post",
      path: "/v1/invoices",
      summary: "Issue an invoice",
      description:
        "JSON, 数电票 XML or UBL 2.1 (EN 16931). 202: accepted, it will be sealed exactly once. With `Prefer: wait=10` the answer is 201 once it is sealed. The same sourceId of the same seller is a duplicate, and its answer names the first invoice. An untitled invoice without a holder is answered with its pickup: what takes it over.",
      tag: "Invoices",
      roles: ["issuer"],
      query: z.object({
        holder: accountSchema.optional().describe("First holder; for XML, which cannot say it"),
        reason: reasonQuery.optional().describe("Of a red letter: 1 issue error, 2 goods returned, 3 service ended, 4 sales allowance"),
      }),
      rawBody: { mediaTypes, schema: invoiceRequest },
      answers: { 201: { description: "Sealed", schema: receipt }, 202: { description: "Accepted", schema: z.union([receipt, opened]) } },
      problems: [
        "malformed-document",
        "forbidden-markup",
        "invalid-document",
        "duplicate-source",
        "seller-not-caller",
        "issuer-not-active",
        "buyer-not-enrolled",
        "currency-not-accounted",
        "quota-exceeded",
        "quota-not-drawn",
        "no-segment",
        "red-letter-refused",
        "red-letter-open",
        "invoice-not-sealed",
        "invoice-busy",
      ],
      together: {
        prepare({ caller, body, mediaType, query }): Wanted {
          const read = readInvoice(mediaType, body);
          if (query.holder !== undefined && read.holder !== undefined)
            throw new Problem("invalid-request", "The holder is named twice, in the query and in the body");
          return { caller, read, holder: query.holder ?? read.holder, reason: query.reason };
        },
        async run(sql, group: readonly Wanted[]) {
          return (await issuing.accept(sql, group)).map((result) => {
            if (result instanceof Problem) return result;
            if ("redLetter" in result) return openedAnswer(result.redLetter);
            const { number, pickup: secret } = result;
            return answer(202, number, "accepted", secret === undefined ? undefined : { number, secret });
          });
        },
      },
      async settled(sql, accepted) {
        const { number, pickup, redLetter } = accepted.body as { number: string; pickup?: Pickup; redLetter?: { id: string } };
        if (redLetter) return whenIssued(sql, redLetter.id);
        const row = await invoices.find(sql, number);
        return !row || row.status === "accepted" ? undefined : answer(201, number, row.status, pickup);
      },
    }),
  ];
}
