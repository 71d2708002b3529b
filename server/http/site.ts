/**
 * The console as files: what `npm run console:build` has put into dist/console, read once and served from memory.
 *
 * The page itself answers every path of the console and is never kept; files under /assets/ have their hash in their name and
 * are kept for good. No script but our own files. Styles: our own files and what the component library makes at run time,
 * which carries the nonce that each answer has anew. A path that is neither goes on to the API's 404.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { RequestHandler } from "express";
import { devices } from "./headers.ts";

/** First words of the console's paths; console/src/app.tsx has the same. */
export const consolePaths = ["verify", "sign-in", "holder", "bureau", "merchant", "employer"] as const;
const isConsole = new RegExp(`^/(?:(?:${consolePaths.join("|")})(?:/[\\w./-]*)?)?$`);

/** What console/index.html has where the nonce belongs. */
export const NONCE_PLACE = "__NONCE__";

/** Some icons of the library come with a style that is empty. */
const EMPTY = `'sha256-${createHash("sha256").digest("base64")}'`;

const policy = (nonce: string) =>
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

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".json": "application/json; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".txt": "text/plain; charset=utf-8",
};
/** As the build has written them beside the file, the smaller first. */
const encodings = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

type File = { type: string; plain: Buffer; packed: Map<string, Buffer> };

function readFiles(folder: string): Map<string, File> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => name.replaceAll("\\", "/"));
  const files = new Map<string, File>();
  for (const name of names) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const read = (more: string) => readFileSync(`${folder}/${name}${more}`);
    const packed = encodings.filter(([, suffix]) => names.includes(name + suffix)).map(([word, suffix]): [string, Buffer] => [word, read(suffix)]);
    files.set(`/${name}`, { type, plain: read(""), packed: new Map(packed) });
  }
  return files;
}

/** Undefined when there is no console in the folder: the gateway then serves the API alone. */
export function openSite(at: URL): RequestHandler | undefined {
  const folder = fileURLToPath(at).replace(/[\\/]$/, "");
  if (!existsSync(`${folder}/index.html`)) return undefined;
  const page = readFileSync(`${folder}/index.html`, "utf8");
  const files = readFiles(folder);

  return (request, response, next) => {
    if (request.method !== "GET" && request.method !== "HEAD") return next();
    const path = request.path;
    if (isConsole.test(path)) {
      response.locals["route"] = "console";
      const nonce = randomBytes(16).toString("base64");
      response.set({
        "Content-Security-Policy": policy(nonce),
        // scanning a code is all that the console wants of the device
        "Permissions-Policy": devices("(self)"),
        "Cache-Control": "no-cache",
      });
      return void response.type("html").send(page.replaceAll(NONCE_PLACE, nonce));
    }
    const file = files.get(path);
    if (file === undefined) return next();
    response.locals["route"] = "console";
    response.set({
      "Content-Type": file.type,
      "Cache-Control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
      Vary: "Accept-Encoding",
    });
    const encoding = [...file.packed.keys()].find((word) => request.acceptsEncodings(word) === word);
    if (encoding !== undefined) response.set("Content-Encoding", encoding);
    response.end(request.method === "HEAD" ? undefined : ((encoding && file.packed.get(encoding)) ?? file.plain));
  };
}
