/**
 * The gateway under test, in a separate process. Its environment has the settings; `start` starts
 * it, either whole or only accepting (the second baseline: the same code with the chain switched
 * off).
 */
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Deployment } from "../../../server/chain/deploy.ts";
import { type Gateway, startGateway } from "../../../server/gateway.ts";
import { readConfig } from "../../../server/kernel/config.ts";
import { answer } from "./child.ts";

export type Parts = "all" | "accepting";
export type GatewayCommands = {
  /** Returns the URL that it listens at. */
  start(options: { deployment: Deployment; parts: Parts }): Promise<string>;
  /** Bytes of live JavaScript objects, after a collection. */
  heap(): number;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let gateway: Gateway | undefined;
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const commands: GatewayCommands = {
    async start({ deployment, parts }) {
      gateway = await startGateway(readConfig(process.env), deployment, { parts });
      return gateway.url;
    },
    heap() {
      collect();
      return process.memoryUsage().heapUsed;
    },
  };
  answer(commands, async () => gateway?.stop());
}
