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

  /**
   * Whether the same may be sent again: with the same key the work is done once. What the gateway has not said itself (a proxy's
   * page, half an answer) does not say what became of the work.
   */
  get passing(): boolean {
    return this.problem === undefined ? this.code === "offline" || this.code === "unreadable" : this.problem.retry === "same-key";
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

/** Whether it is a problem as the gateway writes it: a proxy's JSON may have a code as well. */
function isProblem(body: unknown): body is Problem {
  const { code, title, detail, retry, errors = [] } = (body ?? {}) as Partial<Record<keyof Problem, unknown>>;
  const isText = (value: unknown) => typeof value === "string";
  const areErrors = Array.isArray(errors) && errors.every((error) => [error?.field, error?.rule, error?.detail].every(isText));
  return [code, title, detail, retry].every(isText) && areErrors;
}

export async function refusalOf(response: Response): Promise<Refusal> {
  const text = await response.text().catch(() => "");
  try {
    const problem: unknown = JSON.parse(text);
    if (isProblem(problem)) return new Refusal(problem.code, { status: response.status, problem });
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

export function createApi(baseUrl: string) {
  const client = createClient<paths, "application/json">({ baseUrl, headers: { Accept: "application/json" } });
  client.use(session);
  return client;
}
export const api = createApi("/");

/** The answer with its headers. Throws a Refusal, also when its body breaks off or is no JSON. */
export async function answerOf<T>(call: Promise<{ data?: T; response: Response }>): Promise<{ data: T; response: Response }> {
  const { data, response } = await call.catch((error: unknown) => {
    throw error instanceof Refusal ? error : new Refusal("unreadable", { detail: error instanceof Error ? error.message : "" });
  });
  return { data: data as T, response };
}

/** The answer's body. Throws a Refusal. */
export const ask = async <T>(call: Promise<{ data?: T; response: Response }>): Promise<T> => (await answerOf(call)).data;

/** A file of the API (a bundle, an XML, a PDF) by Accept or path. Throws a Refusal. */
export async function fetchFile(path: string, accept = "*/*"): Promise<Blob> {
  const response = await fetch(path, { headers: { Accept: accept } }).catch((error: Error) => {
    throw new Refusal("offline", { detail: error.message });
  });
  if (!response.ok) {
    if (response.status === 401) ended();
    throw await refusalOf(response);
  }
  return response.blob().catch((error: Error) => {
    throw new Refusal("unreadable", { detail: error.message });
  });
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
