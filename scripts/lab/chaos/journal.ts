/**
 * What the clients of a run asked for and which answers they got: apart from the chain, the only
 * source that the checks believe.
 *
 * Kept in the harness's own memory, so no kill can lose it.
 */
import type { BatchInvoice } from "../../../clients/typescript/index.ts";
import type { Party } from "./client.ts";

/**
 * One invoice that a client wants issued. Several posts (keys) of one original have the same
 * `source`.
 */
export type Post = {
  issuer: Party;
  body: BatchInvoice;
  /** Account and employer's index that its leaf must name. */
  holder: string;
  buyer: number;
  cents: bigint;
  /** Every number that an answer gave for it; there must be exactly one. */
  numbers: Set<string>;
  source?: string;
};

/** An expense report. */
export type Report = {
  id: string;
  holder: Party;
  employer: Party;
  invoices: string[];
  asked: number;
  granted: number;
};

export type Journal = {
  posts: Post[];
  reports: Report[];
  /** Tax ids that the bureau enrolled during the load. */
  enrolled: { taxId: string; account: string }[];
  /** Answers that the request could not have. */
  wrong: string[];
  /** How often each answer came: by status and code. */
  answers: Map<string, number>;
};

export const openJournal = (): Journal => ({
  posts: [],
  reports: [],
  enrolled: [],
  wrong: [],
  answers: new Map(),
});
