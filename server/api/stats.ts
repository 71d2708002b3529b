/** HTTP shape of the bureau's statistics. */

import { trades } from "@onepiao/protocol/formats/trade.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { accountSchema, positionSchema, timeQuery } from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import { momentNow, type Tx } from "../db/db.ts";
import type { Range, Stats } from "../features/bureau/stats.ts";
import {
  bucketsIn,
  type Grain,
  grains,
  MAX_BUCKETS,
  startOf,
} from "../features/bureau/stats-buckets.ts";
import { type ActCount, countedActs } from "../features/bureau/stats-counts.ts";
import { periodOf } from "../features/parties/quotas.ts";
import { routeFor } from "../kernel/api.ts";
import { pageLimit } from "../kernel/page.ts";

const route = routeFor<Tx>();
const tag = "Statistics";

const taxpayer = z.object({
  taxId: z.string(),
  name: z.string(),
  region: z.string(),
  currency: z.string(),
});
const named = z.object({
  index: z.number().int().describe("Number on the chain"),
  taxpayer: taxpayer.optional().describe("When it was enrolled here"),
});
const sumShape = {
  documented: z
    .number()
    .int()
    .describe("Invoices whose documents are here: the amounts are theirs"),
  redLetters: z.number().int(),
  amounts: z
    .array(z.object({ currency: z.string(), gross: z.string(), tax: z.string() }))
    .describe("By currency; red letters are subtracted"),
};
const counts = {
  lots: z.number().int(),
  invoices: z.number().int().describe("As the chain counts them"),
};
const acts = z.partialRecord(z.enum(countedActs), z.number().int());
const allActs = z.object(
  Object.fromEntries(countedActs.map((kind) => [kind, z.number().int()])) as Record<
    ActCount,
    z.ZodInt
  >,
);
const counted = z
  .object({
    block: z.number().int(),
    at: z.iso.datetime().describe("Time of the last block that the gateway has read"),
  })
  .describe("The sums contain everything up to this block")
  .optional();

const invoicesSchema = z
  .object({
    grain: z.enum(grains),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    counted,
    totals: z.object({ ...counts, ...sumShape }),
    buckets: z
      .array(z.object({ start: z.iso.datetime(), ...counts, ...sumShape, acts }))
      .describe("Ascending; empty buckets are left out"),
    regions: z.array(
      z.object({ region: z.string().describe("Two digits of the number"), ...sumShape }),
    ),
    trades: z.array(z.object({ trade: z.enum(trades), ...sumShape })),
  })
  .meta({ id: "InvoiceStats" });
const issuersSchema = z
  .object({
    grain: z.enum(["day", "month"]),
    start: z.iso.datetime(),
    issuers: z.number().int().describe("How many taxpayers have issued"),
    items: z.array(named.extend({ ...counts, ...sumShape })),
  })
  .meta({ id: "IssuerStats" });
const flowSchema = z
  .object({
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    acts: allActs.describe("In this range"),
    now: z
      .object({
        issued: z.number().int(),
        claimed: z.number().int(),
        reimbursed: z.number().int(),
        reversed: z.number().int(),
      })
      .describe("Of all invoices"),
  })
  .meta({ id: "FlowStats" });
const refusalsSchema = z
  .object({
    items: z.array(
      z.object({
        position: z.string(),
        at: z.iso.datetime(),
        tx: z.string(),
        number: z.string(),
        attempt: z.string().describe("claim, reimburse or admit"),
        reason: z.string().describe("Code of the problem"),
        by: accountSchema.optional().describe("Who signed the attempt"),
        employer: named.optional().describe("The employer that was asked, or that tried"),
        invoice: z
          .object({
            state: z.string(),
            since: z.iso.datetime().optional(),
            employer: named.optional(),
          })
          .optional()
          .describe("The invoice's present state, and its employer"),
      }),
    ),
    next: z.string().optional(),
  })
  .meta({ id: "Refusals" });
const quotasSchema = z
  .object({
    period: z.string(),
    issuers: z.number().int(),
    items: z.array(
      named.extend({
        granted: z.string(),
        drawn: z.string(),
        used: z.string(),
        share: z.number().describe("Used of granted"),
      }),
    ),
  })
  .meta({ id: "QuotaStats" });
const place = z.object({ block: z.number().int(), at: z.iso.datetime() });
const chainSchema = z
  .object({
    up: z.boolean().describe("The node answers"),
    head: place.extend({ ageSeconds: z.number() }).optional(),
    blockSeconds: z.number().optional().describe("Recent time between two blocks"),
    cursor: place.optional().describe("The last block that the gateway has read"),
    lagBlocks: z.number().int().optional(),
    lagSeconds: z.number().int().optional(),
    counted,
    ...counts,
    undocumentedLots: z.number().int().describe("Lots that miss some of their documents"),
    recent: z.array(
      z.object({
        first: z.string(),
        count: z.number().int(),
        issuer: z.number().int(),
        block: z.number().int(),
        at: z.iso.datetime(),
      }),
    ),
  })
  .meta({ id: "ChainStats" });

