/** HTTP shape of taxpayers, their quota and their segments. */

import { identitySchema } from "@onepiao/protocol/proofs/bundle.ts";
import { decimalsOf, formatMoney, parseMoney } from "@onepiao/protocol/values/money.ts";
import {
  accountSchema,
  numberSchema,
  operationRefSchema,
  provenKeySchema,
  taxIdText,
} from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import { momentNow, type Tx } from "../db/db.ts";
import { accepted, settle } from "../features/out/operations.ts";
import type { Accounts } from "../features/parties/accounts.ts";
import { periodOf, type Quotas } from "../features/parties/quotas.ts";
import type { Registration } from "../features/parties/registration.ts";
import { allotSegment, segmentsOf, seriesOf } from "../features/parties/segments.ts";
import type { Taxpayer, Taxpayers } from "../features/parties/taxpayers.ts";
import { type Answer, routeFor } from "../kernel/api.ts";
import { nextOf } from "../kernel/page.ts";

const route = routeFor<Tx>();
const tag = "Taxpayers";

const taxIdParam = z.object({ taxId: taxIdText });
const capabilities = z
  .array(z.enum(["issuer", "employer"]))
  .min(1)
  .max(2);
const custody = z.discriminatedUnion("custody", [
  z.strictObject({ custody: z.literal("gateway") }).describe("The gateway makes and keeps the key"),
  z
    .strictObject({ custody: z.literal("own"), address: accountSchema })
    .describe("The party keeps the key and gives signatures"),
]);
const month = z
  .string()
  .regex(/^20\d\d-(0[1-9]|1[0-2])$/, "period-format")
  .meta({ example: "2026-11" });
const amount = z
  .string()
  .regex(/^(0|[1-9]\d{0,12})\.\d{2}$/, "money-format")
  .meta({ example: "1000000.00" });

const taxpayerSchema = z
  .object({
    taxId: z.string(),
    name: z.string(),
    account: accountSchema,
    index: z.number().int().describe("Number on the chain"),
    capabilities: z.array(z.string()),
    standing: z.enum(["active", "suspended", "none"]),
    region: z.string(),
    currency: z.string(),
    dormant: z
      .literal(true)
      .optional()
      .describe("Enrolled because an invoice is titled to it; it has not joined yet"),
  })
  .meta({ id: "Taxpayer" });
const pending = z.object({ operation: operationRefSchema }).meta({ id: "Accepted" });
const quotaSchema = z
  .object({
    period: month,
    granted: amount,
    drawn: amount,
    used: z.string(),
    left: z.string().describe("The amount that may still be issued"),
  })
  .meta({ id: "Quota" });
const segmentSchema = z
  .object({ first: z.string(), length: z.number().int(), used: z.number().int() })
  .meta({ id: "Segment" });

const view = ({
  taxId,
  name,
  account,
  index,
  capabilities,
  standing,
  region,
  currency,
  dormant,
}: Taxpayer) => ({
  taxId,
  name,
  account,
  index,
  capabilities,
  standing,
  region,
  currency,
  ...(dormant && { dormant }),
});
const toPeriod = (text: string) => Number(text.replace("-", ""));
const fromPeriod = (period: number) => `${String(period).slice(0, 4)}-${String(period).slice(4)}`;

type Deps = {
  taxpayers: Taxpayers;
  registration: Registration;
  quotas: Quotas;
  accounts: Accounts;
};

