/**
 * One run from beginning to end: network, parties, observers, load under faults, dust, verdict.
 * Leaves nothing behind but, when something was wrong, the folder with the gateways' logs.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createChainClient } from "../../../server/chain/client.ts";
import { openDb, type Sql } from "../../../server/db/db.ts";
import { judge, unfinished } from "./checks.ts";
import { createClient } from "./client.ts";
import { injectFaults } from "./faults.ts";
import { compare, feedOf, noticesOf, owedTo, type Seen } from "./feed.ts";
import { openJournal } from "./journal.ts";
import { readChain } from "./ledger.ts";
import { enrolParties, startLoad } from "./load.ts";
import { startNetwork } from "./network.ts";
import { openObservers } from "./observers.ts";
import { hashOf, type Plan, randomOf, seedOf } from "./plan.ts";

export type Options = {
  plan: Plan;
  /** Courses under way at once. */
  width: number;
  say: (line: string) => void;
  /** Called about every second while the load is on. */
  progress: (now: {
    seconds: number;
    accepted: number;
    reimbursed: number;
    kills: number;
    faults: number;
  }) => void;
  signal: AbortSignal;
};

export type Outcome = {
  /** The counts, as they are printed. */
  line: string;
  wrong: string[];
  /** Where the logs are, when they were kept. */
  folder: string | undefined;
};

/** How long everything may take to come to its end once nothing is broken any more. */
const DUST_MS = 90_000;

class Interrupted extends Error {}