/** Buckets of an answer when the request names no range. */
const USUAL = { minute: 60, hour: 48, day: 30, month: 12 } as const satisfies Record<Grain, number>;

async function rangeOf(
  tx: Tx,
  grain: Grain,
  query: { from?: string | undefined; to?: string | undefined },
): Promise<Range> {
  const to = query.to === undefined ? startOf(grain, await momentNow(tx), 1) : new Date(query.to);
  const from = query.from === undefined ? startOf(grain, to, -USUAL[grain]) : new Date(query.from);
  const refuse = (field: string, rule: string, detail: string) =>
    new Problem("invalid-request", "The range cannot be answered", {
      violations: [{ field, rule, detail }],
    });
  if (from >= to) throw refuse("from", "before-to", "The range ends before it begins");
  if (bucketsIn(grain, from, to) > MAX_BUCKETS)
    throw refuse(
      "grain",
      "too-many-buckets",
      `At most ${MAX_BUCKETS} buckets: take a coarser grain`,
    );
  return { grain, from, to };
}

export function statsRoutes(stats: Stats) {
  return [
    route({
      method: "get",
      path: "/v1/stats/invoices",
      summary: "Invoices and amounts in time, by region and by trade",
      description: `By the time of the block that an invoice was sealed in; days and months are China's. At most ${MAX_BUCKETS} buckets. Sums follow the chain within about a second: \`counted\` says how far they are.`,
      tag,
      roles: ["bureau"],
      query: z.object({
        grain: z.enum(grains).default("minute"),
        from: timeQuery
          .optional()
          .describe("Default: 60 minutes, 48 hours, 30 days, 12 months before `to`"),
        to: timeQuery.optional().describe("Exclusive; default: the end of the present bucket"),
      }),
      answers: { 200: { description: "The statistics", schema: invoicesSchema } },
      run: async ({ sql, query }) => ({
        status: 200,
        body: await stats.invoices(sql, await rangeOf(sql, query.grain, query)),
      }),
    }),
    route({
      method: "get",
      path: "/v1/stats/issuers",
      summary: "The issuers that have issued most in a day or month",
      tag,
      roles: ["bureau"],
      query: z.object({
        grain: z.enum(["day", "month"]).default("day"),
        at: timeQuery.optional().describe("Any time within it; default: now"),
        by: z.enum(["gross", "invoices"]).default("gross"),
        currency: z
          .string()
          .regex(/^[A-Z]{3}$/, "currency-format")
          .default("CNY")
          .describe("The currency whose gross is compared"),
        limit: pageLimit,
      }),
      answers: { 200: { description: "The largest first", schema: issuersSchema } },
      run: async ({ sql, query }) => ({
        status: 200,
        body: await stats.issuers(sql, {
          ...query,
          at: query.at === undefined ? await momentNow(sql) : new Date(query.at),
        }),
      }),
    }),
    route({
      method: "get",
      path: "/v1/stats/flow",
      summary: "What happened to invoices: acts in a range of days, and present states",
      tag,
      roles: ["bureau"],
      query: z.object({
        from: timeQuery.optional().describe("Default: 30 days before `to`"),
        to: timeQuery.optional().describe("Exclusive; default: the end of today"),
      }),
      answers: { 200: { description: "The flow", schema: flowSchema } },
      run: async ({ sql, query }) => ({
        status: 200,
        body: await stats.flow(sql, await rangeOf(sql, "day", query)),
      }),
    }),
    route({
      method: "get",
      path: "/v1/stats/refusals",
      summary: "Refused attempts at a second reimbursement, newest first",
      tag,
      roles: ["bureau"],
      query: z.object({
        before: positionSchema.optional().describe("`next` of the page before"),
        limit: pageLimit,
      }),
      answers: { 200: { description: "A page", schema: refusalsSchema } },
      run: async ({ sql, query }) => ({ status: 200, body: await stats.refusals(sql, query) }),
    }),
    route({
      method: "get",
      path: "/v1/stats/quotas",
      summary: "Quota of a month by issuer: granted, drawn, used",
      tag,
      roles: ["bureau"],
      query: z.object({
        period: z
          .string()
          .regex(/^20\d\d-(0[1-9]|1[0-2])$/, "period-format")
          .optional()
          .describe("Default: this month"),
        limit: pageLimit,
      }),
      answers: {
        200: {
          description: "The issuers that have used most of their quota first",
          schema: quotasSchema,
        },
      },
      async run({ sql, query }) {
        const period =
          query.period ?? String(periodOf(await momentNow(sql))).replace(/^(\d{4})/, "$1-");
        return {
          status: 200,
          body: {
            period,
            ...(await stats.quotas(sql, {
              period: Number(period.replace("-", "")),
              limit: query.limit,
            })),
          },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/stats/chain",
      summary: "How the chain is, how far the gateway has read it, and how large lots are",
      tag,
      roles: ["bureau"],
      answers: { 200: { description: "The chain", schema: chainSchema } },
      run: async ({ sql }) => ({ status: 200, body: await stats.chain(sql) }),
    }),
  ] as const;
}
