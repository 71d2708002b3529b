/**
 * The observers of a whole run: a reader of pages, readers of the stream that reconnect with
 * Last-Event-ID, and receivers of webhooks. Each remembers what it saw in order of arrival; a
 * receiver counts a repeated webhook-id once.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import type { Event } from "../../../clients/typescript/index.ts";
import type { Client, Party } from "./client.ts";
import type { Breakable } from "./faults.ts";
import { compare, type Gaps, type Seen } from "./feed.ts";
import type { Parties } from "./load.ts";
import type { ReceiverFault } from "./plan.ts";

type Watcher = {
  who: string;
  token: string;
  /** It sees what comes after this position. */
  from: bigint;
  seen: Seen[];
  wrong: string[];
  /** The explanation when it has not seen everything. */
  state?(): Promise<string>;
  close(): Promise<void>;
};

export type Observers = {
  receivers: readonly Breakable[];
  /**
   * Waits until all observers have seen everything, or until the deadline, and compares: the
   * bureau's view with the chain's logs, a party's with its own pages, which must contain
   * everything in `owed`.
   */
  judge(
    everything: readonly Seen[],
    owed: (party: Party) => readonly Seen[],
    deadline: number,
  ): Promise<Gaps[]>;
  close(): Promise<void>;
};

const seenOf = (event: Pick<Event, "position" | "type" | "number">): Seen => ({
  position: BigInt(event.position),
  type: event.type,
  number: event.number,
});

const POLL_MS = 200;
/** Left of the time to ask why somebody has not seen everything. */
const STATE_MS = 15_000;
const TEST_TYPE = "webhook.test";

export async function openObservers({
  client,
  parties,
  count,
}: {
  client: Client;
  parties: Parties;
  count: number;
}): Promise<Observers> {
  const bureau = { who: "the bureau", ...parties.bureau };
  const viewers = [
    bureau,
    ...[parties.issuers[0], parties.employers[0]].map((party) => ({
      who: party?.name ?? "",
      token: party?.token ?? "",
    })),
  ];
  const receivers = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      receive(client, viewers[i % viewers.length] as { who: string; token: string }),
    ),
  );
  const watchers: Watcher[] = [
    page(client, bureau),
    ...viewers.map((viewer) => stream(client, viewer)),
    ...receivers,
  ];

  return {
    receivers,
    async judge(everything, owed, deadline) {
      const gaps: Gaps[] = [];
      const pages = new Map<string, Seen[]>();
      for (const { token } of viewers) pages.set(token, await pagesOf(client, token));
      for (const party of [...parties.issuers, ...parties.employers]) {
        const own = pages.get(party.token);
        if (own) gaps.push(compareOwed(party, owed(party), own));
      }
      const patience = deadline - STATE_MS;
      for (const watcher of watchers) {
        const own = (pages.get(watcher.token) ?? []).filter(
          (event) => event.position > watcher.from,
        );
        const expected =
          watcher.token === bureau.token
            ? everything.filter((event) => event.position > watcher.from)
            : own;
        const last = own[own.length - 1]?.position;
        const complete = () =>
          last === undefined || watcher.seen.some((event) => event.position === last);
        while (!complete() && performance.now() < patience) await pause(POLL_MS);
        const gap = compare(watcher.who, expected, watcher.seen);
        gap.wrong.push(...watcher.wrong);
        if (!complete() && watcher.state)
          gap.wrong.push(`${watcher.who}: ${await watcher.state()}`);
        gaps.push(gap);
      }
      return gaps;
    },
    async close() {
      await Promise.all(watchers.map((watcher) => watcher.close()));
    },
  };
}

/** A party's pages must contain everything that the chain says it has a part in. */
function compareOwed(party: Party, owed: readonly Seen[], pages: readonly Seen[]): Gaps {
  const known = new Set(pages.map((event) => `${event.position} ${event.type} ${event.number}`));
  const missing = owed.filter(
    (event) => !known.has(`${event.position} ${event.type} ${event.number}`),
  );
  const wrong = missing
    .slice(0, 3)
    .map(
      (event) => `${party.name} is not shown ${event.type} ${event.number} at ${event.position}`,
    );
  return { missed: missing.length, disordered: 0, wrong };
}

