/**
 * The measurements, in their order. Absolute times differ from one minute to the next on a shared
 * machine, so the gateway and both baselines take turns (A B C A B C …), and what counts is the
 * ratio within a turn.
 *
 * End to end is from the first request sent to the moment when the last accepted invoice is proven
 * in a lot that the chain has sealed and the gateway has followed. Nothing is timed while another
 * measurement runs, or while the audit of its invoices does.
 */
import { tallyOf } from "../../../sandbox/tally.ts";
import { type Child, startChild } from "./child.ts";
import type { LoadCommands, Measured, Prepared } from "./load.ts";
import type { MintCommands } from "./mints.ts";
import type { Network, Place } from "./network.ts";
import { measurePoison, type Poison } from "./poison.ts";
import { cpuOf, machineCpu, memoryOf, rssOf } from "./processes.ts";
import type { Progress } from "./progress.ts";

export const CLIENTS = 50;
export const REPORT_SIZE = 50;
const REPORTS_IN_FLIGHT = 10;
/** A held answer is given up after this time; finality takes less. */
const WAIT_SECONDS = 30;
const DRAIN_MS = 120_000;
const WARM_UP_MS = 3_000;
/** Lines of one batch, as many as may be; and batches at once. */
export const BATCH_LINES = 10_000;
export const BATCHES = 4;

/**
 * By process: seconds of CPU within so many seconds, and bytes in memory at their end. `others`:
 * CPU that was not the benchmark's.
 */
export type Usage = {
  seconds: number;
  cpu: Record<string, number>;
  memory: Record<string, number>;
  others: number;
};
export type Run = Omit<Measured, "answers"> & {
  /** Answers in 2xx a second, from the first request to the last answer. */
  perSecond: number;
  usage: Usage;
};
/**
 * Invoices a second until the last one is proven in its lot, and until the bureau's auditor has
 * opened it and added it up.
 */
export type IssueRun = Run & { sealedPerSecond: number; auditedPerSecond: number };
export type MintRun = Run & { gas: number };
export type Round = { whole: IssueRun; mints: MintRun; accepting: Run };
export type Acts = {
  claims: Run;
  reimbursements: Run;
  reportClaims: Run;
  reportReimbursements: Run;
  transfers: MintRun;
};
export type Sample = { invoices: number; rss: number; heap?: number };
/** Single calls, a batch of one issuer, and batches of several at once, in turns. */
export type BatchRound = { single: IssueRun; one: IssueRun; several: IssueRun };
export type Memory = { run: IssueRun; samples: Sample[] };
/** What the chain itself says at the end. */
export type Check = {
  accepted: number;
  sealed: number;
  reimbursed: number;
  reimbursedTwice: number;
};
export type Results = {
  rounds: Round[];
  latency?: { perSecond: number; whole: Run; accepting: Run };
  acts?: Acts;
  batches?: BatchRound[];
  memory?: Memory;
  poison?: Poison[];
  check: Check;
};

export type Plan = {
  rounds: number;
  seconds: number;
  latency: boolean;
  acts: boolean;
  batches: number;
  invoices: number;
  poison: boolean;
};
/** What it takes to bring up what is measured on. */
export const STARTING_SECONDS = 15;
const POISON_SECONDS = 60;
/** Seconds that a plan takes, about; of memory, at a rate that is only guessed. */
export const secondsOf = ({
  rounds,
  seconds,
  latency,
  acts,
  batches,
  invoices,
  poison,
}: Plan): number =>
  STARTING_SECONDS +
  (3 * WARM_UP_MS) / 1_000 +
  rounds * (3 * seconds + 2) +
  (latency ? 2.5 * seconds : 0) +
  (acts ? 5 * seconds + 5 : 0) +
  batches * (seconds + 20) +
  invoices / 700 +
  (poison ? POISON_SECONDS : 0);

