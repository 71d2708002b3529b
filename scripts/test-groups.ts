/**
 * Which files `npm test` runs, in which groups, and which of them a word chooses.
 *
 * The files of a group can share one process, and so one chain, one database and one gateway. A
 * whole run deals them out to several such processes (`shardsOf`). The browser's tests (test/e2e)
 * are not part of this: scripts/e2e.ts runs them.
 */
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { root, type Step } from "./run.ts";

/** `files`: paths from the repository's root. `shards`: processes of a whole run; default 1. */
export type Group = {
  name: string;
  by: "mocha" | "hardhat" | "solidity";
  files: readonly string[];
  shards?: number;
};

const filesOf = (folder: string, ending = ".ts"): string[] =>
  readdirSync(join(root, "test", folder), { recursive: true, encoding: "utf8" })
    .map((name) => `test/${folder}/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(ending) && !path.includes("/support/"))
    .sort();

const server = filesOf("server");
const isNamed = (names: string) => (path: string) =>
  names.split(" ").includes(basename(path, ".ts"));
/** Parts of the gateway without HTTP. They take as long as all the rest. */
const isMechanism = isNamed("acts chain feed keys leases sealing txs txs-faults");
/** These need a chain whose clock no other test has moved a month ahead. */
const isByTheClock = isNamed("audit api-imports api-names api-stats");
const isApi = (path: string) => basename(path).startsWith("api-");
const rest = server.filter((path) => !isMechanism(path) && !isByTheClock(path));

/** In the order in which a whole run begins them: what takes longest comes first. */
export const groups = {
  operation: {
    name: "gateway, its operation",
    by: "mocha",
    files: rest.filter((path) => !isApi(path)),
    shards: 4,
  },
  api: { name: "gateway, its API", by: "mocha", files: rest.filter(isApi), shards: 3 },
  mechanisms: {
    name: "gateway, mechanisms",
    by: "mocha",
    files: server.filter(isMechanism),
    shards: 2,
  },
  byTheClock: {
    name: "gateways of several organisations",
    by: "mocha",
    files: server.filter(isByTheClock),
  },
  solidity: {
    name: "contracts, in Solidity",
    by: "solidity",
    files: filesOf("contracts", ".t.sol"),
  },
  contracts: { name: "contracts, in TypeScript", by: "hardhat", files: filesOf("contracts") },
  http: { name: "http", by: "mocha", files: filesOf("http") },
  formats: { name: "formats", by: "mocha", files: filesOf("formats") },
  console: { name: "console, what needs no browser", by: "mocha", files: filesOf("console") },
} as const satisfies Record<string, Group>;

/** Longer files have more tests, roughly: what a run is balanced by. */
const sizeOf = (files: readonly string[]): number =>
  files.reduce((sum, path) => sum + statSync(join(root, path)).size, 0);

/** The files of each group dealt out to its shards, each of which is run as a group. */
export const shardsOf = (all: readonly Group[]): Group[] =>
  all.flatMap((group): Group[] => {
    const count = group.shards ?? 1;
    const shards = Array.from({ length: count }, (_, i) => ({
      ...group,
      name: count === 1 ? group.name : `${group.name} (${i + 1} of ${count})`,
      files: [] as string[],
    }));
    for (const path of [...group.files].sort((a, b) => sizeOf([b]) - sizeOf([a]))) {
      const [least] = [...shards].sort((a, b) => sizeOf(a.files) - sizeOf(b.files));
      least?.files.push(path);
    }
    // in the order that they have in a run of the whole group: some move its chain's clock
    for (const { files } of shards) files.sort();
    return shards;
  });

const commands: Record<Group["by"], readonly [string, ...string[]]> = {
  mocha: ["mocha", "--no-config", "--timeout", "300000"],
  hardhat: ["hardhat", "test", "mocha", "--no-compile"],
  solidity: ["hardhat", "test", "solidity"],
};

/** How a group is run; `grep`: of its tests only those whose title contains it. */
export function stepOf({ name, by, files }: Group, grep?: string): Step {
  const [command, ...args] = commands[by];
  return {
    name,
    command,
    args: [...args, ...(grep === undefined ? [] : ["--grep", grep]), ...files],
  };
}

/** A file by its name without ending, in small letters; by its path if the word has a slash. */
function isMeant(path: string, word: string): boolean {
  const name = word.includes("/") ? path : nameOf(path);
  return name.toLowerCase().includes(word.toLowerCase());
}
const nameOf = (path: string) => basename(path).replace(/\.(t\.sol|ts)$/, "");

/** Of each group the files that one of the words means; groups without such a file are left out. */
export const chosen = (all: readonly Group[], words: readonly string[]): Group[] =>
  all
    .map((group) => ({
      ...group,
      files: group.files.filter((path) => words.some((word) => isMeant(path, word))),
    }))
    .filter(({ files }) => files.length > 0);

const pairsOf = (text: string) =>
  new Set(
    Array.from(text.toLowerCase().slice(1), (letter, at) => `${text[at]?.toLowerCase()}${letter}`),
  );

/**
 * Names of files that have most in common with the word, by their pairs of letters: at most five.
 */
export function nearNames(all: readonly Group[], word: string): string[] {
  const pairsOfWord = pairsOf(nameOf(word));
  const likeness = (name: string) => {
    const pairs = pairsOf(name);
    return (
      (2 * [...pairs].filter((pair) => pairsOfWord.has(pair)).length) /
      (pairsOfWord.size + pairs.size)
    );
  };
  const names = [...new Set(all.flatMap(({ files }) => files.map(nameOf)))];
  return names
    .map((name) => ({ name, likeness: likeness(name) }))
    .filter((near) => near.likeness >= 0.3)
    .sort((a, b) => b.likeness - a.likeness)
    .slice(0, 5)
    .map(({ name }) => name);
}
