/** HTTP shape of issuing. */

import { invoiceRequest } from "@onepiao/protocol/formats/document.ts";
import { formatNames, mediaTypes, titlesOf } from "@onepiao/protocol/formats/formats.ts";
import { derivedSchema } from "@onepiao/protocol/formats/gross.ts";
import { type ReadInvoice, readInvoice, unreadSchema } from "@onepiao/protocol/formats/read.ts";
import { unavailableFor, unavailableSchema } from "@onepiao/protocol/formats/write.ts";
import { type Code, Problem } from "@onepiao/protocol/values/problems.ts";
import {
  accountSchema,
  numberSchema,
  pickupSchema,
  reasonQuery,
} from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Course, IssueRequest } from "../features/invoices/drafts.ts";
import {
  type InvoiceStatus,
  type Invoices,
  invoiceStatuses,
  linksOf,
} from "../features/invoices/invoices.ts";
import type { Issuing } from "../features/invoices/issuing.ts";
import type { RedLetters } from "../features/invoices/red-letters.ts";
import { redLetterLink } from "../features/invoices/sheets.ts";
import { type Answer, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
/** What an answer says about the document that was read. */
const notes = {
  derived: derivedSchema.optional(),
  unread: unreadSchema.optional(),
  unavailable: unavailableSchema.optional(),
};
const receipt = z
  .object({
    number: numberSchema,
    status: z.enum(invoiceStatuses),
    links: z.object({ self: z.string(), history: z.string() }),
    pickup: pickupSchema.optional(),
    ...notes,
  })
  .meta({ id: "InvoiceReceipt" });
const opened = z
  .object({
    redLetter: z.object({ id: z.uuid(), status: z.string().optional(), href: z.string() }),
    derived: notes.derived,
  })
  .meta({ id: "RedLetterReceipt", description: "For a red letter, until it has its number" });

const replayed = z
  .literal(true)
  .optional()
  .describe("Accepted earlier, under the same Idempotency-Key");
/**
 * For one line of a batch: what it was accepted as, or why it was refused. For the last line: the
 * totals.
 */
const lineResult = z
  .union([
    z.strictObject({
      line: z.int().positive(),
      status: z.literal(202),
      number: numberSchema,
      pickup: pickupSchema.optional(),
      derived: notes.derived,
      unavailable: notes.unavailable,
      replayed,
    }),
    z
      .strictObject({ line: z.int().positive(), status: z.literal(202), ...opened.shape, replayed })
      .describe("For a red letter"),
    z.strictObject({ line: z.int().positive(), problem: z.looseObject({ code: z.string() }) }),
    z.strictObject({
      done: z
        .boolean()
        .describe(
          "false: the stream ended early, for the reason in `problem`; the rest was not read",
        ),
      accepted: z.int().describe("The replayed ones included"),
      replayed: z.int(),
      refused: z.int(),
      problem: z.looseObject({ code: z.string() }).optional(),
    }),
  ])
  .meta({
    id: "BatchResult",
    description: "A result for each line, in order, and a last line with the totals",
  });

type Pickup = z.infer<typeof pickupSchema>;

type Notes = Pick<z.infer<typeof receipt>, keyof typeof notes>;
type Request = IssueRequest & { notes: Notes };
/** An empty list says nothing. */
const notesOf = ({ document, derived, unread = [] }: ReadInvoice): Notes => {
  const unavailable = unavailableFor(document);
  return {
    ...(derived && { derived }),
    ...(unread.length > 0 && { unread: [...unread] }),
    ...(unavailable.length > 0 && { unavailable }),
  };
};

const answer = (
  status: 201 | 202,
  number: string,
  state: InvoiceStatus,
  more: Notes & { pickup?: Pickup },
): Answer => ({
  status,
  body: { number, status: state, links: linksOf(number), ...more },
  headers: { Location: `/v1/invoices/${number}` },
});

const openedAnswer = (
  id: string,
  { status, derived }: { status?: string; derived?: Notes["derived"] },
): Answer => ({
  status: 202,
  body: {
    redLetter: { id, ...(status === undefined ? {} : { status }), href: redLetterLink(id) },
    ...(derived && { derived }),
  },
  headers: { Location: redLetterLink(id) },
});

const refusals: readonly Code[] = [
  "malformed-document",
  "forbidden-markup",
  "invalid-document",
  "duplicate-source",
  "seller-not-caller",
  "issuer-not-active",
  "buyer-not-enrolled",
  "name-not-enrolled",
  "currency-not-accounted",
  "quota-exceeded",
  "quota-not-drawn",
  "no-segment",
  "red-letter-refused",
  "red-letter-open",
  "invoice-not-sealed",
  "invoice-busy",
];

export function issuingRoutes(issuing: Issuing, invoices: Invoices, redLetters: RedLetters) {
  /** The answer or refusal of each invoice. */
  async function accept(
    tx: Tx,
    group: readonly Request[],
    answerOf: (number: string, more: Notes & { pickup?: Pickup }) => Answer,
  ) {
    return (await issuing.accept(tx, group)).map((result, at) => {
      if (result instanceof Problem) return result;
      const { notes } = group[at] as Request;
      if ("redLetter" in result) return openedAnswer(result.redLetter, notes);
      const { number, pickup: secret } = result;
      return answerOf(number, {
        ...(secret !== undefined && { pickup: { number, secret } }),
        ...notes,
      });
    });
  }

  /** The red letter's receipt once it is sealed; its sheet if that waits for a side. */
  async function whenIssued(
    sql: Tx,
    id: string,
    derived: Pick<Notes, "derived">,
  ): Promise<Answer | undefined> {
    const outcome = await redLetters.outcome(sql, id);
    if (outcome === "under way") return undefined;
    if (outcome.number === null) return openedAnswer(id, { status: outcome.status, ...derived });
    const row = await invoices.find(sql, outcome.number);
    return !row || row.status === "accepted"
      ? undefined
      : answer(201, outcome.number, row.status, derived);
  }

  return [
    route({
      method: "post",
      path: "/v1/invoices",
      summary: "Issue an invoice",
      description:
        `${titlesOf(formatNames)}. ` +
        "202: accepted, it will be sealed exactly once. With `Prefer: wait=10` the answer is 201 once it is sealed. The same sourceId of the same seller is a duplicate, and its answer names the first invoice. The answer for an untitled invoice without a holder has its pickup, which takes it over.",
      tag: "Invoices",
      roles: ["issuer"],
      query: z.object({
        holder: accountSchema.optional().describe("First holder; for XML, which cannot say it"),
        reason: reasonQuery
          .optional()
          .describe(
            "For a red letter: 1 issue error, 2 goods returned, 3 service ended, 4 sales allowance",
          ),
      }),
      rawBody: {
        mediaTypes,
        schema: invoiceRequest,
        instead: "Of a PDF, an OFD, a ZIP or a picture send what it says, as XML or JSON",
      },
      answers: {
        201: { description: "Sealed", schema: receipt },
        202: { description: "Accepted", schema: z.union([receipt, opened]) },
      },
      problems: refusals,
      together: {
        prepare({ caller, body, mediaType, query }): Request {
          const read = readInvoice(mediaType, body);
          if (query.holder !== undefined && read.holder !== undefined)
            throw new Problem(
              "invalid-request",
              "The holder is named twice, in the query and in the body",
            );
          const holder = query.holder ?? read.holder;
          return { caller, read, holder, reason: query.reason, notes: notesOf(read) };
        },
        run: (sql, group: readonly Request[]) =>
          accept(sql, group, (number, more) => answer(202, number, "accepted", more)),
      },
      async settled(sql, accepted) {
        const {
          number,
          status: _,
          links,
          redLetter,
          ...more
        } = accepted.body as Notes & {
          number: string;
          status: string;
          links: unknown;
          pickup?: Pickup;
          redLetter?: { id: string };
        };
        if (redLetter) return whenIssued(sql, redLetter.id, more);
        const row = await invoices.find(sql, number);
        return !row || row.status === "accepted"
          ? undefined
          : answer(201, number, row.status, more);
      },
    }),
    route({
      method: "post",
      path: "/v1/invoices/batch",
      summary: "Issue up to 10,000 invoices: a line for each, and a result for each as they arrive",
      description:
        "Each line is an invoice as POST /v1/invoices takes it in JSON. Results come while lines go: read while you write. A refused line does not affect the others. After a lost connection send all lines again with the same Idempotency-Key: what was accepted is reported again (`replayed`), and nothing is issued twice. The last line sums up; without it the batch was cut. Events report when the invoices are sealed.",
      tag: "Invoices",
      roles: ["issuer"],
      query: z.object({
        reason: reasonQuery.optional().describe("For the red letters among them"),
      }),
      rawBody: { mediaTypes: ["application/x-ndjson"], schema: invoiceRequest },
      produces: ["application/x-ndjson"],
      answers: { 200: { description: "Results, line by line", schema: lineResult } },
      problems: ["too-many-streams", ...refusals.filter((code) => code !== "forbidden-markup")],
      lines: {
        open({ caller, query: { reason } }) {
          const course: Course = { gross: 0n };
          return (line): Request => {
            const read = readInvoice("application/json", line);
            return { caller, read, holder: read.holder, reason, course, notes: notesOf(read) };
          };
        },
        run: (sql, group: readonly Request[]) =>
          accept(sql, group, (number, more) => ({ status: 202, body: { number, ...more } })),
      },
    }),
  ] as const;
}
