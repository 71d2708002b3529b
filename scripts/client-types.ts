/**
 * The API's types as the client has them, clients/typescript/api.ts: written from the schemas of
 * the routes, so that a caller's type check reads this text and not the gateway
 * (docs/adr/0033-written-types.md). `node scripts/docs.ts` writes the file.
 *
 * The compiler holds the text to the types that the routes have themselves: see `Stale` below.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { catalogue } from "@onepiao/protocol/values/problems.ts";
import { type ZodType, z } from "zod";
import type { Api as Written } from "../clients/typescript/api.ts";
import type { Api as Inferred } from "../server/api/api.ts";
import type { Route } from "../server/kernel/api.ts";
import { root } from "./run.ts";

type Json = { [member: string]: unknown };
const members = (node: unknown): [string, Json][] =>
  Object.entries((node ?? {}) as Record<string, Json>);
const list = (node: unknown): Json[] => (node ?? []) as Json[];
const JSON_TYPE = "application/json";
const STREAMS = ["application/x-ndjson", "text/event-stream"];
const BYTES = "Uint8Array<ArrayBuffer>";

/** A longer list is a text to a caller, as it is to the routes. */
const LONGEST_LIST = 100;

/** Names and texts of the types that several schemas share, by the names that the schemas have. */
type Named = Map<string, string>;

function printer(named: Named, defs: Record<string, Json>) {
  const refs = new Map<string, string>();

  /** A shared type under its name; under another one where an input differs from the output. */
  function nameOf(ref: string): string {
    const known = refs.get(ref);
    if (known !== undefined) return known;
    const id = ref.split("/").at(-1) ?? "";
    refs.set(ref, id);
    const text = textOf(defs[id] ?? {});
    let name = id;
    while ((named.get(name) ?? text) !== text) name = `${name}Input`;
    named.set(name, text);
    refs.set(ref, name);
    return name;
  }

  function objectOf(schema: Json): string {
    const { properties, required, additionalProperties, propertyNames } = schema;
    const names = list((propertyNames as Json | undefined)?.["enum"]);
    if (names.length > 0) {
      const record = `Record<${textOf({ enum: names })}, ${textOf(additionalProperties as Json)}>`;
      return list(required).length > 0 ? record : `Partial<${record}>`;
    }
    const needed = new Set(required as string[] | undefined);
    const own = members(properties).map(([name, schema]) => {
      // what may be left out may be undefined as well, as a schema's own type has it
      const type = textOf(schema);
      const mark = needed.has(name) ? ":" : "?:";
      return `${/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)}${mark} ${type}${needed.has(name) ? "" : " | undefined"}`;
    });
    const isOpen = additionalProperties !== undefined && additionalProperties !== false;
    if (own.length === 0 && !isOpen) return "Record<never, never>";
    const others = isOpen ? textOf(additionalProperties as Json) : "";
    const index = isOpen ? [`[member: string]: ${others === "" ? "unknown" : others}`] : [];
    return `{ ${[...own, ...index].join("; ")} }`;
  }

  function textOf(schema: Json): string {
    const { type, $ref } = schema;
    if (typeof $ref === "string") return nameOf($ref);
    if ("const" in schema) return JSON.stringify(schema["const"]);
    if (list(schema["enum"]).length > LONGEST_LIST) return "string";
    if (schema["enum"])
      return list(schema["enum"])
        .map((value) => JSON.stringify(value))
        .join(" | ");
    const choices = schema["anyOf"] ?? schema["oneOf"];
    if (choices) return `(${list(choices).map(textOf).join(" | ")})`;
    if (schema["allOf"]) return `(${list(schema["allOf"]).map(textOf).join(" & ")})`;
    if (schema["not"]) return "never";
    if (type === "object") return objectOf(schema);
    if (type === "array" && schema["prefixItems"])
      return `[${list(schema["prefixItems"]).map(textOf).join(", ")}]`;
    if (type === "array") return `(${textOf((schema["items"] ?? {}) as Json)})[]`;
    if (type === "integer" || type === "number") return "number";
    if (type === "string" || type === "boolean" || type === "null") return type;
    return "unknown";
  }
  return textOf;
}

function typeOf(schema: ZodType, io: "input" | "output", named: Named): string {
  const json = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  return printer(named, (json["$defs"] ?? {}) as Record<string, Json>)(json);
}

function endpointOf(route: Route, named: Named): string {
  const { params, query, body, rawBody, produces, answers } = route;
  const sent = body ?? rawBody?.schema;
  const isJson = produces === undefined || produces.includes(JSON_TYPE);
  const isStream = produces?.length === 1 && STREAMS.includes(produces[0] ?? "");
  const jsonOf = (schema?: ZodType) =>
    schema === undefined ? "undefined" : typeOf(schema, "output", named);
  const answered = Object.entries(answers).map(
    ([status, { schema }]) => `${status}: ${isJson ? jsonOf(schema) : BYTES}`,
  );
  const items = Object.values(answers).map(({ schema }) => jsonOf(schema));
  const types = [
    `params: ${params ? typeOf(params, "input", named) : "undefined"}`,
    `query: ${query ? typeOf(query, "input", named) : "undefined"}`,
    `body: ${sent ? typeOf(sent, "input", named) : "undefined"}`,
    `raw: ${rawBody ? "string" : "never"}`,
    `answers: { ${answered.join("; ")} }`,
    `item: ${isStream ? items.join(" | ") : "never"}`,
  ];
  return `  "${route.method.toUpperCase()} ${route.path}": { ${types.join("; ")} };`;
}

/** Laid out as every other source is. Throws when the text is not TypeScript. */
function formatted(text: string): string {
  const biome = join(root, "node_modules", ".bin", "biome");
  const { stdout, stderr, status } = spawnSync(
    biome,
    ["format", "--stdin-file-path=clients/typescript/api.ts"],
    { input: text, encoding: "utf8", cwd: root, shell: process.platform === "win32" },
  );
  if (status !== 0) throw new Error(`biome does not format the client's types: ${stderr}`);
  return stdout;
}

/** The text of clients/typescript/api.ts: `Api`, the types that schemas share by name, `Code`. */
export function clientTypes(routes: readonly Route[]): string {
  const named: Named = new Map();
  const endpoints = routes.map((route) => endpointOf(route, named));
  const shared = [...named]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `export type ${name} = ${text};`);
  const codes = Object.keys(catalogue).map((code) => `  | "${code}"`);
  return formatted(
    [
      "/**",
      " * The routes and the codes of problems, as types. `node scripts/docs.ts` writes this file from",
      " * the gateway's routes.",
      " */",
      ...shared,
      `export type Code =\n${codes.join("\n")};`,
      `export interface Api {\n${endpoints.join("\n")}\n}`,
      "",
    ].join("\n"),
  );
}

/** Routes of which a part has other types than those written; `never` when all are the same. */
type Differing<Part extends string> = {
  [N in keyof Inferred & keyof Written]: Same<
    Inferred[N][Part & keyof Inferred[N]],
    Written[N][Part & keyof Written[N]]
  > extends true
    ? never
    : N;
}[keyof Inferred & keyof Written];
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Nothing<Difference extends never> = Difference;
/** Does not compile? `node scripts/docs.ts` writes the client's types again. */
export type Stale = Nothing<
  | Exclude<keyof Inferred, keyof Written>
  | Exclude<keyof Written, keyof Inferred>
  | Differing<"params">
  | Differing<"query">
  | Differing<"body">
  | Differing<"raw">
  | Differing<"answers">
  | Differing<"item">
>;
