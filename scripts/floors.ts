/**
 * The floors of the code, from the ground up: which room stands on which floor. `test/server/architecture.ts` holds the
 * imports to them, and docs/architecture.md draws them.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.ts";

/** `path`: a folder, from the repository's root. `what`: what is in it; without it, the names in the folder say so. */
export type Room = { path: string; floor: number; what?: string };

export const rooms: readonly Room[] = [
  { path: "server/kernel", floor: 0, what: "settings, problems, money, tax ids, texts, log, metrics, worker processes" },
  { path: "server/db", floor: 1, what: "PostgreSQL's driver, SQL, leases, migrations" },
  { path: "server/chain", floor: 1, what: "JSON-RPC, contracts, messages, lot tree" },
  { path: "server/formats", floor: 1, what: "JSON, 数电票, UBL to a document and back; PDF, QR code, archive" },
  { path: "server/keys", floor: 2, what: "vault, keystore, API keys, sessions, encryption keys" },
  { path: "server/proofs", floor: 3, what: "parts of a document, bundle and its check, verdict, proof for a QR code" },
  { path: "server/txs", floor: 3, what: "lanes" },
  { path: "server/feed", floor: 3, what: "follower, notices, streams, webhooks' deliveries" },
  { path: "server/mirror", floor: 4, what: "registry and ledger as tables" },
  { path: "server/acts", floor: 5, what: "operations, evidence, dispatcher, outcomes" },
  { path: "server/sealing", floor: 6, what: "sealer" },
  { path: "server/features", floor: 7 },
  { path: "server/http", floor: 8, what: "app, sign-in, idempotency, waiting, OpenAPI, static files" },
  { path: "server/upkeep", floor: 8, what: "health, gauges, expiry, comparing with the chain, counting, auditing, red letters" },
  { path: "server/operator", floor: 9, what: "doctor, rebuild" },
  { path: "server/sandbox", floor: 9, what: "the throw-away network, its samples and traffic" },
  { path: "server", floor: 9 },
];

const byDepth = rooms.toSorted((a, b) => b.path.length - a.path.length);
const contains = (outer: string, path: string) => path.startsWith(`${outer}/`);

/**
 * The room of a file: the nearest folder that is one. A room with rooms inside has only the files that stand in it directly,
 * so a new folder among them has no room until the table says which.
 */
export function roomOf(file: string): Room | undefined {
  const room = byDepth.find(({ path }) => contains(path, file));
  const isShared = room !== undefined && rooms.some(({ path }) => contains(room.path, path));
  return isShared && file.slice(room.path.length + 1).includes("/") ? undefined : room;
}

/** What is in a room, in words. */
export function contentsOf({ path, what }: Room): string {
  if (what !== undefined) return what;
  const entries = readdirSync(join(root, path), { withFileTypes: true });
  const isRoom = (name: string) => rooms.some((room) => room.path === `${path}/${name}`);
  const folders = entries.filter((entry) => entry.isDirectory() && !isRoom(entry.name));
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".ts"));
  return [...folders, ...files]
    .map((entry) => entry.name.replace(/\.ts$/, ""))
    .sort()
    .join(", ");
}
