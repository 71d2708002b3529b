/** HTTP shape of API keys. */
import { z } from "zod";
import type { Tx } from "../../db/db.ts";
import { type Route, roles, routeFor } from "../../kernel/api.ts";
import { accountSchema } from "../../kernel/shapes.ts";
import type { Access } from "./access.ts";

const route = routeFor<Tx>();
const tag = "API keys";
const account = accountSchema;

export function accessRoutes(access: Access): Route<Tx>[] {
  return [
    route({
      method: "post",
      path: "/v1/api-keys",
      summary: "Make an API key",
      description:
        "The token `id.secret` is in the answer, and in the stored answer of this Idempotency-Key, sealed; it cannot be read again otherwise. With `signIn` the key has no token: it is for a person who shows it by signing in at the gateway's identity provider, and whoever does so first under that name keeps it.",
      tag,
      roles: ["bureau", "issuer", "employer"],
      body: z.strictObject({
        account,
        roles: z.array(z.enum(roles)).min(1).max(4),
        signIn: z.string().trim().min(1).max(320).optional().describe("What the identity provider calls the person, as an email address"),
      }),
      answers: { 201: { description: "Made", schema: z.object({ id: z.string(), token: z.string().optional() }) } },
      problems: ["not-found", "forbidden"],
      async run({ sql, caller, body }) {
        return { status: 201, body: await access.create(sql, caller, body) };
      },
    }),
    route({
      method: "get",
      path: "/v1/api-keys",
      summary: "The caller's API keys, without their secrets",
      tag,
      roles: ["bureau", "issuer", "employer"],
      query: z.object({ account: account.optional().describe("Those of this party alone") }),
      answers: {
        200: {
          description: "Keys",
          schema: z.object({
            items: z.array(
              z.object({
                id: z.string(),
                account,
                roles: z.array(z.string()),
                createdAt: z.string(),
                signIn: z.string().optional().describe("Of a key without a secret: who signs in to show it"),
                signedInAt: z.string().optional().describe("When that person first did"),
                revokedAt: z.string().optional(),
              }),
            ),
          }),
        },
      },
      run: async ({ sql, caller, query }) => ({ status: 200, body: { items: await access.list(sql, caller, query.account) } }),
    }),
    route({
      method: "delete",
      path: "/v1/api-keys/{id}",
      summary: "Revoke an API key",
      tag,
      roles: ["bureau", "issuer", "employer"],
      params: z.object({ id: z.string().regex(/^[\w-]{1,64}$/) }),
      answers: { 204: { description: "Revoked" } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        await access.revoke(sql, caller, params.id);
        return { status: 204, body: undefined };
      },
    }),
  ];
}
