/**
 * The measurements as ratios against their targets, the verdict on memory, and the tables. Does no
 * I/O.
 */
import { availableParallelism } from "node:os";
import { table } from "../../../sandbox/table.ts";
import {
  BATCHES,
  type BatchRound,
  CLIENTS,
  type IssueRun,
  type Memory,
  REPORT_SIZE,
  type Results,
  type Run,
  type Sample,
} from "./run.ts";

export type Spread = { min: number; median: number; max: number };
export type Ratio = Spread & { target: number; met: boolean };
/**
 * Bytes: means of the windows in the middle and at the end of the run; slope in bytes an invoice
 * over its second half.
 */
export type Growth = { middle: number; end: number; slope: number };
export type Summary = {
  /** Invoices a second. */
  issue?: { sealed: Spread; audited: Spread; accepted: Spread; mints: Spread; acceptOnly: Spread };
  ratios?: { overMints: Ratio; overAcceptOnly: Ratio };
  /**
   * Invoices a second in batches over those of single calls in the same turn: accepted, and to the
   * seal.
   */
  batches?: { one: Spread; oneSealed: Spread; several: Spread; severalSealed: Spread };
  memory?: { invoices: number; rss: Growth; heap: Growth; flat: boolean };
  /** Results that must not occur, in words. */
  faults: string[];
  /** Share of the machine's CPU, 0 to 1, that other processes used. */
  others: number;
};

/** Targets of issue against the baselines. */
const OVER_MINTS = 5;
const OVER_ACCEPT_ONLY = 0.6;
/** This much other work falsifies the rates, and the ratios a little. */
const BUSY = 0.1;
/** Growth in the second half of a run that still counts as flat: bytes, or a share. */
const FLAT_BYTES = 30_000_000;
const FLAT_SHARE = 0.1;

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (place: number) => sorted[place] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    min: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    max: at(sorted.length - 1),
  };
}

const ratioOf = (values: readonly number[], target: number): Ratio => {
  const spread = spreadOf(values);
  return { ...spread, target, met: spread.median >= target };
};

/** How a value grows in the run's second half, when the process is warm. */
export function growthOf(
  samples: readonly Sample[],
  read: (sample: Sample) => number | undefined,
): Growth {
  const last = samples.at(-1)?.invoices ?? 0;
  const points = samples.flatMap((sample): [number, number][] => {
    const value = read(sample);
    return value === undefined ? [] : [[sample.invoices, value]];
  });
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const within = (from: number, to: number) =>
    points.filter(([invoices]) => invoices >= from * last && invoices <= to * last);
  const window = (from: number, to: number) => mean(within(from, to).map(([, value]) => value));
  const half = within(0.5, 1);
  const [x, y] = [mean(half.map(([invoices]) => invoices)), mean(half.map(([, value]) => value))];
  const slope =
    half.reduce((sum, [invoices, value]) => sum + (invoices - x) * (value - y), 0) /
    half.reduce((sum, [invoices]) => sum + (invoices - x) ** 2, 0);
  return { middle: window(0.45, 0.6), end: window(0.85, 1), slope };
}

const isFlat = ({ middle, end }: Growth) =>
  end - middle < Math.max(FLAT_BYTES, FLAT_SHARE * middle);

function memoryOf({ run, samples }: Memory): NonNullable<Summary["memory"]> {
  const [rss, heap] = [
    growthOf(samples, (sample) => sample.rss),
    growthOf(samples, (sample) => sample.heap),
  ];
  return { invoices: run.done, rss, heap, flat: isFlat(rss) && isFlat(heap) };
}

function batchesOf(batches: readonly BatchRound[]): NonNullable<Summary["batches"]> {
  const over = (read: (round: BatchRound) => [number, number]) =>
    spreadOf(batches.map(read).map(([batch, single]) => batch / single));
  return {
    one: over(({ one: batch, single }) => [batch.perSecond, single.perSecond]),
    oneSealed: over(({ one: batch, single }) => [batch.sealedPerSecond, single.sealedPerSecond]),
    several: over(({ several, single }) => [several.perSecond, single.perSecond]),
    severalSealed: over(({ several, single }) => [several.sealedPerSecond, single.sealedPerSecond]),
  };
}

