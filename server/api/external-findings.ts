/** HTTP shape of findings about external invoices: conflicts and near duplicates. */

import { nameOf } from "@onepiao/protocol/ledger/external.ts";
import { facts } from "@onepiao/protocol/ledger/identity.ts";
import { sameNames } from "@onepiao/protocol/ledger/near.ts";
import { externalIdSchema, invoiceNameSchema } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Taxpayer, Taxpayers } from "../features/parties/taxpayers.ts";
import {
  type Finding,
  type Findings,
  findingKinds,
  type Side,
} from "../features/use/external-findings.ts";
import { routeFor } from "../kernel/api.ts";
import { nextOf, pageLimit } from "../kernel/page.ts";

const route = routeFor<Tx>();

export const claimHref = (id: string) => `/v1/claims/${id}`;
export const claimRef = z.object({ id: z.uuid(), href: z.string() });
export const claimRefOf = (id: string) => ({ id, href: claimHref(id) });
export const sameSchema = z.array(z.enum(sameNames)).describe("Whose names are equal");

const side = z.object({
  seller: z.object({ taxId: z.string().optional(), name: z.string() }),
  days: z.array(z.string()).describe("The days of issue that the document states"),
  currency: z.string(),
  gross: z.string(),
});
const finding = z
  .object({
    finding: z.uuid(),
    kind: z.enum(findingKinds),
    at: z.iso.datetime(),
    id: externalIdSchema,
    number: z.string().describe("The invoice's number where it was issued"),
    differs: z
      .array(z.enum(facts))
      .describe("Of a conflict: what the two documents say differently"),
    same: sameSchema.optional().describe("Of near duplicates: whose names are equal"),
    employer: z
      .object({ taxId: z.string(), name: z.string() })
      .describe("Whose document showed it"),
    stated: side.describe("What that document says"),
    claim: claimRef.optional().describe("Its claim; a document in conflict was refused"),
    registered: side
      .extend({
        invoice: invoiceNameSchema,
        number: z.string().describe("The number that it was issued under"),
        claim: claimRef.optional(),
        employer: z.object({ taxId: z.string(), name: z.string() }).optional(),
      })
      .optional()
      .describe(
        "What the other document says; for the bureau, and for who registered both. An invoice of this network without a claim here has no claim and no employer",
      ),
  })
  .meta({ id: "ExternalFinding" });
const textOf = ({ days, ...others }: Side) => ({ ...others, days: [...days] });

/** `all`: with the other document, also if it is another party's. */
function viewOf(row: Finding, all: boolean, employers: ReadonlyMap<number, Taxpayer>) {
  const { employer, invoice, number, ...side } = row.registered;
  const named = (index: number) => {
    const { taxId = "", name = "" } = employers.get(index) ?? {};
    return { taxId, name };
  };
  return {
    finding: row.id,
    kind: row.kind,
    at: row.at.toISOString(),
    id: row.number,
    number: row.original,
    differs: [...row.differs],
    ...(row.same && { same: [...row.same] }),
    employer: named(row.employer),
    stated: textOf(row.stated),
    ...(row.ownClaim !== undefined && { claim: claimRefOf(row.ownClaim) }),
    ...((all || employer === row.employer) && {
      registered: {
        ...textOf(side),
        invoice: nameOf(invoice),
        number,
        ...(row.claim !== null && { claim: claimRefOf(row.claim) }),
        ...(employer !== undefined && { employer: named(employer) }),
      },
    }),
  };
}

type Deps = { findings: Findings; taxpayers: Taxpayers };

export function externalFindingRoutes({ findings, taxpayers }: Deps) {
  return [
    route({
      method: "get",
      path: "/v1/external-findings",
      summary: "Documents of external invoices that do not fit together, newest first",
      description:
        "The bureau sees all, an employer those that its own documents showed, of near duplicates those of which both are its own. A finding accuses nobody: it says which documents to look at.",
      tag: "External invoices",
      roles: ["employer", "bureau"],
      query: z.object({
        kind: z.enum(findingKinds).optional().describe("Only findings of this kind"),
        claim: z.uuid().optional().describe("Only findings about an invoice of this claim"),
        before: z.uuid().optional().describe("`next` of the page before"),
        limit: pageLimit,
      }),
      answers: {
        200: {
          description: "A page",
          schema: z.object({ items: z.array(finding), next: z.uuid().optional() }),
        },
      },
      async run({ sql, caller, query }) {
        const rows = await findings.list(sql, caller, query);
        const indexes = rows.flatMap(({ employer, registered }) => [
          employer,
          ...(registered.employer === undefined ? [] : [registered.employer]),
        ]);
        const employers = await taxpayers.byIndexes(sql, [...new Set(indexes)]);
        const all = caller.roles.includes("bureau");
        const items = rows.map((row) => viewOf(row, all, employers));
        return {
          status: 200,
          body: { items, ...nextOf(rows, query.limit, ({ id }) => id) },
        };
      },
    }),
  ] as const;
}
