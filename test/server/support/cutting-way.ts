/**
 * A proxy to a gateway that breaks in the middle of an answer: passes bytes on in both directions,
 * and cuts a connection after a given number of answer bytes.
 */

import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

export async function startCuttingWay(target: string) {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  const way = {
    url: "",
    /**
     * Bytes after which a connection is cut. The next cut applies to later connections; after the
     * last cut, nothing is cut.
     */
    cuts: [] as number[],
    /** Times of connections (performance.now). */
    came: [] as number[],
    /** Connections that were cut. */
    cut: 0,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer((near) => {
    way.came.push(performance.now());
    let left = way.cuts[0] ?? Number.POSITIVE_INFINITY;
    const far = connect(Number(port), hostname);
    const end = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", end).on("close", () => {
        open.delete(socket);
        end();
      });
    }
    near.pipe(far);
    far.on("data", (chunk: Buffer) => {
      if (left === 0) return;
      const passed = chunk.subarray(0, left);
      left -= passed.length;
      if (!near.write(passed)) {
        far.pause();
        near.once("drain", () => far.resume());
      }
      if (left > 0) return;
      way.cut += 1;
      way.cuts.shift();
      near.end(end);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  way.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return way;
}
