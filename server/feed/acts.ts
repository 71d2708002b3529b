/**
 * Acts for projections: what the table of acts says about an event, as handlers and as rows of the
 * feed.
 */
import {
  type ActKind,
  actEvents,
  type EventOfAct,
  opensExternal,
  type Party,
} from "@onepiao/protocol/ledger/acts.ts";
import { isExternal } from "@onepiao/protocol/ledger/external.ts";
import type { ChainEvent } from "../chain/contracts.ts";
import type { Json } from "../db/db.ts";
import type { Applied, Projection } from "./follower.ts";

type Handler = Projection["on"][string];

/**
 * A projection's handlers for acts, by event. `handlerOf` returns a handler for the events it
 * covers.
 */
export function onActs(handlerOf: (event: EventOfAct) => Handler | undefined): Projection["on"] {
  return Object.fromEntries(
    [...actEvents.values()].flatMap((event) =>
      [handlerOf(event)].flatMap((handler) => (handler ? [[event.event, handler]] : [])),
    ),
  );
}

/**
 * Adds a row for an act to the feed, with the table's type and for the table's parties. `accounts`:
 * the parties' accounts, as far as they are known here.
 */
export function addActRow(
  event: Applied,
  accounts: Partial<Record<Party, string | undefined>>,
  data: Record<string, Json>,
): void {
  const known = actEvents.get(event.name);
  if (known === undefined) throw new TypeError(`${event.name} is not an event of an act`);
  const { type, seenBy } = known.feed;
  event.tell({
    type,
    number: event.args["id"] as string,
    accounts: seenBy.flatMap((party) => accounts[party] ?? []),
    data,
  });
}

/**
 * The kind of act behind a ledger event; undefined if no act emits it. A claim of an invoice that
 * was admitted before looks like another admission, and counts as a claim.
 */
export function kindOf({ name, args }: Pick<ChainEvent, "name" | "args">): ActKind | undefined {
  const first = args["version"] === 1 && isExternal(String(args["id"]));
  const kinds = actEvents.get(name)?.kinds ?? [];
  return kinds.find((kind) => opensExternal(kind) === first) ?? kinds[0];
}
