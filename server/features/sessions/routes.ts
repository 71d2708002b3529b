/** HTTP shape of sessions. */
import { z } from "zod";
import type { Tx } from "../../db/db.ts";
import { type Route, roles, routeFor } from "../../kernel/api.ts";
import { accountSchema } from "../../kernel/shapes.ts";
import type { SignIn } from "./sessions.ts";

const route = routeFor<Tx>();
const tag = "Sessions";
const schema = z
  .object({
    account: accountSchema,
    kind: z.enum(["bureau", "taxpayer", "person"]),
    name: z.string(),
    taxId: z.string().optional(),
    roles: z.array(z.enum(roles)),
    csrfToken: z.string().optional().describe("Of a session: what POST, PUT, PATCH and DELETE show in X-CSRF-Token"),
    idleMinutes: z.number().int().optional().describe("A session ends after so long without a request"),
    absoluteHours: z.number().int().optional().describe("… and so long after it began"),
  })
  .meta({ id: "Session" });

export function sessionRoutes(signIn: SignIn): Route<Tx>[] {
  return [
    route({
      method: "post",
      path: "/v1/session",
      summary: "Exchange an API key for a session cookie",
      description: "For browsers. The cookie is HttpOnly and SameSite=Strict; a session may do what its key may, and ends with it.",
      tag,
      roles: "public",
      signsIn: true,
      body: z.strictObject({ key: z.string().min(1).max(200).describe("`<id>.<secret>`") }),
      answers: { 201: { description: "Signed in", schema } },
      problems: ["unauthenticated", "cross-site-request"],
      async run({ sql, caller, body }) {
        const { who, setCookie } = await signIn.open(sql, caller, body.key);
        return { status: 201, body: who, headers: { "Set-Cookie": setCookie } };
      },
    }),
    route({
      method: "get",
      path: "/v1/session",
      summary: "Who is calling, and as what",
      tag,
      roles,
      answers: { 200: { description: "The caller", schema } },
      run: async ({ sql, caller }) => ({ status: 200, body: await signIn.who(sql, caller) }),
    }),
    route({
      method: "delete",
      path: "/v1/session",
      summary: "End the session",
      tag,
      roles,
      answers: { 204: { description: "Signed out" } },
      run: async ({ sql, caller }) => ({ status: 204, body: undefined, headers: { "Set-Cookie": await signIn.close(sql, caller) } }),
    }),
  ];
}
