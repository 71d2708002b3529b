/** A client of an event stream for tests: records all frames in order, and the connection's end. */

export type Frame = {
  id?: string;
  event?: string;
  data?: any;
  comment?: boolean;
  retry?: number;
  at: number;
};
export type Stream = {
  status: number;
  headers: Headers;
  /** The body of a refusal. */
  problem: any;
  frames: Frame[];
  /** Frames that carry an event, without `resync`. */
  events(): any[];
  /** The value that a browser would send as Last-Event-ID. */
  lastId(): string | undefined;
  ended(): boolean;
  close(): void;
};

export async function openStream(
  url: string,
  token: string,
  more: { lastEventId?: string; query?: string } = {},
): Promise<Stream> {
  const cut = new AbortController();
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    accept: "text/event-stream",
  };
  if (more.lastEventId !== undefined) headers["last-event-id"] = more.lastEventId;
  const response = await fetch(`${url}/v1/events/stream${more.query ?? ""}`, {
    headers,
    signal: cut.signal,
  });
  const frames: Frame[] = [];
  let ended = false;
  let problem: unknown;
  async function read() {
    let text = "";
    for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(
      new TextDecoderStream(),
    )) {
      text += chunk;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        frames.push(parse(text.slice(0, end)));
        text = text.slice(end + 2);
      }
    }
  }
  if (response.status === 200) {
    void read()
      .catch(() => {})
      .finally(() => {
        ended = true;
      });
  } else problem = await response.json();
  return {
    status: response.status,
    headers: response.headers,
    problem,
    frames,
    events: () =>
      frames
        .filter((frame) => frame.data !== undefined && frame.event !== "resync")
        .map((frame) => frame.data),
    lastId: () => frames.findLast((frame) => frame.id !== undefined)?.id,
    ended: () => ended,
    close: () => cut.abort(),
  };
}

function parse(block: string): Frame {
  const frame: Frame = { at: performance.now() };
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) frame.comment = true;
    const [, name, value = ""] = /^(id|event|data|retry): (.*)$/.exec(line) ?? [];
    if (name === "id") frame.id = value;
    if (name === "event") frame.event = value;
    if (name === "data") frame.data = JSON.parse(value);
    if (name === "retry") frame.retry = Number(value);
  }
  return frame;
}