export function taxpayerRoutes({ taxpayers, registration, quotas, accounts }: Deps) {
  async function quotaView(sql: Tx, taxpayer: Taxpayer, period: number) {
    const { granted, drawn, used } = await quotas.read(sql, taxpayer, period);
    return {
      period: fromPeriod(period),
      granted: formatMoney(granted),
      drawn: formatMoney(drawn),
      used: formatMoney(used),
      left: formatMoney(granted - used),
    };
  }

  const quotaWhenSettled = (sql: Tx, answer: Answer) =>
    settle(sql, answer, async () => {
      const { account, period } = answer.body as { account: string; period: number };
      return {
        status: 200,
        body: await quotaView(sql, (await taxpayers.byAccount(sql, account)) as Taxpayer, period),
      };
    });

  return [
    route({
      method: "post",
      path: "/v1/taxpayers",
      summary: "Enrol a taxpayer",
      description:
        "A company that was enrolled for an invoice joins: its account stays, with all that is titled to it, and becomes active with these capabilities and, unless the gateway keeps it, this key. Another name counts from today on.",
      tag,
      roles: ["bureau"],
      body: z.strictObject({
        name: plainText(200).trim(),
        taxId: taxIdText,
        capabilities,
        region: z
          .string()
          .regex(/^[1-9]\d$/, "region-format")
          .optional()
          .describe("Two digits of the numbers' series; default: from the tax id"),
        currency: z
          .string()
          .regex(/^[A-Z]{3}$/, "currency-format")
          .refine(
            (currency) => decimalsOf(currency) === 2,
            "currency-decimals: quota is counted in hundredths, and this currency has thousandths",
          )
          .default("CNY")
          .describe("The currency that it accounts and draws quota in"),
        key: custody.default({ custody: "gateway" }),
      }),
      answers: {
        201: { description: "Enrolled", schema: taxpayerSchema },
        202: { description: "Taken up", schema: pending },
      },
      problems: ["tax-id-enrolled", "account-enrolled"],
      async run({ sql, caller, body }) {
        const { account, taxId, operation } = await registration.enrol(sql, caller, body);
        return accepted(operation, {
          account,
          taxpayer: `/v1/taxpayers/${encodeURIComponent(taxId)}`,
        });
      },
      settled: (sql, answer) =>
        settle(sql, answer, async () => {
          const taxpayer = await taxpayers.byAccount(
            sql,
            (answer.body as { account: string }).account,
          );
          return {
            status: 201,
            body: view(taxpayer as Taxpayer),
            headers: { Location: (answer.body as { taxpayer: string }).taxpayer },
          };
        }),
    }),
    route({
      method: "get",
      path: "/v1/taxpayers",
      summary: "Enrolled taxpayers",
      tag,
      roles: ["bureau"],
      query: z.object({
        after: z.coerce.number().int().min(0).optional().describe("`next` of the page before"),
        limit: z.coerce.number().int().min(1).max(100).default(50),
      }),
      answers: {
        200: {
          description: "A page, by index",
          schema: z.object({ items: z.array(taxpayerSchema), next: z.int().optional() }),
        },
      },
      async run({ sql, query }) {
        const items = await taxpayers.list(sql, query);
        return {
          status: 200,
          body: { items: items.map(view), ...nextOf(items, query.limit, ({ index }) => index) },
        };
      },
    }),
    route({
      method: "get",
      path: "/v1/taxpayers/{taxId}",
      summary: "One taxpayer",
      tag,
      roles: ["bureau", "issuer", "employer"],
      params: taxIdParam,
      answers: { 200: { description: "The taxpayer", schema: taxpayerSchema } },
      problems: ["not-found"],
      run: async ({ sql, caller, params }) => ({
        status: 200,
        body: view(await taxpayers.visible(sql, caller, params.taxId)),
      }),
    }),
    route({
      method: "get",
      path: "/v1/taxpayers/{taxId}/identity",
      summary: "A taxpayer's identity, as another gateway adopts it",
      description:
        "Tax id, name, and the salt that opens the registry's commitment to them: anyone who follows the chain can check it.",
      tag,
      roles: ["bureau", "issuer", "employer"],
      params: taxIdParam,
      answers: { 200: { description: "The identity", schema: identitySchema } },
      problems: ["not-found"],
      async run({ sql, caller, params }) {
        const taxpayer = await taxpayers.visible(sql, caller, params.taxId);
        return { status: 200, body: (await taxpayers.identities(sql, [taxpayer.index]))[0] };
      },
    }),
    route({
      method: "patch",
      path: "/v1/taxpayers/{taxId}",
      summary: "Suspend or reinstate a taxpayer, or change what it is enrolled for",
      tag,
      roles: ["bureau"],
      params: taxIdParam,
      body: z
        .strictObject({
          standing: z.enum(["active", "suspended"]).optional(),
          capabilities: capabilities.optional(),
        })
        .refine((b) => (b.standing === undefined) !== (b.capabilities === undefined), {
          message: "one-change-at-a-time",
        }),
      answers: {
        200: { description: "Changed", schema: taxpayerSchema },
        202: { description: "Taken up", schema: pending },
      },
      problems: ["not-found"],
      async run({ sql, caller, params, body }) {
        const taxpayer = await taxpayers.visible(sql, caller, params.taxId);
        const operation =
          body.standing === undefined
            ? await registration.setCapabilities(sql, caller, taxpayer, body.capabilities ?? [])
            : await registration.setStanding(sql, caller, taxpayer, body.standing);
        return accepted(operation, { account: taxpayer.account });
      },
      settled: (sql, answer) =>
        settle(sql, answer, async () => ({
          status: 200,
          body: view(
            (await taxpayers.byAccount(
              sql,
              (answer.body as { account: string }).account,
            )) as Taxpayer,
          ),
        })),
    }),
    route({
      method: "post",
      path: "/v1/taxpayers/{taxId}/key-rotations",
      summary: "Give a taxpayer's account another key",
      description:
        "By the bureau when the key is lost; by the taxpayer itself with an `admin` key, signed with the key that is replaced. A key that the party keeps proves itself: `proof` is its signature over Register(address account,address maker), account being its address and maker the taxpayer's account.",
      tag,
      roles: ["bureau", "admin"],
      params: taxIdParam,
      body: z.strictObject({ key: provenKeySchema }),
      answers: {
        200: { description: "Rotated", schema: z.object({ key: accountSchema }) },
        202: { description: "Taken up", schema: pending },
      },
      problems: ["not-found", "key-not-shown", "account-enrolled", "zero-address"],
      async run({ sql, caller, params, body }) {
        const taxpayer = await taxpayers.visible(sql, caller, params.taxId);
        const key = await accounts.register(sql, body.key, taxpayer.account);
        return accepted(await registration.rotateKey(sql, caller, taxpayer, key), { key });
      },
      settled: (sql, answer) =>
        settle(sql, answer, async () => ({
          status: 200,
          body: { key: (answer.body as { key: string }).key },
        })),
    }),
    route({
      method: "put",
      path: "/v1/taxpayers/{taxId}/quota",
      summary: "Set the gross amount that an issuer may issue in a month",
      tag,
      roles: ["bureau"],
      params: taxIdParam,
      body: z.strictObject({ period: month, granted: amount }),
      answers: {
        200: { description: "Set", schema: quotaSchema },
        202: { description: "Taken up", schema: pending },
      },
      problems: ["not-found", "quota-below-drawn"],
      async run({ sql, caller, params, body }) {
        const taxpayer = await taxpayers.visible(sql, caller, params.taxId);
        const period = toPeriod(body.period);
        return accepted(await quotas.set(sql, caller, taxpayer, period, parseMoney(body.granted)), {
          account: taxpayer.account,
          period,
        });
      },
      settled: quotaWhenSettled,
    }),
    route({
      method: "get",
      path: "/v1/taxpayers/{taxId}/quota",
      summary: "Quota of a month: granted, drawn, used",
      tag,
      roles: ["bureau", "issuer"],
      params: taxIdParam,
      query: z.object({ period: month.optional() }),
      answers: { 200: { description: "The quota", schema: quotaSchema } },
      problems: ["not-found"],
      async run({ sql, caller, params, query }) {
        const period =
          query.period === undefined ? periodOf(await momentNow(sql)) : toPeriod(query.period);
        return {
          status: 200,
          body: await quotaView(sql, await taxpayers.visible(sql, caller, params.taxId), period),
        };
      },
    }),
    route({
      method: "post",
      path: "/v1/taxpayers/{taxId}/quota/draws",
      summary: "Draw quota ahead, or give it back",
      description: "The gateway automatically draws what an invoice needs, in round amounts.",
      tag,
      roles: ["issuer"],
      params: taxIdParam,
      body: z.strictObject({
        direction: z.enum(["draw", "give-back"]).default("draw"),
        amount,
        period: month.optional(),
      }),
      answers: {
        200: { description: "Drawn", schema: quotaSchema },
        202: { description: "Taken up", schema: pending },
      },
      problems: ["not-found", "quota-draw-exceeded", "give-back-exceeds-drawn"],
      async run({ sql, caller, params, body }) {
        const taxpayer = await taxpayers.visible(sql, caller, params.taxId);
        const period =
          body.period === undefined ? periodOf(await momentNow(sql)) : toPeriod(body.period);
        const cents = parseMoney(body.amount);
        const operation = await quotas[body.direction === "draw" ? "draw" : "giveBack"](
          sql,
          taxpayer,
          period,
          cents,
        );
        return accepted(operation, { account: taxpayer.account, period });
      },
      settled: quotaWhenSettled,
    }),
    route({
      method: "post",
      path: "/v1/taxpayers/{taxId}/segments",
      summary: "Allot the next numbers of the issuer's series",
      tag,
      roles: ["bureau"],
      params: taxIdParam,
      body: z.strictObject({
        length: z.number().int().min(1).max(1_000_000_000),
        series: z
          .number()
          .int()
          .min(10_000)
          .max(99_999)
          .optional()
          .describe("YY RR C; default: this year, the issuer's region, channel 2"),
      }),
      answers: {
        201: { description: "Allotted", schema: segmentSchema },
        202: { description: "Taken up", schema: pending },
      },
      problems: ["not-found", "capability-missing", "series-exhausted"],
      async run({ sql, caller, params, body }) {
        const taxpayer = await taxpayers.visible(sql, caller, params.taxId);
        const series = body.series ?? seriesOf(await momentNow(sql), taxpayer.region);
        return accepted(await allotSegment(sql, caller, taxpayer, series, BigInt(body.length)));
      },
      settled: (sql, answer) =>
        settle(sql, answer, async ({ result }) => ({
          status: 201,
          body: { first: result?.["first"], length: Number(result?.["length"]), used: 0 },
        })),
    }),
    route({
      method: "get",
      path: "/v1/taxpayers/{taxId}/segments",
      summary: "The issuer's segments",
      tag,
      roles: ["bureau", "issuer"],
      params: taxIdParam,
      query: z.object({
        after: numberSchema.optional().describe("`next` of the page before"),
        limit: z.coerce.number().int().min(1).max(100).default(50),
      }),
      answers: {
        200: {
          description: "Segments, by first number",
          schema: z.object({ items: z.array(segmentSchema), next: numberSchema.optional() }),
        },
      },
      problems: ["not-found"],
      async run({ sql, caller, params, query }) {
        const items = await segmentsOf(
          sql,
          await taxpayers.visible(sql, caller, params.taxId),
          query,
        );
        const next = items.length === query.limit ? items[items.length - 1]?.first : undefined;
        return { status: 200, body: { items, ...(next === undefined ? {} : { next }) } };
      },
    }),
  ] as const;
}
