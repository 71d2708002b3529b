/**
 * Operations on their way to the chain and back: order, stale acts, acts relayed by strangers,
 * signatures by a party's own key, batches, standing, crashes.
 */

import { type ActKind, actKinds } from "@onepiao/protocol/ledger/acts.ts";
import {
  type CompactSignature,
  compactSignature,
  digest,
  noSignature,
} from "@onepiao/protocol/ledger/messages.ts";
import type { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { Interface, Transaction } from "ethers";
import { createEvidence } from "../../server/acts/evidence.ts";
import { type Command, enqueue, type NewOperation } from "../../server/acts/operations.ts";
import {
  type ActArgument,
  type ChainEvent,
  errorName,
  ZERO_ACCOUNT,
  ZERO_REF,
} from "../../server/chain/contracts.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import {
  accepted,
  acceptedIn,
  type Bench,
  byBureau,
  claimBy,
  decisionBy,
  enrolled,
  holder,
  known,
  openBench,
  type Party,
  type Process,
  sealed,
  transferTo,
} from "./support/bench.ts";
import { type Rule, until } from "./support/proxy.ts";

const ledger = new Interface(InvoiceLedger__factory.abi);

describe("acts", () => {
  let bench: Bench;
  let main: Process;
  let issuer: Party;
  let employer: Party;
  const others: Process[] = [];

  before(async () => {
    bench = await openBench();
    main = (await bench.process()).start();
    issuer = await enrolled(bench, main, ["issuer"]);
    employer = await enrolled(bench, main, ["employer"]);
  });
  after(() => bench.close());
  afterEach(async () => {
    bench.proxy.rule = undefined;
    for (const other of others.splice(0)) await other.end();
    main.start();
  });

  /** Starts another process, which ends after the test; `main` pauses meanwhile. */
  async function instead(options: Parameters<Bench["process"]>[0] = {}): Promise<Process> {
    await main.stop();
    const other = await bench.process(options);
    others.push(other);
    return other;
  }
  /** The proxy keeps the relay's transactions from the node. */
  const relayCut: Rule = (call) =>
    call.method === "eth_sendRawTransaction" &&
    Transaction.from(call.params[0] as string).from === main.relay.address
      ? "cut"
      : undefined;
  /** Waits for the operation's signed transaction; from then on it can go out at any time. */
  const underWay = (id: string): Promise<{ data: string; hash: string }> =>
    until("its transaction is signed", async () => {
      const [row] = await bench.sql<{ data: string; hash: string }[]>`
        select s.data, s.hash from operations o join sends s on s.id = o.send where o.id = ${id} and s.hash is not null`;
      return row;
    });
  const followed = (block: number): Promise<true> =>
    until("the follower has seen the block", async () => {
      const [row] = await bench.sql<{ block: bigint }[]>`select block from cursor`;
      return row !== undefined && Number(row.block) >= block ? true : undefined;
    });
  const about = async (number: string): Promise<ChainEvent[]> =>
    (await bench.events()).filter((event) => event.args["id"] === number);
  const names = (events: ChainEvent[]) =>
    events.map((event) =>
      event.name === "Refused" ? errorName(String(event.args["reason"])) : event.name,
    );

  /** An act signed with a party's own key, with evidence if the act needs it. */
  async function handmade(
    kind: ActKind,
    wallet: { signingKey: { sign(digest: string): { serialized: string } } },
    taxpayer: number,
    number: string,
    version: number,
    ref = ZERO_REF,
  ): Promise<string> {
    const invoices = [{ id: number, version }];
    const hash = digest(bench.contracts.domains.ledger, {
      type: kind,
      value: { employer: taxpayer, ref, invoices },
    });
    const fact = version === 0 ? await createEvidence().get(bench.sql, number) : undefined;
    const argument: ActArgument = {
      kind: actKinds.indexOf(kind),
      to: ZERO_ACCOUNT,
      taxpayer,
      ref,
      invoices,
      evidence: fact ? [fact] : [],
      signature: compactSignature(wallet.signingKey.sign(hash).serialized) as CompactSignature,
      consent: noSignature,
    };
    return bench.contracts.act([argument]);
  }

  // ── order ──────────────────────────────────────────────────────────────────────────────────────

  it("acts on one invoice run one after the other, each on the version that the previous one left", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    const ids = await bench.queue(
      claimBy(who, employer, number),
      decisionBy("Reject", employer, number),
      claimBy(who, employer, number),
      decisionBy("Reimburse", employer, number),
    );
    const done = await bench.done(...ids);
    expect(done.map((operation) => operation.tries)).to.deep.equal([0, 0, 0, 0]);
    expect(names(await about(number))).to.deep.equal([
      "Claimed",
      "Rejected",
      "Claimed",
      "Reimbursed",
    ]);
    expect(
      await bench.sql`select 1 from operation_invoices where operation = any(${ids}::uuid[])`,
    ).to.have.length(0);
  });

  it("an act on several invoices waits for earlier acts on each of them, and later acts wait for it", async () => {
    const who = await holder(bench);
    const [a, b] = (await sealed(bench, main, issuer, { holder: who.address }, 2)) as [
      string,
      string,
    ];
    const ids = await bench.queue(
      claimBy(who, employer, a),
      decisionBy("Reject", employer, a),
      claimBy(who, employer, a, b),
      decisionBy("Reimburse", employer, b),
    );
    const done = await bench.done(...ids);
    expect(done.every((operation) => operation.tries === 0)).to.equal(true);
    expect([names(await about(a)), names(await about(b))]).to.deep.equal([
      ["Claimed", "Rejected", "Claimed"],
      ["Claimed", "Reimbursed"],
    ]);
  });

  it("an act that is older but was stored later waits for the act that is under way", async () => {
    const who = await holder(bench);
    const [number, another] = (await sealed(bench, main, issuer, { holder: who.address }, 2)) as [
      string,
      string,
    ];
    await bench.done(...(await bench.queue(claimBy(who, employer, number))));
    const written = Promise.withResolvers<void>();
    const letGo = Promise.withResolvers<void>();
    const slow = bench.sql.begin(async (tx) => {
      const id = await enqueue(tx, decisionBy("Reimburse", employer, number));
      written.resolve();
      await letGo.promise;
      return id;
    });
    await written.promise;
    // the proxy drops the transaction
    bench.proxy.rule = (call) => (call.method === "eth_sendRawTransaction" ? "cut" : undefined);
    const [younger] = (await bench.queue(decisionBy("Reimburse", employer, number))) as [string];
    await underWay(younger);
    letGo.resolve();
    const older = await slow;
    expect(older < younger).to.equal(true);
    const [other] = (await bench.queue(claimBy(who, employer, another))) as [string];
    await underWay(other);
    expect((await bench.operation(older)).status).to.equal("queued");
    bench.proxy.rule = undefined;
    await bench.done(younger);
    expect((await bench.ended(older)).problem?.code).to.equal("already-reimbursed");
    expect(names(await about(number))).to.deep.equal([
      "Claimed",
      "Reimbursed",
      "AlreadyReimbursed",
    ]);
  });

  it("an act that waits for its party's signature holds up only its own invoice", async () => {
    const own = await holder(bench, { own: true });
    const custodial = await holder(bench);
    const [slow] = (await sealed(bench, main, issuer, { holder: own.address })) as [string];
    const [quick] = (await sealed(bench, main, issuer, { holder: custodial.address })) as [string];
    const [waits, behind] = (await bench.queue(
      claimBy(own, employer, slow),
      decisionBy("Reimburse", employer, slow),
    )) as [string, string];
    await until(
      "it waits for its signature",
      async () => (await bench.operation(waits)).status === "awaiting-signature",
    );
    await bench.done(
      ...(await bench.queue(
        claimBy(custodial, employer, quick),
        decisionBy("Reimburse", employer, quick),
      )),
    );
    expect([
      (await bench.operation(waits)).status,
      (await bench.operation(behind)).status,
    ]).to.deep.equal(["awaiting-signature", "queued"]);
  });

  // ── strangers and stale acts ───────────────────────────────────────────────────────────────────

  it("an act that was overtaken is refused without an alarm, signed again on the present version, and done", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    bench.proxy.rule = relayCut;
    const [id] = (await bench.queue(claimBy(who, employer, number))) as [string];
    await underWay(id);
    const before = await bench.operation(id);
    // the same parties act through another gateway in the meantime
    const claimed = await bench.stranger(
      bench.deployment.ledger,
      await handmade("Claim", who, employer.index, number, 0, `0x${"77".repeat(32)}`),
    );
    const rejected = await bench.stranger(
      bench.deployment.ledger,
      await handmade("Reject", employer.wallet, employer.index, number, 1),
    );
    expect([claimed.ok, rejected.ok]).to.deep.equal([true, true]);
    bench.proxy.rule = undefined;
    const [after] = await bench.done(id);
    expect(after?.tries).to.equal(1);
    expect(after?.digest).to.not.equal(before.digest);
    expect(names(await about(number))).to.deep.equal([
      "Claimed",
      "Rejected",
      "StaleVersion",
      "Claimed",
    ]);
    expect((await about(number)).filter((event) => event.args["alarm"])).to.have.length(0);
  });

  it("a stranger's copy of a pending act with a broken signature is refused, and the act itself is still done", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    bench.proxy.rule = relayCut;
    const [id] = (await bench.queue(claimBy(who, employer, number))) as [string];
    const { data } = await underWay(id);
    const broken = (
      ledger.decodeFunctionData("act", data).toArray(true)[0] as unknown[][]
    )[0] as unknown[];
    expect(broken[6], "its signature").to.have.length(2);
    broken[6] = [`0x${"11".repeat(32)}`, `0x${"22".repeat(32)}`];
    const front = await bench.stranger(
      bench.deployment.ledger,
      ledger.encodeFunctionData("act", [[broken]]),
    );
    await followed(front.block);
    const refusal = (await about(number)).find((event) => event.tx === front.hash);
    expect([
      refusal?.name,
      errorName(String(refusal?.args["reason"])),
      refusal?.args["alarm"],
    ]).to.deep.equal(["Refused", "SignatureInvalid", false]);
    const now = await bench.operation(id);
    expect(refusal?.args["act"], "it bears the same digest").to.equal(now.digest);
    expect(now.status).to.equal("sent");
    bench.proxy.rule = undefined;
    const [done] = await bench.done(id);
    expect(done?.tries).to.equal(0);
  });

  it("an act that a stranger has relayed counts as done, and our own transaction of it changes nothing", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    bench.proxy.rule = relayCut;
    const [id] = (await bench.queue(claimBy(who, employer, number))) as [string];
    const { data, hash } = await underWay(id);
    const relayed = await bench.stranger(bench.deployment.ledger, data);
    const [done] = await bench.done(id);
    expect(done?.result).to.include({ tx: relayed.hash });
    bench.proxy.rule = undefined;
    const late = await until(
      "our own transaction is there",
      async () => (await bench.node.receipts([hash]))[0],
    );
    await followed(late.block);
    expect(await bench.operation(id)).to.deep.include({ status: "done", result: done?.result });
    expect(names(await about(number))).to.deep.equal(["Claimed", "StaleVersion"]);
    const [state] =
      await bench.sql`select state, version from invoice_states where number = ${number}`;
    expect(state).to.deep.equal({ state: "claimed", version: 1 });
  });

  // ── a party's own key ──────────────────────────────────────────────────────────────────────────

  describe("of a party that keeps its own key", () => {
    async function waiting() {
      const own = await holder(bench, { own: true });
      const [number] = (await sealed(bench, main, issuer, { holder: own.address })) as [string];
      const [id] = (await bench.queue(claimBy(own, employer, number))) as [string];
      await until(
        "it waits for its signature",
        async () => (await bench.operation(id)).status === "awaiting-signature",
      );
      return {
        own,
        number,
        id,
        caller: { keyId: "own", account: own.address, roles: ["holder"] as const },
      };
    }
    const typedDataOf = async (id: string, caller: Parameters<Process["operations"]["get"]>[1]) =>
      main.operations.view(await main.operations.get(bench.sql, caller, id), caller).typedData;
    const give = (
      id: string,
      caller: Parameters<Process["operations"]["get"]>[1],
      signature: string,
    ) =>
      bench.sql
        .begin((tx) => main.operations.sign(tx, caller, id, signature))
        .then(
          (operation) => operation.status,
          (cause: unknown) => (cause as Problem).code,
        );

    it("an act goes out with the signature that a wallet makes of its typed data", async () => {
      const { own, number, id, caller } = await waiting();
      const asked = await typedDataOf(id, caller);
      if (!asked) throw new Error("nothing to sign");
      const types = Object.fromEntries(
        Object.entries(asked.types).map(([name, fields]) => [name, [...fields]]),
      );
      expect(
        await give(id, caller, await own.signTypedData(asked.domain, types, asked.message)),
      ).to.equal("signed");
      await bench.done(id);
      expect(names(await about(number))).to.deep.equal(["Claimed"]);
    });

    it("a missing signature, or one by another key, over other data or in the upper half, is refused, and the act still waits", async () => {
      const { own, id, caller } = await waiting();
      const stranger = await holder(bench, { own: true });
      const { digest: hash } = (await bench.operation(id)) as { digest: string };
      const good = own.signingKey.sign(hash);
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
      const upper = `${good.r}${(order - BigInt(good.s)).toString(16).padStart(64, "0")}${good.v === 27 ? "1c" : "1b"}`;
      for (const bad of [
        stranger.signingKey.sign(hash).serialized,
        own.signingKey.sign(`0x${"01".repeat(32)}`).serialized,
        upper,
        "0x",
        good.serialized.slice(0, -4),
        `0x${"00".repeat(65)}`,
      ]) {
        expect(await give(id, caller, bad)).to.equal("signature-invalid");
      }
      const other = { keyId: "x", account: stranger.address, roles: ["holder"] as const };
      expect(await give(id, other, good.serialized)).to.equal("not-found");
      expect((await bench.operation(id)).status).to.equal("awaiting-signature");
      expect(await give(id, caller, good.serialized)).to.equal("signed");
      expect(await give(id, caller, good.serialized)).to.equal("signature-not-wanted");
      await bench.done(id);
    });

    it("an act whose signature never comes fails, and the next act on its invoice runs", async () => {
      const { own, number, id, caller } = await waiting();
      const [next] = (await bench.queue(claimBy(own, employer, number))) as [string];
      await bench.sql`update operations set updated_at = now() - interval '16 minutes' where id = ${id}`;
      const late = await bench.ended(id);
      expect([late.status, late.problem?.code]).to.deep.equal(["failed", "signature-expired"]);
      expect(
        await give(id, caller, own.signingKey.sign(late.digest as string).serialized),
      ).to.equal("signature-not-wanted");
      await until(
        "the next one has its turn",
        async () => (await bench.operation(next)).status === "awaiting-signature",
      );
      expect(await about(number)).to.have.length(0);
    });

    it("a transfer waits for the receiver's signature if this gateway keeps the sender's key", async () => {
      const from = await holder(bench);
      const to = await holder(bench, { own: true });
      const [number] = (await sealed(bench, main, issuer, { holder: from.address })) as [string];
      const [id] = (await bench.queue(transferTo(from, to, number))) as [string];
      const operation = await until("it waits", async () => {
        const now = await bench.operation(id);
        return now.status === "awaiting-signature" ? now : undefined;
      });
      expect(Object.keys(operation.signatures)).to.deep.equal([from.address]);
      expect(
        await give(
          id,
          { keyId: "to", account: to.address, roles: ["holder"] },
          to.signingKey.sign(operation.digest as string).serialized,
        ),
      ).to.equal("signed");
      await bench.done(id);
      const [state] = await bench.sql`select holder from invoice_states where number = ${number}`;
      expect(state).to.deep.equal({ holder: to.address });
    });
  });

  // ── once ───────────────────────────────────────────────────────────────────────────────────────

  it("of 20 reimbursements of one claim at once, in two processes, one goes to the chain and is done; its outcome answers the others", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    const [made] = await bench.done(...(await bench.queue(claimBy(who, employer, number))));
    const second = await bench.process();
    others.push(second);
    second.start();
    const decision = decisionBy("Reimburse", employer, number);
    const decided = {
      ...decision,
      command: { ...decision.command, claim: (made?.command as { ref: string }).ref },
    } as NewOperation;
    const ids = (await Promise.all(Array.from({ length: 20 }, () => bench.queue(decided)))).flat();
    const outcomes = await Promise.all(ids.map((id) => bench.ended(id)));
    expect(outcomes.filter((outcome) => outcome.status === "done")).to.have.length(1);
    const refused = outcomes.filter((outcome) => outcome.status === "refused");
    expect(refused).to.have.length(19);
    for (const outcome of refused) {
      expect(outcome.problem?.code).to.equal("already-reimbursed");
      expect(outcome.problem?.extra).to.deep.include({ alarm: false });
      expect(outcome.problem?.extra?.["original"]).to.include({ number, state: "reimbursed" });
    }
    expect(names(await about(number))).to.deep.equal(["Claimed", "Reimbursed"]);
  });

  it("equal attempts go to the chain one at a time, and the chain's answer to the first one answers the others", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    await bench.done(...(await bench.queue(claimBy(who, employer, number))));
    await bench.done(...(await bench.queue(decisionBy("Reimburse", employer, number))));
    const rival = await enrolled(bench, main, ["employer"]);
    const ids = await bench.queue(
      ...Array.from({ length: 20 }, () => claimBy(who, rival, number)),
      ...Array.from({ length: 20 }, () => decisionBy("Reimburse", employer, number)),
    );
    const outcomes = await Promise.all(ids.map((id) => bench.ended(id)));
    expect(
      new Set(outcomes.map((outcome) => `${outcome.status} ${outcome.problem?.code}`)),
    ).to.deep.equal(new Set(["refused already-reimbursed"]));
    expect(outcomes.filter((outcome) => outcome.problem?.extra?.["alarm"] === true)).to.have.length(
      2,
    );
    expect((await about(number)).filter((event) => event.args["alarm"] === true)).to.have.length(2);
  });

  it("a decision on a claim that has ended does not apply to the next claim of the invoice", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    const [first] = await bench.done(...(await bench.queue(claimBy(who, employer, number))));
    await bench.done(
      ...(await bench.queue(
        decisionBy("Reject", employer, number),
        claimBy(who, employer, number),
      )),
    );
    const decision = decisionBy("Reimburse", employer, number);
    const [late] = await bench.queue({
      ...decision,
      command: { ...decision.command, claim: (first?.command as { ref: string }).ref },
    } as NewOperation);
    expect((await bench.ended(late as string)).problem?.code).to.equal("claim-state");
    expect(names(await about(number))).to.deep.equal(["Claimed", "Rejected", "Claimed"]);
  });

  describe("a claim that ends while the dispatcher is at work", () => {
    /**
     * A decision on `claim` that the dispatcher finds when it starts. After the dispatcher has
     * ended late operations, and before it looks for operations to sign, the follower brings the
     * invoice to `version`. A lock on a table that only the second step reads holds the dispatcher
     * there.
     */
    async function decidedBetween(
      substitute: Process,
      number: string,
      claim: string,
      version: number,
    ): Promise<string> {
      const decision = decisionBy("Reimburse", employer, number);
      const decided = { ...decision, command: { ...decision.command, claim } } as NewOperation;
      return bench.sql.begin(async (tx) => {
        await tx`lock table ledger_state in access exclusive mode`;
        const [late] = (await bench.queue(decided)) as [string];
        substitute.start("dispatcher");
        await until("the dispatcher looks for operations to sign", async () => {
          const [row] =
            await bench.sql`select 1 from pg_locks where not granted and relation = 'ledger_state'::regclass`;
          return row !== undefined;
        });
        substitute.start("follower");
        await until("the follower has stored the new events", async () => {
          const [row] = await bench.sql<
            { version: number }[]
          >`select version from invoice_states where number = ${number}`;
          return row?.version === version;
        });
        return late;
      });
    }

    it("by the same decision: the first outcome answers the second one, which does not go to the chain", async () => {
      const who = await holder(bench);
      const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
      const [made] = await bench.done(...(await bench.queue(claimBy(who, employer, number))));
      const { ref } = made?.command as { ref: string };
      const substitute = (await instead()).start("dispatcher", "lanes");
      const decision = decisionBy("Reimburse", employer, number);
      const [first] = (await bench.queue({
        ...decision,
        command: { ...decision.command, claim: ref },
      } as NewOperation)) as [string];
      await until("the chain has the first one", async () =>
        (await about(number)).some((event) => event.name === "Reimbursed"),
      );
      await substitute.stop("dispatcher");
      const late = await bench.ended(await decidedBetween(substitute, number, ref, 2));
      await bench.done(first);
      expect([
        late.status,
        late.problem?.code,
        late.problem?.extra?.["alarm"],
        late.send,
      ]).to.deep.equal(["refused", "already-reimbursed", false, null]);
      expect(names(await about(number))).to.deep.equal(["Claimed", "Reimbursed"]);
    });

    it("by a rejection and a new claim: the decision on the first claim does not pay the second claim", async () => {
      const who = await holder(bench);
      const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
      const [made] = await bench.done(...(await bench.queue(claimBy(who, employer, number))));
      const substitute = (await instead()).start("lanes");
      // the same parties act through another gateway in the meantime
      await bench.stranger(
        bench.deployment.ledger,
        await handmade("Reject", employer.wallet, employer.index, number, 1),
      );
      await bench.stranger(
        bench.deployment.ledger,
        await handmade("Claim", who, employer.index, number, 2, `0x${"78".repeat(32)}`),
      );
      const late = await bench.ended(
        await decidedBetween(substitute, number, (made?.command as { ref: string }).ref, 3),
      );
      expect([late.status, late.problem?.code, late.send]).to.deep.equal([
        "refused",
        "claim-state",
        null,
      ]);
      expect(names(await about(number))).to.deep.equal(["Claimed", "Rejected", "Claimed"]);
    });
  });

  it("of 10 claims of one invoice at two employers at once one is done, and the other employer's attempts raise an alarm", async () => {
    const rival = await enrolled(bench, main, ["employer"]);
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    const ids = (
      await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          bench.queue(claimBy(who, i % 2 === 0 ? employer : rival, number)),
        ),
      )
    ).flat();
    const outcomes = await Promise.all(ids.map((id) => bench.ended(id)));
    const [winner] = outcomes.filter((outcome) => outcome.status === "done");
    expect(outcomes.filter((outcome) => outcome.status === "done")).to.have.length(1);
    expect(
      outcomes.filter(
        (outcome) => outcome.problem?.code === "already-claimed" && outcome.status === "refused",
      ),
    ).to.have.length(9);
    const foreign = outcomes.filter(
      (outcome) =>
        (outcome.command as { taxpayer: number }).taxpayer !==
        (winner?.command as { taxpayer: number }).taxpayer,
    );
    expect(foreign).to.have.length(5);
    // one after the other: the chain refuses the first, and its outcome answers the others
    expect((await about(number)).filter((event) => event.args["alarm"] === true)).to.have.length(1);
  });

  // ── batches ────────────────────────────────────────────────────────────────────────────────────

  /** The sends of operations, with the operations of each. */
  async function sendsOf(ids: string[]) {
    return bench.sql<{ send: bigint; gas: bigint; operations: string[] }[]>`
      select o.send, s.gas, array_agg(o.id::text order by o.id) as operations from operations o join sends s on s.id = o.send
      where o.id = any(${ids}::uuid[]) group by o.send, s.gas order by o.send`;
  }

  it("signed acts go out together, in several transactions if one would need more gas than a block has", async () => {
    const who = await holder(bench);
    const numbers = await sealed(bench, main, issuer, { holder: who.address }, 12);
    const limit = 500_000n;
    const small = await instead({ limit: { gas: limit } });
    const ids = await bench.queue(...numbers.map((number) => claimBy(who, employer, number)));
    small.start();
    await bench.done(...ids);
    const sends = await sendsOf(ids);
    expect(sends.length).to.be.within(3, 6);
    for (const send of sends) expect(send.gas <= limit, `${send.gas} gas`).to.equal(true);
    expect(sends.flatMap((send) => send.operations)).to.deep.equal([...ids].sort());
    await small.end();

    main.start();
    const more = await sealed(bench, main, issuer, { holder: who.address }, 12);
    await main.stop("dispatcher");
    const together = await bench.queue(...more.map((number) => claimBy(who, employer, number)));
    main.start("dispatcher");
    await bench.done(...together);
    expect(await sendsOf(together)).to.have.length(1);
  });

  it("a refused act does not revert the other acts of its transaction", async () => {
    const [who, thief] = [await holder(bench), await holder(bench)];
    const numbers = await sealed(bench, main, issuer, { holder: who.address }, 3);
    await main.stop("dispatcher");
    const ids = await bench.queue(
      claimBy(who, employer, numbers[0] as string),
      claimBy(thief, employer, numbers[1] as string),
      claimBy(who, employer, numbers[2] as string),
    );
    main.start("dispatcher");
    const outcomes = await Promise.all(ids.map((id) => bench.ended(id)));
    expect(outcomes.map((outcome) => outcome.status)).to.deep.equal(["done", "refused", "done"]);
    expect(outcomes[1]?.problem).to.deep.include({ code: "signature-invalid" });
    expect(new Set(outcomes.map((outcome) => String(outcome.send))).size).to.equal(1);
  });

  it("an act that cannot be prepared, or whose evidence differs from the seal, waits alone", async () => {
    const who = await holder(bench);
    const [good, another] = (await sealed(bench, main, issuer, { holder: who.address }, 2)) as [
      string,
      string,
    ];
    const [damaged] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    const [row] = await bench.sql<
      { content: string }[]
    >`select content from invoices where number = ${damaged}`;
    await bench.sql`update invoices set content = ${`0x${"00".repeat(32)}`} where number = ${damaged}`;
    await main.stop("dispatcher");
    const toNobody: Command = {
      type: "act",
      kind: "Transfer",
      to: "nobody",
      ref: ZERO_REF,
      invoices: [another],
    };
    const [unsealed, nonsense, broken, fine] = (await bench.queue(
      claimBy(who, employer, "99999999999999999999"),
      { kind: "transfer", party: who.address, command: toNobody, signers: [who.address] },
      claimBy(who, employer, damaged),
      claimBy(who, employer, good),
    )) as [string, string, string, string];
    main.start("dispatcher");
    await bench.done(fine);
    const statuses = await Promise.all(
      [unsealed, nonsense, broken].map(async (id) => (await bench.operation(id)).status),
    );
    expect(statuses).to.deep.equal(["queued", "queued", "signed"]);
    expect(await about(damaged)).to.have.length(0);
    // the restored act runs next
    await bench.sql`update invoices set content = ${row?.content as string} where number = ${damaged}`;
    await bench.sql`update operations set not_before = now() where id = ${broken}`;
    await bench.done(broken);
    await bench.sql`delete from operation_invoices where operation in (${unsealed}, ${nonsense})`;
    await bench.sql`delete from operations where id in (${unsealed}, ${nonsense})`;
  });

  // ── the bureau's control ───────────────────────────────────────────────────────────────────────

  const standing = (party: Party, to: "active" | "suspended") =>
    byBureau(bench, "setStanding", party.index, to === "active" ? 1 : 2);
  const setClosed = (closed: boolean) => byBureau(bench, "setClosed", closed);
  const lotsOf = async (party: Party) =>
    (await bench.events()).filter(
      (event) => event.args["issuer"] === party.index && event.name.startsWith("Lot"),
    );

  it("invoices that a suspended issuer had accepted wait, and are sealed in order after reinstatement", async () => {
    const party = await enrolled(bench, main, ["issuer"]);
    const small = (await instead({ lotSize: 2, lotAgeMs: 5_000 })).start();
    // lots close before the gateway knows of the suspension, and after it
    const numbers = await accepted(bench, small, party, { holder: issuer.account }, 4);
    await known(bench, numbers);
    bench.proxy.rule = relayCut;
    numbers.push(...(await accepted(bench, small, party, { holder: issuer.account }, 4)));
    await until(
      "their seals are under way",
      async () =>
        (
          await bench.sql`select 1 from operations where party = ${party.account} and kind = 'seal' and status = 'sent'`
        ).length === 2,
    );
    await bench.done(...(await bench.queue(standing(party, "suspended"))));
    bench.proxy.rule = undefined;
    numbers.push(
      ...(await bench.sql.begin(async (tx) => {
        // the gateway accepts nothing from a suspended issuer; these arrived just before
        await tx`update taxpayers set standing = 'active' where index = ${party.index}`;
        const late: string[] = [];
        for (let i = 0; i < 4; i++)
          late.push(await acceptedIn(tx, small, party, { holder: issuer.account }));
        await tx`update taxpayers set standing = 'suspended' where index = ${party.index}`;
        return late;
      })),
    );
    await until(
      "the seals that were under way are refused",
      async () => (await lotsOf(party)).filter((event) => event.name === "LotRefused").length >= 2,
    );
    await until(
      "all are in lots",
      async () =>
        (await bench.sql`select 1 from sealings where issuer = ${party.index}`).length === 6,
    );
    for (const event of (await lotsOf(party)).filter((lotEvent) => lotEvent.name === "LotRefused"))
      expect(errorName(String(event.args["reason"]))).to.be.oneOf([
        "IssuerNotActive",
        "LotOutOfOrder",
      ]);
    expect(
      await bench.sql`select 1 from invoice_states where issuer = ${party.index}`,
    ).to.have.length(4);

    await bench.done(...(await bench.queue(standing(party, "active"))));
    await known(bench, numbers);
    const lots = (await lotsOf(party)).filter((event) => event.name === "LotSealed");
    expect(lots.map((event) => String(event.args["first"]))).to.deep.equal(
      numbers.filter((_, i) => i % 2 === 0),
    );
  });

  it("while the ledger is closed, accepted invoices and acts wait; when the bureau opens it they run", async () => {
    const who = await holder(bench);
    const [before] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    // one transaction is under way when the ledger closes: it reverts
    bench.proxy.rule = relayCut;
    const [early] = (await bench.queue(claimBy(who, employer, before))) as [string];
    await underWay(early);
    await bench.done(...(await bench.queue(setClosed(true))));
    bench.proxy.rule = undefined;
    const reverted = await until("it is reverted and waits again", async () => {
      const now = await bench.operation(early);
      return now.status === "queued" ? now : undefined;
    });
    expect(reverted.problem?.code).to.equal("ledger-closed");
    const numbers = await accepted(bench, main, issuer, { holder: who.address }, 3);
    await until(
      "they are in lots",
      async () =>
        (await bench.sql`select 1 from segment_use_now where accepted > lotted`).length === 0,
    );
    // the bureau's own acts still run in the meantime
    const party = await enrolled(bench, main, ["employer"]);
    expect(party.standing).to.equal("active");
    expect(
      await bench.sql`select 1 from invoice_states where number = any(${numbers}::numeric[])`,
    ).to.have.length(0);
    expect((await bench.operation(early)).status).to.equal("queued");

    await bench.done(...(await bench.queue(setClosed(false))));
    await known(bench, numbers);
    await bench.done(early);
    expect(names(await about(before))).to.deep.equal(["Claimed"]);
  });

  // ── crashes ────────────────────────────────────────────────────────────────────────────────────

  it("sends that the dispatcher had stored when the process died go out from the next process, once", async () => {
    const who = await holder(bench);
    const numbers = await sealed(bench, main, issuer, { holder: who.address }, 5);
    const dying = await instead();
    dying.start("dispatcher");
    const ids = await bench.queue(...numbers.map((number) => claimBy(who, employer, number)));
    await until("all are written with their sends", async () =>
      (await Promise.all(ids.map((id) => bench.operation(id)))).every(
        (operation) => operation.status === "sent",
      ),
    );
    await dying.crash();
    expect(await bench.sql`select 1 from sends where status = 'queued'`).to.not.have.length(0);
    const next = (await instead()).start();
    await bench.done(...ids);
    for (const number of numbers) expect(names(await about(number))).to.deep.equal(["Claimed"]);
    await next.end();
  });

  it("if a process dies while it follows, the next one reads the outcome of each operation", async () => {
    const who = await holder(bench);
    const numbers = await sealed(bench, main, issuer, { holder: who.address }, 3);
    const dying = await instead();
    dying.start("dispatcher", "lanes");
    const ids = await bench.queue(...numbers.map((number) => claimBy(who, employer, number)));
    await until(
      "the chain has them",
      async () =>
        (await bench.events()).filter(
          (event) => event.name === "Claimed" && numbers.includes(String(event.args["id"])),
        ).length === 3,
    );
    await dying.crash();
    expect((await bench.operation(ids[0] as string)).status).to.equal("sent");
    (await instead()).start("follower");
    await bench.done(...ids);
  });
});
