/**
 * The event stream as the console asks for it: which types there are, where it goes on, and how
 * long it waits.
 */
import { type ActFeedType, actFeedTypes } from "@onepiao/protocol/ledger/acts.ts";
import type { Event } from "./client.ts";

export type EventType = Event["type"];
/**
 * Every type that is not of an act, by the API's own list: one that is missing does not compile.
 */
const others: Record<Exclude<EventType, ActFeedType>, true> = {
  "invoice.issued": true,
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
const otherTypes = Object.keys(others) as (keyof typeof others)[];
export const eventTypes: readonly EventType[] = [...actFeedTypes, ...otherTypes];

/** The stream after an event; "": from now on. */
export const streamAfter = (position: string): string =>
  `/v1/events/stream${position === "" ? "" : `?after=${encodeURIComponent(position)}`}`;

const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 15_000;
/**
 * How long to wait before the next try, in milliseconds: twice as long each time, up to a limit.
 * `tries`: those that have failed before.
 */
export const waitBefore = (tries: number): number =>
  Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** tries);
