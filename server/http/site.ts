/**
 * The built pages, as `npm run console:build` writes them to dist/console: the console, and the API
 * reference at /docs.
 *
 * Express serves the files. This file decides what is served, and under which policy. A path that
 * is neither a page nor a file of the build goes on to the API's 404.
 *
 * | what | kept by the browser | policy |
 * | --- | --- | --- |
 * | the console's page, at every path of the console | never | scripts: our files. Styles: our files, and those with this answer's nonce |
 * | the reference's page, at /docs | never | a sandbox without an origin. Scripts and styles: our files. It may read, and sends no cookie |
 * | /assets/*: the name has the content's hash | for good | |
 * | other files of the build | asked for each time | |
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import express, {
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from "express";
import { devices } from "./headers.ts";

/** First words of the console's paths; console/src/app.tsx has the same. */
export const consolePaths = [
  "verify",
  "sign-in",
  "holder",
  "bureau",
  "merchant",
  "employer",
] as const;
const isConsole = new RegExp(`^/(?:(?:${consolePaths.join("|")})(?:/[\\w./-]*)?)?$`);
/** Pages, manifests and compressed files have names too, but none of them is served by its name. */
const isFile = /^\/(?:assets\/)?[\w-]+(?:\.[\w-]+)*\.(?:js|css|svg|png|woff2|webmanifest|txt)$/;

/** The text in console/index.html that the nonce replaces. */
export const NONCE_PLACE = "__NONCE__";

/** Some icons of the library come with an empty style. */
const EMPTY = `'sha256-${createHash("sha256").digest("base64")}'`;

const consolePolicy = (nonce: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' ${EMPTY} 'nonce-${nonce}'`,
    // data: small icons and QR codes; blob: previews of what was just fetched
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "frame-src 'self' blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");

/**
 * The viewer is a third party's program: it runs outside the console's origin, so it reaches no
 * session and no storage.
 */
const referencePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  // data: the arrows in the viewer's styles
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "sandbox allow-scripts",
].join("; ");

/** Encodings of the files that the build writes, the smaller first. */
const packed: readonly (readonly [encoding: string, suffix: string])[] = [
  ["br", ".br"],
  ["gzip", ".gz"],
];

/** Undefined when the folder has no console: the gateway then serves only the API. */
export function openSite(at: URL): RequestHandler | undefined {
  const folder = fileURLToPath(at).replace(/[\\/]$/, "");
  if (!existsSync(`${folder}/index.html`)) return undefined;

  const files = express.static(folder, {
    index: false,
    redirect: false,
    cacheControl: false,
    acceptRanges: false,
    setHeaders(response: Response, path) {
      response.locals["route"] = "console";
      const [encoding, suffix] = packed.find(([, suffix]) => path.endsWith(suffix)) ?? [];
      if (encoding !== undefined) {
        response.set("Content-Encoding", encoding);
        response.type(extname(path.slice(0, -(suffix as string).length)));
      }
      response.set({
        "Cache-Control": response.req.path.startsWith("/assets/")
          ? "public, max-age=31536000, immutable"
          : "no-cache",
        Vary: "Accept-Encoding",
        // the reference's page has no origin, and these files are public
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
      });
    },
  });

  /** Serves the first of these forms of a file that exists. */
  function serve(
    request: Request,
    response: Response,
    next: NextFunction,
    [suffix, ...others]: readonly string[],
  ): void {
    const { url } = request;
    request.url = request.path + suffix;
    files(request, response, (fault?: { status?: number }) => {
      request.url = url;
      const status = fault?.status ?? 404;
      if (status >= 500) next(fault);
      else if (status !== 404) response.status(status).end();
      else if (others.length === 0) next();
      else serve(request, response, next, others);
    });
  }

  async function page(
    name: string,
    response: Response,
    next: NextFunction,
    answer: (text: string) => void,
  ): Promise<void> {
    // read each time: after a new build the page names the new files
    const text = await readFile(`${folder}/${name}`, "utf8").catch(() => undefined);
    if (text === undefined) return next();
    response.locals["route"] = "console";
    response.type("html").set("Cache-Control", "no-cache");
    answer(text);
  }

  return (request, response, next) => {
    if (request.method !== "GET" && request.method !== "HEAD") return next();
    const { path } = request;
    if (isConsole.test(path))
      return page("index.html", response, next, (text) => {
        const nonce = randomBytes(16).toString("base64");
        // the console uses the device only to scan a code
        response.set({
          "Content-Security-Policy": consolePolicy(nonce),
          "Permissions-Policy": devices("(self)"),
        });
        response.send(text.replaceAll(NONCE_PLACE, nonce));
      });
    if (path === "/docs")
      return page("docs.html", response, next, (text) => {
        // a page without an origin cannot have an origin-keyed agent cluster
        response.removeHeader("Origin-Agent-Cluster");
        response.set("Content-Security-Policy", referencePolicy).send(text);
      });
    if (!isFile.test(path)) return next();
    const accepted = packed.filter(([encoding]) => request.acceptsEncodings(encoding) === encoding);
    serve(request, response, next, [...accepted.map(([, suffix]) => suffix), ""]);
  };
}