export async function measure(network: Network, plan: Plan, progress: Progress): Promise<Results> {
  const { whole, accepting } = network;
  const load: Child<LoadCommands> = startChild(new URL("load.ts", import.meta.url));
  const token: Child<MintCommands> = startChild(new URL("mints.ts", import.meta.url));
  const pids = {
    gateway: whole.process.pid,
    "gateway (b)": accepting.process.pid,
    PostgreSQL: network.pids.postgres,
    chain: network.pids.chain,
    load: load.pid,
    "ethers (a)": token.pid,
  };
  const each = (read: (pid: number) => number) =>
    Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, read(pid)]));

  /**
   * One measurement, when what comes after it was reached, and what the processes used from its
   * first request until then.
   */
  async function run<M extends Measured>(
    name: string,
    seconds: number,
    by: Child<LoadCommands> | Child<MintCommands>,
    work: () => Promise<M>,
    ...after: (() => Promise<void>)[]
  ): Promise<
    Omit<M, "answers"> & { perSecond: number; usage: Usage; reachedAt: number[]; answers: string[] }
  > {
    const count = () => (by as Child<LoadCommands>).ask("progress");
    return progress.step(name, seconds, count, async () => {
      const [before, all, since] = [each(cpuOf), machineCpu(), performance.now()];
      const measured = await work();
      const reachedAt: number[] = [];
      for (const reached of after) {
        await reached();
        reachedAt.push(Date.now());
      }
      const [cpuAfter, allAfter] = [each(cpuOf), machineCpu()];
      const cpu = Object.fromEntries(
        Object.keys(pids).map((name) => [name, (cpuAfter[name] ?? 0) - (before[name] ?? 0)]),
      );
      const ours = Object.values(cpu).reduce((sum, seconds) => sum + seconds, 0);
      const usage = {
        seconds: (performance.now() - since) / 1_000,
        cpu,
        memory: each(memoryOf),
        others: Math.max(0, allAfter - all - ours),
      };
      return {
        ...measured,
        perSecond: measured.done / ((measured.ended - measured.begun) / 1_000),
        usage,
        reachedAt,
      };
    });
  }
  const plain = <R extends { reachedAt: number[]; answers: string[] }>({
    reachedAt: _,
    answers: __,
    ...run
  }: R) => run;

  async function noneOpen(
    rows: string,
    count: () => PromiseLike<{ open: bigint }[]>,
  ): Promise<void> {
    const until = Date.now() + DRAIN_MS;
    for (;;) {
      const [row] = await count();
      if (row?.open === 0n) return;
      if (Date.now() > until) throw new Error(`${row?.open} ${rows} after ${DRAIN_MS / 1_000} s`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  /** Resolves when every accepted invoice is proven in a sealed lot. */
  const sealed = () =>
    noneOpen(
      "accepted invoices are not sealed",
      () =>
        whole.sql`select ((select coalesce(sum(accepted), 0) from segment_use_now) - (select coalesce(sum(count), 0) from lots))::bigint as open`,
    );
  /** Resolves when the auditor has added up every sealed lot. */
  const audited = () =>
    noneOpen(
      "sealed lots are not audited",
      () =>
        whole.sql`select ((select count(*) from lots) - (select count(*) from audit_lots where state = 'summed'))::bigint as open`,
    );
  const issueRun = (ran: Awaited<ReturnType<typeof run>>): IssueRun => {
    const [sealedPerSecond = 0, auditedPerSecond = 0] = ran.reachedAt.map(
      (at) => ran.done / ((at - ran.begun) / 1_000),
    );
    return { ...plain(ran), sealedPerSecond, auditedPerSecond };
  };

  async function issue(
    name: string,
    seconds: number,
    bounds: { milliseconds?: number; count?: number },
  ): Promise<IssueRun> {
    const ran = await run(
      name,
      seconds,
      load,
      () =>
        load.ask("closed", {
          url: whole.url,
          connections: CLIENTS,
          work: { tills: whole.tills },
          ...bounds,
        }),
      sealed,
      audited,
    );
    return issueRun(ran);
  }
  const accept = async (name: string, milliseconds: number): Promise<Run> =>
    plain(
      await run(name, milliseconds / 1_000, load, () =>
        load.ask("closed", {
          url: accepting.url,
          connections: CLIENTS,
          work: { tills: accepting.tills },
          milliseconds,
        }),
      ),
    );
  const onToken = async (
    name: string,
    kind: "mint" | "transfer",
    milliseconds: number,
  ): Promise<MintRun> =>
    plain(
      await run(name, milliseconds / 1_000, token, () =>
        token.ask("run", { kind, inFlight: CLIENTS, milliseconds }),
      ),
    );

  async function warmUp(): Promise<void> {
    await token.ask("open", network.rpcUrl);
    await issue("warm-up", WARM_UP_MS / 1_000, { milliseconds: WARM_UP_MS });
    await accept("warm-up (b)", WARM_UP_MS);
    await onToken("warm-up (a)", "mint", WARM_UP_MS);
    // a database that was empty a minute ago has plans for empty tables; autovacuum mends that
    // within its first minutes
    for (const { sql } of [whole, accepting]) await sql.unsafe("analyze");
  }

  async function round(number: number): Promise<Round> {
    const milliseconds = plan.seconds * 1_000;
    const title = `round ${number} of ${plan.rounds}`;
    return {
      whole: await issue(`${title}: issue`, plan.seconds + 2, { milliseconds }),
      mints: await onToken(`${title}: (a) mint`, "mint", milliseconds),
      accepting: await accept(`${title}: (b) accept only`, milliseconds),
    };
  }

  async function latencyAt(perSecond: number) {
    const at = (place: Place, milliseconds: number) => () =>
      load.ask("open", {
        url: place.url,
        connections: CLIENTS,
        work: { tills: place.tills },
        perSecond,
        milliseconds,
      });
    const [long, short] = [plan.seconds * 1_500, plan.seconds * 1_000];
    return {
      perSecond,
      whole: plain(
        await run("latency at half load", long / 1_000, load, at(whole, long), sealed, audited),
      ),
      accepting: plain(
        await run("latency at half load: (b)", short / 1_000, load, at(accepting, short)),
      ),
    };
  }

  /** Numbers of issued invoices titled to each employer in turn, `size` for each claim. */
  async function claimable(claims: number, size: number): Promise<Prepared[]> {
    const each = Math.ceil(claims / whole.employers.length);
    const lists = await Promise.all(
      whole.employers.map(async ({ index, taxId, token: key }) => {
        const rows = await whole.sql<{ number: string }[]>`
          select number from invoice_states where employer = ${index} and state = 'issued' order by number limit ${each * size}`;
        return Array.from({ length: Math.floor(rows.length / size) }, (_, i): Prepared => {
          const invoices = rows.slice(i * size, (i + 1) * size).map((row) => row.number);
          return {
            path: "/v1/claims",
            token: key,
            body: JSON.stringify({ employer: taxId, invoices }),
          };
        });
      }),
    );
    return Array.from({ length: each }, (_, i) => lists.flatMap((list) => list[i] ?? [])).flat();
  }
  /** Claims for so long, then reimburses what was claimed; each call waits for its finality. */
  async function claimAndReimburse(
    invoices: string,
    size: number,
    connections: number,
  ): Promise<[Run, Run]> {
    // more than can be done in the time
    const list = await claimable(size === 1 ? 200 * plan.seconds : 8 * plan.seconds, size);
    const waiting = { url: whole.url, connections, waitSeconds: WAIT_SECONDS };
    const claims = await run(`claims of ${invoices}`, plan.seconds, load, () =>
      load.ask("closed", { ...waiting, work: { list }, milliseconds: plan.seconds * 1_000 }),
    );
    const decisions = claims.answers.flatMap((answer, place): Prepared[] => {
      if (answer === undefined) return [];
      const { id, status } = JSON.parse(answer) as { id: string; status?: string };
      if (status !== "claimed")
        throw new Error(
          `A claim was answered with ${status ?? "202"}: it has not waited for its finality`,
        );
      return [{ path: `/v1/claims/${id}/reimburse`, token: list[place]?.token ?? "" }];
    });
    const reimbursements = await run(`reimbursements of ${invoices}`, plan.seconds, load, () =>
      load.ask("closed", { ...waiting, work: { list: decisions } }),
    );
    const unfinished = reimbursements.answers.filter(
      (answer) => answer !== undefined && !answer.includes('"status":"reimbursed"'),
    ).length;
    if (unfinished > 0)
      throw new Error(`${unfinished} reimbursements were answered before their finality`);
    return [plain(claims), plain(reimbursements)];
  }

  async function acts(): Promise<Acts> {
    const needed = plan.seconds * (200 + 8 * REPORT_SIZE) + 1_000;
    const [row] = await whole.sql<
      { count: number }[]
    >`select count(*)::int as count from invoice_states where state = 'issued'`;
    if ((row?.count ?? 0) < needed)
      await issue("invoices to act on", 5, { count: needed - (row?.count ?? 0) });
    const [claims, reimbursements] = await claimAndReimburse("one invoice", 1, CLIENTS);
    const [reportClaims, reportReimbursements] = await claimAndReimburse(
      `${REPORT_SIZE} invoices`,
      REPORT_SIZE,
      REPORTS_IN_FLIGHT,
    );
    return {
      claims,
      reimbursements,
      reportClaims,
      reportReimbursements,
      transfers: await onToken("(a) transfers", "transfer", plan.seconds * 1_000),
    };
  }

  async function batchRound(number: number): Promise<BatchRound> {
    const title = `batches ${number} of ${plan.batches}`;
    const batches = async (name: string, tills: number, lines: number): Promise<IssueRun> => {
      const work = () =>
        load.ask("batches", { url: whole.url, tills: whole.tills.slice(0, tills), lines });
      return issueRun(
        await run(`${title}: ${name}`, (tills * lines) / 1_000, load, work, sealed, audited),
      );
    };
    return {
      single: await issue(`${title}: single calls`, plan.seconds + 2, {
        milliseconds: plan.seconds * 1_000,
      }),
      one: await batches("one", 1, BATCH_LINES),
      several: await batches("several", BATCHES, BATCH_LINES / BATCHES),
    };
  }

  async function memory(): Promise<Memory> {
    const samples: Sample[] = [];
    let collectAt = 0;
    const timer = setInterval(async () => {
      const invoices = await load.ask("progress").catch(() => undefined);
      if (invoices === undefined) return;
      const sample: Sample = { invoices, rss: rssOf(whole.process.pid) };
      samples.push(sample);
      if (invoices < collectAt) return;
      collectAt += plan.invoices / 20;
      const heap = await whole.process.ask("heap").catch(() => undefined);
      if (heap !== undefined) sample.heap = heap;
    }, 1_000);
    try {
      const ran = await issue(`memory over ${plan.invoices} invoices`, plan.invoices / 700, {
        count: plan.invoices,
      });
      return { run: ran, samples };
    } finally {
      clearInterval(timer);
    }
  }

  async function check(): Promise<Check> {
    await sealed();
    const [row] = await whole.sql<
      { accepted: number }[]
    >`select count(*)::int as accepted from invoices`;
    const tally = await tallyOf(network.rpcUrl, whole.deployment);
    return {
      accepted: row?.accepted ?? 0,
      sealed: tally.issued,
      reimbursed: tally.reimbursed,
      reimbursedTwice: tally.reimbursements - tally.reimbursed,
    };
  }

  try {
    await warmUp();
    const rounds: Round[] = [];
    for (let number = 1; number <= plan.rounds; number += 1) rounds.push(await round(number));
    const results: Results = {
      rounds,
      check: { accepted: 0, sealed: 0, reimbursed: 0, reimbursedTwice: 0 },
    };
    if (plan.latency) {
      const rates = rounds.map((round) => round.whole.sealedPerSecond).sort((a, b) => a - b);
      const full =
        rates[Math.floor(rates.length / 2)] ??
        (await issue("what half load is", plan.seconds, { milliseconds: plan.seconds * 1_000 }))
          .sealedPerSecond;
      results.latency = await latencyAt(full / 2);
    }
    if (plan.acts) results.acts = await acts();
    if (plan.batches > 0) results.batches = [];
    for (let number = 1; number <= plan.batches; number += 1)
      results.batches?.push(await batchRound(number));
    if (plan.invoices > 0) results.memory = await memory();
    if (plan.poison) {
      const measured = () => measurePoison(whole, network.rpcUrl, whole.bureau);
      results.poison = await progress.step(
        "blocks that strangers fill",
        POISON_SECONDS,
        async () => 0,
        measured,
      );
    }
    results.check = await check();
    return results;
  } finally {
    await Promise.all([load.end(), token.end()]);
  }
}
