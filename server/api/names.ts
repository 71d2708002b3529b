/** HTTP shape of taxpayers' names. */

import { namedSchema } from "@onepiao/protocol/proofs/naming.ts";
import { taxIdText } from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Names } from "../features/parties/names.ts";
import { routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Taxpayers";
const day = z.iso.date("date-format").describe("A day in China, YYYY-MM-DD");
const params = z.object({ taxId: taxIdText });
const answer = namedSchema.meta({ id: "TaxpayerName" });

export function nameRoutes(names: Names) {
  return [
    route({
      method: "post",
      path: "/v1/taxpayers/{taxId}/names",
      summary: "Give a taxpayer another name, from a day on",
      description:
        "By the bureau, which signs it; or with the bureau's signature, if it was given through another gateway. Invoices of that day and later are refused under another name. To correct the latest name, give it again for the same day.",
      tag,
      roles: ["bureau", "issuer", "employer"],
      params,
      body: z.strictObject({
        name: plainText(200).trim(),
        from: day,
        signature: z
          .string()
          .regex(/^0x([0-9a-fA-F]{128}|[0-9a-fA-F]{130})$/, "signature-format")
          .optional()
          .describe(
            "The bureau's EIP-712 signature over Name(address account,string name,string from)",
          ),
      }),
      answers: { 201: { description: "Given", schema: answer } },
      problems: ["not-found"],
      run: async ({ sql, caller, params: { taxId }, body }) => ({
        status: 201,
        body: await names.give(sql, caller, taxId, body),
      }),
    }),
    route({
      method: "get",
      path: "/v1/taxpayers/{taxId}/names",
      summary: "The names that a taxpayer has had, and will have",
      tag,
      roles: ["bureau", "issuer", "employer"],
      params,
      answers: {
        200: {
          description:
            "In the order of their days; the first, the name of the enrolment, has no day",
          schema: z.object({
            items: z.array(z.union([answer, z.strictObject({ name: z.string() })])),
          }),
        },
      },
      problems: ["not-found"],
      run: async ({ sql, caller, params: { taxId } }) => ({
        status: 200,
        body: { items: await names.list(sql, caller, taxId) },
      }),
    }),
    route({
      method: "get",
      path: "/v1/titles/{taxId}",
      summary: "The name that an invoice is titled to (抬头)",
      description:
        "The name of the enrolled taxpayer with this tax id on a day: an invoice must use it for its buyer.",
      tag,
      roles: ["issuer"],
      params,
      query: z.object({ on: day.optional() }),
      answers: {
        200: {
          description: "The title",
          schema: z.object({ taxId: z.string(), name: z.string() }).meta({ id: "Title" }),
        },
      },
      problems: ["not-found"],
      run: async ({ sql, params: { taxId }, query }) => ({
        status: 200,
        body: await names.titleOf(sql, taxId, query.on),
      }),
    }),
  ] as const;
}
