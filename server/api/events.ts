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
import { typeAndData } from "../features/out/event-data.ts";
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
  .describe("Types, separated by commas; without it, all that the key's roles may see");

const place = z
  .object({
    version: z.literal(1),
    id: z.string().describe("Names the event permanently; equal to its position"),
    position: z
      .string()
      .describe(
        "Its place in the feed, which follows the chain; a decimal number that may go beyond 2^53",
      ),
    at: z.iso.datetime().describe("Time of its block"),
    number: numberSchema.optional().describe("The invoice that it is about"),
    external: externalIdSchema
      .optional()
      .describe("The invoice that it is about, if it was issued elsewhere"),
    tx: z
      .string()
      .optional()
      .describe(
        "The transaction that it comes from; absent for a notice, which does not come from the chain",
      ),
    block: z.number().int(),
    logIndex: z
      .number()
      .int()
      .describe("Index of its log in the block; 65535 for a notice, which has none"),
  })
  .meta({ id: "EventPlace", description: "What every event has" });
export const eventSchema = z
  .intersection(place, typeAndData)
  .meta({ id: "Event", description: "`type` says what `data` holds" });

export function eventRoutes(events: Events) {
  return [
    route({
      method: "get",
      path: "/v1/events",
      summary: "What has happened, in the order of the chain",
      description:
        "Go on with `after` = `next`, also when `items` is empty: nothing will ever come before it. `more` says whether the next page has events already.",
      tag,
      roles,
      query: z.object({
        after: positionSchema
          .optional()
          .describe("The position after which the page begins; default: the beginning"),
        types: typesQuery,
        number: invoiceNameSchema
          .optional()
          .describe("Only events of this invoice: its number, or the id of an external one"),
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
      description: `\`id\` is the position, \`event\` the type, \`data\` the event. After a lost connection, reconnect with \`Last-Event-ID\`; without it the stream begins now. A comment comes at once and then as a heartbeat. \`event: resync\` with {after, head} ends a stream whose client is too far behind, or of another feed: page over /v1/events. At most ${MAX_STREAMS} streams of a key.`,
      tag,
      roles,
      query: z.object({
        after: positionSchema
          .optional()
          .describe("For the first connection; the header Last-Event-ID overrides it"),
        types: typesQuery,
      }),
      produces: ["text/event-stream"],
      answers: {
        200: { description: "Events until either side ends the stream", schema: eventSchema },
      },
      problems: ["too-many-streams"],
      async run({ caller, query, header, signal }) {
        const body = await events.stream(
          caller,
          { after: lastEventId(header("last-event-id")) ?? query.after, types: query.types },
          signal,
        );
        // no proxy may cache, compress or buffer the stream
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

/** A browser that has seen no event sends an empty one. */
function lastEventId(text: string | undefined): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  const read = positionSchema.safeParse(text);
  if (read.success) return read.data;
  throw new Problem("invalid-request", "Last-Event-ID is not a position of this feed", {
    violations: [
      {
        field: "Last-Event-ID",
        rule: "position",
        detail: "The id of the last event that the client has seen",
      },
    ],
  });
}
