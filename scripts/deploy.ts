/**
 * `node scripts/deploy.ts --rpc URL --network NAME --bureau ADDRESS`: the contracts on a chain, and
 * the record that gateways read, deployments/<chainId>.json. Run again it changes nothing, or
 * grants the roles that another bureau address lacks.
 *
 * Exit codes: 0 deployed or nothing to do; 1 the chain, the record or the deployment failed; 2
 * called in a wrong way. The deploying key comes from the environment alone: arguments can be read
 * by every process of a machine.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isAccount } from "@onepiao/protocol/values/account.ts";
import type { Deployment } from "../server/chain/deploy.ts";

const USAGE = `Puts OnePiao's contracts on a chain and writes deployments/<chainId>.json.

  node scripts/deploy.ts --rpc URL --network NAME --bureau ADDRESS [--claim-term SECONDS] [--out FOLDER]

  --rpc URL              JSON-RPC of a node; the chain runs Cancun's rules and takes a gas price of zero
  --network NAME         a name that no other network uses, up to 31 letters, digits and . _ -; part of every signature, fixed for ever
  --bureau ADDRESS       sending address of the bureau's gateway; it gets the roles REGISTRAR, SUPERVISOR and GUARD
  --claim-term SECONDS   after which a holder may withdraw an undecided claim; 3600 to 31536000, default 2592000 (30 days)
  --out FOLDER           where the record goes; default deployments

  DEPLOYER_KEY           deploying key, 32 bytes in hex; or
  DEPLOYER_KEY_FILE      a file that holds it. It becomes the AccessManager's administrator.
`;

class UsageError extends Error {}

function readOptions() {
  let values: Record<string, string | boolean | undefined>;
  try {
    const string = { type: "string" } as const;
    ({ values } = parseArgs({
      options: {
        rpc: string,
        network: string,
        bureau: string,
        "claim-term": string,
        out: string,
        help: { type: "boolean" },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (values["help"] === true) return undefined;
  const option = (name: string): string => {
    const value = values[name];
    if (typeof value !== "string" || value === "") throw new UsageError(`--${name} is missing.`);
    return value;
  };
  const [rpc, network, bureau] = [option("rpc"), option("network"), option("bureau")];
  if (!URL.canParse(rpc) || !/^https?:$/.test(new URL(rpc).protocol))
    throw new UsageError("--rpc is not an http(s) URL.");
  if (!isAccount(bureau))
    throw new UsageError(
      "--bureau is not an address: 0x and 40 hex digits; in mixed case its checksum has to be right.",
    );
  const term = values["claim-term"];
  if (term !== undefined && !/^\d{1,9}$/.test(String(term)))
    throw new UsageError("--claim-term is not a number of seconds.");
  return {
    rpc,
    network,
    bureau,
    ...(term === undefined ? {} : { claimTermSeconds: Number(term) }),
    out: String(values["out"] ?? "deployments"),
  };
}

function readKey(): string {
  const { DEPLOYER_KEY: key, DEPLOYER_KEY_FILE: file } = process.env;
  if (key && file)
    throw new UsageError("Both DEPLOYER_KEY and DEPLOYER_KEY_FILE are set: one is enough.");
  if (key) return key.trim();
  if (!file)
    throw new UsageError("The deploying key is missing: set DEPLOYER_KEY or DEPLOYER_KEY_FILE.");
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new UsageError(`DEPLOYER_KEY_FILE cannot be read: ${file}`, { cause });
  }
}

function readRecord(path: string): Deployment | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const damaged = new Error(
    `${path} is not a record of a deployment. Move it away to deploy again. Nothing was deployed.`,
  );
  let record: Partial<Record<keyof Deployment, unknown>>;
  try {
    record = JSON.parse(text) as typeof record;
  } catch {
    throw damaged;
  }
  const strings = ["network", "genesis", "accessManager", "registry", "ledger"] as const;
  const numbers = ["chainId", "block", "claimTermSeconds"] as const;
  if (
    !strings.every((name) => typeof record?.[name] === "string") ||
    !numbers.every((name) => Number.isInteger(record[name]))
  )
    throw damaged;
  return record as Deployment;
}

/**
 * A place beside the record, opened before anything is sent: a folder that cannot be written must
 * not cost a deployment. `keep` is whole or not at all, also when the machine stops: to the disk,
 * then renamed.
 */
function reserve(folder: string, path: string) {
  const draft = `${path}.${process.pid}.tmp`;
  let file: number;
  try {
    mkdirSync(folder, { recursive: true });
    file = openSync(draft, "wx");
  } catch (cause) {
    throw new Error(`${folder} cannot be written. Nothing was deployed.`, { cause });
  }
  return {
    keep(record: Deployment): void {
      writeSync(file, `${JSON.stringify(record, undefined, 2)}\n`);
      fsyncSync(file);
      renameSync(draft, path);
    },
    close(): void {
      closeSync(file);
      rmSync(draft, { force: true });
    },
  };
}

async function main(): Promise<void> {
  const options = readOptions();
  if (!options) {
    console.log(USAGE);
    return;
  }
  const { rpc, out, ...rest } = options;
  const key = readKey();
  // not before: who asks for help, or mistyped, need not wait for all that a chain takes
  const { chainIdAt, deployAt } = await import("../server/chain/deploy.ts");
  const path = join(out, `${await chainIdAt(rpc)}.json`);
  const reserved = reserve(out, path);
  try {
    const known = readRecord(path);
    const record = await deployAt(rpc, key, {
      ...rest,
      ...(known ? { known } : {}),
      say: (line) => console.log(line),
    });
    if (known && JSON.stringify(known) === JSON.stringify(record)) {
      console.log(`${path} is up to date.`);
    } else {
      reserved.keep(record);
      console.log(`${path} written.`);
    }
  } finally {
    reserved.close();
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  if (error instanceof UsageError) console.error(`\n${USAGE}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
