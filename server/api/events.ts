/** HTTP shape of the feed. */

import { ledgerNumber } from "@onepiao/protocol/ledger/external.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import {
  externalIdSchema,
  invoiceNameSchema,
  numberSchema,
  positionSchema,
} from "@onepiao/protocol/values/shapes.ts";
import { z } from "zod";
import type { Tx } from "../db/db.ts";
import { type Events, type EventType, eventTypes, MAX_STREAMS } from "../features/out/events.ts";
import { roles, routeFor } from "../kernel/api.ts";

const route = routeFor<Tx>();
const tag = "Events";

const names = Object.keys(eventTypes) as [EventType, ...EventType[]];
const typesQuery = z
  .string()
  .regex(/^[a-z.,-]{0,1000}$/, "event-types")
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(names)).min(1))
  .optional()
  .describe("Types, separated by commas; without it all that the key's roles see");

export const eventSchema = z
  .object({
    version: z.literal(1),
    id: z.string().describe("Names the event for good; equal to its position"),
    type: z.enum(names).meta({ example: "invoice.issued" }),
    position: z
      .string()
      .describe(
        "Its place in the feed, which follows the chain; a decimal number that may go beyond 2^53",
      ),
    at: z.iso.datetime().describe("Time of its block"),
    number: numberSchema.optional().describe("The invoice that it is about"),
    external: externalIdSchema
      .optional()
      .describe("The invoice that it is about, when it was issued elsewhere"),
    tx: z
      .string()
      .optional()
      .describe(
        "The transaction that it is from; absent of a notice, which does not come from the chain",
      ),
    block: z.number().int(),
    logIndex: z
      .number()
      .int()
      .describe("Of its log in the block; 65535 of a notice, which has none"),
    data: z.record(z.string(), z.unknown()).describe("By type"),
  })
  .meta({ id: "Event" });

export function eventRoutes(events: Events) {
  return [
    route({
      method: "get",
      path: "/v1/events",
      summary: "What has happened, as the chain tells it, in order",
      description:
        "Go on with `after` = `next`, also when `items` is empty: nothing will ever come before it. `more` tells whether there is something to look at already.",
      tag,
      roles,
      query: z.object({
        after: positionSchema
          .optional()
          .describe("The position after which to begin; default: from the beginning"),
        types: typesQuery,
        number: invoiceNameSchema
          .optional()
          .describe("Events of this invoice alone: its number, or the id of an external one"),
        limit: z.coerce.number().int().min(1).max(100).default(100),
      }),
      answers: {
        200: {
          description: "A page, oldest first",
          schema: z.object({ items: z.array(eventSchema), next: z.string(), more: z.boolean() }),
        },
      },
      async run({ sql, caller, query }) {
        const number = query.number === undefined ? undefined : ledgerNumber(query.number);
        const { items, next, more } = await events.page(sql, caller, {
          ...query,
          number,
          after: query.after ?? 0n,
        });
        return { status: 200, body: { items, next: next.toString(), more } };
      },
    }),
    route({
      method: "get",
      path: "/v1/events/stream",
      summary: "The same as server-sent events, as they happen",
      description: `\`id\` is the position, \`event\` the type, \`data\` the event. After a cut come back with \`Last-Event-ID\`; without it the stream begins now. A comment comes at once and then as a heartbeat. \`event: resync\` with {after, head} ends a stream whose client is too far behind, or of another feed: page over /v1/events. At most ${MAX_STREAMS} streams of a key.`,
      tag,
      roles,
      query: z.object({
        after: positionSchema
          .optional()
          .describe("For the first connection; the header Last-Event-ID goes before it"),
        types: typesQuery,
      }),
      produces: ["text/event-stream"],
      answers: {
        200: { description: "Events until one of both sides ends it", schema: eventSchema },
      },
      problems: ["too-many-streams"],
      async run({ caller, query, header, signal }) {
        const body = await events.stream(
          caller,
          { after: lastEventId(header("last-event-id")) ?? query.after, types: query.types },
          signal,
        );
        // nothing on the way may keep, pack or hold back what comes
        return {
          status: 200,
          body,
          headers: {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store, no-transform",
            "X-Accel-Buffering": "no",
          },
        };
      },
    }),
  ] as const;
}

/** An empty one is what a browser has that has seen none. */
function lastEventId(text: string | undefined): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  const read = positionSchema.safeParse(text);
  if (read.success) return read.data;
  throw new Problem("invalid-request", "Last-Event-ID is no position of this feed", {
    violations: [
      {
        field: "Last-Event-ID",
        rule: "position",
        detail: "The id of the last event that was seen",
      },
    ],
  });
}
