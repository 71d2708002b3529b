/**
 * The API as the console calls it: the client for programs, as the session of this browser.
 *
 *   const page = await ask("GET /v1/claims", { query: { limit: 20 } });
 *
 * Every refusal, and an answer that does not come, is a Refusal. What changes something carries the
 * session's token; a POST's Idempotency-Key comes from useAct (act.ts), so that trying again after
 * a lost answer does the work once.
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

/** What this page may call: the API, and what a sandbox has beside it. */
interface Calls extends Api, SandboxApi {}
type Call = keyof Calls;
interface Requests extends RequestsOf<Calls> {}
interface Replies extends RepliesOf<Calls> {}
type Answer<N extends Call, S extends keyof Calls[N]["answers"]> = Calls[N]["answers"][S];

export type Problem = AnyProblem;

/** Shapes that several pages know, by the names that the API has for them. */
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

/** What was refused, in the gateway's words; `offline` and `unreadable` are the console's own. */
export class Refusal extends Error {
  readonly code: Problem["code"] | "offline" | "unreadable";
  /** The whole of what the gateway said. */
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
   * Whether the same may be sent again: with the same key the work is done once. What the gateway
   * has not said itself (a proxy's page, half an answer) does not say what became of the work.
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

/** Told when the gateway says that nobody is signed in. */
let ended: () => void = () => {};
export function onSessionEnded(then: () => void): void {
  ended = then;
}

/** Time for an answer, in milliseconds: a phone's line may be slow. */
const PATIENCE_MS = 120_000;

/** `url`: where the gateway is; empty for the page's own. */
export function createApi(url: string) {
  const client = createClient<Requests, Replies, Replies>({
    url,
    headers: (method): Record<string, string> =>
      csrf === undefined || method === "GET" ? {} : { "X-CSRF-Token": csrf },
    // people and pages try again themselves
    patience: { tries: 1, timeoutMs: PATIENCE_MS },
  });

  /** What was thrown, as a Refusal; `path` says whether it ends the session. */
  function refusalOf(error: unknown, path: string): unknown {
    if (error instanceof ProblemError) {
      if (error.status === 401 && path !== "/v1/session") ended();
      return new Refusal(error.code, { status: error.status, problem: error.problem });
    }
    if (!(error instanceof NoAnswerError)) return error;
    const code = error.status === 0 ? "offline" : "unreadable";
    return new Refusal(code, { status: error.status, detail: error.message });
  }

  /**
   * The answer with its status and headers. Throws a Refusal, also when its body breaks off or is
   * no JSON.
   */
  async function answerOf<N extends Call>(name: N, ...request: Requests[N]): Promise<Replies[N]> {
    return client(name, ...request).catch((error: unknown) => {
      throw refusalOf(error, name.slice(name.indexOf("/")));
    });
  }

  /** The answer's body. Throws a Refusal. */
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

/** Hands bytes to the person as a file. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * One invoice with its document, as every page asks for it: what is known of it already is not
 * asked for twice.
 */
export const invoiceQuery = (number: string) => ({
  queryKey: ["invoice", number],
  queryFn: () => ask("GET /v1/invoices/{number}", { params: { number } }),
});
