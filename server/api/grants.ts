/** HTTP shape of grants and reads. */

import { accountSchema, numberSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import { type Grant, type Grants, readForms } from "../features/invoices/grants.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Grants";
const params = z.object({ number: numberSchema });
const grant = z
  .object({
    id: z.uuid(),
    number: numberSchema,
    to: accountSchema,
    by: accountSchema,
    until: z.iso.datetime().optional(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: "Grant" });
const view = (grant: Grant) => ({
  id: grant.id,
  number: grant.number,
  to: grant.grantee,
  by: grant.giver,
  ...(grant.until === null ? {} : { until: grant.until.toISOString() }),
  createdAt: grant.created_at.toISOString(),
});

export function grantRoutes(grants: Grants) {
  return [
    route({
      method: "post",
      path: "/v1/invoices/{number}/grants",
      summary: "Let somebody read an invoice's document",
      description:
        "By its holder or its employer. The grant lasts until it is withdrawn, its time is over, or its giver is no longer a party of the invoice.",
      tag,
      roles: ["holder", "employer"],
      params,
      body: z.strictObject({
        to: accountSchema,
        until: z.iso.datetime({ offset: true }).optional(),
      }),
      answers: { 201: { description: "Given", schema: grant } },
      problems: ["not-found", "forbidden", "receiver-invalid", "grant-exists", "grant-limit"],
      async run({ sql, caller, params, body }) {
        const made = await grants.give(
          sql,
          caller,
          params.number,
          body.to,
          body.until === undefined ? undefined : new Date(body.until),
        );
        return {
          status: 201,
          body: view(made),
          headers: { Location: `/v1/invoices/${params.number}/grants/${made.id}` },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/invoices/{number}/grants",
      summary: "Who may read an invoice's document now",
      tag,
      roles: ["holder", "employer", "bureau"],
      params,
      answers: {
        200: {
          description: "Its parties, and the accounts with a grant",
          schema: z.object({
            parties: z.array(
              z.object({ account: accountSchema, as: z.enum(["issuer", "holder", "employer"]) }),
            ),
            items: z.array(grant),
          }),
        },
      },
      problems: ["not-found", "forbidden"],
      async run({ sql, caller, params }) {
        const { parties, grants: standing } = await grants.list(sql, caller, params.number);
        return { status: 200, body: { parties, items: standing.map(view) } };
      },
    }),
    route({
      method: "delete",
      path: "/v1/invoices/{number}/grants/{id}",
      summary: "Withdraw a grant",
      description:
        "By the account that gave it, or by the invoice's present holder. Earlier reads cannot be undone.",
      tag,
      roles: ["holder", "employer"],
      params: params.extend({ id: z.uuid() }),
      answers: { 204: { description: "Withdrawn" } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        await grants.withdraw(sql, caller, params.number, params.id);
        return { status: 204, body: undefined };
      },
    }),
    route({
      method: "get",
      path: "/v1/invoices/{number}/reads",
      summary: "Who has read an invoice's document, when, in which form, how often",
      description:
        "One entry a day for each reader and form. An issuer sees itself and the bureau; holder, employer and bureau see all.",
      tag,
      roles,
      params,
      query: z.object({ limit: z.coerce.number().int().min(1).max(100).default(50) }),
      answers: {
        200: {
          description: "The latest first",
          schema: z.object({
            items: z.array(
              z.object({
                account: accountSchema,
                form: z.enum(readForms),
                day: z.iso.date().describe("Of China"),
                times: z.number().int(),
                firstAt: z.iso.datetime(),
                lastAt: z.iso.datetime(),
              }),
            ),
          }),
        },
      },
      problems: ["not-found"],
      async run({ sql, caller, params, query }) {
        const items = (await grants.reads(sql, caller, params.number, query.limit)).map(
          ({ first_at, last_at, ...read }) => ({
            ...read,
            firstAt: first_at.toISOString(),
            lastAt: last_at.toISOString(),
          }),
        );
        return { status: 200, body: { items } };
      },
    }),
  ] as const;
}
