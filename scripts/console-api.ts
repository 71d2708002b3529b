/**
 * `npm run console:api`: writes console/src/shared/api.d.ts, the API's types for the console, from the very OpenAPI document that
 * the gateway serves, without its prose and with one shape for every refusal. With `--check` it writes nothing and exits with 1
 * when the file is of another document (no network).
 *
 * openapi-typescript wants an older TypeScript than this project's, so it is fetched for the moment by npx and is no dependency.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { partyRoutes } from "../sandbox/parties.ts";
import { type OpenApiDocument, openApi } from "../server/http/openapi.ts";
import { routeTable } from "../server/http/route-table.ts";
import type { Route } from "../server/kernel/api.ts";
import { routes } from "./docs.ts";

const target = new URL("../console/src/shared/api.d.ts", import.meta.url);
const tools = ["-p", "typescript@5.9.3", "-p", "openapi-typescript@7.13.0"];

const table = routeTable([...(await routes()), ...(partyRoutes([]) as unknown as Route[])]);
const text = JSON.stringify(lean(openApi(table as unknown as Route<never>[], { version: "1", maxWaitSeconds: 30 })));
const head = `// Made by npm run console:api from the OpenAPI document ${createHash("sha256").update(text).digest("hex")}\n`;

type Operation = { responses: Record<string, { content?: object; headers?: object }> };

/** What makes types, and nothing else. */
function lean(document: OpenApiDocument): object {
  const copy = JSON.parse(JSON.stringify(document, (name, value) => (isProse(name, value) ? undefined : value))) as {
    paths: Record<string, Record<string, Operation>>;
  };
  for (const operation of Object.values(copy.paths).flatMap((item) => Object.values(item))) {
    const done = Object.entries(operation.responses).filter(([status]) => Number(status) < 400);
    const refused = { description: "", content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } } };
    operation.responses = Object.fromEntries([...done.map(([status, { content }]) => [status, { description: "", content }]), ["default", refused]]);
  }
  return copy;
}

/** A member called so is prose unless it is a property's schema. */
function isProse(name: string, value: unknown): boolean {
  return ["description", "summary", "example"].includes(name) && typeof value === "string";
}

if (process.argv.includes("--check")) {
  if (!readFileSync(target, "utf8").startsWith(head)) {
    console.error("console/src/shared/api.d.ts is of another API: npm run console:api writes it anew");
    process.exitCode = 1;
  }
} else {
  const folder = mkdtempSync(join(tmpdir(), "onepiao-api-"));
  try {
    const [from, to] = [join(folder, "openapi.json"), join(folder, "api.d.ts")];
    writeFileSync(from, text);
    const made = spawnSync("npx", ["-y", ...tools, "openapi-typescript", from, "-o", to], {
      stdio: ["ignore", "ignore", "inherit"],
      shell: process.platform === "win32",
    });
    if (made.status !== 0) throw new Error("openapi-typescript did not do its work");
    writeFileSync(target, head + readFileSync(to, "utf8"));
    console.log("written: console/src/shared/api.d.ts");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
