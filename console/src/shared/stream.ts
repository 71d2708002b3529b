/** The event stream's types, its address, and the delay between retries. */
import { type ActFeedType, actFeedTypes } from "@onepiao/protocol/ledger/acts.ts";
import type { Event } from "./client.ts";

export type EventType = Event["type"];
/**
 * Every event type that does not belong to an act, from the API's own list. A missing type does not
 * compile.
 */
const isOtherType: Record<Exclude<EventType, ActFeedType>, true> = {
  "invoice.issued": true,
  "external.conflict": true,
  "external.near-duplicate": true,
  "external.credited": true,
  "invoice.imported": true,
  "transfer.offered": true,
  "transfer.ended": true,
  "red-letter.changed": true,
  "red-letter.issued": true,
  "reimbursement.refused": true,
  "audit.alarm": true,
  "taxpayer.enrolled": true,
  "taxpayer.suspended": true,
  "taxpayer.reinstated": true,
  "quota.set": true,
  "quota.drawn": true,
  "quota.given-back": true,
  "segment.allotted": true,
  "key.rotated": true,
  "ledger.closed": true,
  "ledger.opened": true,
};
const otherTypes = Object.keys(isOtherType) as (keyof typeof isOtherType)[];
export const eventTypes: readonly EventType[] = [...actFeedTypes, ...otherTypes];

/** The address of the stream after an event; "" starts now. */
export const streamAfter = (position: string): string =>
  `/v1/events/stream${position === "" ? "" : `?after=${encodeURIComponent(position)}`}`;

const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 15_000;
/**
 * The delay before the next retry, in milliseconds. It doubles each time, up to a limit. `tries`:
 * the number of failures so far.
 */
export const waitBefore = (tries: number): number =>
  Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** tries);