export function summarise({ rounds, latency, acts, batches, memory, check }: Results): Summary {
  const faults: string[] = [];
  const parts = [
    ...rounds.flatMap((round) => Object.values(round)),
    latency?.whole,
    latency?.accepting,
    ...Object.values(acts ?? {}),
    ...(batches ?? []).flatMap((round) => Object.values(round)),
    memory?.run,
  ];
  const runs = parts.filter((run) => run !== undefined);
  const refused = runs.flatMap((run) => Object.entries(run.refused));
  const total = (read: (run: Run) => number) => runs.reduce((sum, run) => sum + read(run), 0);
  const byCode = Map.groupBy(refused, ([code]) => code);
  for (const [code, entries] of byCode)
    faults.push(
      `${entries.reduce((sum, [, count]) => sum + count, 0)} requests were refused: ${code}`,
    );
  if (check.sealed !== check.accepted)
    faults.push(`accepted ${check.accepted}, sealed on the chain ${check.sealed}`);
  if (check.reimbursedTwice > 0)
    faults.push(`${check.reimbursedTwice} invoices were reimbursed twice`);
  const perRound = (read: (round: Results["rounds"][number]) => number) => rounds.map(read);
  return {
    ...(rounds.length === 0
      ? {}
      : {
          issue: {
            sealed: spreadOf(perRound(({ whole }) => whole.sealedPerSecond)),
            audited: spreadOf(perRound(({ whole }) => whole.auditedPerSecond)),
            accepted: spreadOf(perRound(({ whole }) => whole.perSecond)),
            mints: spreadOf(perRound(({ mints }) => mints.perSecond)),
            acceptOnly: spreadOf(perRound(({ accepting }) => accepting.perSecond)),
          },
          ratios: {
            overMints: ratioOf(
              perRound(({ whole, mints }) => whole.sealedPerSecond / mints.perSecond),
              OVER_MINTS,
            ),
            overAcceptOnly: ratioOf(
              perRound(({ whole, accepting }) => whole.sealedPerSecond / accepting.perSecond),
              OVER_ACCEPT_ONLY,
            ),
          },
        }),
    ...(batches === undefined ? {} : { batches: batchesOf(batches) }),
    ...(memory === undefined ? {} : { memory: memoryOf(memory) }),
    faults,
    others:
      total((run) => run.usage.others) / total((run) => run.usage.seconds) / availableParallelism(),
  };
}

// ── as text ──────────────────────────────────────────────────────────────────────────────────────

const whole = (value: number) => (Number.isFinite(value) ? value.toFixed(0) : "–");
const fine = (value: number) => (Number.isFinite(value) ? value.toFixed(2) : "–");
const megabytes = (bytes: number) => whole(bytes / 1_000_000);
const spread = ({ min, median, max }: Spread, write: (value: number) => string) =>
  [min, median, max].map(write);
const latencyCells = ({ latency }: Run) => [
  whole(latency.p50),
  whole(latency.p99),
  whole(latency.max),
];

/**
 * Which process used the CPU in these runs together, in milliseconds per unit and as a share of the
 * machine.
 */
function usageTable(runs: readonly Run[], unit: string): string {
  const cores = availableParallelism();
  const [seconds, done] = [
    runs.reduce((sum, run) => sum + run.usage.seconds, 0),
    runs.reduce((sum, run) => sum + run.done, 0),
  ];
  const names = Object.keys(runs[0]?.usage.cpu ?? {});
  const rows = names.map((name) => {
    const cpu = runs.reduce((sum, run) => sum + (run.usage.cpu[name] ?? 0), 0);
    const memory = Math.max(...runs.map((run) => run.usage.memory[name] ?? Number.NaN));
    return [
      name,
      fine(cpu),
      fine((cpu * 1_000) / done),
      `${whole((100 * cpu) / seconds / cores)} %`,
      megabytes(memory),
    ];
  });
  const others = runs.reduce((sum, run) => sum + run.usage.others, 0);
  rows.push([
    "the rest of the machine",
    fine(others),
    "",
    `${whole((100 * others) / seconds / cores)} %`,
    "",
  ]);
  return table(
    ["process", "CPU s", `ms per ${unit}`, `of ${cores} cores`, "MB"],
    rows,
    [1, 2, 3, 4],
  );
}

