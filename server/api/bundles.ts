/** HTTP shape of bundles. */

import { bundleSchema } from "@onepiao/protocol/proofs/bundle.ts";
import { type PartName, partNames } from "@onepiao/protocol/proofs/parts.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { numberSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Grants } from "../features/invoices/grants.ts";
import type { Bundles } from "../features/proof/bundles.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();

/** Part names as a query has them: `seller,date,total`. */
function readNames(text: string | undefined): readonly PartName[] {
  if (text === undefined) return partNames;
  const names = text.split(",").filter((name) => name !== "");
  const unknown = names.find((name) => !(partNames as readonly string[]).includes(name));
  if (unknown === undefined) return names as PartName[];
  const detail = `There is no part ${unknown.slice(0, 40)}; there are ${partNames.join(", ")}`;
  throw new Problem("invalid-request", detail, {
    violations: [{ field: "disclose", rule: "part-name", detail }],
  });
}

export function bundleRoutes(bundles: Bundles, grants: Grants) {
  return [
    route({
      method: "get",
      path: "/v1/invoices/{number}/bundle",
      summary: "An invoice that proves itself, whole or in part",
      description:
        "Anyone can check it: offline up to the seal, with a node up to the state. `disclose` names the parts to show; the others stay hidden behind their digests. Without it all parts are shown; if it is empty, none.",
      tag: "Bundles",
      roles,
      params: z.object({ number: numberSchema }),
      query: z.object({
        disclose: z
          .string()
          .regex(/^[A-Za-z,]{0,300}$/, "part-name")
          .optional()
          .describe(`Of ${partNames.join(", ")}, separated by commas`),
      }),
      answers: { 200: { description: "The bundle", schema: bundleSchema } },
      problems: ["not-found", "invoice-not-sealed", "invalid-request"],
      async run({ sql, caller, params, query }) {
        const names = readNames(query.disclose);
        const invoice = await grants.readable(sql, caller, params.number);
        const bundle = await bundles.of(sql, invoice, names);
        await grants.logReads(sql, caller, [params.number], "bundle");
        return { status: 200, body: bundle };
      },
    }),
  ] as const;
}
