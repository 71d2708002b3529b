/**
 * `npm run bench:reading -- --against COMMIT`: the CPU time that reading and validating a document
 * takes, by format, in this tree and in an older commit. Both read the samples that both accept, in
 * turns, in one process each for a format, so that they share machine, load and compiler.
 *
 *   --against COMMIT   whose protocol/ this tree is compared with
 *   --rounds N         turns of each (15)
 *
 * A ratio says how much this tree takes of the older commit's time; the first is of the medians,
 * the second of the fastest turns. Two runs of equal code differ by some five percent.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { goodSamples } from "../../sandbox/samples.ts";
import { table } from "../../sandbox/table.ts";
import { root } from "../run.ts";

type Read = typeof readInvoice;
type Sample = { mediaType: string; bytes: Uint8Array };

/** Documents that are read in one turn. */
const TURN = 400;

const { values } = parseArgs({
  options: {
    against: { type: "string" },
    rounds: { type: "string", default: "15" },
    // of the process that measures one format: its name, and where the older code is
    format: { type: "string" },
    folder: { type: "string" },
  },
});
const commit = values.against;
const rounds = Number(values.rounds);
if (commit === undefined || !Number.isInteger(rounds) || rounds < 1) {
  console.error("npm run bench:reading -- --against COMMIT [--rounds N]");
  process.exit(1);
}
const folder = values.folder ?? mkdtempSync(join(tmpdir(), "onepiao-reading-"));

/** Throws with what the command has printed. */
function run(command: string, args: readonly string[], input?: Uint8Array): Buffer {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    maxBuffer: 256 * 1024 * 1024,
    ...(input && { input }),
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const readerIn = async (base: string): Promise<Read> =>
  (await import(pathToFileURL(join(base, "protocol", "formats", "read.ts")).href)).readInvoice;

const accepts = (read: Read, { mediaType, bytes }: Sample): boolean => {
  try {
    read(mediaType, bytes);
    return true;
  } catch {
    return false;
  }
};

/** Microseconds of CPU for a document, over one turn. */
function turn(read: Read, samples: readonly Sample[]): number {
  const repeats = Math.ceil(TURN / samples.length);
  const { user, system } = process.cpuUsage();
  for (let i = 0; i < repeats; i++)
    for (const { mediaType, bytes } of samples) read(mediaType, bytes);
  const spent = process.cpuUsage();
  return (spent.user - user + spent.system - system) / (repeats * samples.length);
}

const sorted = (times: readonly number[]) => [...times].sort((a, b) => a - b);
const median = (times: readonly number[]) => sorted(times)[times.length >> 1] ?? 0;
const least = (times: readonly number[]) => sorted(times)[0] ?? 0;

/** A row of the table; undefined if there is no sample that both accept. */
async function measure(format: string): Promise<string[] | undefined> {
  const [old, now] = [await readerIn(folder), await readerIn(root)];
  const samples = goodSamples().filter(
    (sample) => sample.name.startsWith(`${format}/`) && [old, now].every((r) => accepts(r, sample)),
  );
  if (samples.length === 0) return undefined;
  const times: [number[], number[]] = [[], []];
  // the first turns are the compiler's
  for (let round = -5; round < rounds; round++)
    for (const [at, read] of [old, now].entries()) {
      const spent = turn(read, samples);
      if (round >= 0) times[at]?.push(spent);
    }
  const [before, after] = times;
  const ratio = (pick: (times: readonly number[]) => number) =>
    (pick(after) / pick(before)).toFixed(2);
  return [
    format,
    String(samples.length),
    median(before).toFixed(1),
    median(after).toFixed(1),
    ratio(median),
    ratio(least),
  ];
}

if (values.format !== undefined) {
  console.log(JSON.stringify((await measure(values.format)) ?? null));
} else {
  try {
    // the older code imports packages by name
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    const archive = run("git", ["archive", "--format=tar", commit, "protocol"]);
    run("tar", ["-x", "-C", folder], archive);
    const names = [...new Set(goodSamples().map(({ name }) => name.split("/")[0] ?? ""))];
    const rows = names.flatMap((format) => {
      const args = ["--against", commit, "--rounds", String(rounds), "--folder", folder];
      const child = [import.meta.filename, ...args, "--format", format];
      const row = JSON.parse(String(run(process.execPath, child)));
      if (row === null) console.log(`${commit} does not read ${format}`);
      return row === null ? [] : [row as string[]];
    });
    const headings = ["format", "documents", `${commit} µs`, "here µs", "ratio", "of the fastest"];
    console.log(table(headings, rows, [1, 2, 3, 4, 5]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
