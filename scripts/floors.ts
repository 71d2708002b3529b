/**
 * The floors of the house: which folder may import which, and which library lives where.
 * dependency-cruiser holds every import of protocol/, server/, clients/, sandbox/ and console/src/
 * against them (`npm run check`, test/server/architecture.ts), and docs/architecture.md draws them.
 *
 * A folder imports the folders below it, and on its own floor only itself. Types count like values:
 * a folder that uses a type has to change with it.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cruise, type ICruiseResult, type IForbiddenRuleType } from "dependency-cruiser";
import { cache, root } from "./run.ts";

/**
 * `path`: a folder, from the repository's root. `what`: its contents; if it is missing, the names
 * of the files say them.
 */
export type Room = { path: string; floor: number; what?: string };

const storeys: readonly (readonly Omit<Room, "floor">[])[] = [
  [
    {
      path: "protocol/values",
      what: "money, tax ids, accounts, dates, texts, strict JSON, problems, hashes",
    },
  ],
  [
    {
      path: "protocol/ledger",
      what: "acts, typed messages, tree of a lot, ids of invoices issued elsewhere",
    },
    {
      path: "protocol/formats",
      what: "JSON, 数电票, UBL to a document and back; a QR code's text",
    },
  ],
  [
    {
      path: "protocol/proofs",
      what: "parts of a document, bundle and its check, verdict, proof for a QR code",
    },
  ],
  [{ path: "protocol", what: "the package's door" }],
  [{ path: "server/kernel", what: "settings, routes as data, log, metrics, worker processes" }],
  [
    { path: "server/db", what: "PostgreSQL's driver, SQL, leases, migrations" },
    { path: "server/chain", what: "JSON-RPC, contracts, calldata, gas" },
    { path: "server/drawing", what: "PDF, QR code's picture, archive" },
  ],
  [{ path: "server/keys", what: "vault, keystore" }],
  [
    { path: "server/txs", what: "lanes" },
    { path: "server/feed", what: "follower, notices, streams" },
    { path: "server/accepted", what: "accepted and imported invoices, numbers used" },
  ],
  [{ path: "server/mirror", what: "registry and ledger as tables" }],
  [{ path: "server/acts", what: "operations, evidence, dispatcher, signing, sending, outcomes" }],
  [{ path: "server/sealing", what: "sealer" }],
  [
    {
      path: "server/features/parties",
      what: "taxpayers, names, quota, persons, accounts, API keys, sessions, encryption keys",
    },
  ],
  [{ path: "server/features/out", what: "operations, events, webhooks and their deliveries" }],
  [{ path: "server/features/invoices", what: "issuing, documents, grants, red letters" }],
  [
    {
      path: "server/features/use",
      what: "transfers, pickups, claims, book entry, external invoices",
    },
  ],
  [
    { path: "server/features/proof", what: "bundles, verification, papers, imports" },
    {
      path: "server/features/bureau",
      what: "audit, statistics and their counting, closing the ledger",
    },
  ],
  [{ path: "server/core", what: "keys, documents, contracts, taxpayers: put together once" }],
  [
    { path: "server/api", what: "the HTTP shape of every call" },
    { path: "server/http", what: "app, sign-in, idempotency, waiting, OpenAPI, static files" },
  ],
  [
    {
      path: "server/upkeep",
      what: "turns of all jobs, health, gauges, expiry, comparing with the chain, red letters",
    },
  ],
  [{ path: "server/operator", what: "doctor, rebuild" }],
  [{ path: "server" }],
  [{ path: "clients", what: "the API for programs, typed by its routes" }],
  [{ path: "sandbox", what: "the throw-away network, its samples and traffic" }],
];
/** From the ground up; rooms of the same floor do not import each other. */
export const rooms: readonly Room[] = storeys.flatMap((storey, floor) =>
  storey.map((room) => ({ ...room, floor })),
);
/** The page imports the protocol, and nothing of the server. Its areas do not import each other. */
export const page = "console/src";

/** Libraries that only some folders may import. */
const homes: readonly [library: string, folders: readonly string[]][] = [
  ["ethers", ["protocol/values", "protocol/ledger", "server/chain", "server/keys", "sandbox"]],
  ["pg", ["server/db"]],
  ["express", ["server/http"]],
  ["prom-client", ["server/kernel"]],
  ["pino", ["server/kernel"]],
  ["openid-client", ["server/features/parties"]],
  ["pdfkit", ["server/drawing"]],
  ["fontkit", ["server/drawing"]],
];
/** The protocol works without these: a database, a server, a log, another process. */
const notInProtocol = [
  "pg",
  "express",
  "pino",
  "undici",
  "node:http",
  "node:https",
  "node:net",
  "node:fs",
  "node:child_process",
];

/** What a sandbox answers beyond the API, for the console's sign-in page: types alone. */
const sandboxApi = "^sandbox/api\\.ts$";

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
const isAround = (path: string) => rooms.some((room) => room.path.startsWith(`${path}/`));
/** The files of a room. A room with rooms inside has only those that stand in it directly. */
const filesOf = ({ path }: Room) => `^${escaped(path)}/${isAround(path) ? "[^/]+$" : ""}`;
const packageAt = (name: string) =>
  name.startsWith("node:") ? `^(node:)?${name.slice(5)}$` : `node_modules/${escaped(name)}/`;

