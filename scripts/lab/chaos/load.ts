/**
 * The load: parties that issue, transfer, claim, reimburse and retry, alone and against one
 * another, while everything around them breaks. Each course is a small story with its own invoices,
 * from beginning to end; requests and answers go to the journal.
 *
 * The load only judges whether an answer is possible at all. The checks (checks.ts) judge whether
 * it is true.
 */
import {
  type CallName,
  type Client,
  type Party,
  type Reply,
  type RequestOf,
  Unsettled,
  type Way,
} from "./client.ts";
import type { Journal, Post, Report } from "./journal.ts";
import { between, randomOf, seedOf } from "./plan.ts";

export type Parties = {
  bureau: { token: string };
  issuers: Party[];
  employers: Party[];
  holders: Party[];
};

const PEOPLE = { issuers: 3, employers: 3, holders: 8 };
const RACERS = 5;
/** Answers to a second attempt, or to one that came too late. */
const TOO_LATE = [
  "already-reimbursed",
  "already-claimed",
  "claim-state",
  "wrong-state",
  "invoice-busy",
  "not-claimed-from",
  "stale-version",
];
/** Answers after which the client tries later, with another key. */
const LATER = ["invoice-busy", "invoice-not-sealed", "quota-not-drawn", "stale-version"];

const digits = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/** A tax id with a valid check digit (GB 32100-2015). */
function taxIdOf(serial: number): string {
  const body = `91440300MA${serial.toString().padStart(7, "0")}`;
  const sum = [...body].reduce(
    (total, digit, i) => total + digits.indexOf(digit) * (3 ** i % 31),
    0,
  );
  return body + digits[(31 - (sum % 31)) % 31];
}
const money = (cents: number) =>
  `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;

/** Enrols the parties of a run, before anything breaks. */
export async function enrolParties(client: Client, bureau: { token: string }): Promise<Parties> {
  const admin = client.as(bureau);
  let serial = 0;
  const taxpayer = async (capability: "issuer" | "employer"): Promise<Party> => {
    serial += 1;
    const [taxId, name] = [taxIdOf(serial), `${capability} ${serial}`];
    const { body: made } = await admin.done("POST /v1/taxpayers", {
      body: { name, taxId, capabilities: [capability] },
    });
    const { account, index } = made;
    const { body: key } = await admin.done("POST /v1/api-keys", {
      body: { account, roles: ["admin"] },
    });
    if (capability === "issuer") {
      const params = { taxId };
      const period = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7);
      const quota = { period, granted: "1000000000.00" };
      await admin.done("PUT /v1/taxpayers/{taxId}/quota", { params, body: quota });
      // two tills
      for (const length of [100_000, 100_000])
        await admin.done("POST /v1/taxpayers/{taxId}/segments", { params, body: { length } });
    }
    return { name, account, token: key.token ?? "", taxId, index };
  };
  const person = async (maker: Party, name: string): Promise<Party> => {
    const employer = client.as(maker);
    const { body: made } = await employer.done("POST /v1/persons", { body: { name } });
    const { account } = made;
    const { body: key } = await employer.done("POST /v1/api-keys", {
      body: { account, roles: ["holder"] },
    });
    return { name, account, token: key.token ?? "", taxId: "", index: 0 };
  };
  const issuers = await Promise.all(
    Array.from({ length: PEOPLE.issuers }, () => taxpayer("issuer")),
  );
  const employers = await Promise.all(
    Array.from({ length: PEOPLE.employers }, () => taxpayer("employer")),
  );
  const holders = await Promise.all(
    Array.from({ length: PEOPLE.holders }, (_, i) =>
      person(employers[i % employers.length] as Party, `holder ${i + 1}`),
    ),
  );
  return { bureau, issuers, employers, holders };
}

export type Load = {
  /**
   * Begins no more courses; resolves when those under way have ended, or gave up at the clients'
   * deadline.
   */
  finish(): Promise<void>;
};

/** Keeps this many courses under way until `finish`. */
export function startLoad(options: {
  client: Client;
  parties: Parties;
  journal: Journal;
  seed: number;
  width: number;
}): Load {
  const { client, parties, journal } = options;
  let finishing = false;
  let serial = 1_000;

  async function walk(worker: number): Promise<void> {
    const random = randomOf(seedOf(options.seed, `load ${worker}`));
    const story = createCourses({ client, parties, journal, random, fresh: () => (serial += 1) });
    while (!finishing) {
      await story().catch((error: unknown) => {
        if (error instanceof Unsettled) journal.wrong.push(`unanswered: ${error.message}`);
        else if (!(error instanceof Surprise)) throw error;
      });
      await new Promise((resolve) => setTimeout(resolve, between(random, 20, 400)));
    }
  }
  const walking = Promise.all(Array.from({ length: options.width }, (_, worker) => walk(worker)));
  // reported by `finish`
  walking.catch(() => {});
  return {
    async finish() {
      finishing = true;
      await walking;
    },
  };
}

/** An impossible answer; it is in the journal, and the course ends here. */
class Surprise extends Error {}

type Tools = {
  client: Client;
  parties: Parties;
  journal: Journal;
  random: () => number;
  fresh: () => number;
};

/** Gives a function that goes through one course, drawn by weight. */
function createCourses({ client, parties, journal, random, fresh }: Tools): () => Promise<void> {
  const pick = <T>(all: readonly T[]): T => all[between(random, 0, all.length - 1)] as T;
  const chance = (perCent: number) => random() * 100 < perCent;
  const others = (party: Party, all: readonly Party[]) => all.filter((other) => other !== party);

  function surprise(request: string, reply: Reply): Surprise {
    const text = `${request} was answered ${reply.status} ${JSON.stringify(reply.body).slice(0, 400)}`;
    journal.wrong.push(text);
    return new Surprise(text);
  }

  /**
   * A POST with its own key; now and then sent twice at once, repeated afterwards, or its key used
   * for something else.
   */
  async function post<N extends CallName>(
    party: Party,
    name: N,
    asked: RequestOf<N>,
    { final = true, heard = () => {} }: Way = {},
  ): Promise<Reply> {
    const request = { ...asked, key: crypto.randomUUID() };
    const send = () => client.ask(party, name, request, { final, heard });
    const copies = await Promise.all(Array.from({ length: chance(15) ? 2 : 1 }, send));
    const reply = copies[0] as Reply;
    if (reply.status < 300 && chance(10)) copies.push(await send());
    for (const copy of copies) {
      const same =
        copy.status < 300 === reply.status < 300 &&
        copy.body.number === reply.body.number &&
        copy.body.id === reply.body.id;
      if (!same)
        journal.wrong.push(
          `One key, two answers to ${name}: ${JSON.stringify([reply, copy]).slice(0, 600)}`,
        );
    }
    const other = {
      "POST /v1/invoices": { sourceId: "another" },
      "POST /v1/claims": { note: "another" },
    }[name as string];
    if (reply.status < 300 && other && chance(4)) {
      const body = { ...(request.body as object), ...other };
      const misused = await client.ask(party, name, { ...request, body } as RequestOf<N>);
      if (misused.status !== 422 || misused.body.code !== "idempotency-key-reused")
        throw surprise("A key with another body", misused);
    }
    return reply;
  }

  /** The same wish again with another key, for as long as it is to come later. */
  async function wish<N extends CallName>(
    party: Party,
    name: N,
    asked: RequestOf<N>,
  ): Promise<Reply> {
    for (let tries = 0; ; tries += 1) {
      const reply = await post(party, name, asked);
      if (reply.status < 300 || tries === 20 || !LATER.includes(reply.body.code)) return reply;
      await new Promise((resolve) => setTimeout(resolve, between(random, 100, 800)));
    }
  }

  // ── steps ──────────────────────────────────────────────────────────────────────────────────────

  type Draft = { buyer?: Party; holder?: Party; source?: string };

  function draft(issuer: Party, { buyer, holder, source }: Draft): Post {
    const net = between(random, 100, 200_000);
    const tax = Math.round(net * 0.06);
    const line = {
      name: "*餐饮服务*餐费",
      unit: "次",
      quantity: "1",
      unitPrice: money(net),
      amount: money(net),
      taxRate: "0.06",
      tax: money(tax),
    };
    const body = {
      kind: "ordinary" as const,
      issuedAt: new Date(Date.now() + 8 * 3_600_000).toISOString().replace(/\.\d+Z$/, "+08:00"),
      currency: "CNY",
      seller: { taxId: issuer.taxId, name: issuer.name },
      buyer: buyer ? { taxId: buyer.taxId, name: buyer.name } : { name: "个人" },
      lines: [line],
      totals: { net: money(net), tax: money(tax), gross: money(net + tax) },
      remark: `${between(random, 0, 1_000_000)}`,
      ...(source === undefined ? {} : { sourceId: source }),
      ...(holder ? { holder: holder.account } : {}),
    };
    const account = (holder ?? buyer)?.account ?? "";
    return {
      issuer,
      body,
      holder: account,
      buyer: buyer?.index ?? 0,
      cents: BigInt(net + tax),
      numbers: new Set(),
      ...(source === undefined ? {} : { source }),
    };
  }

  /** Posts the invoice; its number, or undefined when the original was issued under another key. */
  async function issue(invoice: Post, final: boolean): Promise<string | undefined> {
    journal.posts.push(invoice);
    for (let tries = 0; ; tries += 1) {
      const heard = (body: Reply["body"]) => void invoice.numbers.add(body.number);
      const reply = await post(
        invoice.issuer,
        "POST /v1/invoices",
        { body: invoice.body },
        { final, heard },
      );
      if (reply.status < 300) return reply.body.number;
      if (reply.body.code === "duplicate-source" && invoice.source !== undefined) return undefined;
      if (reply.body.code !== "quota-not-drawn" || tries === 20)
        throw surprise("An invoice", reply);
    }
  }

  /** A sealed invoice of a holder. */
  async function sealed(draftOptions: Draft): Promise<string> {
    const number = await issue(draft(pick(parties.issuers), draftOptions), true);
    return number as string;
  }

  async function claim(
    holder: Party,
    employer: Party,
    invoices: string[],
    refusals: readonly string[] = [],
  ): Promise<Report | undefined> {
    const reply = await wish(holder, "POST /v1/claims", {
      body: { employer: employer.taxId, invoices },
    });
    if (reply.status >= 300) {
      if (refusals.includes(reply.body.code)) return undefined;
      throw surprise("A claim", reply);
    }
    const report: Report = { id: reply.body.id, holder, employer, invoices, asked: 0, granted: 0 };
    journal.reports.push(report);
    return report;
  }

  /**
   * Asks for the reimbursement, with `racers` several times at once; at most one may be granted.
   */
  async function reimburse(report: Report, racers = 1): Promise<void> {
    report.asked += racers;
    const replies = await Promise.all(
      Array.from({ length: racers }, () =>
        post(report.employer, "POST /v1/claims/{id}/reimburse", { params: { id: report.id } }),
      ),
    );
    const granted = replies.filter((reply) => reply.status < 300).length;
    report.granted += granted;
    for (const reply of replies)
      if (reply.status >= 300 && !TOO_LATE.includes(reply.body.code))
        throw surprise("A reimbursement", reply);
    if (report.granted !== 1)
      journal.wrong.push(
        `Claim ${report.id}: ${report.granted} of ${report.asked} reimbursements were granted`,
      );
  }

  // ── courses ────────────────────────────────────────────────────────────────────────────────────

  const courses: [weight: number, course: () => Promise<unknown>][] = [
    // a till that does not wait
    [
      6,
      async () => {
        const issuer = pick(parties.issuers);
        for (let n = between(random, 1, 6); n > 0; n -= 1)
          await issue(
            draft(
              issuer,
              chance(50) ? { buyer: pick(parties.employers) } : { holder: pick(parties.holders) },
            ),
            false,
          );
      },
    ],
    // one original, posted under two keys at once by a till and its twin
    [
      2,
      async () => {
        const source = `POS-${fresh()}`;
        const first = draft(pick(parties.issuers), { holder: pick(parties.holders), source });
        const twin: Post = { ...first, numbers: new Set() };
        await Promise.all([issue(first, chance(50)), issue(twin, chance(50))]);
        const numbers = new Set([...first.numbers, ...twin.numbers]);
        if (numbers.size !== 1)
          journal.wrong.push(
            `The original ${source} has ${numbers.size} numbers: ${[...numbers].join(", ")}`,
          );
      },
    ],
    // an expense report, reimbursed, and tried again
    [
      3,
      async () => {
        const [holder, employer] = [pick(parties.holders), pick(parties.employers)];
        const invoices = await Promise.all(
          Array.from({ length: between(random, 1, 4) }, () => sealed({ holder })),
        );
        const report = await claim(holder, employer, invoices.sort());
        if (!report) return;
        await reimburse(report);
        await reimburse(report);
      },
    ],
    // two employers race for one invoice, and the winner's clerks for the button
    [
      3,
      async () => {
        const [holder, employer] = [pick(parties.holders), pick(parties.employers)];
        const rival = pick(others(employer, parties.employers));
        const number = await sealed({ holder });
        const reports = await Promise.all([
          claim(holder, employer, [number], TOO_LATE),
          claim(holder, rival, [number], TOO_LATE),
        ]);
        const won = reports.filter((report) => report !== undefined);
        if (won.length !== 1)
          journal.wrong.push(`Invoice ${number} was claimed from ${won.length} employers at once`);
        await Promise.all(won.map((report) => reimburse(report, RACERS)));
      },
    ],
    // transferred, claimed, rejected, claimed elsewhere
    [
      3,
      async () => {
        const holder = pick(parties.holders);
        const receiver = pick(others(holder, parties.holders));
        const [employer, other] = [pick(parties.employers), pick(parties.employers)];
        const number = await sealed({ holder });
        const offer = await wish(holder, "POST /v1/invoices/{number}/transfers", {
          params: { number },
          body: { to: receiver.account },
        });
        if (offer.status >= 300) throw surprise("An offer", offer);
        const taken = await wish(receiver, "POST /v1/transfers/{id}/accept", {
          params: { id: offer.body.id },
        });
        if (taken.status >= 300) throw surprise("A transfer", taken);
        const first = await claim(receiver, employer, [number]);
        if (!first) return;
        const rejected = await wish(employer, "POST /v1/claims/{id}/reject", {
          params: { id: first.id },
          body: { reason: "No order number" },
        });
        if (rejected.status >= 300) throw surprise("A rejection", rejected);
        const second = await claim(receiver, other, [number]);
        if (second) await reimburse(second);
      },
    ],
    // titled: the employer's own purchase; no other party can claim it
    [
      2,
      async () => {
        const employer = pick(parties.employers);
        const number = await sealed({ buyer: employer });
        if (
          chance(30) &&
          (await claim(
            employer,
            pick(others(employer, parties.employers)),
            [number],
            ["titled-to-another"],
          ))
        )
          journal.wrong.push(`Invoice ${number} is titled and was claimed from another employer`);
        const report = await claim(employer, employer, [number]);
        if (report) await reimburse(report, chance(50) ? 2 : 1);
      },
    ],
    // transferred and claimed at the same moment: only one goes through
    [
      2,
      async () => {
        const holder = pick(parties.holders);
        const receiver = pick(others(holder, parties.holders));
        const number = await sealed({ holder });
        const offer = await wish(holder, "POST /v1/invoices/{number}/transfers", {
          params: { number },
          body: { to: receiver.account },
        });
        if (offer.status >= 300) throw surprise("An offer", offer);
        const [taken, report] = await Promise.all([
          post(receiver, "POST /v1/transfers/{id}/accept", { params: { id: offer.body.id } }),
          claim(
            holder,
            pick(parties.employers),
            [number],
            [...TOO_LATE, "forbidden", "not-found", "signature-invalid", "holder-differs"],
          ),
        ]);
        if (taken.status >= 300 && ![...TOO_LATE, "signature-invalid"].includes(taken.body.code))
          throw surprise("A transfer in a race", taken);
        if (report) await reimburse(report, 2);
        const { body } = await client.ask(parties.bureau, "GET /v1/invoices/{number}", {
          params: { number },
        });
        const { status, holder: now } = body;
        if (now !== holder.account && report === undefined && status === "reimbursed")
          journal.wrong.push(`Invoice ${number} was reimbursed to nobody's wish`);
      },
    ],
    // the bureau enrols a taxpayer, and the answer gets lost
    [
      1,
      async () => {
        const taxId = taxIdOf(fresh());
        const reply = await post(
          { ...(parties.issuers[0] as Party), token: parties.bureau.token },
          "POST /v1/taxpayers",
          { body: { name: "enrolled under fire", taxId, capabilities: ["employer"] } },
        );
        if (reply.status >= 300) throw surprise("An enrolment", reply);
        journal.enrolled.push({ taxId, account: reply.body.account });
      },
    ],
  ];
  const deck = courses.flatMap(([weight, course]) => Array.from({ length: weight }, () => course));
  return async () => void (await pick(deck)());
}
