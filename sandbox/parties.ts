/**
 * The sandbox's parties with their API keys, for the console's sign-in page: anyone who can reach a
 * sandbox may act as any of its parties.
 *
 * Only a sandbox makes this route, and a gateway on a real network refuses to start with it.
 */
import { z } from "zod";
import type { Tx } from "../server/db/db.ts";
import { roles, routeFor } from "../server/kernel/api.ts";
import type { SandboxParty } from "./api.ts";

const route = routeFor<Tx>();
const schema: z.ZodType<SandboxParty> = z
  .object({
    name: z.string(),
    roles: z.array(z.enum(roles)),
    taxId: z.string().optional(),
    key: z.string().describe("An API key, for POST /v1/session"),
  })
  .meta({ id: "SandboxParty" });

/** `parties` may grow while the gateway runs. */
export function partyRoutes(parties: readonly SandboxParty[]) {
  return [
    route({
      method: "get",
      path: "/v1/sandbox/parties",
      summary: "Everybody in this sandbox, with an API key",
      tag: "Sandbox",
      roles: "public",
      answers: { 200: { description: "Parties", schema: z.object({ items: z.array(schema) }) } },
      run: async () => ({ status: 200, body: { items: parties } }),
    }),
  ] as const;
}
