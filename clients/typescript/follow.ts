/**
 * Follows the feed: every event once, in order, over any number of connections.
 *
 * Each connection continues after the last id of the previous one. If the client is too far behind
 * for a stream, the gateway sends `resync`, and the client reads pages until it has caught up.
 */
import type { Api } from "./api.ts";
import { ProblemError } from "./problems.ts";
import type { Sender } from "./send.ts";
import { type Course, type End, keptOpen, linesOf } from "./streams.ts";
import type { AnyRequest, Wire } from "./wire.ts";

/** An event: `type` says which `data` it has. Later gateways have types that this one lacks. */
export type Event = Api["GET /v1/events/stream"]["item"];

/** `live`: the stream is open. `lost`: it was cut, and is going to be opened again. */
export type StreamState = "connecting" | "live" | "lost";

export type FollowRequest = Pick<AnyRequest, "token" | "signal" | "patience" | "headers"> & {
  /** The position after which to begin; without it, with what happens from now on. */
  after?: string | undefined;
  /** These types alone. */
  types?: readonly Event["type"][] | undefined;
  onState?: (state: StreamState) => void;
};

/**
 * The position is not of this feed: another gateway's, or one of a database that was put back.
 */
export class PositionError extends Error {
  override readonly name = "PositionError";
  readonly after: string;
  /** The last position that there is. */
  readonly head: string;

  constructor(after: string, head: string) {
    super(`The position ${after} is beyond the feed's head ${head}`);
    this.after = after;
    this.head = head;
  }
}

type Frame = { event: string; data: string };

/** Server-sent events: what a browser's EventSource reads of them. */
async function* framesOf(
  texts: AsyncIterable<string>,
  say: (field: "id" | "retry", value: string) => void,
): AsyncGenerator<Frame> {
  let [event, id]: [string, string | undefined] = ["message", undefined];
  let data: string[] = [];
  for await (const line of linesOf(texts)) {
    if (line === "") {
      // an id counts when its frame is whole
      if (id !== undefined) say("id", id);
      if (data.length > 0) yield { event, data: data.join("\n") };
      [event, id, data] = ["message", undefined, []];
      continue;
    }
    const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name === "event") event = value;
    if (name === "data") data.push(value);
    if (name === "id") id = value;
    if (name === "retry" && /^\d+$/.test(value)) say("retry", value);
  }
}

export async function* followEvents(
  wire: Wire,
  send: Sender,
  request: FollowRequest = {},
): AsyncGenerator<Event, void, undefined> {
  const { after, types, onState = () => {}, patience: own, signal, ...more } = request;
  const stopped = wire.stopped(signal);
  const patience = { ...wire.patienceOf(own), tries: own?.tries ?? Number.POSITIVE_INFINITY };
  const query = types === undefined ? {} : { types: types.join(",") };
  let position = after;
  let retryMs = 0;
  let strange: PositionError | undefined;

  const course: Course<Event> = {
    method: "GET",
    path: "/v1/events/stream",
    leastPauseMs: () => retryMs,
    async request() {
      onState("connecting");
      const last = position === undefined ? {} : { "Last-Event-ID": position };
      return {
        ...more,
        query,
        accept: "text/event-stream",
        headers: { ...more.headers, ...last },
      };
    },
    async *read(texts, alive): AsyncGenerator<Event, End, undefined> {
      const say = (field: "id" | "retry", value: string) => {
        if (field === "id") position = value;
        else retryMs = Number(value);
      };
      async function* seen() {
        for await (const text of texts) {
          alive();
          yield text;
        }
      }
      onState("live");
      try {
        for await (const { event, data } of framesOf(seen(), say)) {
          if (event !== "resync") {
            yield JSON.parse(data) as Event;
            continue;
          }
          const { after: asked, head } = JSON.parse(data) as { after: string; head: string };
          if (BigInt(asked) > BigInt(head)) strange = new PositionError(asked, head);
          return "finished";
        }
        return new Error("the stream ended");
      } finally {
        onState("lost");
      }
    },
  };

  async function* pages(): AsyncGenerator<Event> {
    for (let isMore = true; isMore; ) {
      const asked = { ...more, signal, query: { ...query, after: position } };
      const { status, problem, body } = await send("GET", "/v1/events", asked);
      if (problem !== undefined) throw new ProblemError(problem, status);
      const page = body as { items: Event[]; next: string; more: boolean };
      yield* page.items;
      position = page.next;
      isMore = page.more;
    }
  }

  for (;;) {
    yield* keptOpen(wire, course, stopped, patience);
    if (strange) throw strange;
    yield* pages();
  }
}
