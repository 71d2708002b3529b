/** HTTP shape of the ledger as a whole. */

import { accountSchema, operationRefSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Ledger } from "../features/bureau/ledger.ts";
import { accepted, settle } from "../features/out/operations.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Ledger";
const schema = z
  .object({
    network: z.string(),
    chainId: z.number().int(),
    registry: accountSchema,
    ledger: accountSchema,
    claimTermSeconds: z.number().int(),
    open: z.boolean(),
    block: z.number().int().describe("The last block that this gateway has read"),
    time: z.iso.datetime(),
  })
  .meta({ id: "Ledger" });

export function ledgerRoutes(ledger: Ledger) {
  return [
    route({
      method: "get",
      path: "/v1/ledger",
      summary: "The network, its contracts, and whether the ledger is open",
      tag,
      roles,
      answers: { 200: { description: "The ledger", schema } },
      run: async ({ sql }) => ({ status: 200, body: await ledger.view(sql) }),
    }),
    route({
      method: "patch",
      path: "/v1/ledger",
      summary: "Close the ledger, or open it again",
      description:
        "While it is closed nothing is sealed, claimed or reimbursed; what is accepted in the meantime waits.",
      tag,
      roles: ["bureau"],
      body: z.strictObject({ open: z.boolean() }),
      answers: {
        200: { description: "Changed", schema },
        202: { description: "Taken up", schema: z.object({ operation: operationRefSchema }) },
      },
      run: async ({ sql, caller, body }) => accepted(await ledger.setOpen(sql, caller, body.open)),
      settled: (sql, answer) =>
        settle(sql, answer, async () => ({ status: 200, body: await ledger.view(sql) })),
    }),
  ] as const;
}
