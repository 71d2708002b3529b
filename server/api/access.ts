/** HTTP shape of API keys, and of a person's leaving a party. */

import { accountSchema } from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Access } from "../features/parties/access.ts";
import { roles, routeFor } from "../kernel/api.ts";
import { pageLimit } from "../kernel/page.ts";

const route = routeFor<Tx>();
const tag = "API keys";
const account = accountSchema;
const keyId = z.string().regex(/^[\w-]{1,64}$/, "key-id-format");

export function accessRoutes(access: Access) {
  return [
    route({
      method: "post",
      path: "/v1/api-keys",
      summary: "Make an API key",
      description:
        "A key with the role `admin` gives every role of its party and of the persons that its party manages; another key gives the roles that it has itself, to its own party; the bureau makes keys for a taxpayer that has no `admin` key in use. The token `id.secret` is in this answer alone: a replay of the request has the id without it. With `signIn` the key has no token: it is for a person who shows it by signing in at the gateway's identity provider, and the first person to do so under that name keeps it.",
      tag,
      roles,
      body: z.strictObject({
        account,
        roles: z.array(z.enum(roles)).min(1).max(roles.length),
        signIn: plainText(320)
          .trim()
          .optional()
          .describe("The person's email address at the identity provider"),
        bearer: account
          .optional()
          .describe(
            "The person who holds a key of its manager: the key ends when that person leaves",
          ),
      }),
      answers: {
        201: {
          description: "Made",
          schema: z.object({
            id: z.string(),
            token: z
              .string()
              .optional()
              .describe("Shown only in this answer; a key for signing in has no token"),
          }),
        },
      },
      problems: ["not-found", "forbidden", "key-limit"],
      async run({ sql, caller, body }) {
        const { id, token } = await access.create(sql, caller, body);
        return {
          status: 201,
          body: { id },
          ...(token === undefined ? {} : { secrets: { token } }),
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/api-keys",
      summary: "API keys without their secrets, the newest first",
      description:
        "A key with the role `admin` sees the keys of its party and of the persons that its party manages. Another key sees the keys of its party that have no other roles than itself. The bureau sees the keys that it has made.",
      tag,
      roles,
      query: z.object({
        account: account.optional().describe("Only keys of this party"),
        before: keyId.optional().describe("`next` of the page before"),
        limit: pageLimit,
      }),
      answers: {
        200: {
          description: "A page",
          schema: z.object({
            items: z.array(
              z.object({
                id: z.string(),
                account,
                roles: z.array(z.string()),
                createdAt: z.string(),
                bearer: account
                  .optional()
                  .describe("The person who holds it, for a key of the manager"),
                signIn: z
                  .string()
                  .optional()
                  .describe("For a key without a secret: who signs in to use it"),
                signedInAt: z.string().optional().describe("When that person first signed in"),
                revokedAt: z.string().optional(),
              }),
            ),
            next: z
              .string()
              .optional()
              .describe("`before` of the next page; absent on the last one"),
          }),
        },
      },
      run: async ({ sql, caller, query }) => ({
        status: 200,
        body: await access.list(sql, caller, query),
      }),
    }),
    route({
      method: "delete",
      path: "/v1/api-keys/{id}",
      summary: "Revoke an API key",
      description:
        "By a key that could have made it. A party cannot revoke its last `admin` key in use.",
      tag,
      roles,
      params: z.object({ id: keyId }),
      answers: { 204: { description: "Revoked" } },
      problems: ["not-found", "forbidden", "last-admin-key"],
      async run({ sql, caller, params }) {
        await access.revoke(sql, caller, params.id);
        return { status: 204, body: undefined };
      },
    }),
    route({
      method: "post",
      path: "/v1/persons/{account}/leave",
      summary: "A person leaves the party that manages its access",
      description:
        "By the person itself: all its keys end, and the answer has a new one, whose token is shown this once. By the manager's `admin` key: the keys that the person has made itself stay, and without one the person is not let go. In both cases the manager's keys in the person's hands, grants between the two and the person's webhooks end; the manager can make no key for the person any more, and keeps of it what was claimed from the manager.",
      tag: "Persons",
      roles: ["holder", "admin"],
      params: z.object({ account }),
      answers: {
        200: {
          description: "Has left",
          schema: z.object({
            account,
            id: z.string().optional().describe("Id of the person's new key"),
            token: z.string().optional(),
          }),
        },
      },
      problems: ["not-found", "person-left", "person-has-no-key", "last-admin-key"],
      async run({ sql, caller, params }) {
        const left = await access.leave(sql, caller, params.account);
        if (left.key === undefined) return { status: 200, body: { account: left.account } };
        return {
          status: 200,
          body: { account: left.account, id: left.key.id },
          secrets: { token: left.key.token },
        };
      },
    }),
  ] as const;
}
