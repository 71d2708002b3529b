/**
 * A gateway in a separate process, in place of the sandbox's, for the tests that read its log or
 * kill it. It reads settings from its environment and the deployment from its standard input, and
 * writes its log to its standard output. It ends when its standard input ends.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Sandbox } from "../../../sandbox/sandbox.ts";
import type { Deployment } from "../../../server/chain/deploy.ts";
import { startGateway } from "../../../server/gateway.ts";
import { readConfig } from "../../../server/kernel/config.ts";

export type GatewayProcess = { log(): string; kill(): void };

/**
 * Stops the sandbox's gateway and starts one in a separate process in its place; the sandbox's
 * `restart()` ends that process.
 */
export async function moveOut(place: Sandbox, level: string): Promise<GatewayProcess> {
  await place.gateway.stop();
  const settings = Object.fromEntries(
    Object.entries(place.config).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  );
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    env: { ...process.env, ...settings, LOG_LEVEL: level },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let log = "";
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      log += chunk.toString();
      const [, url] = /"url":"(http[^"]+)"/.exec(log) ?? [];
      if (url !== undefined) resolve(url);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.stdin.on("error", () => {}); // a killed process reads no more
    child.stdin.write(`${JSON.stringify(place.deployment)}\n`);
    void closed.then(() => reject(new Error(`The gateway ended: ${log}`)));
  });
  place.gateway = {
    ...place.gateway,
    url,
    async stop() {
      child.stdin.end();
      await closed;
    },
  };
  return { log: () => log, kill: () => void child.kill("SIGKILL") };
}

// only a process that was started for this purpose runs a gateway: a test runner loads every file
// of this folder
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const input = createInterface({ input: process.stdin });
  input.once("line", async (line) => {
    const gateway = await startGateway(readConfig(process.env), JSON.parse(line) as Deployment);
    input.once("close", async () => {
      await gateway.stop();
      process.exit(0);
    });
  });
}
