/**
 * `npm start`: a whole sandbox network that does the main job on the samples and then serves.
 *
 * Exit code: 0; 1 when a count differs from the expected one or a part cannot start.
 */
import { parseArgs } from "node:util";
import { complain, linesOf, say } from "../server/kernel/terminal.ts";
import { runDemo } from "./demo.ts";
import { type Sandbox, startSandbox } from "./sandbox.ts";
import { table } from "./table.ts";
import { startTraffic, type Traffic } from "./traffic.ts";

const usage = `npm start [-- options]

Brings up a sandbox (chain, database, gateway), issues and reimburses the sample invoices, tries to
reimburse them twice, prints what the chain says, and serves until Ctrl-C. Nothing is kept.

  --once        end after the counts
  --quiet       no sample traffic afterwards: shops that issue, people that claim, now and then twice
  --port N      where the gateway listens (default 8080; 0: any free port)
  --help        this text

With DATABASE_URL set, that PostgreSQL (18 or newer, empty) is used instead of the embedded one.
For a real network: node server/cli.ts --help`;

const { values } = parseArgs({
  options: {
    once: { type: "boolean" },
    quiet: { type: "boolean" },
    port: { type: "string" },
    help: { type: "boolean" },
  },
});

async function main(): Promise<number> {
  if (values.help) {
    say(...linesOf(usage));
    return 0;
  }
  const begun = Date.now();
  const tell = (line: string) =>
    say(`${((Date.now() - begun) / 1_000).toFixed(1).padStart(5)} s  ${line}`);
  const port = values.port ?? (values.once ? "0" : "8080");
  let sandbox: Sandbox | undefined;
  let traffic: Traffic | undefined;
  // Ctrl-C at any moment takes everything down again
  let stopping = false;
  const interrupted = new Promise<"interrupted">((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        stopping = true;
        resolve("interrupted");
      });
    }
  });
  const starting = startSandbox({ say, settings: { PORT: port } });
  try {
    const started = await Promise.race([starting, interrupted]);
    if (started === "interrupted") {
      sandbox = await starting;
      return 130;
    }
    sandbox = started;
    const running = runDemo(sandbox, tell);
    running.catch(() => {});
    const demo = await Promise.race([running, interrupted]);
    if (demo === "interrupted") return 130;

    const { counts, faults, keys, lines } = demo;
    say(
      "",
      ...linesOf(
        table(
          ["what", "who", "amount", "outcome"],
          lines.map((line) => [line.what, line.who, line.amount, line.outcome]),
          [2],
        ),
      ),
      "",
      [
        `issued ${counts.issued}`,
        `reimbursed ${counts.reimbursed}`,
        `double reimbursements refused ${counts.refusedByChain + counts.refusedByGateway} (${counts.refusedByChain} by the chain, ${counts.refusedByGateway} by the gateway)`,
        `bad input refused ${counts.badInputRefused}`,
        `lost ${counts.lost}`,
      ].join(" · "),
    );
    for (const fault of faults) complain(`WRONG: ${fault}`);
    if (values.once) return faults.length === 0 ? 0 : 1;

    say(
      "",
      `open       ${sandbox.url}/   the console: sign in as any of the sandbox's parties`,
      `           ${sandbox.url}/docs   (OpenAPI: ${sandbox.url}/openapi.json)`,
      "",
      `export URL=${sandbox.url}`,
      `export RPC=${sandbox.rpcUrl}          # the chain's own node: npx onepiao verify FILE --rpc $RPC`,
      `export BUREAU=${keys.bureau}`,
      `export ISSUER=${keys.issuer.token}        # ${keys.issuer.name} ${keys.issuer.taxId}`,
      `export EMPLOYER=${keys.employer.token}    # ${keys.employer.name} ${keys.employer.taxId}`,
      `export HOLDER=${keys.holder.token}        # account ${keys.holder.account}`,
      "",
      'curl -H "Authorization: Bearer $EMPLOYER" "$URL/v1/claims"',
      'curl -H "Authorization: Bearer $ISSUER" "$URL/v1/invoices?limit=3"',
      'curl -H "Authorization: Bearer $BUREAU" "$URL/v1/taxpayers"',
      'curl -N -H "Authorization: Bearer $BUREAU" "$URL/v1/events/stream?after=0"    # everything that has happened, and what happens next',
      "",
      "Ctrl-C stops everything; nothing is kept.",
    );
    if (!values.quiet)
      traffic = startTraffic({ url: sandbox.url, bureau: keys.bureau, now: sandbox.clock.now });
    await interrupted;
    say("", "stopping …");
    return faults.length === 0 ? 0 : 1;
  } catch (error) {
    // what Ctrl-C has interrupted is not a fault to report
    if (stopping) return 130;
    throw error;
  } finally {
    await traffic?.stop();
    await sandbox?.stop();
  }
}

process.exitCode = await main().catch((error: unknown) => {
  const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
  complain(
    "",
    ...linesOf(`Cannot go on: ${error instanceof Error ? error.message : String(error)}`),
    ...(taken ? ["Another port: npm start -- --port 0"] : []),
  );
  return 1;
});
