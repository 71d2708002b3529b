/**
 * One route as an Express handler: reads the request, runs the route in the transaction that its
 * method needs, sends the answer.
 *
 *   GET                on the plain connection
 *   POST, public       in a read-only transaction, unless it signs somebody in
 *   POST               once per Idempotency-Key (idempotency.ts), then perhaps waits (waiting.ts)
 *   POST, together     the same, in one transaction with those that come at the same time (groups.ts)
 *   POST, lines        a piece of work for each line, as they come (streams.ts), in such groups
 *   POST, load         rows, stored batch by batch as they come (loading.ts)
 *   PUT PATCH DELETE   in a transaction; the same request again changes nothing more
 *
 * A request that changes something asks the database whether the caller's key is revoked, even if
 * the key is cached (auth.ts): otherwise a revoked key could make another one in its last seconds.
 * It asks after the work, which may have waited for the revocation; where requests share a
 * transaction, it asks before the work.
 *
 * Order of refusals: media types, size, Idempotency-Key, path, query, body. All of these come
 * before the transaction, so junk costs the database nothing. A stream's lines are refused one by
 * one.
 */

import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Request as HttpRequest, RequestHandler, Response } from "express";
import type { Changes, Sql, Tx } from "../db/db.ts";
import type { Answer, Caller, Callers, Request, Route } from "../kernel/api.ts";
import { noteOperation, sendAnswer } from "./answer.ts";
import { callerOf } from "./auth.ts";
import { createGroups, type Groups } from "./groups.ts";
import {
  type Exactly,
  type Kept,
  type Once,
  type Outcome,
  partOf,
  readIdempotencyKey,
} from "./idempotency.ts";
import { readBody } from "./limits.ts";
import { createLoads } from "./loading.ts";
import { describeError, problemAnswer } from "./problem.ts";
import { readAccept, readContent, readContentType, readParams, readQuery } from "./request.ts";
import { createStreams, STREAM_BOUNDS, type StreamBounds } from "./streams.ts";
import { preferredWait, waitFor } from "./waiting.ts";

export type HandlerDeps = {
  sql: Sql;
  callers: Callers<Tx>;
  exactly: Exactly;
  changes: Pick<Changes, "wait">;
  maxBodyBytes: number;
  waitMaxSeconds: number;
  /** Bounds on streams other than STREAM_BOUNDS. */
  streams?: Partial<StreamBounds> | undefined;
  /** Aborted when the process stops: waits and streams end, answers under way do not. */
  stopping: AbortSignal;
};

/**
 * Requests that share a transaction: a larger group costs as much per invoice, and its last request
 * waits longer.
 */
const MAX_GROUP = 64;
/** Their bodies, in bytes: one statement carries little, however large the documents are. */
const MAX_GROUP_BYTES = 4 * 1_048_576;
/** Many times what a group takes under load: a group that takes longer hangs on somebody's lock. */
const GROUP_PATIENCE_MS = 150;
const GROUPS_AT_ONCE = 4;

/** Other requests may use up what a remedy has brought before this one runs again. */
const MAX_TRIES = 5;

const cut: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie"]);

const keyRevoked = () => new Problem("unauthenticated", "The API key is revoked");

/** Aborted when the connection closes before the answer is sent. */
function disconnectSignal(response: Response): AbortSignal {
  const disconnect = new AbortController();
  response.once("close", () => disconnect.abort());
  return disconnect.signal;
}

