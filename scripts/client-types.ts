/**
 * The API's types for the packed client, which knows nothing of the gateway: written from the
 * schemas of the routes. A test holds them to the types that the routes have themselves.
 */
import { catalogue } from "@onepiao/protocol/values/problems.ts";
import { type ZodType, z } from "zod";
import type { Route } from "../server/kernel/api.ts";

type Json = { [member: string]: unknown };
const members = (of: unknown): [string, Json][] =>
  Object.entries((of ?? {}) as Record<string, Json>);
const list = (of: unknown): Json[] => (of ?? []) as Json[];
const JSON_TYPE = "application/json";
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

  function objectOf({ properties, required, additionalProperties }: Json): string {
    const needed = new Set(required as string[] | undefined);
    const own = members(properties).map(([name, schema]) => {
      // what may be left out may be undefined as well, as a schema's own type has it
      const type = textOf(schema);
      const mark = needed.has(name) ? ":" : "?:";
      return `${/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)}${mark} ${type}${needed.has(name) ? "" : " | undefined"}`;
    });
    const isOpen = additionalProperties !== undefined && additionalProperties !== false;
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
  const answered = Object.entries(answers).map(([status, { schema }]) => {
    const type = schema === undefined ? "undefined" : typeOf(schema, "output", named);
    return `${status}: ${isJson ? type : BYTES}`;
  });
  const types = [
    `params: ${params ? typeOf(params, "input", named) : "undefined"}`,
    `query: ${query ? typeOf(query, "input", named) : "undefined"}`,
    `body: ${sent ? typeOf(sent, "input", named) : "undefined"}`,
    `raw: ${rawBody ? rawBody.mediaTypes.map((type) => JSON.stringify(type)).join(" | ") : "never"}`,
    `answers: { ${answered.join("; ")} }`,
  ];
  return `  "${route.method.toUpperCase()} ${route.path}": { ${types.join("; ")} };`;
}

/** The text of a module with `Api`, the shared types by their names, and `Code`. */
export function clientTypes(routes: readonly Route[]): string {
  const named: Named = new Map();
  const endpoints = routes.map((route) => endpointOf(route, named));
  const shared = [...named]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `export type ${name} = ${text};`);
  const codes = Object.keys(catalogue).map((code) => `  | "${code}"`);
  return [
    "/** Made from the gateway's routes when the client is packed. */",
    ...shared,
    `export type Code =\n${codes.join("\n")};`,
    `export interface Api {\n${endpoints.join("\n")}\n}`,
    "",
  ].join("\n");
}
