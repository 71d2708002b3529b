/**
 * A party's webhook endpoint: a real HTTP server that records its requests, and answers as the test
 * sets.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Delivery = {
  id: string;
  type: string;
  headers: Record<string, string>;
  body: string;
  data: any;
  at: number;
};
export type Answering = (delivery: Delivery, response: ServerResponse) => void | Promise<void>;
export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

const ok: Answering = (_delivery, response) => void response.end("thanks");

/** A test may change `answer` at any time; an answer that never ends the response hangs. */
export async function startReceiver(answer: Answering = ok, host = "127.0.0.1") {
  const deliveries: Delivery[] = [];
  let open = 0;
  const server = createServer(async (request: IncomingMessage, response) => {
    open += 1;
    receiver.mostAtOnce = Math.max(receiver.mostAtOnce, open);
    response.once("close", () => {
      open -= 1;
    });
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks).toString();
    const headers = request.headers as Record<string, string>;
    const { type, data } = JSON.parse(body) as { type: string; data: any };
    const delivery = {
      id: headers["webhook-id"] ?? "",
      type,
      headers,
      body,
      data,
      at: performance.now(),
    };
    deliveries.push(delivery);
    await receiver.answer(delivery, response);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const receiver = {
    port,
    url: `http://${host}:${port}/hook`,
    answer,
    /** All deliveries, including the test delivery. */
    deliveries,
    mostAtOnce: 0,
    /** Ids of events in the order of arrival, without test deliveries, with repeats. */
    ids: () =>
      deliveries
        .filter((delivery) => delivery.type !== "webhook.test")
        .map((delivery) => delivery.id),
    /** The ids that a receiver by the standard processes: each id once. */
    worked: () => [...new Set(receiver.ids())],
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

export const status =
  (code: number, headers: Record<string, string> = {}): Answering =>
  (_delivery, response) =>
    void response.writeHead(code, headers).end();
export const hang: Answering = () => {};
