/**
 * The API for the console: the client for programs, with this browser's session.
 *
 *   const page = await ask("GET /v1/claims", { query: { limit: 20 } });
 *
 * Every refusal, and every missing response, is a Refusal. A request that changes something carries
 * the session's token. The Idempotency-Key of a POST comes from useAct (act.ts), so a retry after a
 * lost response does the work once.
 */
import {
  type Problem as AnyProblem,
  type Api,
  createClient,
  NoAnswerError,
  ProblemError,
  type RepliesOf,
  type RequestsOf,
} from "../../../clients/typescript/index.ts";
import type { SandboxApi } from "../../../sandbox/api.ts";

/** The calls that this page may make: the API, and a sandbox's own calls. */
interface Calls extends Api, SandboxApi {}
type Call = keyof Calls;
interface Requests extends RequestsOf<Calls> {}
interface Replies extends RepliesOf<Calls> {}
type Answer<N extends Call, S extends keyof Calls[N]["answers"]> = Calls[N]["answers"][S];

export type Problem = AnyProblem;

/** Shapes that several pages use, by their names in the API. */
export interface Schemas {
  Problem: Problem;
  Session: Answer<"GET /v1/session", 200>;
  Event: Answer<"GET /v1/events", 200>["items"][number];
  Invoice: Answer<"GET /v1/invoices/{number}", 200>;
  InvoiceSummary: Answer<"GET /v1/invoices", 200>["items"][number];
  InvoiceDocument: Schemas["Invoice"]["document"];
  InvoiceLine: Schemas["InvoiceDocument"]["lines"][number];
  InvoiceRequest: Calls["POST /v1/invoices"]["body"];
  InvoiceReceipt: Answer<"POST /v1/invoices", 201>;
  Bundle: Answer<"GET /v1/invoices/{number}/bundle", 200>;
  VerifiedByPrint: Answer<"GET /v1/verify", 200>;
  VerifiedBundle: Extract<Answer<"POST /v1/verify", 200>, { steps: unknown }>;
  RedLetterReceipt: Extract<Answer<"POST /v1/invoices", 202>, { redLetter: unknown }>;
  RedLetterSummary: Answer<"GET /v1/red-letters", 200>["items"][number];
  RedLetterReason: Calls["POST /v1/invoices/{number}/red-letters"]["body"]["reason"];
  Transfer: Answer<"GET /v1/transfers/{id}", 200>;
  Grant: Answer<"GET /v1/invoices/{number}/grants", 200>["items"][number];
  Claim: Answer<"GET /v1/claims/{id}", 200>;
  EntryAct: Answer<"GET /v1/entries", 200>["items"][number];
  ExternalInvoice: Answer<"GET /v1/external-invoices/{id}", 200>;
  ExternalFinding: Answer<"GET /v1/external-findings", 200>["items"][number];
  ExternalCreditNote: Answer<"GET /v1/external-credits", 200>["items"][number];
  ExternalLook: Exclude<Answer<"POST /v1/external-invoices", 200>, { amount: string }>;
  ExternalOverpaid: Answer<"GET /v1/external-overpaid", 200>["items"][number];
  ExternalInvoiceSummary: Answer<"GET /v1/external-invoices", 200>["items"][number];
  Taxpayer: Answer<"GET /v1/taxpayers/{taxId}", 200>;
  Quota: Answer<"GET /v1/taxpayers/{taxId}/quota", 200>;
  Webhook: Answer<"GET /v1/webhooks", 200>["items"][number];
  WebhookWithAttempts: Answer<"GET /v1/webhooks/{id}", 200>;
  InvoiceStats: Answer<"GET /v1/stats/invoices", 200>;
  IssuerStats: Answer<"GET /v1/stats/issuers", 200>;
  FlowStats: Answer<"GET /v1/stats/flow", 200>;
  QuotaStats: Answer<"GET /v1/stats/quotas", 200>;
  ChainStats: Answer<"GET /v1/stats/chain", 200>;
  Refusals: Answer<"GET /v1/stats/refusals", 200>;
}
export type Role = Schemas["Session"]["roles"][number];
export type Event = Schemas["Event"];

