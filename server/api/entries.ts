/** HTTP shape of book entry. */

import { nameOf } from "@onepiao/protocol/ledger/external.ts";
import {
  invoiceNameSchema,
  operationRefSchema,
  positionSchema,
} from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import { accepted, settle } from "../features/out/operations.ts";
import type { Entries, Marked } from "../features/use/entries.ts";
import { type Answer, type Caller, routeFor } from "../kernel/api.ts";
import { pageLimit } from "../kernel/page.ts";
import { marks } from "../mirror/entries.ts";

const route = routeFor<Tx>();
const tag = "Book entry";

const settable = z
  .enum(["02", "03", "06"])
  .describe("02 entered, deductible; 03 entered, not deductible; 06 entry revoked");
const words = {
  period: z
    .string()
    .regex(/^\d{4}-(0[1-9]|1[0-2])$/, "period-format")
    .optional()
    .describe("Accounting period, 2026-11; private to the employer"),
  voucher: plainText(100)
    .trim()
    .optional()
    .describe("The employer's voucher; private to the employer"),
};
const marked = z
  .object({
    position: z.string().describe("Its position in the feed"),
    invoice: z.string(),
    mark: settable,
    at: z.iso.datetime(),
    current: z.boolean().describe("The invoice still has the mark of this act"),
    proof: z.object({
      act: z.string().describe("The digest that the employer signed"),
      tx: z.string(),
      block: z.number().int(),
    }),
    ...words,
  })
  .meta({ id: "EntryAct" });
const done = z.object({ mark: settable, invoices: z.array(marked) }).meta({ id: "EntryDone" });
const pending = z.object({
  mark: settable,
  invoices: z.array(z.string()),
  operation: operationRefSchema,
});

const view = ({ position, number, mark, at, current, proof, period, voucher }: Marked) => ({
  position: position.toString(),
  invoice: nameOf(number),
  mark,
  at: at.toISOString(),
  current,
  proof,
  ...(period === undefined ? {} : { period }),
  ...(voucher === undefined ? {} : { voucher }),
});

export function entryRoutes(entries: Entries) {
  const settled = (sql: Tx, answer: Answer, caller: Caller) =>
    settle(sql, answer, async ({ digest }) => {
      const { mark, invoices } = answer.body as { mark: string; invoices: string[] };
      const all = await entries.ofAct(sql, caller, digest as string, invoices);
      return { status: 201, body: { mark, invoices: all.map(view) } };
    });

  return [
    route({
      method: "post",
      path: "/v1/entries",
      summary: "Mark 1 to 100 invoices as entered in the books, or take the mark back",
      description:
        "All or none, by one act of the employer. A second entry of an invoice is refused with the first entry's mark, time and act in `original`, so only the caller that gets 201 posts it.",
      tag,
      roles: ["employer"],
      body: z.strictObject({
        mark: settable,
        invoices: z.array(invoiceNameSchema).min(1).max(100),
        ...words,
      }),
      answers: {
        201: { description: "The mark is on the chain", schema: done },
        202: { description: "Taken up", schema: pending },
      },
      problems: [
        "not-found",
        "already-entered",
        "not-entered",
        "wrong-state",
        "is-red-letter",
        "invoice-not-sealed",
        "ids-not-ascending",
        "employer-not-active",
        "signature-expired",
      ],
      async run({ sql, caller, body }) {
        const { invoices: names, ...entry } = body;
        return accepted(await entries.mark(sql, caller, { ...entry, names }), {
          mark: body.mark,
          invoices: names,
        });
      },
      settled,
    }),
    route({
      method: "get",
      path: "/v1/entries",
      summary: "Acts of book entry in the order of the chain, to reconcile books",
      description:
        "Go on with `after` = `next`, also when `items` is empty; nothing will ever come before `next`. The bureau sees the acts of all employers.",
      tag,
      roles: ["employer", "bureau"],
      query: z.object({
        after: positionSchema.optional(),
        current: z
          .enum(["true", "false"])
          .default("false")
          .describe("true: only acts whose mark the invoice still has"),
        limit: pageLimit,
      }),
      answers: {
        200: {
          description: "A page",
          schema: z.object({ items: z.array(marked), next: z.string(), more: z.boolean() }),
        },
      },
      async run({ sql, caller, query }) {
        const { items, next, more } = await entries.list(sql, caller, {
          after: query.after ?? 0n,
          current: query.current === "true",
          limit: query.limit,
        });
        return { status: 200, body: { items: items.map(view), next: next.toString(), more } };
      },
    }),
    route({
      method: "get",
      path: "/v1/invoices/{number}/entry",
      summary: "The book entry mark of an invoice, and every act that set one",
      description:
        "For the employer that it is titled to or was claimed from, and the bureau. {number} is a number or the id of an external invoice.",
      tag,
      roles: ["employer", "bureau"],
      params: z.object({ number: invoiceNameSchema }),
      answers: {
        200: {
          description: "The mark",
          schema: z.object({ invoice: z.string(), mark: z.enum(marks), acts: z.array(marked) }),
        },
      },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const { mark, acts } = await entries.of(sql, caller, params.number);
        return { status: 200, body: { invoice: params.number, mark, acts: acts.map(view) } };
      },
    }),
  ] as const;
}
