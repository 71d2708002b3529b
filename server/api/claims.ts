/** HTTP shape of claims (expense reports). */

import { moneyOf } from "@onepiao/protocol/formats/red-letter.ts";
import { decimalsOf, formatTotal, parseMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import {
  accountSchema,
  amountsSchema,
  fromBeforeTo,
  momentFrom,
  numberSchema,
  operationRefSchema,
  taxIdQuery,
  taxIdText,
  timeQuery,
} from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import type { Grants } from "../features/invoices/grants.ts";
import type { Amount, Invoices } from "../features/invoices/invoices.ts";
import { accepted, settle } from "../features/out/operations.ts";
import type { Taxpayer, Taxpayers } from "../features/parties/taxpayers.ts";
import { type Claim, claimStatuses } from "../features/use/claim-records.ts";
import type { Claims } from "../features/use/claims.ts";
import type { External } from "../features/use/external.ts";
import { type Caller, routeFor } from "../kernel/api.ts";
import { nextOf, pageLimit } from "../kernel/page.ts";

const route = routeFor<Tx>();
const tag = "Claims";
const schema = z
  .object({
    id: z.uuid(),
    status: z.enum(claimStatuses),
    holder: accountSchema,
    employer: z.object({ taxId: z.string(), name: z.string() }),
    note: z.string().optional(),
    reason: z.string().optional().describe("Why it was rejected"),
    createdAt: z.iso.datetime(),
    amounts: z
      .array(
        z.object({
          currency: z.string(),
          gross: z.string().meta({ example: "188.68" }),
          payable: z
            .string()
            .describe("What is to be paid of it: less what is prepaid, plus what is collected"),
        }),
      )
      .describe("The claimed amounts by currency, less what red letters have taken back"),
    invoices: z.array(
      z.object({
        number: z.string().describe("20 digits; for an invoice issued elsewhere, its number there"),
        status: z.string(),
        external: z
          .literal(true)
          .optional()
          .describe("For an invoice issued elsewhere: see /v1/external-invoices/{id}"),
        id: z.string().optional(),
        left: amountsSchema.optional().describe("What its red letters have left, if it has any"),
      }),
    ),
  })
  .meta({ id: "Claim" });
const pending = z.object({ id: z.uuid(), operation: operationRefSchema });
const idParam = z.object({ id: z.uuid() });

type Deps = {
  claims: Claims;
  taxpayers: Taxpayers;
  invoices: Invoices;
  external: External;
  grants: Grants;
};

export function claimRoutes({ claims, taxpayers, invoices, external, grants }: Deps) {
  /** Sums of these claims, in their order. */
  async function amountsOf(sql: Tx, caller: Caller, all: readonly Claim[]) {
    const own = all.flatMap((claim) =>
      claim.invoices.flatMap(({ id, number }) => (id === undefined ? number : [])),
    );
    const [issued, elsewhere] = [
      await invoices.amountsOf(sql, own),
      await external.amountsOf(
        sql,
        all.flatMap((claim) => (claim.invoices.some(({ id }) => id !== undefined) ? claim.id : [])),
      ),
    ];
    // an amount is a part of the document: seeing it is reading
    await grants.logReads(sql, caller, [...issued.keys()], "list");
    return all.map((claim) => {
      const sums = new Map<string, { gross: bigint; payable: bigint }>();
      for (const { id, number, left } of claim.invoices) {
        const amount = id === undefined ? issued.get(number) : elsewhere.get(claim.id);
        if (!amount) continue;
        const { currency } = amount;
        const sum = sums.get(currency) ?? { gross: 0n, payable: 0n };
        const whole = parseMoney(amount.gross, decimalsOf(currency));
        const gross = left?.gross ?? whole;
        const rest = parseMoney(amount.payable, decimalsOf(currency)) - (whole - gross);
        // a red letter over more than was to be paid leaves nothing to pay
        const payable = gross < whole && rest < 0n ? 0n : rest;
        sums.set(currency, { gross: sum.gross + gross, payable: sum.payable + payable });
      }
      return [...sums].map(([currency, { gross, payable }]) => ({
        currency,
        gross: formatTotal(gross, decimalsOf(currency)),
        payable: formatTotal(payable, decimalsOf(currency)),
      }));
    });
  }

  async function views(sql: Tx, caller: Caller, all: readonly Claim[]) {
    const employers = await taxpayers.byIndexes(sql, [
      ...new Set(all.map(({ employer }) => employer)),
    ]);
    const amounts = await amountsOf(sql, caller, all);
    return all.map((claim, i) => view(claim, employers.get(claim.employer), amounts[i] ?? []));
  }
  const claimView = async (sql: Tx, caller: Caller, id: string) =>
    (await views(sql, caller, [await claims.get(sql, caller, id)]))[0];

  function view(claim: Claim, employer: Taxpayer | undefined, amounts: Amount[]) {
    return {
      id: claim.id,
      status: claim.status,
      holder: claim.holder,
      employer: { taxId: employer?.taxId ?? "", name: employer?.name ?? "" },
      ...(claim.note === undefined ? {} : { note: claim.note }),
      ...(claim.reason === undefined ? {} : { reason: claim.reason }),
      createdAt: claim.createdAt.toISOString(),
      amounts,
      invoices: claim.invoices.map(({ number, status, id, left }) => ({
        number,
        status,
        ...(id === undefined ? {} : { external: true, id }),
        ...(left ? { left: moneyOf(left) } : {}),
      })),
    };
  }
  /** The claim, once the act on it is done. */
  const claimWhenSettled =
    (status: number) => (sql: Tx, answer: Parameters<typeof settle>[1], caller: Caller) =>
      settle(sql, answer, async () => ({
        status,
        body: await claimView(sql, caller, (answer.body as { id: string }).id),
      }));

  const decision = (
    word: "reimburse" | "withdraw",
    role: "employer" | "holder",
    summary: string,
    description: string,
  ) =>
    route({
      method: "post",
      path: `/v1/claims/{id}/${word}`,
      summary,
      description,
      tag,
      roles: [role],
      params: idParam,
      answers: {
        200: { description: "Done", schema },
        202: { description: "Taken up", schema: pending },
      },
      problems: [
        "not-found",
        "forbidden",
        "claim-state",
        word === "reimburse" ? "already-reimbursed" : "claim-term-running",
      ],
      run: async ({ sql, caller, params }) =>
        accepted(await claims[word](sql, caller, params.id), { id: params.id }),
      settled: claimWhenSettled(200),
    });

  return [
    route({
      method: "post",
      path: "/v1/claims",
      summary: "Claim reimbursement of 1 to 100 invoices: one expense report",
      description:
        "All or nothing. The chain refuses a claim of an invoice that is claimed or reimbursed already and names its state, and the bureau sees the attempt.",
      tag,
      roles: ["holder"],
      body: z.strictObject({
        employer: taxIdText,
        invoices: z.array(numberSchema).min(1).max(100),
        note: plainText(500, { lines: true }).optional(),
      }),
      answers: {
        201: { description: "Claimed: the invoices are locked", schema },
        202: { description: "Taken up", schema: pending },
      },
      problems: [
        "not-found",
        "forbidden",
        "taxpayer-unknown",
        "invoice-not-sealed",
        "already-claimed",
        "already-reimbursed",
        "titled-to-another",
        "wrong-state",
        "employer-not-active",
        "holder-suspended",
        "holder-differs",
      ],
      async run({ sql, caller, body }) {
        const { id, operation } = await claims.submit(sql, caller, body);
        return accepted(operation, { id });
      },
      settled: claimWhenSettled(201),
    }),
    route({
      method: "get",
      path: "/v1/claims",
      summary: "The caller's claims, newest first",
      tag,
      roles: ["holder", "employer"],
      query: fromBeforeTo(
        z.object({
          as: z
            .enum(["holder", "employer"])
            .optional()
            .describe("Default: employer for a key that has that role"),
          status: z.enum(claimStatuses).optional(),
          invoice: plainText(200)
            .optional()
            .describe(
              "Claims of this invoice: its number, the id of an external one, or with `seller` the number of its original",
            ),
          seller: taxIdQuery.optional().describe("Tax id of the external invoice's seller"),
          from: timeQuery.optional().describe("Made at this time or later"),
          to: timeQuery.optional().describe("Made before"),
          before: z.uuid().optional().describe("`next` of the page before"),
          limit: pageLimit,
        }),
      ),
      answers: {
        200: {
          description: "A page",
          schema: z.object({ items: z.array(schema), next: z.uuid().optional() }),
        },
      },
      async run({ sql, caller, query }) {
        const as = query.as ?? (caller.roles.includes("employer") ? "employer" : "holder");
        if (!caller.roles.includes(as))
          throw new Problem("forbidden", `This API key does not have the ${as} role`);
        const items = await claims.list(sql, caller, {
          ...query,
          as,
          from: momentFrom(query.from),
          to: momentFrom(query.to),
        });
        return {
          status: 200,
          body: {
            items: await views(sql, caller, items),
            ...nextOf(items, query.limit, ({ id }) => id),
          },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/claims/{id}",
      summary: "One claim",
      tag,
      roles: ["holder", "employer", "bureau"],
      params: idParam,
      answers: { 200: { description: "The claim", schema } },
      problems: ["not-found"],
      run: async ({ sql, caller, params }) => ({
        status: 200,
        body: await claimView(sql, caller, params.id),
      }),
    }),
    decision(
      "reimburse",
      "employer",
      "Reimburse a claim",
      "Final. One is under way at a time, further ones are answered from its outcome; of a claim that is reimbursed already that is 409 `already-reimbursed` with `original`, and no attempt at a second payment.",
    ),
    route({
      method: "post",
      path: "/v1/claims/{id}/reject",
      summary: "Reject a claim",
      description: "The invoices are free again; a titled invoice stays titled.",
      tag,
      roles: ["employer"],
      params: idParam,
      body: z.strictObject({ reason: plainText(500, { lines: true }).trim() }),
      answers: {
        200: { description: "Rejected", schema },
        202: { description: "Taken up", schema: pending },
      },
      problems: ["not-found", "forbidden", "claim-state", "invoice-busy"],
      run: async ({ sql, caller, params, body }) =>
        accepted(await claims.reject(sql, caller, params.id, body.reason), { id: params.id }),
      settled: claimWhenSettled(200),
    }),
    decision(
      "withdraw",
      "holder",
      "Withdraw a claim that the employer leaves undecided",
      "Only after the claim term.",
    ),
  ] as const;
}
