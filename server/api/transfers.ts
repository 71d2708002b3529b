/** HTTP shape of transfers. */

import { accountSchema, numberSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Grants } from "../features/invoices/grants.ts";
import { accepted, settle } from "../features/out/operations.ts";
import {
  type Offered,
  statuses as stored,
  type Transfer,
  type Transfers,
} from "../features/use/transfers.ts";
import { type Caller, routeFor } from "../kernel/api.ts";
import { nextOf } from "../kernel/page.ts";

const route = routeFor<Tx>();
const tag = "Transfers";
const account = accountSchema;
const statuses = ["offered", "accepted", "completed", "declined", "withdrawn", "refused"] as const;
const offered = z.object({
  seller: z.string(),
  issuedAt: z.string(),
  currency: z.string(),
  gross: z.string(),
});
const schema = z
  .object({
    id: z.uuid(),
    number: numberSchema,
    from: account,
    to: account,
    status: z.enum(statuses),
    createdAt: z.iso.datetime(),
    invoice: offered.optional().describe("For an open offer: the invoice"),
  })
  .meta({ id: "Transfer" });
const idParam = z.object({ id: z.uuid() });

const view = (transfer: Transfer, invoice?: Offered) => ({
  id: transfer.id,
  number: transfer.number,
  from: transfer.sender,
  to: transfer.receiver,
  status: transfer.status,
  createdAt: transfer.created_at.toISOString(),
  ...(invoice ? { invoice } : {}),
});

export function transferRoutes(transfers: Transfers, grants: Grants) {
  /** With what the open offers offer; the log of reads has that it was shown. */
  async function shown(sql: Tx, caller: Caller, all: readonly Transfer[]) {
    const invoices = await transfers.offered(sql, all);
    await grants.logReads(sql, caller, [...invoices.keys()], "list");
    return all.map((transfer) =>
      view(transfer, transfer.status === "offered" ? invoices.get(transfer.number) : undefined),
    );
  }

  return [
    route({
      method: "post",
      path: "/v1/invoices/{number}/transfers",
      summary: "Offer an invoice to another holder",
      tag,
      roles: ["holder"],
      params: z.object({ number: numberSchema }),
      body: z.strictObject({ to: account }),
      answers: { 201: { description: "Offered", schema } },
      problems: [
        "not-found",
        "invoice-not-sealed",
        "wrong-state",
        "receiver-invalid",
        "invoice-busy",
      ],
      async run({ sql, caller, params, body }) {
        const transfer = await transfers.offer(sql, caller, params.number, body.to);
        return {
          status: 201,
          body: view(transfer),
          headers: { Location: `/v1/transfers/${transfer.id}` },
        };
      },
    }),
    route({
      method: "post",
      path: "/v1/transfers/{id}/accept",
      summary: "Accept an offered invoice",
      tag,
      roles: ["holder"],
      params: idParam,
      answers: {
        200: { description: "Handed on", schema },
        202: { description: "Taken up", schema },
      },
      problems: ["not-found", "forbidden", "transfer-state", "wrong-state", "stale-version"],
      async run({ sql, caller, params }) {
        const { transfer, operation } = await transfers.accept(sql, caller, params.id);
        return accepted(operation, view(transfer));
      },
      settled: (sql, answer, caller) =>
        settle(sql, answer, async () => ({
          status: 200,
          body: view(await transfers.get(sql, caller, (answer.body as { id: string }).id)),
        })),
    }),
    ...(["decline", "withdraw"] as const).map((word) =>
      route({
        method: "post",
        path: `/v1/transfers/{id}/${word}`,
        summary: word === "decline" ? "Decline an offered invoice" : "Take an offer back",
        tag,
        roles: ["holder"],
        params: idParam,
        answers: { 200: { description: "Ended", schema } },
        problems: ["not-found", "forbidden", "transfer-state"],
        run: async ({ sql, caller, params }) => ({
          status: 200,
          body: view(await transfers[word](sql, caller, params.id)),
        }),
      }),
    ),
    route({
      method: "get",
      path: "/v1/transfers/{id}",
      summary: "One transfer",
      tag,
      roles: ["holder"],
      params: idParam,
      answers: { 200: { description: "The transfer", schema } },
      problems: ["not-found"],
      run: async ({ sql, caller, params }) => ({
        status: 200,
        body: (await shown(sql, caller, [await transfers.get(sql, caller, params.id)]))[0],
      }),
    }),
    route({
      method: "get",
      path: "/v1/transfers",
      summary: "The caller's transfers, newest first",
      tag,
      roles: ["holder"],
      query: z.object({
        status: z.enum(stored).optional(),
        before: z.uuid().optional().describe("`next` of the page before"),
        limit: z.coerce.number().int().min(1).max(100).default(20),
      }),
      answers: {
        200: {
          description: "A page",
          schema: z.object({ items: z.array(schema), next: z.uuid().optional() }),
        },
      },
      async run({ sql, caller, query }) {
        const items = await transfers.list(sql, caller, query);
        return {
          status: 200,
          body: {
            items: await shown(sql, caller, items),
            ...nextOf(items, query.limit, ({ id }) => id),
          },
        };
      },
    }),
  ] as const;
}
