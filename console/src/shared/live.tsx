/**
 * One event stream for the page, shared by all parts that need it.
 *
 *   useRefresh(["claim.created", "claim.rejected"], [["claims"]]); // fetches these queries again
 *   useEvents("all", (event) => …);
 *
 * Events arrive in order, at least once. After a gap (restart, no network, hidden page) the stream
 * continues after the last event, and every visible query is fetched again once, because pages do
 * not store positions. useLive() returns the state of the connection.
 */
import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { ask, type Event, Refusal } from "./client.ts";
import { useSigned } from "./session.tsx";
import { type EventType, eventTypes, streamAfter, waitBefore } from "./stream.ts";

export type LiveState = "off" | "connecting" | "live" | "lost";
type Listener = { types: readonly EventType[] | "all"; tell: (event: Event) => void };
type Live = { state: LiveState; listen(listener: Listener): () => void };

const LiveContext = createContext<Live | undefined>(undefined);

/** Closes the connection of a page hidden for this long: browsers open only a few to one host. */
const HIDDEN_MS = 60_000;

/** Opens a stream, and opens it again after each failure, until it is stopped. */
function follow({
  tell,
  say,
  gap,
  ended,
}: {
  tell: (event: Event) => void;
  say: (state: LiveState) => void;
  gap: () => void;
  ended: () => void;
}) {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let [last, tries, opened, stopped] = ["", 0, false, false];
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  };
  function open(): void {
    close();
    if (stopped) return;
    say("connecting");
    const stream = new EventSource(streamAfter(last));
    source = stream;
    stream.onopen = () => {
      tries = 0;
      say("live");
      if (opened) gap();
      opened = true;
    };
    stream.onerror = () => {
      say("lost");
      // the browser reconnects on its own
      if (stream.readyState !== EventSource.CLOSED) return;
      close();
      timer = setTimeout(() => void again(), waitBefore(tries));
      tries += 1;
    };
    stream.addEventListener("resync", () => {
      last = "";
      open();
      gap();
    });
    for (const type of eventTypes) {
      stream.addEventListener(type, (message: MessageEvent<string>) => {
        last = message.lastEventId;
        tell(JSON.parse(message.data) as Event);
      });
    }
  }
  /** A stream does not say why it was refused, so another request finds out. */
  async function again(): Promise<void> {
    const isSignedOut = await ask("GET /v1/session").then(
      () => false,
      (error: unknown) => error instanceof Refusal && error.status === 401,
    );
    if (isSignedOut) return ended();
    open();
  }
  open();
  return {
    open,
    pause() {
      close();
      say("off");
    },
    stop() {
      stopped = true;
      close();
    },
  };
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const { session, retry } = useSigned();
  const queries = useQueryClient();
  const [state, setState] = useState<LiveState>("off");
  const listeners = useRef(new Set<Listener>());
  const account = session?.account;

  useEffect(() => {
    if (account === undefined) return;
    const following = follow({
      tell: (event) => {
        for (const { types, tell } of listeners.current)
          if (types === "all" || types.includes(event.type)) tell(event);
      },
      say: setState,
      gap: () =>
        void queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" }),
      ended: retry,
    });
    let [hidden, paused]: [ReturnType<typeof setTimeout> | undefined, boolean] = [undefined, false];
    const look = () => {
      clearTimeout(hidden);
      if (document.hidden) {
        hidden = setTimeout(() => {
          paused = true;
          following.pause();
        }, HIDDEN_MS);
      } else if (paused) {
        paused = false;
        following.open();
      }
    };
    const back = () => following.open();
    document.addEventListener("visibilitychange", look);
    window.addEventListener("online", back);
    return () => {
      clearTimeout(hidden);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("online", back);
      following.stop();
      setState("off");
    };
  }, [account, queries, retry]);

  const live = useMemo<Live>(
    () => ({
      state,
      listen(listener) {
        listeners.current.add(listener);
        return () => void listeners.current.delete(listener);
      },
    }),
    [state],
  );
  return <LiveContext value={live}>{children}</LiveContext>;
}

function useLiveContext(): Live {
  const live = useContext(LiveContext);
  if (live === undefined) throw new Error("outside LiveProvider");
  return live;
}

export const useLive = (): LiveState => useLiveContext().state;

/** Calls back for every event of these types that this key may see. */
export function useEvents<T extends EventType>(
  types: readonly T[] | "all",
  tell: (event: Extract<Event, { type: T }>) => void,
): void {
  const { listen } = useLiveContext();
  const latest = useRef(tell);
  useEffect(() => {
    latest.current = tell;
  });
  const key = types === "all" ? types : types.join();
  useEffect(
    () =>
      listen({
        types: key === "all" ? "all" : (key.split(",") as EventType[]),
        tell: (event) => latest.current(event as Extract<Event, { type: T }>),
      }),
    [listen, key],
  );
}

/** Fetches once for events that arrive within this time. */
const GATHER_MS = 300;

/** Fetches these queries again when such events arrive. */
export function useRefresh(types: readonly EventType[] | "all", keys: readonly QueryKey[]): void {
  const queries = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEvents(types, () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      for (const queryKey of keys) void queries.invalidateQueries({ queryKey });
    }, GATHER_MS);
  });
}
