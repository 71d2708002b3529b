/** HTTP shape of persons. */

import { accountSchema, provenKeySchema } from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Persons } from "../features/parties/persons.ts";
import { routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Persons";
const account = accountSchema;
const schema = z
  .object({ account, name: z.string(), custody: z.enum(["gateway", "own"]) })
  .meta({ id: "Person" });

export function personRoutes(persons: Persons) {
  return [
    route({
      method: "post",
      path: "/v1/persons",
      summary: "Make a holder's account",
      tag,
      roles: ["issuer", "employer"],
      body: z.strictObject({
        name: plainText(100).trim(),
        key: provenKeySchema
          .default({ custody: "gateway" })
          .describe("In a proof, the maker is the caller's account"),
      }),
      answers: { 201: { description: "Made", schema } },
      problems: ["account-enrolled", "key-not-shown", "zero-address", "person-limit"],
      async run({ sql, caller, body }) {
        const person = await persons.create(sql, caller, body);
        return {
          status: 201,
          body: { account: person.account, name: person.name, custody: person.custody },
          headers: { Location: `/v1/persons/${person.account}` },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/persons/{account}",
      summary: "One holder",
      tag,
      roles: ["issuer", "employer", "holder"],
      params: z.object({ account }),
      answers: { 200: { description: "The person", schema } },
      problems: ["not-found"],
      run: async ({ sql, caller, params }) => ({
        status: 200,
        body: await persons.get(sql, caller, params.account),
      }),
    }),
  ] as const;
}
