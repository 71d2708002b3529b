/** HTTP shape of webhooks. */

import { positionSchema } from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import { announce, type Tx } from "../db/db.ts";
import { type EventType, eventTypes } from "../features/out/events.ts";
import type { Webhooks } from "../features/out/webhooks.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Webhooks";

const params = z.object({ id: z.uuid() });
const names = Object.keys(eventTypes) as [EventType, ...EventType[]];
const webhook = z
  .object({
    id: z.uuid(),
    url: z.string(),
    description: z.string().optional(),
    types: z
      .array(z.string())
      .optional()
      .describe(
        "Only these types; without it, all that the roles of the key that made the webhook may see",
      ),
    status: z.enum(["active", "disabled"]),
    reason: z
      .enum(["party", "failing", "gone"])
      .optional()
      .describe(
        "party: by its owner; failing: all attempts failed; gone: the endpoint answered 410",
      ),
    position: z.string().describe("Everything up to this position is delivered"),
    failures: z.number().int().describe("Failed attempts at the next event"),
    nextAttemptAt: z.iso.datetime().optional(),
    oldSecretUntil: z.iso
      .datetime()
      .optional()
      .describe("Until then the previous secret signs as well"),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: "Webhook" });
const withSecret = webhook
  .extend({
    secret: z.string().optional().describe("whsec_…; shown only in this answer, not in a replay"),
  })
  .meta({ id: "WebhookWithSecret" });
const withAttempts = webhook
  .extend({
    attempts: z.array(
      z.object({
        event: z.string().optional().describe("The event's position; absent for the test delivery"),
        at: z.iso.datetime(),
        status: z.number().int().optional(),
        milliseconds: z.number().int(),
        error: z
          .string()
          .optional()
          .describe(
            "status, redirect, gone, timeout, tls, connection-refused, connection-lost or address-refused (no public address)",
          ),
      }),
    ),
  })
  .meta({ id: "WebhookWithAttempts" });

export function webhookRoutes(webhooks: Webhooks) {
  return [
    route({
      method: "post",
      path: "/v1/webhooks",
      summary: "Have events posted to a URL",
      description:
        "The endpoint gets a test delivery (type webhook.test) first and must answer it with 2xx. Deliveries are Standard Webhooks: one event each, in order, signed with the secret that is in this answer.",
      tag,
      roles,
      body: z.strictObject({
        url: plainText(2_000).meta({ example: "https://pos.example.com/hooks/onepiao" }),
        types: z.array(z.enum(names)).min(1).max(names.length).optional(),
        description: plainText(200).optional(),
      }),
      answers: { 201: { description: "Made", schema: withSecret } },
      problems: ["webhook-limit", "webhook-url-refused", "webhook-test-failed"],
      async run({ sql, caller, body }) {
        const { webhook: made, secret } = await webhooks.create(sql, caller, body);
        return { status: 201, body: made, secrets: { secret } };
      },
    }),
    route({
      method: "get",
      path: "/v1/webhooks",
      summary: "The caller's webhooks",
      tag,
      roles,
      answers: { 200: { description: "Webhooks", schema: z.object({ items: z.array(webhook) }) } },
      run: async ({ sql, caller }) => ({
        status: 200,
        body: { items: await webhooks.list(sql, caller) },
      }),
    }),
    route({
      method: "get",
      path: "/v1/webhooks/{id}",
      summary: "A webhook with its last 50 attempts",
      tag,
      roles,
      params,
      answers: { 200: { description: "The webhook", schema: withAttempts } },
      run: async ({ sql, caller, params: { id } }) => ({
        status: 200,
        body: await webhooks.get(sql, caller, id),
      }),
    }),
    route({
      method: "post",
      path: "/v1/webhooks/{id}/rotate-secret",
      summary: "Replace the secret; for 24 hours the present one signs as well",
      tag,
      roles,
      params,
      answers: { 200: { description: "The webhook with its new secret", schema: withSecret } },
      async run({ sql, caller, params: { id } }) {
        const { webhook: rotated, secret } = await webhooks.rotate(sql, caller, id);
        return { status: 200, body: rotated, secrets: { secret } };
      },
    }),
    route({
      method: "post",
      path: "/v1/webhooks/{id}/disable",
      summary: "Stop deliveries for now",
      tag,
      roles,
      params,
      answers: { 200: { description: "The webhook", schema: webhook } },
      run: async ({ sql, caller, params: { id } }) => ({
        status: 200,
        body: await webhooks.disable(sql, caller, id),
      }),
    }),
    route({
      method: "post",
      path: "/v1/webhooks/{id}/enable",
      summary: "Resume deliveries where they stopped, at once",
      tag,
      roles,
      params,
      answers: { 200: { description: "The webhook", schema: webhook } },
      async run({ sql, caller, params: { id } }) {
        const body = await webhooks.enable(sql, caller, id);
        await announce(sql, "webhook");
        return { status: 200, body };
      },
    }),
    route({
      method: "post",
      path: "/v1/webhooks/{id}/replay",
      summary: "Deliver everything after a position again",
      tag,
      roles,
      params,
      body: z.strictObject({ after: positionSchema }),
      answers: { 200: { description: "The webhook", schema: webhook } },
      async run({ sql, caller, params: { id }, body }) {
        const replayed = await webhooks.replay(sql, caller, id, body.after);
        await announce(sql, "webhook");
        return { status: 200, body: replayed };
      },
    }),
    route({
      method: "delete",
      path: "/v1/webhooks/{id}",
      summary: "Forget a webhook",
      tag,
      roles,
      params,
      answers: { 204: { description: "Forgotten" } },
      async run({ sql, caller, params: { id } }) {
        await webhooks.remove(sql, caller, id);
        return { status: 204, body: undefined };
      },
    }),
  ] as const;
}
