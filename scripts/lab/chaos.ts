/**
 * `npm run chaos`: gateways under fire, and whether anything was lost, doubled, skipped or
 * reordered (docs/chaos.md).
 *
 * Exit codes: 0 nothing was; 1 something was, or the run has tested nothing; 2 called in a wrong
 * way; 130 interrupted.
 */
import { parseArgs } from "node:util";
import cliProgress from "cli-progress";
import { planOf } from "./chaos/plan.ts";
import { run } from "./chaos/run.ts";

const USAGE = `npm run chaos -- [--seed S] [--seconds T] [--gateways N]

Real gateways on one PostgreSQL and one chain, under load, while processes are killed, the database is
restarted and the way to the node is broken. When the dust has settled, what clients were answered is
compared with the chain.

  --seed S        what is injected follows from it; default 1
  --seconds T     how long the load lasts, 10 to 86400; default 60
  --gateways N    2 to 8; default 2
  --plan          print the plan and end
  --help          this text`;

const RECEIVERS = 3;
const WIDTH = 10;

function readOptions() {
  const string = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      seed: string,
      seconds: string,
      gateways: string,
      plan: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  const whole = (
    name: "seed" | "seconds" | "gateways",
    otherwise: number,
    min: number,
    max: number,
  ): number => {
    const text = values[name] ?? String(otherwise);
    const value = Number(text);
    if (!/^\d{1,10}$/.test(text) || value < min || value > max)
      throw new Error(`--${name} is a whole number from ${min} to ${max}.`);
    return value;
  };
  return {
    help: values.help === true,
    onlyPlan: values.plan === true,
    plan: planOf(
      whole("seed", 1, 0, 2 ** 31 - 1),
      whole("seconds", 60, 10, 86_400),
      whole("gateways", 2, 2, 8),
      RECEIVERS,
    ),
  };
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  const { plan } = options;
  if (options.help || options.onlyPlan) {
    console.log(options.help ? USAGE : JSON.stringify(plan, undefined, 1));
    return 0;
  }
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => abort.abort());
  const begun = performance.now();
  const say = (text: string) =>
    console.log(`${((performance.now() - begun) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
  const bar = new cliProgress.SingleBar({
    format:
      "{bar} {value}/{total} s · accepted {accepted} · reimbursed {reimbursed} · kills {kills} · faults {faults}",
    noTTYOutput: true,
    notTTYSchedule: 5_000,
    hideCursor: true,
  });
  let started = false;
  try {
    const { line, wrong, folder } = await run({
      plan,
      width: WIDTH,
      say(text) {
        if (started) bar.stop();
        started = false;
        say(text);
      },
      progress({ seconds, ...counts }) {
        if (!started) bar.start(plan.seconds, 0, counts);
        started = true;
        bar.update(Math.min(plan.seconds, Math.floor(seconds)), counts);
      },
      signal: abort.signal,
    });
    for (const fault of wrong) console.error(`WRONG: ${fault}`);
    if (folder !== undefined) console.error(`The gateways' logs are in ${folder}`);
    console.log(line);
    return wrong.length === 0 ? 0 : 1;
  } catch (error) {
    if (started) bar.stop();
    if (abort.signal.aborted) return 130;
    throw error;
  }
}

process.exitCode = await main();
