/**
 * What the clients of a run asked for and what they were told: the only thing that the checks
 * believe beside the chain.
 *
 * Kept in the harness's own memory, so nothing that is killed can lose it.
 */
import type { BatchInvoice } from "../../../clients/typescript/index.ts";
import type { Party } from "./client.ts";

/**
 * One invoice that somebody wanted issued. Several posts (keys) of one original have one `source`.
 */
export type Post = {
  issuer: Party;
  body: BatchInvoice;
  /** Account and employer's index that its leaf must name. */
  holder: string;
  buyer: number;
  cents: bigint;
  /** Every number that any answer gave for it; there must be one. */
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
  /** Tax ids that the bureau has enrolled while the load was on. */
  enrolled: { taxId: string; account: string }[];
  /** Answers that were none of those that the request could have. */
  wrong: string[];
  /** How often something was answered: by status and code. */
  answers: Map<string, number>;
};

export const openJournal = (): Journal => ({
  posts: [],
  reports: [],
  enrolled: [],
  wrong: [],
  answers: new Map(),
});
