/** HTTP shape of pickups. */

import {
  accountSchema,
  numberSchema,
  operationRefSchema,
  pickupSchema,
} from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import { linksOf } from "../features/invoices/invoices.ts";
import { accepted, settle } from "../features/out/operations.ts";
import type { Papers } from "../features/proof/papers.ts";
import type { Pickups } from "../features/use/pickups.ts";
import { routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Pickups";
const pending = z.object({ number: numberSchema, operation: operationRefSchema });
const taken = z
  .object({
    number: numberSchema,
    holder: accountSchema,
    links: z.object({ self: z.string(), history: z.string() }),
  })
  .meta({ id: "TakenOver" });

const waiting = pickupSchema
  .extend({
    url: z
      .string()
      .describe("What the invoice's QR code says: a link, with the secret behind its #"),
  })
  .meta({ id: "WaitingPickup" });

export function pickupRoutes(pickups: Pickups, papers: Papers) {
  return [
    route({
      method: "post",
      path: "/v1/pickups",
      summary: "Take over an untitled invoice that was issued without a holder",
      description:
        "Anyone with the secret takes the invoice over, once; the chain decides between several at once. A wrong secret gets the same answer as an unknown number. A caller that keeps its own key signs the operation.",
      tag,
      roles: ["holder"],
      body: pickupSchema,
      answers: {
        200: { description: "The caller holds it", schema: taken },
        202: { description: "Taken up", schema: pending },
      },
      problems: [
        "not-found",
        "invoice-not-sealed",
        "already-taken-over",
        "wrong-state",
        "invoice-busy",
        "holder-suspended",
        "signature-expired",
      ],
      run: async ({ sql, caller, body }) =>
        accepted(await pickups.take(sql, caller, body), { number: body.number }),
      settled: (sql, answer, caller) =>
        settle(sql, answer, async () => {
          const { number } = answer.body as { number: string };
          return { status: 200, body: { number, holder: caller.account, links: linksOf(number) } };
        }),
    }),
    route({
      method: "get",
      path: "/v1/invoices/{number}/pickup",
      summary: "The pickup of an invoice, for its issuer, until somebody has taken it over",
      tag,
      roles: ["issuer"],
      params: z.object({ number: numberSchema }),
      answers: {
        200: { description: "The number, its secret, and both as a link", schema: waiting },
      },
      problems: ["not-found", "forbidden", "already-taken-over", "wrong-state"],
      async run({ sql, caller, params: { number } }) {
        const { invoice, secret } = await pickups.secretOf(sql, caller, number);
        return { status: 200, body: { number, secret, url: papers.pickupUrl(invoice, secret) } };
      },
    }),
  ] as const;
}
