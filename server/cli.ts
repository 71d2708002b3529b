/**
 * The gateway on a real network: `serve`, and the operator's other commands. Settings come from the
 * environment and from files that it names (docs/operations.md); nothing of the sandbox can be
 * enabled here. A call is checked before the gateway's parts are loaded (commands.ts).
 *
 * Exit codes: 0 done, and all is well; 1 it failed, or something needs attention; 2 the call or the
 * settings are wrong.
 */
import { parseArgs } from "node:util";
import { isAccount } from "@onepiao/protocol/values/account.ts";
import type { Command } from "./commands.ts";
import { settings } from "./kernel/config.ts";
import { complain, linesOf, say } from "./kernel/terminal.ts";
import { checkedConfig, WrongCall } from "./operator/call.ts";

const commands = {
  serve: "take requests until SIGTERM or Ctrl-C; a second one ends at once",
  migrate: "bring the database's schema up to date",
  bureau:
    "create the bureau's account and an API key for it; prints the sending address for " +
    "scripts/deploy.ts --bureau",
  account:
    "create and keep the key of a taxpayer that the bureau enrols at its own gateway; prints " +
    "the address to enrol",
  taxpayer:
    "taxpayer IDENTITY_FILE: import a taxpayer's identity from the bureau's gateway; prints " +
    "an API key if its key is kept here",
  "admin-key":
    "admin-key ACCOUNT: create an admin key for a party of this gateway that has lost its " +
    "last one; prints it",
  doctor: "report what waits, why, and what to do; --json",
  cancel: "give up a transaction that the node refuses: cancel SEND_ID; a no-op takes its nonce",
  audit: "open every sealed lot once, as the bureau's auditor does, and report what is wrong",
  reconcile: "compare everything stored with the chain, once",
  rotate: "rotate NEXT_KEY_FILE: add a second master key; --finish: delete all but the present one",
  rebuild:
    "empty the projections and replay them from the chain (stop `serve` first); --check: " +
    "replay into other tables, and compare",
} as const satisfies Record<Command, string>;
const flags: Partial<Record<Command, readonly string[]>> = {
  doctor: ["json"],
  rebuild: ["check", "force"],
  rotate: ["finish"],
};

function usage(): string {
  const column = (rows: [string, string][]) =>
    rows.map(([name, text]) => `  ${name.padEnd(24)}${text}`).join("\n");
  return `node server/cli.ts COMMAND

${column(Object.entries(commands))}

Settings, each also as NAME_FILE (a file that holds it):
${column(settings.map(({ name, description }) => [name, description]))}`;
}

type Call = { help: boolean; command: Command; flags: ReadonlySet<string>; named: string };

const boolean = { type: "boolean" } as const;
function readCall(): Call | undefined {
  try {
    const { values, positionals } = parseArgs({
      options: { help: boolean, json: boolean, check: boolean, force: boolean, finish: boolean },
      allowPositionals: true,
    });
    const { help, ...rest } = values;
    const command = positionals[0] as Command;
    const [, named, ...more] = positionals;
    const needsArgument =
      ["cancel", "taxpayer", "admin-key"].includes(command) ||
      (command === "rotate" && !rest.finish);
    const isNamed = (text: string) =>
      command === "cancel" ? /^\d{1,18}$/.test(text) : command !== "admin-key" || isAccount(text);
    const fits = needsArgument ? named !== undefined && isNamed(named) : named === undefined;
    const known = Object.hasOwn(commands, command ?? "") && fits && more.length === 0;
    const fitting = Object.keys(rest).every((flag) => flags[command]?.includes(flag));
    return help || (known && fitting)
      ? { help: help === true, command, flags: new Set(Object.keys(rest)), named: named ?? "" }
      : undefined;
  } catch {
    return undefined;
  }
}

async function run({ command, flags: activeFlags, named }: Call): Promise<number> {
  const config = checkedConfig();
  const { runCommand } = await import("./commands.ts");
  return runCommand(command, config, activeFlags, named);
}

const called = readCall();
if (called === undefined) {
  complain(...linesOf(usage()));
  process.exitCode = 2;
} else if (called.help) say(...linesOf(usage()));
else {
  process.exitCode = await run(called).catch((error: unknown) => {
    complain(...linesOf(error instanceof Error ? error.message : String(error)));
    return error instanceof WrongCall ? 2 : 1;
  });
}