async function pagesOf(client: Client, token: string): Promise<Seen[]> {
  const seen: Seen[] = [];
  const pages = client.as({ token }).items("GET /v1/events", { query: { after: "0" } });
  for await (const event of pages) seen.push(seenOf(event));
  return seen;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads pages, each from whichever gateway answers. */
function page(client: Client, { who, token }: { who: string; token: string }): Watcher {
  const seen: Seen[] = [];
  const wrong: string[] = [];
  let closed = false;
  async function read(): Promise<void> {
    for (let after = "0"; !closed; ) {
      const query = { after };
      const { status, body } = await client.ask({ token }, "GET /v1/events", { query });
      if (status !== 200) throw new Error(`a page was answered ${status} ${body.code}`);
      seen.push(...(body.items as Event[]).map(seenOf));
      after = body.next;
      if (!body.more) await pause(POLL_MS);
    }
  }
  const reading = read().catch(
    (error: Error) => void wrong.push(`${who} by pages: ${error.message}`),
  );
  return {
    who: `${who} by pages`,
    token,
    from: 0n,
    seen,
    wrong,
    async close() {
      closed = true;
      await reading;
    },
  };
}

/**
 * Reads the stream; after a lost connection, or silence, from another gateway with the last id that
 * it saw.
 */
function stream(client: Client, { who, token }: { who: string; token: string }): Watcher {
  const seen: Seen[] = [];
  const wrong: string[] = [];
  const closed = new AbortController();
  async function read(): Promise<void> {
    const events = client.as({ token }).follow({ after: "0", signal: closed.signal });
    for await (const event of events) seen.push(seenOf(event));
  }
  const reading = read().catch((error: Error) => {
    if (!closed.signal.aborted) wrong.push(`${who} by stream: ${error.message}`);
  });
  return {
    who: `${who} by stream`,
    token,
    from: 0n,
    seen,
    wrong,
    async close() {
      closed.abort();
      await reading;
    },
  };
}

/** A webhook's endpoint, subscribed for a viewer. */
async function receive(
  client: Client,
  { who, token }: { who: string; token: string },
): Promise<Watcher & Breakable> {
  const seen: Seen[] = [];
  const wrong: string[] = [];
  const known = new Map<string, string>();
  const hanging = new Set<ServerResponse>();
  let fault: ReceiverFault | undefined;
  let secret: string | undefined;

  function take(text: string, headers: Record<string, string>): void {
    // the test delivery comes before the answer that has the secret
    if (secret === undefined) return;
    const { type, data } = new Webhook(secret).verify(text, headers) as {
      type: string;
      data: Event;
    };
    if (type === TEST_TYPE) return;
    const id = headers["webhook-id"] as string;
    const before = known.get(id);
    if (before !== undefined && before !== data.position)
      wrong.push(`${who} by webhook: ${id} names two events`);
    if (before === undefined) seen.push(seenOf(data));
    known.set(id, data.position);
  }

  const server = createServer(async (request, response) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const refused = { error: 500, absent: 404 }[fault as string];
      if (refused !== undefined) {
        response.statusCode = refused;
        return void response.end();
      }
      if (fault === "hang") return void hanging.add(response);
      const torn = fault === "torn";
      take(Buffer.concat(chunks).toString(), request.headers as Record<string, string>);
      if (torn) return void request.socket.destroy();
      response.statusCode = 204;
      response.end();
    } catch (error) {
      // a process that was killed in the middle of sending has sent nothing
      if (request.destroyed && !request.complete) return;
      wrong.push(`${who} by webhook: ${(error as Error).message}`);
      response.statusCode = 400;
      response.end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`;
  const { status, body } = await client.ask({ token }, "POST /v1/webhooks", { body: { url } });
  if (status !== 201)
    throw new Error(`A webhook could not be made: ${status} ${JSON.stringify(body)}`);
  secret = body.secret as string;
  return {
    who: `${who} by webhook`,
    token,
    from: BigInt(body.position),
    seen,
    wrong,
    fail(kind) {
      fault = kind;
      if (kind === "hang") return;
      for (const response of hanging) response.destroy();
      hanging.clear();
    },
    async state() {
      const { body: now } = await client.ask({ token }, "GET /v1/webhooks/{id}", {
        params: { id: body.id },
      });
      return JSON.stringify({ ...now, attempts: now.attempts?.slice(0, 3) });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
