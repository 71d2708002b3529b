/**
 * From accepted to sealed: no number without an invoice, no invoice without a lot, and no lot
 * twice, despite rollbacks and dead processes.
 */

import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { keccak, leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { expect } from "chai";
import { leavesOf } from "../../server/accepted/leaves.ts";
import { createEvidence } from "../../server/acts/evidence.ts";
import { InvoiceLedger__factory } from "../../types/ethers-contracts/factories/contracts/InvoiceLedger__factory.ts";
import {
  accepted,
  acceptedIn,
  type Bench,
  enrolled,
  known,
  openBench,
  type Party,
  type Process,
} from "./support/bench.ts";
import { random, until } from "./support/proxy.ts";

type Lot = { first: string; count: number; root: string; operation: string; created: Date };

describe("sealing", () => {
  let bench: Bench;
  let main: Process;
  const holder = `0x${"b0".repeat(20)}`;
  const started: Process[] = [];

  before(async () => {
    bench = await openBench();
    main = (await bench.process()).start("lanes", "follower", "dispatcher");
    // the network knows the holder
    await bench.sql`insert into parties (account, kind, sealed, created_by) values (${checksummed(holder)}, 'person', ${Buffer.alloc(1)}, 'test')`;
  });
  after(() => bench.close());
  afterEach(async () => {
    for (const gateway of started.splice(0)) await gateway.end();
  });

  const issuer = (more: { segment?: bigint; own?: boolean } = {}): Promise<Party> =>
    enrolled(bench, main, ["issuer"], more);
  async function sealer(lotSize: number, lotAgeMs: number): Promise<Process> {
    const gateway = await bench.process({ lotSize, lotAgeMs });
    started.push(gateway);
    return gateway;
  }
  const lotsOf = (party: Party): Promise<Lot[]> => bench.sql<Lot[]>`
    select l.first, l.count, l.root, l.operation, o.created_at as created from sealings l join operations o on o.id = l.operation
    where l.issuer = ${party.index} order by l.first`;
  const sealedOf = async (party: Party) =>
    (await bench.events()).filter(
      (event) => event.name === "LotSealed" && event.args["issuer"] === party.index,
    );
  const lotsWhen = (party: Party, count: number) =>
    until(`${count} lots are closed`, async () => {
      const lots = await lotsOf(party);
      return lots.length >= count ? lots : undefined;
    });

  /** Every accepted number is in exactly one lot, and the lots and the segment have no gap. */
  async function seamless(party: Party): Promise<void> {
    const numbers = (
      await bench.sql<
        { number: string }[]
      >`select number from invoices where issuer = ${party.index} order by number`
    ).map((row) => BigInt(row.number));
    for (const [i, number] of numbers.entries())
      expect(number).to.equal((numbers[0] as bigint) + BigInt(i));
    let next = numbers[0] as bigint;
    for (const lot of await lotsOf(party)) {
      expect(BigInt(lot.first)).to.equal(next);
      next += BigInt(lot.count);
    }
    expect(next, "all of them").to.equal((numbers[0] as bigint) + BigInt(numbers.length));
  }

  it("a lot is closed as soon as it is full, and the rest waits", async () => {
    const party = await issuer();
    (await sealer(10, 60_000)).start("sealer");
    const before = await accepted(bench, main, party, { holder }, 9);
    // another issuer's lot fills meanwhile, which proves that the sealer has polled
    const other = await issuer();
    await accepted(bench, main, other, { holder }, 10);
    await lotsWhen(other, 1);
    expect(await lotsOf(party)).to.have.length(0);
    const more = await accepted(bench, main, party, { holder }, 16);
    const lots = await lotsWhen(party, 2);
    expect(lots.map((lot) => [lot.first, lot.count])).to.deep.equal([
      [before[0], 10],
      [more[1], 10],
    ]);
    await known(bench, [...before, ...more].slice(0, 20));
    expect(await lotsOf(party), "the last five wait").to.have.length(2);
  });

  it("a lot that is not full is closed when its first invoice is old enough, and not earlier", async () => {
    const party = await issuer();
    const age = 400;
    (await sealer(500, age)).start("sealer");
    const numbers = await accepted(bench, main, party, { holder }, 3);
    const [lot] = (await lotsWhen(party, 1)) as [Lot];
    const [row] = await bench.sql<{ waited: number }[]>`
      select extract(epoch from o.created_at - i.accepted_at)::float8 * 1000 as waited from operations o, invoices i where o.id = ${lot.operation} and i.number = ${lot.first}`;
    expect(row?.waited).to.be.at.least(age);
    expect([lot.first, lot.count]).to.deep.equal([numbers[0], 3]);
    await known(bench, numbers);
  });

  it("a lot never needs more gas than the limit of one transaction", async () => {
    const party = await issuer();
    const gateway = await bench.process({
      lotSize: 1_000,
      lotAgeMs: 60_000,
      limit: { gas: 200_000n },
    });
    started.push(gateway);
    gateway.start("sealer");
    // (200,000 − 180,000) / 1,700: eleven leaves
    await accepted(bench, main, party, { holder }, 23);
    const lots = await lotsWhen(party, 2);
    expect(lots.map((lot) => lot.count)).to.deep.equal([11, 11]);
  });

  it("16 tills that accept at once, with some rollbacks, leave no gap in the numbers, and two sealers put each number into one lot", async () => {
    const party = await issuer();
    const both = [await sealer(7, 30), await sealer(7, 30)];
    for (const gateway of both) gateway.start("sealer");
    const next = random(31);
    let [kept, rolledBack] = [0, 0];
    const till = async () => {
      for (let i = 0; i < 10; i++) {
        const fails = next() < 0.3;
        await bench.sql
          .begin(async (tx) => {
            await acceptedIn(tx, main, party, { holder });
            if (fails) throw new Error("the till has lost its power");
          })
          .then(
            () => {
              kept += 1;
            },
            (cause: Error) => {
              expect(cause.message).to.equal("the till has lost its power");
              rolledBack += 1;
            },
          );
      }
    };
    await Promise.all(Array.from({ length: 16 }, till));
    expect(rolledBack).to.be.greaterThan(20);
    const rows = await bench.sql<
      { number: string }[]
    >`select number from invoices where issuer = ${party.index}`;
    expect(rows).to.have.length(kept);
    await known(
      bench,
      rows.map((row) => row.number),
    );
    await seamless(party);
    const lots = await lotsOf(party);
    expect((await sealedOf(party)).map((event) => event.args["first"])).to.deep.equal(
      lots.map((lot) => lot.first),
    );
    expect(lots.every((lot) => lot.count <= 7)).to.equal(true);
  });

  it("the next process seals once what was accepted when a process died; closed lots stay unchanged", async () => {
    const party = await issuer();
    const dying = await sealer(4, 60_000);
    const numbers = await accepted(bench, dying, party, { holder }, 4);
    await dying.crash();
    expect(await lotsOf(party)).to.have.length(0);

    await main.stop("dispatcher");
    const second = await sealer(4, 60_000);
    second.start("sealer");
    const [closed] = (await lotsWhen(party, 1)) as [Lot];
    numbers.push(...(await accepted(bench, main, party, { holder }, 3)));
    await second.crash();
    const third = await sealer(2, 20);
    third.start("sealer", "dispatcher");
    await known(bench, numbers);
    main.start("dispatcher");
    const lots = await lotsOf(party);
    expect(lots[0]).to.deep.equal(closed);
    expect(lots.map((lot) => lot.count)).to.satisfy(
      (counts: number[]) => counts[0] === 4 && counts.slice(1).reduce((a, b) => a + b, 0) === 3,
    );
    await seamless(party);
    expect(await sealedOf(party)).to.have.length(lots.length);
  });

  it("a sealer whose connections are cut while it closes a lot leaves no partial result", async () => {
    const party = await issuer();
    const numbers = await accepted(bench, main, party, { holder }, 6);
    const dying = await sealer(3, 20);
    // its insert into sealings waits for this lock, and is aborted there
    const { promise: isLocked, resolve: hasLock } = Promise.withResolvers<void>();
    let free = false;
    const locked = bench.sql.begin(async (tx) => {
      await tx`lock table sealings in exclusive mode`;
      hasLock();
      // the database ends a transaction that is idle for long
      while (!free) await tx`select pg_sleep(0.1)`;
    });
    await isLocked;
    dying.start("sealer");
    await until(
      "it is in the middle",
      async () =>
        (
          await bench.sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%insert into sealings%'`
        ).length === 1,
    );
    await dying.crash();
    free = true;
    await locked;
    expect(await lotsOf(party)).to.have.length(0);
    expect(
      await bench.sql`select 1 from operations where party = ${party.account} and kind = 'seal'`,
    ).to.have.length(0);
    expect(
      await bench.sql`select 1 from segment_use_now u join segments s on s.first = u.segment where s.issuer = ${party.index} and u.lotted > 0`,
    ).to.have.length(0);
    (await sealer(3, 20)).start("sealer");
    await known(bench, numbers);
    await seamless(party);
  });

  it("a fault of one segment does not delay another issuer's lots", async () => {
    const [broken, fine] = [await issuer(), await issuer()];
    const [lost] = (await accepted(bench, main, broken, { holder }, 2)) as [string];
    const missing = (BigInt(lost) + 1n).toString();
    await bench.sql`delete from document_hashes where number = ${missing}`;
    const [kept] = await bench.sql<
      Record<string, unknown>[]
    >`delete from invoices where number = ${missing} returning *`;
    const numbers = await accepted(bench, main, fine, { holder }, 2);
    (await sealer(2, 20)).start("sealer");
    await known(bench, numbers);
    expect(await lotsOf(broken), "not sealed with a hole").to.have.length(0);
    // the restored invoices are sealed as they were accepted
    await bench.sql`insert into invoices ${bench.sql([kept as Record<string, unknown>], ...Object.keys(kept as object))}`;
    await known(bench, [lost, String(kept?.["number"])]);
    await seamless(broken);
  });

  it("several segments of one issuer are filled in order, and no lot crosses the end of a segment", async () => {
    const party = await issuer({ segment: 5n });
    const [row] = await bench.sql<
      { series: string }[]
    >`select substr(first::text, 1, 5) as series from segments where issuer = ${party.index}`;
    const [id] = (await bench.queue({
      kind: "segment",
      party: bench.bureau,
      command: {
        type: "call",
        contract: "registry",
        function: "allotSegment",
        args: [party.index, Number(row?.series), "5"],
      },
    })) as [string];
    await bench.done(id);
    const numbers = await accepted(bench, main, party, { holder }, 8);
    (await sealer(100, 20)).start("sealer");
    await known(bench, numbers);
    expect((await lotsOf(party)).map((lot) => lot.count)).to.deep.equal([5, 3]);
    const refusal = await accepted(bench, main, party, { holder }, 3).catch(
      (cause: { code?: string }) => cause.code,
    );
    expect(refusal, "numbers end where the segments end").to.equal("no-segment");
  });

  it("an issuer that keeps its own key seals its lots itself, each once", async () => {
    const party = await enrolled(bench, main, ["issuer"]);
    await bench.sql`delete from keystore where address = ${party.account}`;
    const fresh = (await bench.process({ lotSize: 3, lotAgeMs: 60_000 })).start(
      "sealer",
      "dispatcher",
      "lanes",
    );
    started.push(fresh);
    await main.stop("dispatcher");
    const numbers = await accepted(bench, main, party, { holder }, 6);
    const lots = await lotsWhen(party, 2);
    // the second is signed first, and is sent when its turn comes
    for (const lot of [...lots].reverse()) {
      const digest = await until("it waits for its seal", async () => {
        const operation = await bench.operation(lot.operation);
        return operation.status === "awaiting-signature" ? operation.digest : undefined;
      });
      await bench.sql.begin((tx) =>
        fresh.operations.sign(
          tx,
          party.caller,
          lot.operation,
          party.wallet.signingKey.sign(digest).serialized,
        ),
      );
    }
    await until("the first is sealed", async () => (await sealedOf(party)).length >= 1);
    for (const lot of lots) {
      await until("both are sealed", async () => {
        const operation = await bench.operation(lot.operation);
        if (operation.status === "awaiting-signature") {
          // it was sent too early, was refused, and needs another signature
          await bench.sql
            .begin((tx) =>
              fresh.operations.sign(
                tx,
                party.caller,
                lot.operation,
                party.wallet.signingKey.sign(operation.digest as string).serialized,
              ),
            )
            .catch(() => {});
        }
        return operation.status === "done";
      });
    }
    await known(bench, numbers);
    expect((await sealedOf(party)).map((event) => event.args["first"])).to.deep.equal(
      lots.map((lot) => lot.first),
    );
    main.start("dispatcher");
  });

  it("the sealed root matches the stored leaves, and the chain accepts every leaf's evidence, at its own number only", async () => {
    const party = await issuer();
    (await sealer(5, 20)).start("sealer");
    const numbers = await accepted(bench, main, party, { holder }, 13);
    await known(bench, numbers);
    const ledger = InvoiceLedger__factory.createInterface();
    const proves = async (number: string, evidence: unknown) =>
      ledger.decodeFunctionResult(
        "proves",
        await bench.node.call(
          bench.deployment.ledger,
          ledger.encodeFunctionData("proves", [number, evidence as never]),
        ),
      )[0] as boolean;
    for (const lot of await lotsOf(party)) {
      const [onChain] = (await sealedOf(party)).filter(
        (event) => event.args["first"] === lot.first,
      );
      const tree = lotTree((await leavesOf(bench.sql, lot.first, lot.count)).map(leafHash));
      expect([onChain?.args["root"], lot.root]).to.deep.equal([tree.root, tree.root]);
    }
    const source = createEvidence();
    await Promise.all(
      numbers.map(async (number, i) => {
        const evidence = await source.get(bench.sql, number);
        if (!evidence) throw new Error("no evidence");
        const { leaf, lot } = evidence;
        const answers = [
          proves(number, evidence),
          proves(numbers[(i + 1) % numbers.length] as string, evidence),
          proves(number, { ...evidence, leaf: { ...leaf, holder: `0x${"b1".repeat(20)}` } }),
          proves(number, { ...evidence, leaf: { ...leaf, content: keccak(Buffer.from("other")) } }),
          proves(number, { ...evidence, lot: { ...lot, time: lot.time + 1 } }),
        ];
        expect(await Promise.all(answers), number).to.deep.equal([
          true,
          false,
          false,
          false,
          false,
        ]);
      }),
    );
  });
});