/** A refusal by the gateway. The codes `offline` and `unreadable` are the console's own. */
export class Refusal extends Error {
  readonly code: Problem["code"] | "offline" | "unreadable";
  /** The gateway's whole problem. */
  readonly problem: Problem | undefined;
  readonly status: number;

  constructor(
    code: Refusal["code"],
    {
      status = 0,
      problem,
      detail = "",
    }: { status?: number; problem?: Problem; detail?: string } = {},
  ) {
    super(problem?.detail ?? detail);
    this.code = code;
    this.status = status;
    this.problem = problem;
  }

  /**
   * Whether the same request may be sent again; with the same key the work is done once. After a
   * response that is not the gateway's (a proxy's page, half a response) the outcome is unknown.
   */
  get passing(): boolean {
    return this.problem === undefined
      ? this.code === "offline" || this.code === "unreadable"
      : this.problem.retry === "same-key";
  }
}

let csrf: string | undefined;
export function setCsrf(token: string | undefined): void {
  csrf = token;
}

/** Called when the gateway says that nobody is signed in. */
let sessionEnded: () => void = () => {};
export function onSessionEnded(callback: () => void): void {
  sessionEnded = callback;
}

/** Time for a response, in milliseconds: a phone's connection may be slow. */
const PATIENCE_MS = 120_000;

/** `url`: the gateway's address; empty for the page's own origin. */
export function createApi(url: string) {
  const client = createClient<Requests, Replies, Replies>({
    url,
    headers: (method): Record<string, string> =>
      csrf === undefined || method === "GET" ? {} : { "X-CSRF-Token": csrf },
    // people and pages retry themselves
    patience: { tries: 1, timeoutMs: PATIENCE_MS },
  });

  /** Turns a thrown error into a Refusal. `path` says whether a 401 ends the session. */
  function refusalOf(error: unknown, path: string): unknown {
    if (error instanceof ProblemError) {
      if (error.status === 401 && path !== "/v1/session") sessionEnded();
      return new Refusal(error.code, { status: error.status, problem: error.problem });
    }
    if (!(error instanceof NoAnswerError)) return error;
    const code = error.status === 0 ? "offline" : "unreadable";
    return new Refusal(code, { status: error.status, detail: error.message });
  }

  /**
   * The response with its status and headers. Throws a Refusal, also if the body is incomplete or
   * not JSON.
   */
  async function answerOf<N extends Call>(name: N, ...request: Requests[N]): Promise<Replies[N]> {
    return client(name, ...request).catch((error: unknown) => {
      throw refusalOf(error, name.slice(name.indexOf("/")));
    });
  }

  /** The response's body. Throws a Refusal. */
  const ask = async <N extends Call>(
    name: N,
    ...request: Requests[N]
  ): Promise<Replies[N]["body"]> => (await answerOf(name, ...request)).body;

  /** A file of the API (a bundle, an XML, a PDF) by Accept or path. Throws a Refusal. */
  async function fetchFile(path: string, accept = "*/*"): Promise<Blob> {
    try {
      const { status, body, headers, problem } = await client.send("GET", path, { accept });
      if (problem !== undefined) throw new ProblemError(problem, status);
      if (status >= 400) throw new NoAnswerError(`HTTP ${status}`, { status });
      return new Blob(body === undefined ? [] : [body as Uint8Array<ArrayBuffer>], {
        type: headers.get("content-type") ?? "",
      });
    } catch (error) {
      throw refusalOf(error, path);
    }
  }
  return { ask, answerOf, fetchFile };
}
export const { ask, answerOf, fetchFile } = createApi("");

/** Saves a file on the person's device. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** An invoice with its document. All pages share this query, so it is fetched once. */
export const invoiceQuery = (number: string) => ({
  queryKey: ["invoice", number],
  queryFn: () => ask("GET /v1/invoices/{number}", { params: { number } }),
});
