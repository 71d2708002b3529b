/**
 * /openapi.json: OpenAPI 3.1, made from the routes and from the same schemas that check requests.
 *
 * A schema with `.meta({ id })` becomes a component. In addition to what a route says, every
 * operation names what this layer adds: key, Idempotency-Key, Prefer, and each refusal by its code.
 */
import {
  OpenAPIRegistry,
  OpenApiGeneratorV31,
  type RouteConfig,
  type ZodContentObject,
} from "@asteasolutions/zod-to-openapi";
import { type Code, catalogue } from "@onepiao/protocol/values/problems.ts";
import { ZodObject, type ZodType, z } from "zod";
import type { Route } from "../kernel/api.ts";
import { PROBLEM_TYPE } from "./problem.ts";
import { bodyTypes } from "./request.ts";
import { operationId } from "./route-table.ts";
import { NDJSON } from "./streams.ts";

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31["generateDocument"]>;

/**
 * For lines of JSON the schema describes one line: OpenAPI 3.1 has no word for a stream of lines.
 */
const hasSchema = (mediaType: string) => mediaType === NDJSON || /[/+]json$/.test(mediaType);

const problemSchema = z
  .looseObject({
    type: z.string().describe("Path of the page that explains the code"),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(catalogue) as [Code, ...Code[]]),
    retry: z
      .enum(["never", "same-key", "later"])
      .describe(
        "never: the same request will not succeed; same-key: send it again with the same Idempotency-Key; later: after something else has changed",
      ),
    requestId: z.string(),
    errors: z
      .array(
        z.strictObject({
          field: z
            .string()
            .describe("JSON pointer into the body, ?parameter, {path part} or header"),
          rule: z.string(),
          detail: z.string(),
        }),
      )
      .optional()
      .describe("Every rule that is broken"),
  })
  .meta({ id: "Problem", description: "RFC 9457 problem; further members depend on the code" });

const text = (description: string, more: object = {}) => ({
  description,
  schema: { type: "string" as const, ...more },
});

/** Codes that this layer may answer for a route, and those of the feature. */
function codesOf(route: Route): Code[] {
  const codes: Code[] = [
    "malformed-request",
    "invalid-request",
    "not-acceptable",
    "rate-limited",
    "internal",
    "unavailable",
  ];
  if (route.roles !== "public") codes.push("unauthenticated", "forbidden");
  if (route.roles !== "public" && route.method !== "get") codes.push("cross-site-request");
  if (route.params) codes.push("not-found");
  if (route.method !== "get") codes.push("body-too-large", "unsupported-media-type");
  if (route.method !== "get") codes.push("too-slow");
  if (route.method === "post" && route.roles !== "public")
    codes.push("idempotency-key-missing", "idempotency-key-reused", "idempotency-key-running");
  return [...new Set([...codes, ...(route.problems ?? [])])];
}

function responsesOf(route: Route): RouteConfig["responses"] {
  const responses: RouteConfig["responses"] = {};
  const once = route.method === "post" && route.roles !== "public";
  for (const [status, { description, schema }] of Object.entries(route.answers)) {
    const content: ZodContentObject = {};
    if (schema !== undefined || route.produces !== undefined) {
      for (const type of route.produces ?? ["application/json"])
        content[type] = { schema: hasSchema(type) ? (schema ?? {}) : { type: "string" } };
    }
    responses[status] = {
      description,
      headers: {
        "X-Request-Id": { $ref: "#/components/headers/X-Request-Id" },
        ...(once
          ? { "Idempotency-Replayed": { $ref: "#/components/headers/Idempotency-Replayed" } }
          : {}),
        ...(route.settled
          ? { "Preference-Applied": { $ref: "#/components/headers/Preference-Applied" } }
          : {}),
      },
      ...(Object.keys(content).length > 0 ? { content } : {}),
    };
  }
  const byStatus = Map.groupBy(codesOf(route), (code) => catalogue[code].status);
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    responses[status] = {
      description: codes.map((code) => `\`${code}\`: ${catalogue[code].title}`).join("\n\n"),
      headers: {
        "X-Request-Id": { $ref: "#/components/headers/X-Request-Id" },
        ...([409, 429, 503].includes(status)
          ? { "Retry-After": { $ref: "#/components/headers/Retry-After" } }
          : {}),
      },
      content: { [PROBLEM_TYPE]: { schema: problemSchema } },
    };
  }
  return responses;
}

