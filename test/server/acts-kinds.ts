/**
 * Partial red letters, book entries and external invoices on their way to the chain and back: which
 * acts succeed, which fail and why, which act overtakes which; and comparison and rebuild cover all
 * three.
 */

import { actKinds } from "@onepiao/protocol/ledger/acts.ts";
import { EXTERNAL, nameOf } from "@onepiao/protocol/ledger/external.ts";
import { compactSignature, digest, noSignature } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import type { NewOperation } from "../../server/acts/operations.ts";
import { projections } from "../../server/gateway.ts";
import { createLog } from "../../server/kernel/log.ts";
import { checkProjections } from "../../server/operator/rebuild.ts";
import { createReconcile, findings } from "../../server/upkeep/reconcile.ts";
import {
  accepted,
  adjustBy,
  admissionBy,
  type Bench,
  claimBy,
  decisionBy,
  enrolled,
  entryBy,
  freshExternalId,
  holder,
  openBench,
  type Party,
  type Process,
  sealed,
} from "./support/bench.ts";
import { until } from "./support/proxy.ts";

describe("adjustments, entries and admissions", function () {
  this.timeout(120_000);
  let bench: Bench;
  let main: Process;
  let issuer: Party;
  let employer: Party;
  let rival: Party;

  before(async () => {
    bench = await openBench();
    main = (await bench.process()).start();
    [issuer, employer, rival] = await Promise.all([
      enrolled(bench, main, ["issuer"]),
      enrolled(bench, main, ["employer"]),
      enrolled(bench, main, ["employer"]),
    ]);
  });
  after(() => bench?.close());

  const done = async (...operations: NewOperation[]) =>
    bench.done(...(await bench.queue(...operations)));
  const refused = async (operation: NewOperation) => {
    const [id] = (await bench.queue(operation)) as [string];
    const ended = await bench.ended(id);
    expect(ended.status).to.equal("refused");
    return ended.problem;
  };
  type State = {
    state: string;
    holder: string;
    employer: number;
    entry: number;
    version: number;
    lot: string | null;
    issuer: number;
    updated_at: Date;
  };
  const stateOf = async (number: string): Promise<State> =>
    (
      await bench.sql<
        State[]
      >`select state, holder, employer, entry, version, lot, issuer, updated_at from invoice_states where number = ${number}`
    )[0] as State;
  const eventsOf = async (number: string) =>
    (
      await bench.sql<
        { type: string; accounts: string[]; data: object }[]
      >`select type, accounts, data from feed where number = ${number} order by position`
    ).map(({ type, accounts, data }) => ({ type, accounts: [...accounts].sort(), data }));
  const sealedInvoice = async (to: { holder?: string; buyer?: Party }) =>
    ((await sealed(bench, main, issuer, to)) as [string])[0];

  // ── partial red letters ────────────────────────────────────────────────────────────────────────

  it("the issuer alone takes a part off an unused invoice, and the invoice's state stays as it was", async () => {
    const who = await holder(bench);
    const number = await sealedInvoice({ holder: who.address });
    const before = await stateOf(number);
    const reds = [adjustBy(issuer, number), adjustBy(issuer, number)];
    await done(...reds);
    expect(await stateOf(number)).to.deep.equal({ ...before, version: 2 });
    expect((await eventsOf(number)).slice(1)).to.deep.equal(
      reds.map(({ command }) => ({
        type: "invoice.adjusted",
        accounts: [issuer.account, who.address].sort(),
        // the salts of the signed content: another test opens the sheet
        data: { ref: (command as { ref: string }).ref },
      })),
    );
    await done(claimBy(who, employer, number));
    expect(await stateOf(number)).to.include({ state: "claimed", version: 3 });
  });

  it("a part comes off a claimed and a reimbursed invoice only with the employer's consent", async () => {
    const who = await holder(bench);
    const number = await sealedInvoice({ holder: who.address });
    await done(claimBy(who, employer, number));
    expect((await refused(adjustBy(issuer, number)))?.code).to.equal("consent-invalid");
    expect((await refused(adjustBy(issuer, number, rival)))?.code).to.equal("consent-invalid");
    const reds = [adjustBy(issuer, number, employer), adjustBy(issuer, number, employer)] as const;
    await done(reds[0], decisionBy("Reimburse", employer, number), reds[1]);
    expect(await stateOf(number)).to.include({ state: "reimbursed", version: 4 });
    const refs = reds.map(({ command }) => ({ ref: (command as { ref: string }).ref }));
    expect(
      (await eventsOf(number))
        .filter(({ type }) => type === "invoice.adjusted")
        .map(({ data }) => data),
    ).to.deep.equal(refs);
  });

  // ── book entry ─────────────────────────────────────────────────────────────────────────────────

  it("an employer enters an invoice titled to it, once until it revokes the entry, and only the employer gets the event", async () => {
    const number = await sealedInvoice({ buyer: employer });
    const before = await stateOf(number);
    const [first] = await done(entryBy(employer, 2, number));
    expect(await stateOf(number)).to.deep.equal({ ...before, entry: 2, version: 1 });
    const problem = await refused(entryBy(employer, 3, number));
    expect([problem?.code, problem?.extra?.["chain"]]).to.deep.equal([
      "already-entered",
      { error: "AlreadyEntered", args: [number, "2"] },
    ]);
    expect((await refused(entryBy(rival, 2, number)))?.code).to.equal("not-employer-of");
    const [revoked, again] = await done(entryBy(employer, 6, number), entryBy(employer, 3, number));
    expect(await stateOf(number)).to.include({ entry: 3, version: 3 });
    const entered = (mark: string, act: unknown) => ({
      type: "invoice.entered",
      accounts: [employer.account],
      data: { mark, act, employer: employer.index },
    });
    expect((await eventsOf(number)).slice(1)).to.deep.equal([
      entered("02", first?.digest),
      entered("06", revoked?.digest),
      entered("03", again?.digest),
    ]);
    expect((await refused(adjustBy(issuer, number)))?.code).to.equal("consent-invalid");
  });

  it("an untitled invoice is entered after its reimbursement, and acts that can still change it run one after the other", async () => {
    const who = await holder(bench);
    const number = await sealedInvoice({ holder: who.address });
    expect((await refused(entryBy(employer, 2, number)))?.code).to.equal("not-employer-of");
    await done(claimBy(who, employer, number));
    expect((await refused(entryBy(employer, 2, number)))?.code).to.equal("wrong-state");
    await done(decisionBy("Reimburse", employer, number));
    const many = await done(
      entryBy(employer, 2, number),
      entryBy(employer, 6, number),
      adjustBy(issuer, number, employer),
      entryBy(employer, 3, number),
    );
    expect(many.map(({ tries }) => tries)).to.deep.equal([0, 0, 0, 0]);
    expect(await stateOf(number)).to.include({ state: "reimbursed", entry: 3, version: 6 });
  });

  it("a party that can no longer change a reimbursed invoice holds up no party that can", async () => {
    const own = await holder(bench, { own: true });
    const number = await sealedInvoice({ holder: own.address });
    // claimed and reimbursed: the holder's own key makes the signature
    const [claim] = (await bench.queue(claimBy(own, employer, number))) as [string];
    const waiting = await until("it waits for its signature", async () => {
      const operation = await bench.operation(claim);
      return operation.status === "awaiting-signature" ? operation : undefined;
    });
    const signature = compactSignature(own.signingKey.sign(waiting.digest as string).serialized);
    await bench.sql`
      update operations set status = 'signed', signatures = ${bench.sql.json({ [own.address]: signature as never })} where id = ${claim}`;
    await bench.done(claim);
    await done(decisionBy("Reimburse", employer, number));
    const [again] = (await bench.queue(claimBy(own, rival, number))) as [string];
    await until(
      "the second claim waits for its signature",
      async () => (await bench.operation(again)).status === "awaiting-signature",
    );
    await done(entryBy(employer, 2, number));
    expect((await bench.operation(again)).status).to.equal("awaiting-signature");
  });

  it("an entry waits until the invoice is sealed", async () => {
    const [number] = (await accepted(bench, main, issuer, { buyer: employer })) as [string];
    await done(entryBy(employer, 2, number));
    expect(await stateOf(number)).to.include({ entry: 2, version: 1 });
  });

  // ── issued elsewhere ───────────────────────────────────────────────────────────────────────────

  it("an external invoice is admitted, reimbursed and entered, with the same events as any claim", async () => {
    const who = await holder(bench);
    const id = freshExternalId();
    const [admitted] = await done(admissionBy(employer, who.address, id));
    expect(await stateOf(id)).to.include({
      state: "claimed",
      holder: who.address,
      employer: employer.index,
      entry: 1,
      version: 1,
      lot: null,
      issuer: 0,
    });
    const [, entry] = await done(decisionBy("Reimburse", employer, id), entryBy(employer, 2, id));
    expect(await stateOf(id)).to.include({ state: "reimbursed", entry: 2, version: 3 });
    const { ref } = admitted?.command as { ref: string };
    const claim = {
      accounts: [employer.account, who.address].sort(),
      data: { ref, employer: employer.index },
    };
    expect(await eventsOf(id)).to.deep.equal([
      { type: "claim.created", ...claim },
      { type: "invoice.reimbursed", ...claim },
      {
        type: "invoice.entered",
        accounts: [employer.account],
        data: { mark: "02", act: entry?.digest, employer: employer.index },
      },
    ]);
  });

  it("of two employers that admit it at once one succeeds; the other gets a refusal without the winner's name, and an alarm", async () => {
    const who = await holder(bench);
    const id = freshExternalId();
    const ids = (
      await Promise.all([
        bench.queue(admissionBy(employer, who.address, id)),
        bench.queue(admissionBy(rival, who.address, id)),
      ])
    ).flat();
    const outcomes = await Promise.all(ids.map((operationId) => bench.ended(operationId)));
    expect(outcomes.map(({ status }) => status).sort()).to.deep.equal(["done", "refused"]);
    const [loser] = outcomes.filter(({ status }) => status === "refused");
    expect(loser?.problem?.code).to.equal("already-claimed");
    expect(loser?.problem?.extra).to.deep.include({ alarm: true });
    expect(loser?.problem?.extra?.["original"]).to.include({ id: nameOf(id), state: "claimed" });
    const alarms = (await eventsOf(id)).filter(({ type }) => type === "reimbursement.refused");
    expect(alarms).to.deep.equal([
      {
        type: "reimbursement.refused",
        accounts: [loser?.party as string, who.address].sort(),
        data: { reason: "already-claimed", attempt: "admit" },
      },
    ]);
  });

  it("if another gateway's employer is faster, the act becomes stale, and the next version of it is an alarm", async () => {
    const who = await holder(bench);
    const id = freshExternalId();
    await main.stop();
    const [ours] = (await bench.queue(admissionBy(employer, who.address, id))) as [string];
    const invoices = [{ id, version: 0 }];
    const ref = `0x${"ab".repeat(32)}`;
    const hash = digest(bench.contracts.domains.ledger, {
      type: "Admit",
      value: { employer: rival.index, holder: who.address, ref, invoices },
    });
    const act = {
      kind: actKinds.indexOf("Admit"),
      to: who.address,
      taxpayer: rival.index,
      ref,
      invoices,
      evidence: [],
      signature: compactSignature(rival.wallet.signingKey.sign(hash).serialized) ?? noSignature,
      consent: noSignature,
    };
    // this gateway signs its act before it sees the other gateway's
    main.start("dispatcher");
    await until("it is signed", async () => (await bench.operation(ours)).status === "sent");
    expect((await bench.stranger(bench.deployment.ledger, bench.contracts.act([act]))).ok).to.equal(
      true,
    );
    main.start();
    const ended = await bench.ended(ours);
    expect([ended.status, ended.problem?.code, ended.tries]).to.deep.equal([
      "refused",
      "already-claimed",
      1,
    ]);
    expect(await stateOf(id)).to.include({ state: "claimed", employer: rival.index, version: 1 });
  });

  it("after a rejection another employer admits it for another holder", async () => {
    const [who, other] = await Promise.all([holder(bench), holder(bench)]);
    const id = freshExternalId();
    await done(admissionBy(employer, who.address, id), decisionBy("Reject", employer, id));
    expect(await stateOf(id)).to.include({ state: "issued", employer: 0, holder: who.address });
    await done(admissionBy(rival, other.address, id));
    expect(await stateOf(id)).to.include({
      state: "claimed",
      employer: rival.index,
      holder: other.address,
      version: 3,
    });
  });

  it("several go in one act in ascending order of their numbers of 77 and 78 digits", async () => {
    const who = await holder(bench);
    const ids = [
      (2n ** 256n - 5n).toString(),
      (EXTERNAL + 5n).toString(),
      (2n ** 256n - 6n).toString(),
      (EXTERNAL + 6n).toString(),
    ];
    expect(new Set(ids.map((id) => id.length))).to.deep.equal(new Set([77, 78]));
    await done(admissionBy(employer, who.address, ...ids));
    for (const id of ids) expect(await stateOf(id)).to.include({ state: "claimed", version: 1 });
  });

  it("a number of this ledger's own invoices is not admitted", async () => {
    const who = await holder(bench);
    const number = await sealedInvoice({ holder: who.address });
    expect((await refused(admissionBy(employer, who.address, number)))?.code).to.equal(
      "not-external",
    );
  });

  // ── comparison and rebuild ─────────────────────────────────────────────────────────────────────

  it("the comparison with the chain finds nothing, then a mark and an admitted row that the test has changed", async () => {
    const id = freshExternalId();
    const entered = await sealedInvoice({ buyer: employer });
    const untouched = await sealedInvoice({ buyer: employer });
    await done(admissionBy(employer, employer.account, id), entryBy(employer, 2, entered));
    const reconcile = createReconcile({
      sql: bench.sql,
      documents: bench.documents,
      chain: bench.node,
      contracts: bench.contracts,
      log: createLog("silent"),
      days: 7,
      perSecond: 1_000,
    });
    const alarms = async () => {
      await reconcile.all(() => {});
      return (await findings(bench.sql)).map(({ kind, subject }) => `${kind} ${subject}`).sort();
    };
    expect(await alarms()).to.deep.equal([]);
    await bench.sql`update invoice_states set entry = 3 where number = any(${[entered, untouched]}::numeric[])`;
    const [lost] = await bench.sql<
      { row: string }[]
    >`delete from invoice_states where number = ${id} returning to_jsonb(invoice_states)::text as row`;
    expect(await alarms()).to.deep.equal(
      [entered, untouched, id].map((subject) => `state ${subject}`).sort(),
    );
    await bench.sql`update invoice_states set entry = case when number = ${entered} then 2 else 1 end where number = any(${[entered, untouched]}::numeric[])`;
    await bench.sql`insert into invoice_states select * from jsonb_populate_record(null::invoice_states, ${lost?.row ?? ""}::jsonb)`;
    expect(await alarms()).to.deep.equal([]);
  });

  it("a replay of the chain gives the same rows", async () => {
    const { differences } = await checkProjections({
      sql: bench.sql,
      databaseUrl: bench.databaseUrl,
      chain: bench.node,
      contracts: bench.contracts,
      projections,
      log: createLog("silent"),
      finalityDepth: 0,
      progress: () => {},
    });
    expect(differences).to.deep.equal([]);
  });
});
