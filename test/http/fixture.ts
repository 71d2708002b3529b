/**
 * One PostgreSQL for all tests of the HTTP layer, apps on real sockets, and a small feature of
 * their own: notes that are kept, jobs that end later. The tests always check the rows in the
 * database and the bytes on the wire.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { z } from "zod";
import {
  type Changes,
  migrate,
  openChanges,
  openDb,
  type Sql,
  type Tx,
} from "../../server/db/db.ts";
import { startPostgres } from "../../server/db/postgres.ts";
import { callers, createApiKey } from "../../server/features/parties/api-keys.ts";
import { type AppDeps, createApp } from "../../server/http/app.ts";
import { readStrictJson } from "../../server/http/json.ts";
import { type Listening, listen } from "../../server/http/server.ts";
import { type Answer, type Role, type Route, routeFor } from "../../server/kernel/api.ts";
import { createLog } from "../../server/kernel/log.ts";
import { pageLimit } from "../../server/kernel/page.ts";
import { openVault, type Vault } from "../../server/keys/vault.ts";

/** Opened by a test to let `POST /v1/gated` go on. */
export type Gate = { entered: Promise<void>; open(): void };
const gates = new Map<string, { enter: () => void; opened: Promise<void> }>();
export function gate(name: string): Gate {
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  gates.set(name, { enter, opened });
  return { entered, open };
}

/** Lines that were read, and those of them that were done, over all streams of lines. */
export const linesSeen = { read: 0, done: 0 };

/** How the streams that were opened came to their end. */
export const streams = { open: 0, closed: 0 };
/** Looks at jobs, by job. */
export const looks = new Map<string, number>();

const note = z.object({
  name: z.string().min(1).max(20),
  amount: z
    .string()
    .regex(/^\d+\.\d\d$/)
    .optional(),
  parts: z
    .array(z.strictObject({ size: z.int().positive() }))
    .max(3)
    .optional(),
});
const noteId = z.object({ id: z.string().regex(/^\d{1,9}$/) });
const shown = z.strictObject({ id: z.int(), name: z.string() }).meta({ id: "Note" });
const job = z.strictObject({ job: z.uuid(), status: z.string() }).meta({ id: "Job" });

/** A line: a note, and how long a text its result is to have. */
type Lined = { account: string; name: string; echo: number };

const keep = async (tx: Tx, account: string, name: string): Promise<number> => {
  const [row] = await tx<
    { id: number }[]
  >`insert into notes (account, name) values (${account}, ${name}) returning id`;
  return row?.id ?? 0;
};

