/**
 * From an HTTP request to what a route's `run` gets: parameters, query, media types and body, each
 * checked by the route's own schemas.
 *
 * Violations name fields as the client wrote them: `/seller/taxId` in the body (a JSON pointer),
 * `?limit` in the query, `{number}` in the path.
 */

import {
  charsetOf,
  checkCharset,
  encodingNames,
  isCharsetRead,
} from "@onepiao/protocol/values/encoding.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { checkShape } from "@onepiao/protocol/values/shape-check.ts";
import type { Request as HttpRequest, Response } from "express";
import { ZodObject, z } from "zod";
import type { Route } from "../kernel/api.ts";
import { readStrictJson } from "./json.ts";

const JSON_TYPE = "application/json";

const closed = new WeakMap<ZodObject, ZodObject>();
/**
 * The schema, refusing unknown members. Made once, because zod compiles a schema at its first use.
 */
function strict(schema: ZodObject): ZodObject {
  const known = closed.get(schema) ?? schema.strict();
  closed.set(schema, known);
  return known;
}
const nothing = z.object({});

const malformed = (detail: string, rule?: string) =>
  new Problem("malformed-request", detail, {
    ...(rule === undefined ? {} : { violations: [{ field: "", rule, detail }] }),
  });

/** Values of the path, percent-decoded by the router. */
export function readParams(route: Route, request: HttpRequest): unknown {
  const values = Object.fromEntries(Object.entries(request.params));
  if (Object.values(values).some((value) => String(value).includes("\0")))
    throw malformed("The path has a NUL");
  return route.params && checkShape(strict(route.params), values, (path) => `{${path.join(".")}}`);
}

/** The query. Every parameter must be known; a repeated parameter is a list. */
export function readQuery(route: Route, request: HttpRequest): unknown {
  const text = request.originalUrl.split("?").slice(1).join("?");
  try {
    if (decodeURIComponent(text.replaceAll("+", " ")).includes("\0"))
      throw malformed("The query has a NUL");
  } catch (error) {
    throw error instanceof URIError
      ? malformed("The query has a percent sign that encodes nothing")
      : error;
  }
  const parameters = new URLSearchParams(text);
  const values = Object.fromEntries(
    [...new Set(parameters.keys())].map((name) => [
      name,
      parameters.getAll(name).length > 1 ? parameters.getAll(name) : parameters.get(name),
    ]),
  );
  const read = checkShape(strict(route.query ?? nothing), values, (path) => `?${path.join(".")}`);
  return route.query && read;
}

/** The media type of the answer; throws Problem `not-acceptable`. */
export function readAccept(route: Route, request: HttpRequest): string {
  const produces = route.produces ?? [JSON_TYPE];
  const chosen = request.accepts([...produces]);
  if (chosen === false)
    throw new Problem("not-acceptable", `This is answered as ${produces.join(", ")}`, {
      extra: { available: produces },
    });
  return chosen;
}

/** Media types of the bodies that a route reads; none: it takes no body. */
export const bodyTypes = (route: Route): readonly string[] => [
  ...new Set([...(route.body ? [JSON_TYPE] : []), ...(route.rawBody?.mediaTypes ?? [])]),
];

/** A Content-Type without its other parameters. `mediaType`: "" when there is no body. */
export type ContentType = { mediaType: string; charset: string | undefined };

/**
 * The type of the body. Throws Problem `unsupported-media-type` (with Accept-Post or Accept-Patch),
 * also for a charset that is not read and for compressed bodies. Reads no byte of the body.
 */
export function readContentType(
  route: Route,
  request: HttpRequest,
  response: Response,
): ContentType {
  const types = bodyTypes(route);
  const [type = "", ...parameters] = (request.headers["content-type"] ?? "")
    .split(";")
    .map((part) => part.trim().toLowerCase());
  const empty =
    request.headers["content-length"] === undefined
      ? request.headers["transfer-encoding"] === undefined
      : request.headers["content-length"] === "0";
  const refuse = (detail: string) => {
    if (route.method === "post") response.setHeader("Accept-Post", types.join(", "));
    if (route.method === "patch") response.setHeader("Accept-Patch", types.join(", "));
    return new Problem("unsupported-media-type", detail, { extra: { available: types } });
  };
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase();
  if (encoding !== undefined && encoding !== "identity") {
    response.setHeader("Accept-Encoding", "identity");
    throw refuse("Compressed bodies are not read");
  }
  const charset = charsetOf(parameters);
  if (types.length === 0 || (empty && type === "")) return { mediaType: type, charset };
  if (!types.includes(type))
    throw refuse(
      type === ""
        ? `Content-Type is missing; here it is ${types.join(" or ")}`
        : [`Here Content-Type is ${types.join(" or ")}`, route.rawBody?.instead]
            .filter(Boolean)
            .join(". "),
    );
  if (!isCharsetRead(type, charset))
    throw refuse(`XML is read in ${encodingNames}, other bodies in UTF-8`);
  return { mediaType: type, charset };
}

/**
 * What `run` gets as body: a checked value for JSON; the bytes for a route that reads them itself,
 * JSON or not.
 */
export function readContent(
  route: Route,
  { mediaType, charset }: ContentType,
  bytes: Buffer,
): unknown {
  checkCharset(mediaType, charset, bytes, (rule, detail) => malformed(detail, rule));
  if (route.rawBody?.mediaTypes.includes(mediaType) === true) return bytes;
  if (route.body) {
    // an inner object closes itself (z.strictObject); the outermost is closed here, so that a
    // misspelt member is never ignored
    const schema =
      route.body instanceof ZodObject && route.body.def.catchall === undefined
        ? strict(route.body)
        : route.body;
    return checkShape(schema, bytes.length === 0 ? undefined : readStrictJson(bytes));
  }
  if (route.rawBody) return bytes;
  const empty =
    bytes.length === 0 ||
    (mediaType === JSON_TYPE && bytes.toString().replaceAll(/\s/g, "") === "{}");
  if (!empty)
    throw new Problem("invalid-request", "This request takes no body", {
      violations: [{ field: "", rule: "no-body", detail: "This request takes no body" }],
    });
  return new Uint8Array();
}
