/**
 * The API as the console calls it: typed from the gateway's own document, as the session of this browser.
 *
 *   const page = await ask(api.GET("/v1/claims", { params: { query: { limit: 20 } } }));
 *
 * Every refusal, and an answer that does not come, is a Refusal. What changes something carries the session's token; a POST's
 * Idempotency-Key comes from useAct (act.ts), so that trying again after a lost answer does the work once.
 */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.d.ts";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];
export type Role = Schemas["Session"]["roles"][number];
export type Event = Schemas["Event"];

/** What was refused, in the gateway's words; `offline` and `unreadable` are the console's own. */
export class Refusal extends Error {
  readonly code: Problem["code"] | "offline" | "unreadable";
  /** The whole of what the gateway said. */
  readonly problem: Problem | undefined;
  readonly status: number;

  constructor(code: Refusal["code"], { status = 0, problem, detail = "" }: { status?: number; problem?: Problem; detail?: string } = {}) {
    super(problem?.detail ?? detail);
    this.code = code;
    this.status = status;
    this.problem = problem;
  }

  /** Whether the same may be sent again: with the same key the work is done once. */
  get passing(): boolean {
    return this.code === "offline" || this.problem?.retry === "same-key";
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

export async function refusalOf(response: Response): Promise<Refusal> {
  const text = await response.text().catch(() => "");
  try {
    const problem = JSON.parse(text) as Problem;
    if (typeof problem.code === "string") return new Refusal(problem.code, { status: response.status, problem });
  } catch {
    // a proxy's own page, or half an answer
  }
  return new Refusal("unreadable", { status: response.status, detail: `HTTP ${response.status}` });
}

const session: Middleware = {
  onRequest({ request }) {
    if (csrf !== undefined && !["GET", "HEAD"].includes(request.method)) request.headers.set("X-CSRF-Token", csrf);
    return request;
  },
  async onResponse({ request, response }) {
    if (response.ok) return response;
    const refusal = await refusalOf(response);
    if (response.status === 401 && !new URL(request.url).pathname.endsWith("/v1/session")) ended();
    throw refusal;
  },
  onError: ({ error }) => (error instanceof Refusal ? error : new Refusal("offline", { detail: error instanceof Error ? error.message : "" })),
};

export const api = createClient<paths, "application/json">({ baseUrl: "/", headers: { Accept: "application/json" } });
api.use(session);

/** The answer's body. Throws a Refusal. */
export async function ask<T>(call: Promise<{ data?: T; response: Response }>): Promise<T> {
  return (await call).data as T;
}

/** A file of the API (a bundle, an XML, a PDF) by Accept or path. Throws a Refusal. */
export async function fetchFile(path: string, accept = "*/*"): Promise<Blob> {
  const response = await fetch(path, { headers: { Accept: accept } }).catch((error: Error) => {
    throw new Refusal("offline", { detail: error.message });
  });
  if (!response.ok) {
    if (response.status === 401) ended();
    throw await refusalOf(response);
  }
  return response.blob();
}

/** Hands bytes to the person as a file. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** One invoice with its document, as every page asks for it: what is known of it already is not asked for twice. */
export const invoiceQuery = (number: string) => ({
  queryKey: ["invoice", number],
  queryFn: () => ask(api.GET("/v1/invoices/{number}", { params: { path: { number } } })),
});