const route = routeFor<Tx>();
const writers: readonly Role[] = ["issuer", "employer"];
export const routes: Route<Tx>[] = [
  route({
    method: "post",
    path: "/v1/notes",
    summary: "Keeps a note",
    tag: "notes",
    roles: writers,
    body: note,
    answers: { 201: { description: "Kept", schema: shown } },
    problems: ["quota-exceeded"],
    async run({ sql, caller, body }) {
      const id = await keep(sql, caller.account, body.name);
      if (body.name === "refused")
        throw new Problem("quota-exceeded", "No more notes", { extra: { left: 0, status: 1 } });
      if (body.name === "crash") throw new Error("the crash has words of its own");
      if (body.name === "unique")
        await sql`insert into notes (id, account, name) values (${id}, ${caller.account}, 'classified-row')`;
      if (body.name === "serialize")
        await sql.unsafe(
          "do $$ begin raise exception 'met another' using errcode = '40001'; end $$",
        );
      return {
        status: 201,
        body: { zulu: 1, id, name: body.name, ten: "1.00" },
        headers: { location: `/v1/notes/${id}` },
      };
    },
  }),
  route({
    method: "get",
    path: "/v1/notes",
    summary: "Lists notes",
    tag: "notes",
    roles: ["issuer", "employer", "holder"],
    query: z.object({ limit: pageLimit, name: z.string().optional() }),
    answers: { 200: { description: "Notes", schema: z.array(shown) } },
    async run({ sql, caller, query }) {
      return {
        status: 200,
        body: await sql`select id, name from notes where account = ${caller.account} order by id limit ${query.limit}`,
      };
    },
  }),
  route({
    method: "post",
    path: "/v1/notes/batch",
    summary: "Keeps many notes",
    tag: "notes",
    roles: writers,
    rawBody: { mediaTypes: ["application/x-ndjson"] },
    produces: ["application/x-ndjson"],
    answers: { 200: { description: "A result for each line" } },
    async run({ sql, caller, body }) {
      const lines = Buffer.from(body as Uint8Array)
        .toString()
        .trim()
        .split("\n");
      const results: string[] = [];
      for (const line of lines)
        results.push(
          JSON.stringify({
            id: await keep(sql, caller.account, (JSON.parse(line) as { name: string }).name),
          }),
        );
      return {
        status: 200,
        body: results.join("\n"),
        headers: { "content-type": "application/x-ndjson" },
      };
    },
  }),
  route({
    method: "post",
    path: "/v1/notes/lines",
    summary: "Keeps a note for each line",
    tag: "notes",
    roles: writers,
    rawBody: { mediaTypes: ["application/x-ndjson"], schema: note },
    produces: ["application/x-ndjson"],
    answers: { 200: { description: "A result for each line", schema: shown } },
    lines: {
      open: ({ caller }) => {
        return (line): Lined => {
          linesSeen.read++;
          const read = readStrictJson(line) as Partial<Lined>;
          if (typeof read.name !== "string") throw new Problem("invalid-request", "It has no name");
          return { account: caller.account, name: read.name, echo: read.echo ?? 0 };
        };
      },
      async run(sql, group: readonly Lined[]) {
        const results: (Answer | Problem)[] = [];
        for (const { account, name, echo } of group) {
          if (name === "refused") {
            results.push(new Problem("quota-exceeded", "No more notes"));
            continue;
          }
          if (name === "crash") throw new Error("the crash has words of its own");
          if (name === "serialize")
            await sql.unsafe(
              "do $$ begin raise exception 'met another' using errcode = '40001'; end $$",
            );
          const gated = gates.get(name);
          gated?.enter();
          await gated?.opened;
          results.push({
            status: 202,
            body: {
              id: await keep(sql, account, name),
              ...(echo > 0 && { echo: "e".repeat(echo) }),
            },
          });
          linesSeen.done++;
        }
        return results;
      },
    },
  }),
  route({
    method: "get",
    path: "/v1/notes/{id}",
    summary: "One note",
    tag: "notes",
    roles: writers,
    params: noteId,
    produces: ["application/json", "text/plain", "application/pdf"],
    answers: { 200: { description: "The note", schema: shown } },
    async run({ sql, caller, params, accept }) {
      const [row] = await sql<
        { id: number; name: string }[]
      >`select id, name from notes where id = ${params.id} and account = ${caller.account}`;
      if (!row) throw new Problem("not-found", "There is no such note");
      if (accept === "application/pdf")
        return {
          status: 200,
          body: new Uint8Array([37, 80, 68, 70, 0, 255]),
          headers: { "content-type": accept },
        };
      if (accept === "text/plain")
        return {
          status: 200,
          body: row.name,
          headers: { "content-type": "text/plain; charset=utf-8" },
        };
      return { status: 200, body: row };
    },
  }),
  route({
    method: "put",
    path: "/v1/notes/{id}",
    summary: "Renames a note",
    tag: "notes",
    roles: writers,
    params: noteId,
    body: note,
    answers: { 200: { description: "Renamed", schema: shown } },
    async run({ sql, caller, params, body }) {
      await sql`update notes set name = ${body.name} where id = ${params.id} and account = ${caller.account}`;
      if (body.name === "refused") throw new Problem("quota-exceeded", "No more names");
      return { status: 200, body: { id: Number(params.id), name: body.name } };
    },
  }),
  route({
    method: "delete",
    path: "/v1/notes/{id}",
    summary: "Forgets a note",
    tag: "notes",
    roles: writers,
    params: noteId,
    answers: { 204: { description: "Forgotten" } },
    async run({ sql, caller, params }) {
      await sql`delete from notes where id = ${params.id} and account = ${caller.account}`;
      return { status: 204, body: undefined };
    },
  }),
  route({
    method: "post",
    path: "/v1/notes/{id}/copies",
    summary: "Copies a note",
    tag: "notes",
    roles: writers,
    params: noteId,
    answers: { 201: { description: "Copied" } },
    run: async ({ sql, caller, params }) => ({
      status: 201,
      body: { id: await keep(sql, caller.account, `copy of ${params.id}`) },
    }),
  }),
  route({
    method: "post",
    path: "/v1/gated",
    summary: "Keeps a note when the test says so",
    tag: "tests",
    roles: writers,
    body: z.strictObject({ gate: z.string() }),
    answers: { 201: { description: "Kept" } },
    async run({ sql, caller, body }) {
      const id = await keep(sql, caller.account, body.gate);
      gates.get(body.gate)?.enter();
      await gates.get(body.gate)?.opened;
      return { status: 201, body: { id } };
    },
  }),
  route({
    method: "post",
    path: "/v1/jobs",
    summary: "Takes a job on",
    tag: "jobs",
    roles: ["issuer"],
    body: z.strictObject({ kind: z.string() }),
    answers: {
      202: { description: "Taken on", schema: job },
      201: { description: "Done", schema: job },
    },
    async run({ sql, caller }) {
      const id = randomUUID();
      await sql`insert into notes (account, name) values (${caller.account}, ${id})`;
      return { status: 202, body: { job: id, status: "accepted" } };
    },
    async settled(sql, accepted, caller) {
      const { job: id } = accepted.body as { job: string };
      looks.set(id, (looks.get(id) ?? 0) + 1);
      const [row] = await sql<
        { outcome: string | null }[]
      >`select outcome from notes where name = ${id} and account = ${caller.account}`;
      if (row?.outcome === "refused") throw new Problem("already-claimed", "Somebody was faster");
      if (row?.outcome === "broken") throw new Error("the look broke");
      return row?.outcome
        ? {
            status: 201,
            body: { job: id, status: row.outcome },
            headers: { location: `/v1/jobs/${id}` },
          }
        : undefined;
    },
  }),
  route({
    method: "get",
    path: "/v1/stream",
    summary: "A stream",
    tag: "tests",
    roles: ["issuer"],
    produces: ["text/event-stream"],
    answers: { 200: { description: "Events" } },
    run: async ({ signal, header }) => ({
      status: 200,
      headers: { "content-type": "text/event-stream" },
      body: (async function* () {
        streams.open++;
        try {
          yield `data: after ${header("last-event-id")}, ${header("authorization")}\n\n`;
          while (!signal.aborted) {
            await new Promise((resolve) => setTimeout(resolve, 20));
            yield "data: more\n\n";
          }
        } finally {
          streams.closed++;
        }
      })(),
    }),
  }),
  route({
    method: "post",
    path: "/v1/verify",
    summary: "Counts without a key",
    tag: "open",
    roles: "public",
    body: z.strictObject({ write: z.boolean() }),
    answers: { 200: { description: "Counted" } },
    async run({ sql, body, caller }) {
      if (body.write) await keep(sql, "0xnobody", "written in the open");
      const [row] = await sql<{ count: bigint }[]>`select count(*) as count from notes`;
      return { status: 200, body: { count: Number(row?.count), caller } };
    },
  }),
  route({
    method: "get",
    path: "/v1/open",
    summary: "Says hello",
    tag: "open",
    roles: "public",
    query: z.object({ date: z.string().optional() }),
    answers: { 200: { description: "Hello" } },
    run: async () => ({ status: 200, body: { hello: "world" } }),
  }),
];