export function createHandler({
  sql,
  callers,
  exactly,
  changes,
  maxBodyBytes,
  waitMaxSeconds,
  streams,
  stopping,
}: HandlerDeps) {
  const bounds = { ...STREAM_BOUNDS, maxLineBytes: maxBodyBytes, ...streams };
  const stream = createStreams({ exactly, bounds });
  const load = createLoads({ exactly, bounds });

  /** The final answer of accepted work, or the 202 unchanged. */
  async function settle(
    route: Route<Tx>,
    kept: Kept | undefined,
    caller: Caller,
    accepted: Answer,
    seconds: number,
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<Answer> {
    const look = async () => {
      try {
        return await route.settled?.(sql, accepted, caller);
      } catch (error) {
        if (error instanceof Problem && error.status !== 503)
          return problemAnswer(error, String(request.id));
        throw error;
      }
    };
    try {
      const final = await waitFor(look, { milliseconds: seconds * 1_000, changes, signal });
      if (final === undefined) return accepted;
      const stored = kept === undefined ? final : await exactly.settle(kept, final);
      return { ...stored, headers: { ...stored.headers, "preference-applied": `wait=${seconds}` } };
    } catch (error) {
      // the work is accepted and stored: failing to watch it is not a refusal
      request.log.warn({ error: describeError(error) }, "a wait ends early");
      return accepted;
    }
  }

  /**
   * Runs the work. While its refusal can be remedied, runs the remedy, holding nothing, and the
   * work again.
   */
  async function remedied<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (tries === MAX_TRIES || !(error instanceof Problem) || error.remedy === undefined)
          throw error;
        await error.remedy();
      }
    }
  }

  /** Runs the work of a route's requests in groups. */
  function groupsOf({
    together,
    lines,
  }: Route<Tx>): Groups<Once & { prepared: unknown }, Outcome> | undefined {
    const work = together ?? lines;
    if (work === undefined) return undefined;
    return createGroups<Once & { prepared: unknown }, Outcome>({
      max: MAX_GROUP,
      weigh: ({ request }) => request.reduce((sum, part) => sum + part.length, 0),
      maxWeight: MAX_GROUP_BYTES,
      patienceMs: GROUP_PATIENCE_MS,
      atOnce: GROUPS_AT_ONCE,
      run: (group) =>
        exactly.onceTogether(group, async (tx, fresh) => {
          const asked = fresh.map((place) => group[place] as (typeof group)[number]);
          const revoked = await callers.revokedAmong(
            tx,
            asked.map(({ caller }) => caller.keyId),
          );
          const held = asked.filter(({ caller }) => !revoked.has(caller.keyId));
          const prepared = held.map((member) => member.prepared);
          const results = held.length > 0 ? await work.run(tx, prepared) : [];
          const byRequest = new Map(
            held.map((member, i) => [member, results[i] as Answer | Problem]),
          );
          return asked.map((member) => byRequest.get(member) ?? keyRevoked());
        }),
    });
  }

  return (route: Route<Tx>): RequestHandler => {
    const groups = groupsOf(route);
    return async (request, response) => {
      const caller = callerOf(response);
      const signal = AbortSignal.any([disconnectSignal(response), stopping]);
      const accept = readAccept(route, request);
      const writes = route.method !== "get";
      const type = writes ? readContentType(route, request, response) : undefined;
      const mediaType = type?.mediaType ?? "";
      const bytes =
        writes && route.lines === undefined && route.load === undefined
          ? await readBody(request, Math.max(maxBodyBytes, route.rawBody?.maxBytes ?? 0))
          : Buffer.alloc(0);
      const once = route.method === "post" && route.roles !== "public";
      const kept: Kept | undefined = once
        ? { account: caller.account, key: readIdempotencyKey(request.get("idempotency-key")) }
        : undefined;
      const params = readParams(route, request);
      const query = readQuery(route, request);
      const body = type && readContent(route, type, bytes);
      const input: Omit<Request<Tx, unknown, unknown, unknown>, "sql"> = {
        caller,
        params,
        query,
        body,
        mediaType,
        accept,
        requestId: String(request.id),
        header: (name) => (cut.has(name.toLowerCase()) ? undefined : request.get(name)),
        signal,
      };
      const key = { keyId: caller.keyId, roles: caller.roles };
      if (route.lines && groups && kept) {
        const prepare = route.lines.open(input);
        const named = [request.method, request.originalUrl, mediaType];
        return stream({
          request,
          response,
          once: { kept, request: named, caller: key },
          disconnected: disconnectSignal(response),
          stopping,
          work: async ({ number, bytes: line }) => {
            const item = {
              kept: partOf(kept, number),
              request: [...named, line],
              caller: key,
              prepared: prepare(line),
            };
            return remedied(() => groups.add(item));
          },
        });
      }
      if (route.load && kept) {
        const { run: store, open, bounds } = route.load;
        return load({
          request,
          response,
          once: { kept, request: [request.method, request.originalUrl, mediaType], caller: key },
          bounds,
          read: open(input),
          store: (rows) =>
            sql.begin(async (tx) => {
              const changed = await store(tx, rows);
              if ((await callers.revokedAmong(tx, [caller.keyId])).size > 0) throw keyRevoked();
              return changed;
            }),
          disconnected: disconnectSignal(response),
          stopping,
        });
      }
      const run = async (connection: Tx, asked = input): Promise<Answer> => {
        if (route.run === undefined)
          throw new TypeError(`${route.method} ${route.path} has no work of its own`);
        const answer = await route.run({ ...asked, sql: connection });
        if (
          writes &&
          caller.keyId !== "" &&
          (await callers.revokedAmong(connection, [caller.keyId])).size > 0
        )
          throw keyRevoked();
        return answer;
      };

      if (!writes) return sendAnswer(response, await run(sql), signal);
      let answer: Answer;
      if (kept === undefined) {
        const options = route.roles === "public" && !route.signsIn ? "read only" : "read write";
        const asked =
          route.prepare === undefined ? input : { ...input, body: await route.prepare(input) };
        answer = await remedied(() => sql.begin(options, (tx) => run(tx, asked)));
      } else {
        const once: Once = {
          kept,
          request: [request.method, request.originalUrl, mediaType, bytes],
          caller: key,
        };
        const joining = groups && { ...once, prepared: route.together?.prepare(input) };
        const outcome = await remedied(() =>
          groups && joining ? groups.add(joining) : exactly.once(once, (tx) => run(tx)),
        );
        if (outcome.replayed) response.setHeader("Idempotency-Replayed", "true");
        answer = outcome.answer;
      }
      const seconds = preferredWait(request.get("prefer"), waitMaxSeconds);
      const waits = route.settled !== undefined && answer.status === 202 && seconds > 0;
      // a final answer may not name the operation any more
      noteOperation(response, answer.body);
      return sendAnswer(
        response,
        waits ? await settle(route, kept, caller, answer, seconds, request, signal) : answer,
        signal,
      );
    };
  };
}