/**
 * request.ts closes the outermost object when it reads it. Closed here too, in a way that keeps the
 * schema's name.
 */
const closed = (schema: ZodType): ZodType =>
  schema instanceof ZodObject &&
  schema.def.catchall === undefined &&
  schema.meta()?.id === undefined
    ? schema.strict()
    : schema;

function requestBodyOf(
  route: Route,
): { body: { content: ZodContentObject; required: boolean } } | undefined {
  const types = bodyTypes(route);
  if (types.length === 0) return undefined;
  const content: ZodContentObject = {};
  for (const type of route.rawBody?.mediaTypes ?? []) {
    const { schema, example } = route.rawBody ?? {};
    content[type] = hasSchema(type)
      ? { schema: schema ?? {}, ...(example === undefined ? {} : { example }) }
      : { schema: { type: "string" } };
  }
  if (route.body) content["application/json"] = { schema: closed(route.body) };
  return { body: { content, required: route.body?.safeParse(undefined).success !== true } };
}

function describe(route: Route): RouteConfig {
  const parameters: { $ref: string }[] = [{ $ref: "#/components/parameters/X-Request-Id" }];
  if (route.method === "post" && route.roles !== "public")
    parameters.push({ $ref: "#/components/parameters/Idempotency-Key" });
  if (route.settled) parameters.push({ $ref: "#/components/parameters/Prefer" });
  const roles =
    route.roles === "public" ? "Needs no API key." : `Roles: ${route.roles.join(", ")}.`;
  return {
    method: route.method,
    path: route.path,
    operationId: operationId(route),
    summary: route.summary,
    description: route.description === undefined ? roles : `${route.description}\n\n${roles}`,
    tags: [route.tag],
    security: route.roles === "public" ? [] : [{ apiKey: [] }, { session: [] }],
    parameters,
    request: {
      ...(route.params ? { params: route.params } : {}),
      ...(route.query ? { query: route.query } : {}),
      ...requestBodyOf(route),
    },
    responses: responsesOf(route),
  };
}

/**
 * Throws when a schema says something that OpenAPI cannot express (at composition, not at a
 * request).
 */
export function openApi(
  routes: readonly Route<never>[],
  { version, maxWaitSeconds }: { version: string; maxWaitSeconds: number },
): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  registry.registerComponent("securitySchemes", "apiKey", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "<id>.<secret>",
    description: "An API key; its roles say what it may do",
  });
  registry.registerComponent("securitySchemes", "session", {
    type: "apiKey",
    in: "cookie",
    name: "__Host-onepiao",
    description:
      "For browsers: from POST /v1/session. A request that changes something also carries the session's token in X-CSRF-Token",
  });
  registry.registerComponent("parameters", "Idempotency-Key", {
    name: "Idempotency-Key",
    in: "header",
    required: true,
    ...text(
      "A value of your own for this one piece of work, for example a UUID. The same key with the same request gives the same answer and does the work once.",
      { minLength: 1, maxLength: 257 },
    ),
  });
  registry.registerComponent("parameters", "Prefer", {
    name: "Prefer",
    in: "header",
    ...text(
      `\`wait=N\` holds the answer for at most N seconds (${maxWaitSeconds} at most) until the work has come to its end`,
    ),
    example: "wait=10",
  });
  registry.registerComponent("parameters", "X-Request-Id", {
    name: "X-Request-Id",
    in: "header",
    ...text("Names the request in logs; one is made when it is missing", {
      pattern: "^[A-Za-z0-9._-]{1,64}$",
    }),
  });
  registry.registerComponent("headers", "X-Request-Id", text("The request in logs"));
  registry.registerComponent(
    "headers",
    "Idempotency-Replayed",
    text("`true`: this answer was given before; nothing was done now"),
  );
  registry.registerComponent(
    "headers",
    "Preference-Applied",
    text("`wait=N`: the answer was waited for"),
  );
  registry.registerComponent("headers", "Retry-After", {
    description: "Seconds after which to try again",
    schema: { type: "integer" },
  });
  for (const route of routes as readonly Route[]) registry.registerPath(describe(route));
  const tags = [...new Set(routes.map((route) => route.tag))].map((name) => ({ name }));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: { title: "OnePiao", version, description: "One invoice, reimbursed once." },
    servers: [{ url: "/" }],
    tags,
  });
}
