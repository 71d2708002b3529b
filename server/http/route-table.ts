/**
 * The routes as one table: checked once, at composition, and put in the order in which they are
 * matched.
 *
 * Owns: what makes a route sound (a fault here is a programmer's, and is reported before the first
 * request), and its operation's name.
 */
import type { Route } from "../kernel/api.ts";
import { MAX_PAGE } from "../kernel/page.ts";

/** The `{name}`s of a path. */
export const placeholders = (path: string): string[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** GET /v1/invoices/{number}/bundle → getInvoicesByNumberBundle. */
export function operationId({ method, path }: Pick<Route, "method" | "path">): string {
  const words = path.split("/").filter((part) => part !== "" && part !== "v1");
  return (
    method +
    words
      .flatMap((part) =>
        part.startsWith("{") ? ["By", part.slice(1, -1)] : part.split(/[^A-Za-z0-9]+/),
      )
      .map(capital)
      .join("")
  );
}

function faultsOf(route: Route<never>): string[] {
  const faults: string[] = [];
  const named = placeholders(route.path).sort().join();
  const described = Object.keys(route.params?.shape ?? {})
    .sort()
    .join();
  if (!/^(\/([A-Za-z0-9._-]+|\{\w+\}))+$/.test(route.path))
    faults.push("its path is not made of words and {names}");
  if (named !== described) faults.push(`its path names {${named}}, its schema {${described}}`);
  if (route.roles !== "public" && route.roles.length === 0) faults.push("no role may call it");
  if (route.roles === "public" && !["get", "post"].includes(route.method))
    faults.push("it is public and writes");
  if (route.signsIn && (route.roles !== "public" || route.method !== "post"))
    faults.push("only a public POST lets somebody in");
  if (route.method === "get" && (route.body || route.rawBody)) faults.push("a GET has no body");
  if (
    route.settled &&
    (route.method === "get" || route.roles === "public" || !(202 in route.answers))
  )
    faults.push("only what writes, has a caller and answers 202 goes on after its answer");
  if (route.together && (route.method !== "post" || route.roles === "public"))
    faults.push("only a POST that has a caller works together with others");
  if (
    (route.lines || route.load) &&
    (route.method !== "post" || route.roles === "public" || route.body || route.settled)
  )
    faults.push(
      "only a POST that has a caller, reads its body itself and answers as it comes is a stream of lines",
    );
  if (route.prepare && (route.method !== "post" || route.roles !== "public"))
    faults.push("only a public POST prepares");
  if (Object.keys(route.answers).length === 0) faults.push("it names no answer");
  const limit = route.query?.shape["limit"];
  if (limit?.safeParse(String(MAX_PAGE + 1)).success === true)
    faults.push(`its pages have no bound of ${MAX_PAGE}`);
  return faults;
}

/**
 * Checks all routes and puts words before {names}, so that /v1/invoices/batch is not read as an
 * invoice's number. Throws one Error with every fault.
 */
export function routeTable<S>(routes: readonly Route<S>[]): Route<S>[] {
  const seen = new Set<string>();
  const faults = routes.flatMap((route) => {
    const id = operationId(route);
    const own = faultsOf(route as unknown as Route<never>);
    if (seen.has(id)) own.push("it is there twice");
    seen.add(id);
    return own.map((fault) => `  ${route.method.toUpperCase()} ${route.path}: ${fault}`);
  });
  if (faults.length > 0) throw new Error(`Routes that cannot be served:\n${faults.join("\n")}`);
  const order = ({ path }: Route<S>) => path.replaceAll(/\{\w+\}/g, "\u{10ffff}");
  return [...routes].sort((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0));
}