export type World = {
  url: string;
  sql: Sql;
  vault: Vault;
  changes: Changes;
  /** For a gateway in a process of its own. */
  database: { url: string; masterKey: string };
  /** Another gateway on the same database. */
  app(more?: Partial<AppDeps>, requestMs?: number): Promise<Listening>;
  /** Every line of every log, also of the other gateways. */
  log(): string;
  /** A party with a key of these roles. */
  party(...roles: Role[]): Promise<{ account: string; key: string }>;
  /** Notes of an account that are really there. */
  notes(account: string): Promise<string[]>;
};

let started: Promise<{ world: World; close(): Promise<void> }> | undefined;

async function start(): Promise<{ world: World; close(): Promise<void> }> {
  const postgres = await startPostgres();
  const sql = openDb(postgres.url, { connections: 20 });
  await migrate(sql);
  await sql`create table notes (id serial primary key, account text not null, name text not null, outcome text)`;
  const changes = await openChanges(sql);
  const masterKey = randomBytes(32).toString("hex");
  const vault = await openVault(sql, masterKey);
  const lines: string[] = [];
  const log = createLog("debug", { write: (line: string) => void lines.push(line) });
  const listening: Listening[] = [];
  const app = async (more: Partial<AppDeps> = {}, requestMs?: number) => {
    const made = createApp({
      callers,
      sql,
      vault,
      changes,
      log,
      routes,
      config: {
        MAX_BODY_BYTES: 10_000,
        RATE_PER_MINUTE: 100_000,
        PUBLIC_RATE_PER_MINUTE: 100_000,
        WAIT_MAX_SECONDS: 5,
      },
      readiness: async () => ({ ok: true, checks: { database: { ok: true } } }),
      version: "0.0.0-test",
      ...more,
    });
    const socket = await listen(made, {
      host: "127.0.0.1",
      port: 0,
      ...(requestMs === undefined ? {} : { requestMs }),
    });
    listening.push(socket);
    return socket;
  };
  const { url } = await app();
  const world: World = {
    url,
    sql,
    vault,
    changes,
    database: { url: postgres.url, masterKey },
    app,
    log: () => lines.join(""),
    async party(...roles) {
      const account = `0x${randomBytes(20).toString("hex")}`;
      await sql`insert into parties (account, kind, sealed, created_by) values (${account}, 'taxpayer', ${Buffer.alloc(1)}, 'test')`;
      return { account, key: await createApiKey(sql, { account, roles, createdBy: "test" }) };
    },
    notes: async (account) =>
      (
        await sql<{ name: string }[]>`select name from notes where account = ${account} order by id`
      ).map((row) => row.name),
  };
  return {
    world,
    async close() {
      await Promise.all(listening.map((socket) => socket.close(0)));
      await changes.close();
      await sql.end({ timeout: 1 });
      await postgres.close();
    },
  };
}

