/** HTTP shape of imports. */

import { bundleSchema } from "@onepiao/protocol/proofs/bundle.ts";
import { numberSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import { invoiceStatuses, linksOf } from "../features/invoices/invoices.ts";
import type { Imports } from "../features/proof/imports.ts";
import { routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();

export function importRoutes(imports: Imports) {
  return [
    route({
      method: "post",
      path: "/v1/invoices/import",
      summary: "Import an invoice that was sealed through another gateway, by its bundle",
      description:
        "By its present holder, or by the employer that it is titled to or claimed from. The bundle must be whole; it is checked against the chain. From then on the invoice is like any other; both gateways see what happens to it.",
      tag: "Bundles",
      roles: ["holder", "employer"],
      body: bundleSchema,
      answers: {
        201: {
          description: "It is here",
          schema: z.object({
            number: numberSchema,
            status: z.enum(invoiceStatuses),
            links: z.object({ self: z.string(), history: z.string() }),
          }),
        },
      },
      problems: [
        "bundle-invalid",
        "lot-unknown",
        "forbidden",
        "not-found",
        "invoice-not-sealed",
        "unavailable",
      ],
      async run({ sql, caller, body }) {
        const { number, status } = await imports.bring(sql, caller, body);
        return {
          status: 201,
          body: { number, status, links: linksOf(number) },
          headers: { Location: `/v1/invoices/${number}` },
        };
      },
    }),
  ] as const;
}
