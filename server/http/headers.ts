/**
 * Headers that every answer has before a route sees the request. What needs others sets its own
 * (site.ts, docs.ts).
 *
 * Deny by default: an answer is data. Opened as a page it runs nothing, sends nothing, links
 * nowhere, is in no frame, and uses no device; nothing caches it.
 */
import type { RequestHandler } from "express";
import helmet from "helmet";

const directives = {
  sandbox: [],
  defaultSrc: ["'none'"],
  formAction: ["'none'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

/** What a page may use of a device; `camera` on the page with the console's scanner. */
export const devices = (camera: "()" | "(self)") =>
  `camera=${camera}, microphone=(), geolocation=()`;

export const ownHeaders: readonly RequestHandler[] = [
  helmet({
    contentSecurityPolicy: { useDefaults: false, directives },
    frameguard: { action: "deny" },
  }),
  (_request, response, next) => {
    response.set({ "Permissions-Policy": devices("()"), "Cache-Control": "no-store" });
    next();
  },
];