/** Throws `Interrupted` when `signal` falls; whatever happens, everything is taken down. */
export async function run({ plan, width, say, progress, signal }: Options): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "onepiao-chaos-"));
  const undo: (() => Promise<void> | void)[] = [() => rm(folder, { recursive: true, force: true })];
  const interrupted = new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(new Interrupted("Interrupted")), { once: true }),
  );
  interrupted.catch(() => {});
  const cut = <T>(work: Promise<T>): Promise<T> => Promise.race([work, interrupted]);
  try {
    say(
      `plan ${hashOf(plan)}: seed ${plan.seed}, ${plan.seconds} s, ${plan.gateways} gateways, ${plan.injections.length} injections`,
    );
    const starting = startNetwork(folder, plan.gateways, `chaos-${plan.seed}`);
    undo.push(async () => (await starting.catch(() => undefined))?.close());
    const network = await cut(starting);
    const sql = openDb(network.postgres.url, { connections: 3 });
    undo.push(() => sql.end({ timeout: 1 }));
    const journal = openJournal();
    let deadline = Number.POSITIVE_INFINITY;
    const answered = (answer: string) =>
      void journal.answers.set(answer, (journal.answers.get(answer) ?? 0) + 1);
    const urls = network.gateways.map((gateway) => gateway.url);
    const client = createClient(
      urls,
      randomOf(seedOf(plan.seed, "client")),
      () => deadline,
      answered,
    );
    const parties = await cut(enrolParties(client, { token: network.bureau }));
    // those who watch do so until everything is taken down
    let watching = true;
    const patient = createClient(
      urls,
      randomOf(seedOf(plan.seed, "observers")),
      () => (watching ? Number.POSITIVE_INFINITY : 0),
      () => {},
    );
    const opening = openObservers({ client: patient, parties, count: plan.receivers });
    undo.push(async () => {
      watching = false;
      await (await opening.catch(() => undefined))?.close();
    });
    const observers = await cut(opening);
    say("network, parties and observers are there; faults begin");

    const began = performance.now();
    const chainClient = createChainClient(network.chainUrl, network.deployment.chainId);
    undo.push(() => chainClient.close());
    const faults = injectFaults(plan, network, observers.receivers, () => chainClient.head());
    undo.push(() => faults.settle());
    const load = startLoad({ client, parties, journal, seed: plan.seed, width });
    // a client that still asks when everything is taken down must not delay it
    undo.push(() => {
      deadline = 0;
      return load.finish().catch(() => {});
    });
    const tick = setInterval(() => {
      const accepted = journal.posts.filter((post) => post.numbers.size > 0).length;
      const reimbursed = journal.reports.filter((report) => report.granted > 0).length;
      progress({
        seconds: (performance.now() - began) / 1_000,
        accepted,
        reimbursed,
        ...faults.counts(),
      });
    }, 1_000);
    undo.push(() => clearInterval(tick));
    let timer: NodeJS.Timeout | undefined;
    const loaded = new Promise((resolve) => {
      timer = setTimeout(resolve, plan.seconds * 1_000);
    });
    await cut(loaded).finally(() => clearTimeout(timer));
    deadline = performance.now() + DUST_MS;
    await cut(faults.settle());
    await cut(load.finish());
    clearInterval(tick);
    const counts = faults.counts();
    say("faults are over; the dust settles");
    const stuck = await cut(settled(sql, deadline));

    deadline = performance.now() + DUST_MS;
    const chain = await cut(readChain(network.chainUrl, network.deployment));
    const verdict = await cut(judge({ chain, journal, parties, sql, client }));
    const expected = [...feedOf(chain), ...(await noticesOf(sql, chain))].sort((a, b) =>
      a.position < b.position ? -1 : 1,
    );
    const stored = await sql<
      { position: bigint; type: string; number: string | null }[]
    >`select position, type, number from feed order by position`;
    const kept: Seen[] = stored.map((row) => ({ ...row, number: row.number ?? undefined }));
    const idle = faults
      .outages()
      .filter(
        ({ passed, end }) =>
          !chain.events.some(
            ({ name, block }) => name === "LotSealed" && block > passed && block <= end,
          ),
      );
    const gaps = [
      compare("The feed's table", expected, kept),
      ...(await cut(observers.judge(expected, (party) => owedTo(chain, party.index), deadline))),
    ];
    const missed = gaps.reduce((sum, gap) => sum + gap.missed, 0);
    const disordered = gaps.reduce((sum, gap) => sum + gap.disordered, 0);
    const unpassed = idle.map(
      ({ gateway, kind, seconds }) =>
        `The node of gateway ${gateway} was ${kind} for ${seconds} s, and no other one did its work`,
    );
    const wrong = [
      ...network.wrong,
      ...unpassed,
      ...journal.wrong,
      ...stuck.map((reason) => `Stuck: ${reason}`),
      ...verdict.wrong,
      ...gaps.flatMap((gap) => gap.wrong),
    ];
    const numbers = { ...verdict, kills: counts.kills, faults: counts.faults };
    for (const name of ["accepted", "reimbursed", "kills", "faults"] as const)
      if (numbers[name] === 0) wrong.push(`A run with 0 ${name} has tested nothing`);
    if (verdict.sealed !== verdict.accepted)
      wrong.push(`${verdict.accepted} accepted, ${verdict.sealed} sealed`);
    if (verdict.double > 0) wrong.push(`${verdict.double} second reimbursements`);
    say(
      `answers: ${[...journal.answers]
        .sort((a, b) => b[1] - a[1])
        .map(([answer, times]) => `${times} × ${answer}`)
        .join(", ")}`,
    );
    const line = `accepted ${verdict.accepted} · sealed ${verdict.sealed} · reimbursed ${verdict.reimbursed} · double ${verdict.double} · lost ${verdict.lost} · events missed ${missed} · out of order ${disordered} · kills ${counts.kills} · faults ${counts.faults}`;
    if (wrong.length === 0) return { line, wrong, folder: undefined };
    undo.shift();
    return { line, wrong, folder };
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

/** Waits until nothing is under way; what still is at the deadline. */
async function settled(sql: Sql, deadline: number): Promise<string[]> {
  for (;;) {
    const stuck = await unfinished(sql);
    if (stuck.length === 0 || performance.now() > deadline) return stuck;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