/** For a file's `before`: the world, started once for all files. */
export const openWorld = async (): Promise<World> => {
  started ??= start();
  return (await started).world;
};

after(async () => {
  await (await started)?.close();
  started = undefined;
});

type Call = {
  method?: string;
  key?: string | undefined;
  idempotencyKey?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};
export type Answered = { status: number; headers: Headers; text: string; json: any };

/**
 * A request. A `body` that is neither text nor bytes goes as JSON. A POST has a random
 * Idempotency-Key unless `idempotencyKey` is there, also as undefined.
 */
export async function call(
  url: string,
  { method = "GET", key, body, headers = {}, signal, ...rest }: Call = {},
): Promise<Answered> {
  const all = new Headers(headers);
  if (key !== undefined) all.set("authorization", `Bearer ${key}`);
  const idempotencyKey = "idempotencyKey" in rest ? rest.idempotencyKey : randomUUID();
  if (method === "POST" && idempotencyKey !== undefined) all.set("idempotency-key", idempotencyKey);
  const raw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  if (body !== undefined && !all.has("content-type")) all.set("content-type", "application/json");
  const response = await fetch(url, {
    method,
    headers: all,
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });
  const text = await response.text();
  const json =
    /json/.test(response.headers.get("content-type") ?? "") &&
    !/ndjson/.test(response.headers.get("content-type") ?? "")
      ? JSON.parse(text || "null")
      : undefined;
  return { status: response.status, headers: response.headers, text, json };
}
