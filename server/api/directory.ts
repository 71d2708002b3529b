/** HTTP shape of the directory of taxpayers. */

import { identitySchema } from "@onepiao/protocol/proofs/bundle.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { taxIdQuery } from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { OwnBuyers } from "../features/parties/buyers.ts";
import type { Directory, DirectoryRow, Lookup } from "../features/parties/directory.ts";
import { CSV, directoryReader, directoryRowSchema } from "../features/parties/directory-lines.ts";
import type { Taxpayer, Taxpayers } from "../features/parties/taxpayers.ts";
import { type Answer, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Taxpayers";
const path = "/v1/taxpayers/directory";
const ndjson = "application/x-ndjson";

const company = z.object({ taxId: z.string(), name: z.string() }).meta({ id: "Company" });

/** For a line that was refused, why; for the last line, the totals. */
const loadResult = z
  .union([
    z.strictObject({ line: z.int().positive(), problem: z.looseObject({ code: z.string() }) }),
    z.strictObject({
      done: z
        .boolean()
        .describe("false: the load ended early, for the reason in `problem`; send it again whole"),
      stored: z.int().describe("Rows that the directory has now as the load says"),
      changed: z.int().describe("Those of them that changed something"),
      refused: z.int(),
      problem: z.looseObject({ code: z.string() }).optional(),
    }),
  ])
  .meta({
    id: "DirectoryResult",
    description: "Each refused line, and a last line with the totals",
  });

const query = z
  .object({
    name: plainText(200).trim().optional().describe("A part of the name, in any spelling"),
    taxId: z
      .string()
      .regex(/^[ -~]{4,40}$/, "tax-id-format")
      .optional()
      .describe("The tax id, or its beginning: four characters at least"),
    limit: z.coerce.number().int().min(1).max(50).default(20),
  })
  .refine(({ name, taxId }) => (name === undefined) !== (taxId === undefined), {
    path: ["name"],
    params: { rule: "name-or-tax-id" },
    message: "Either name or taxId is searched for",
  });

type Deps = {
  /** Where companies are stored. */
  directory: Directory;
  /** Where they are searched for. */
  lookup: Lookup;
  /** At the bureau's gateway alone. */
  buyers: Pick<OwnBuyers, "begin"> | undefined;
  taxpayers: Taxpayers;
};

export function directoryRoutes({ directory, lookup, buyers, taxpayers }: Deps) {
  const identityOf = async (sql: Tx, { index }: Taxpayer): Promise<Answer> => ({
    status: 200,
    body: (await taxpayers.identities(sql, [index]))[0],
  });

  return [
    route({
      method: "post",
      path,
      summary: "Load the directory of taxpayers: a line for each company",
      description:
        "NDJSON, or CSV with a head line. Up to 2,000,000 lines; only refused lines are answered, and a last line sums up. A company that is there already gets the name of the load; `removed` takes it out; the others stay. Rows are stored 5,000 at a time: a load that is cut leaves the ones that were stored, and the same load again changes only what is missing.",
      tag,
      roles: ["bureau"],
      rawBody: { mediaTypes: [ndjson, CSV], schema: directoryRowSchema },
      produces: [ndjson],
      answers: { 200: { description: "Refused lines, and the totals", schema: loadResult } },
      problems: ["too-many-streams"],
      load: {
        bounds: { maxLines: 2_000_000, maxLineBytes: 4_096, maxBytes: 512 * 1_048_576 },
        open: ({ mediaType }) => directoryReader(mediaType),
        run: (sql, rows: readonly DirectoryRow[]) => directory.put(sql, rows),
      },
    }),
    route({
      method: "get",
      path,
      summary: "Search companies by name or tax id, to title an invoice to one",
      description:
        "Short names first. A company that is enrolled has the name of its enrolment, which an invoice must use.",
      tag,
      roles: ["bureau", "issuer"],
      query,
      answers: {
        200: {
          description: "Companies",
          schema: z.object({
            items: z.array(company),
            more: z.boolean().describe("Not all that match are here"),
          }),
        },
      },
      run: async ({ sql, query: { name, taxId, limit } }) => ({
        status: 200,
        body: await lookup.search(
          sql,
          taxId === undefined ? { name: name ?? "" } : { taxId },
          limit,
        ),
      }),
    }),
    route({
      method: "post",
      path: `${path}/enrolments`,
      summary: "Enrol the company that an invoice is titled to, for another gateway",
      description:
        "Answers with the identity that the registry's commitment proves; a company that is enrolled already has one. The tax id makes it once. Issuing at this gateway needs no such call.",
      tag,
      roles: ["bureau", "issuer"],
      body: z.strictObject({ taxId: taxIdQuery, name: plainText(200).trim() }),
      answers: {
        200: { description: "Enrolled", schema: identitySchema },
        202: { description: "Taken up", schema: z.object({ taxId: z.string() }) },
      },
      problems: ["not-found", "buyer-not-enrolled", "name-not-enrolled", "enrolment-limit"],
      async run({ sql, caller, body }) {
        if (!buyers) throw new Problem("not-found", "The bureau is not at this gateway");
        const state = await buyers.begin(sql, body, caller.account);
        return state === "pending"
          ? { status: 202, body: { taxId: body.taxId } }
          : identityOf(sql, state);
      },
      async settled(sql, answer) {
        const { taxId } = answer.body as { taxId: string };
        const taxpayer = await taxpayers.byTaxId(sql, taxId);
        return taxpayer && identityOf(sql, taxpayer);
      },
    }),
  ] as const;
}
