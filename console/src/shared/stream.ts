/**
 * The event stream as the console asks for it: which types there are, where it goes on, and how
 * long it waits.
 */
import type { Event } from "./client.ts";

export type EventType = Event["type"];
/** Every type, by the API's own list: one that is missing here does not compile. */
const types: Record<EventType, true> = {
  "invoice.issued": true,
  "invoice.imported": true,
  "transfer.offered": true,
  "transfer.ended": true,
  "invoice.transferred": true,
  "invoice.reimbursed": true,
  "invoice.reversed": true,
  "invoice.adjusted": true,
  "red-letter.changed": true,
  "red-letter.issued": true,
  "invoice.entered": true,
  "claim.created": true,
  "claim.rejected": true,
  "claim.withdrawn": true,
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
export const eventTypes = Object.keys(types) as EventType[];

/** The stream after an event; "": from now on. */
export const streamAfter = (position: string): string => `/v1/events/stream${position === "" ? "" : `?after=${encodeURIComponent(position)}`}`;

const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 15_000;
/**
 * How long to wait before the next try, in milliseconds: twice as long each time, up to a limit.
 * `tries`: those that have failed before.
 */
export const waitBefore = (tries: number): number => Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** tries);
