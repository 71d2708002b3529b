/** HTTP shape of operations. */

import { signatureSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import { operationStatuses } from "../acts/operations.ts";
import type { Tx } from "../db/db.ts";
import type { Operations } from "../features/out/operations.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Operations";

export const operationSchema = z
  .object({
    id: z.uuid(),
    kind: z.string().meta({ example: "claim" }),
    status: z.enum(operationStatuses),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    awaiting: z.array(z.string()).optional().describe("Accounts whose signatures are missing"),
    typedData: z
      .unknown()
      .optional()
      .describe("What the caller has to sign (eth_signTypedData_v4)"),
    problem: z.unknown().optional().describe("Why it was refused"),
    result: z.unknown().optional(),
  })
  .meta({ id: "Operation" });

export function operationRoutes(operations: Operations) {
  return [
    route({
      method: "get",
      path: "/v1/operations/{id}",
      summary: "What became of a request",
      tag,
      roles,
      params: z.object({ id: z.uuid() }),
      answers: { 200: { description: "The operation", schema: operationSchema } },
      problems: ["not-found"],
      run: async ({ sql, caller, params }) => ({
        status: 200,
        body: operations.view(await operations.get(sql, caller, params.id), caller),
      }),
    }),
    route({
      method: "get",
      path: "/v1/operations",
      summary: "The caller's operations, newest first",
      description:
        "With status=awaiting-signature: what a party that keeps its own key has to sign, lots included.",
      tag,
      roles,
      query: z.object({
        status: z.enum(operationStatuses).optional(),
        before: z.uuid().optional().describe("`next` of the page before"),
        limit: z.coerce.number().int().min(1).max(100).default(20),
      }),
      answers: {
        200: {
          description:
            "A page, which may have fewer than `limit`, and `next` while there may be more",
          schema: z.object({ items: z.array(operationSchema), next: z.uuid().optional() }),
        },
      },
      async run({ sql, caller, query }) {
        const { items, next } = await operations.list(sql, caller, query);
        return { status: 200, body: { items, ...(next === undefined ? {} : { next }) } };
      },
    }),
    route({
      method: "post",
      path: "/v1/operations/{id}/signatures",
      summary: "Give the signature that an operation waits for",
      tag,
      roles,
      params: z.object({ id: z.uuid() }),
      body: z.strictObject({ signature: signatureSchema }),
      answers: { 200: { description: "The operation", schema: operationSchema } },
      problems: ["not-found", "signature-invalid", "signature-not-wanted"],
      run: async ({ sql, caller, params, body }) => ({
        status: 200,
        body: operations.view(
          await operations.sign(sql, caller, params.id, body.signature),
          caller,
        ),
      }),
    }),
  ] as const;
}