const rules: IForbiddenRuleType[] = [
  ...rooms.slice(0, -1).map((room) => ({
    name: `floor-of-${room.path.replaceAll("/", "-")}`,
    comment: `${room.path} stands on floor ${room.floor}: it imports what is below, and itself`,
    severity: "error" as const,
    from: { path: filesOf(room) },
    to: { path: rooms.filter((other) => other !== room && other.floor >= room.floor).map(filesOf) },
  })),
  {
    name: "no-room",
    comment: "every folder that somebody imports from stands on a floor",
    severity: "error",
    from: {},
    to: { path: "^(protocol|server|clients|sandbox)/", pathNot: rooms.map(filesOf) },
  },
  ...homes.map(([library, folders]) => ({
    name: `home-of-${library}`,
    comment: `${library} belongs to ${folders.join(", ")}`,
    severity: "error" as const,
    from: {
      path: "^(protocol|server|clients|sandbox)/",
      pathNot: folders.map((folder) => `^${escaped(folder)}/`),
    },
    to: { path: packageAt(library) },
  })),
  {
    name: "protocol-is-pure",
    comment: "the protocol has no database, no server, no log, no file and no other process",
    severity: "error",
    from: { path: "^protocol/" },
    to: { path: notInProtocol.map(packageAt) },
  },
  {
    name: "page-knows-the-protocol-alone",
    comment: "the console imports the protocol and the client, and nothing of the server",
    severity: "error",
    from: { path: `^${page}/` },
    to: { path: "^(server|sandbox|scripts|test)/", pathNot: sandboxApi },
  },
  {
    name: "types-alone",
    comment: "the console runs no code of the sandbox",
    severity: "error",
    from: { path: `^${page}/` },
    to: { path: "^sandbox/", dependencyTypesNot: ["type-only"] },
  },
  {
    name: "client-stands-alone",
    comment: "the client imports itself alone, types included: it runs in any browser",
    severity: "error",
    from: { path: "^clients/" },
    to: { pathNot: "^clients/" },
  },
  {
    name: "areas-apart",
    comment: "an area of the console knows what is shared, and no other area",
    severity: "error",
    from: { path: `^${page}/areas/([^/]+)/` },
    to: { path: `^${page}/areas/`, pathNot: `^${page}/areas/$1/` },
  },
  {
    name: "contract-factories",
    comment: "what is generated from the contracts belongs to server/chain",
    severity: "error",
    from: { path: "^(protocol|server|clients|sandbox)/", pathNot: "^server/chain/" },
    to: { path: "^types/" },
  },
  {
    name: "development-chain",
    comment: "Hardhat is the sandbox's chain, loaded when it runs",
    severity: "error",
    from: { path: "^(protocol|server|clients|sandbox)/", pathNot: "^sandbox/chain\\.ts$" },
    to: { path: [packageAt("hardhat"), "node_modules/@nomicfoundation/"] },
  },
  {
    name: "development-chain-late",
    comment: "Hardhat is loaded when the chain starts, not with the file",
    severity: "error",
    from: { path: "^sandbox/chain\\.ts$" },
    to: { path: [packageAt("hardhat"), "node_modules/@nomicfoundation/"], dynamic: false },
  },
  {
    name: "commands-late",
    comment: "the command line is read, and refused, before the gateway's parts are loaded",
    severity: "error",
    from: { path: "^server/cli\\.ts$" },
    to: {
      path: "^server/",
      pathNot: "^server/(kernel/|operator/call\\.ts$)",
      dynamic: false,
      dependencyTypesNot: ["type-only"],
    },
  },
  {
    name: "no-circle",
    comment: "no two files import each other, types included",
    severity: "error",
    from: {},
    to: { circular: true },
  },
  {
    name: "no-tests",
    comment: "what runs knows no test and no script",
    severity: "error",
    from: { path: "^(protocol|server|clients|sandbox|console)/" },
    to: { path: "^(test|scripts)/" },
  },
  {
    name: "found",
    comment: "there is such a file or package",
    severity: "error",
    from: {},
    to: { couldNotResolve: true },
  },
];

export const cruised = ["protocol", "server", "clients", "sandbox", page] as const;

const kept = { folder: join(cache, "imports"), strategy: "content", compress: false } as const;

/**
 * Every import of these folders, and the rules that one of them breaks. `base`: the root of the
 * repository, or of a copy of it.
 */
export async function cruiseImports(
  base: string,
  folders: readonly string[] = cruised,
): Promise<ICruiseResult> {
  const { output } = await cruise(
    [...folders],
    {
      baseDir: base,
      parser: "swc",
      tsPreCompilationDeps: true,
      detectProcessBuiltinModuleCalls: true,
      doNotFollow: { path: ["node_modules", "^types/"] },
      exclude: { path: ["\\.(css|json|svg)$", "^(protocol|clients/typescript)/dist/"] },
      validate: true,
      ruleSet: { forbidden: rules },
      // the imports of the project itself are kept, and read again when a file has changed
      ...(base === root ? { cache: kept } : {}),
    },
    {
      exportsFields: ["exports"],
      conditionNames: ["node", "import", "default"],
      extensions: [".ts", ".tsx", ".mjs", ".js"],
    },
  );
  return output as ICruiseResult;
}

/** One line for each import that breaks a rule. */
export const violationsOf = ({ summary }: ICruiseResult): string[] =>
  summary.violations.map(({ rule, from, to }) => `${from}: imports ${to}: ${rule.name}`);

/** The room of a file; undefined if the file is on no floor. */
export const roomOf = (file: string): Room | undefined =>
  rooms.find((room) => new RegExp(filesOf(room)).test(file));

/** The contents of a room, in words. */
export function contentsOf({ path, what: contents }: Room): string {
  if (contents !== undefined) return contents;
  return readdirSync(join(root, path))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.replace(/\.ts$/, ""))
    .sort()
    .join(", ");
}