export function tablesOf(
  { rounds, latency, acts, batches, memory, poison }: Results,
  summary: Summary,
): string {
  const parts: string[] = [];
  const { issue, ratios } = summary;
  if (issue && ratios) {
    const at = (name: string, rates: Spread, runs: readonly Run[]) => [
      name,
      ...spread(rates, whole),
      whole(spreadOf(runs.map((run) => run.latency.p50)).median),
      whole(spreadOf(runs.map((run) => run.latency.p99)).median),
    ];
    const wholes = rounds.map((round) => round.whole);
    parts.push(
      `Issue: single REST calls from ${CLIENTS} clients, ${rounds.length} rounds; latency of the call, of a mint to its receipt`,
      table(
        ["", "min /s", "median /s", "max /s", "p50 ms", "p99 ms"],
        [
          at("accepted and sealed, end to end", issue.sealed, wholes),
          ["and audited, to the last", ...spread(issue.audited, whole), "", ""],
          at("accepted", issue.accepted, wholes),
          at(
            "(a) ERC-721 mint through ethers",
            issue.mints,
            rounds.map((round) => round.mints),
          ),
          at(
            "(b) the gateway without the chain",
            issue.acceptOnly,
            rounds.map((round) => round.accepting),
          ),
        ],
        [1, 2, 3, 4, 5],
      ),
      table(
        ["ratio, end to end", "min", "median", "max", "target", ""],
        [
          ["over (a)", ratios.overMints],
          ["over (b)", ratios.overAcceptOnly],
        ].map(([name, ratio]) => {
          const measured = ratio as Ratio;
          return [
            name as string,
            ...spread(measured, fine),
            `≥ ${measured.target}`,
            measured.met ? "met" : "MISSED",
          ];
        }),
        [1, 2, 3],
      ),
      usageTable(wholes, "invoice"),
    );
  }
  if (latency) {
    parts.push(
      `Accept latency at half of that load, ${whole(latency.perSecond)} requests a second, each counted from when it was due`,
      table(
        ["", "/s", "p50 ms", "p99 ms", "max ms"],
        [
          ["accepted", whole(latency.whole.perSecond), ...latencyCells(latency.whole)],
          [
            "(b) the gateway without the chain",
            whole(latency.accepting.perSecond),
            ...latencyCells(latency.accepting),
          ],
        ],
        [1, 2, 3, 4],
      ),
      usageTable([latency.whole], "invoice"),
    );
  }
  if (acts) {
    const row = (name: string, run: Run, size: number) => [
      name,
      fine(run.perSecond),
      whole(run.perSecond * size),
      ...latencyCells(run),
    ];
    parts.push(
      "Acts, to finality (the answer is held until then)",
      table(
        ["", "acts /s", "invoices /s", "p50 ms", "p99 ms", "max ms"],
        [
          row(`claim of one, ${CLIENTS} at a time`, acts.claims, 1),
          row(`reimbursement of one, ${CLIENTS} at a time`, acts.reimbursements, 1),
          row(`claim of ${REPORT_SIZE}, 10 at a time`, acts.reportClaims, REPORT_SIZE),
          row(
            `reimbursement of ${REPORT_SIZE}, 10 at a time`,
            acts.reportReimbursements,
            REPORT_SIZE,
          ),
          row(`(a) ERC-721 transfer, ${CLIENTS} at a time`, acts.transfers, 1),
        ],
        [1, 2, 3, 4, 5],
      ),
      usageTable([acts.reimbursements], "reimbursement of one"),
    );
  }
  if (batches && summary.batches) {
    const overSingle = summary.batches;
    const medianOf = (read: (round: BatchRound) => number) =>
      whole(spreadOf(batches.map(read)).median);
    const row = (
      name: string,
      read: (round: BatchRound) => IssueRun,
      ratio?: Spread,
      sealed?: Spread,
    ) => [
      name,
      medianOf((round) => read(round).perSecond),
      medianOf((round) => read(round).sealedPerSecond),
      ...(ratio ? spread(ratio, fine) : ["", "", ""]),
      sealed ? fine(sealed.median) : "",
    ];
    parts.push(
      `Batches beside single calls, ${batches.length} turns; ratios within a turn`,
      table(
        ["invoices", "accepted /s", "sealed /s", "ratio min", "median", "max", "to the seal"],
        [
          row(`single calls, ${CLIENTS} clients`, (round) => round.single),
          row("one batch", (round) => round.one, overSingle.one, overSingle.oneSealed),
          row(
            `${BATCHES} batches of ${BATCHES} issuers`,
            (round) => round.several,
            overSingle.several,
            overSingle.severalSealed,
          ),
        ],
        [1, 2, 3, 4, 5, 6],
      ),
      usageTable(
        batches.map((round) => round.single),
        "invoice, single",
      ),
      usageTable(
        batches.map((round) => round.one),
        "invoice, one batch",
      ),
    );
  }
  if (memory && summary.memory) {
    const growth = summary.memory;
    const row = (name: string, { middle, end, slope }: Growth) => [
      name,
      megabytes(middle),
      megabytes(end),
      fine((slope * 10_000) / 1_000_000),
    ];
    parts.push(
      `Memory of the gateway over ${growth.invoices} invoices (${whole(memory.run.sealedPerSecond)} a second, end to end): ${growth.flat ? "flat" : "NOT FLAT"}`,
      table(
        ["", "MB half-way", "MB at the end", "MB per 10,000 invoices"],
        [row("resident", growth.rss), row("objects in use", growth.heap)],
        [1, 2, 3],
      ),
    );
  }
  if (poison) {
    const rows = poison.map(({ name, p50, p99, max, followed, cpu, attempts }) => [
      name,
      ...[p50, p99, max, followed].map(whole),
      fine(cpu),
      String(attempts),
    ]);
    parts.push(
      `/livez while the gateway follows what strangers and clerks send; followed: from the block, or from the request, to its end`,
      table(
        ["", "p50 ms", "p99 ms", "max ms", "followed ms", "CPU s", "attempts"],
        rows,
        [1, 2, 3, 4, 5, 6],
      ),
    );
  }
  if (summary.others > BUSY)
    parts.push(
      `The machine was not idle: ${whole(100 * summary.others)} % of it went to other work, so rates are too low.`,
    );
  return parts.join("\n\n");
}
