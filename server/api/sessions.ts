/** HTTP shape of sessions. */

import { accountSchema } from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { SignIn } from "../features/parties/sessions.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Sessions";
const party = {
  account: accountSchema,
  kind: z.enum(["bureau", "taxpayer", "person"]),
  name: z.string(),
  taxId: z.string().optional(),
  roles: z.array(z.enum(roles)),
};
const sealed = z.string().regex(/^[\w-]{1,16000}$/, "sealed-value");
const schema = z
  .object({
    ...party,
    csrfToken: z
      .string()
      .optional()
      .describe("For a session: POST, PUT, PATCH and DELETE send it in X-CSRF-Token"),
    idleMinutes: z
      .number()
      .int()
      .optional()
      .describe("A session ends after this time without a request"),
    absoluteHours: z.number().int().optional().describe("… and this long after it began"),
  })
  .meta({ id: "Session" });

export function sessionRoutes(signIn: SignIn) {
  return [
    route({
      method: "post",
      path: "/v1/session",
      summary: "Exchange an API key for a session cookie",
      description:
        "For browsers. The cookie is HttpOnly and SameSite=Strict; a session may do what its key may, and ends with it.",
      tag,
      roles: "public",
      signsIn: true,
      body: z.strictObject({
        key: z
          .string()
          .regex(/^[!-~]{1,200}$/, "key-format")
          .describe("`<id>.<secret>`; with `proof` the id of one of the person's parties"),
        proof: sealed.optional().describe("From POST /v1/sign-in/answer"),
      }),
      answers: { 201: { description: "Signed in", schema } },
      problems: ["unauthenticated", "sign-in-refused", "cross-site-request"],
      async run({ sql, caller, body }) {
        const { who, setCookie } = await signIn.open(sql, caller, body);
        return { status: 201, body: who, headers: { "Set-Cookie": setCookie } };
      },
    }),
    route({
      method: "get",
      path: "/v1/sign-in",
      summary: "Where people may sign in without an API key",
      tag,
      roles: "public",
      answers: {
        200: {
          description: "The identity provider, if there is one",
          schema: z.object({ provider: z.object({ name: z.string() }).optional() }),
        },
      },
      run: async () => ({
        status: 200,
        body: signIn.provider ? { provider: { name: signIn.provider.name } } : {},
      }),
    }),
    route({
      method: "post",
      path: "/v1/sign-in",
      summary: "Begin to sign in at the identity provider",
      description:
        "For the console's page: it keeps `flow`, sends the browser to `href`, and finds the provider's answer in its own address.",
      tag,
      roles: "public",
      body: z.strictObject({
        again: z
          .boolean()
          .default(false)
          .describe("After signing out in this browser: the provider asks again who it is"),
      }),
      answers: {
        200: { description: "Begun", schema: z.object({ href: z.url(), flow: z.string() }) },
      },
      problems: ["not-found", "unavailable"],
      prepare: ({ body }) => signIn.theProvider().begin(body as { again: boolean }),
      run: async ({ body }) => ({ status: 200, body }),
    }),
    route({
      method: "post",
      path: "/v1/sign-in/answer",
      summary: "Who has signed in, and whom they may act for",
      description:
        "Keys made for the person's name (`signIn` of POST /v1/api-keys) that nobody has used yet belong to this person from now on. A session of one of them begins by POST /v1/session with `proof`, within five minutes.",
      tag,
      roles: "public",
      signsIn: true,
      body: z.strictObject({
        flow: sealed.describe("From POST /v1/sign-in"),
        query: plainText(8_000).describe(
          "What the provider has added to the page's address: `code=…&state=…`",
        ),
      }),
      answers: {
        200: {
          description: "The person; without parties when nobody has made a key for this name",
          schema: z.object({
            name: z.string(),
            proof: z.string(),
            parties: z.array(z.object({ key: z.string(), ...party })),
          }),
        },
      },
      problems: ["not-found", "sign-in-refused", "unavailable", "cross-site-request"],
      prepare: ({ body }) => {
        const { flow, query } = body as { flow: string; query: string };
        return signIn.theProvider().finish(flow, query);
      },
      run: async ({ sql, body }) => ({
        status: 200,
        body: await signIn.parties(sql, body as unknown as Parameters<SignIn["parties"]>[1]),
      }),
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
      answers: {
        200: {
          description:
            "Signed out here; the browser goes to `href`, where its session at the identity provider ends",
          schema: z.object({ href: z.url() }),
        },
        204: { description: "Signed out" },
      },
      async run({ sql, caller }) {
        const { clearCookie, href } = await signIn.close(sql, caller);
        const headers = { "Set-Cookie": clearCookie };
        return href === undefined
          ? { status: 204, body: undefined, headers }
          : { status: 200, body: { href }, headers };
      },
    }),
  ] as const;
}
