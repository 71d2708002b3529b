/**
 * Red letters with events in between: a claim through another gateway, an act relayed late,
 * processes that die, two processes at once.
 */

import type { Wish } from "@onepiao/protocol/formats/red-letter.ts";
import { actKinds } from "@onepiao/protocol/ledger/acts.ts";
import {
  type CompactSignature,
  compactSignature,
  digest,
  noSignature,
} from "@onepiao/protocol/ledger/messages.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { Transaction } from "ethers";
import { createEvidence } from "../../server/acts/evidence.ts";
import { type ActArgument, ZERO_ACCOUNT } from "../../server/chain/contracts.ts";
import type { Sheet } from "../../server/features/invoices/sheets.ts";
import {
  type Bench,
  enrolled,
  holder,
  openBench,
  type Party,
  type Process,
  redLetterOf,
  sealed,
} from "./support/bench.ts";
import { until } from "./support/proxy.ts";

describe("red letters", () => {
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
    for (const gateway of others.splice(0)) await gateway.end();
    main.start();
  });

  const turn = (process: Process) => process.redLetterJob.run(new AbortController().signal);
  const opened = (
    by: Party,
    number: string,
    wish: Wish = { whole: true },
    via = main,
  ): Promise<Sheet> =>
    bench.sql.begin((tx) =>
      via.redLetters.request(tx, by.caller, number, { reason: 2, wish, document: undefined }),
    );
  const sheet = async (id: string): Promise<Sheet> =>
    (await main.redLetters.find(bench.sql, id)) as Sheet;
  const stateOf = async (number: string) =>
    (
      await bench.sql<
        { state: string; version: number }[]
      >`select state, version from invoice_states where number = ${number}`
    )[0];
  const redsOf = (number: string) =>
    bench.sql<{ number: string }[]>`select number from invoices where reverses = ${number}`;
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => "done",
      (error: unknown) => (error instanceof Problem ? error.code : Promise.reject(error)),
    );
  /** Cuts our transactions off from the node. */
  const cut = () => {
    bench.proxy.rule = (call) =>
      call.method === "eth_sendRawTransaction" &&
      Transaction.from(call.params[0] as string).from === main.relay.address
        ? "cut"
        : undefined;
  };
  const underWay = (id: string): Promise<string> =>
    until("its transaction is signed", async () => {
      const [row] = await bench.sql<{ data: string }[]>`
        select s.data from red_letters r join operations o on o.id = r.operation join sends s on s.id = o.send where r.id = ${id} and s.hash is not null`;
      return row?.data;
    });

  /**
   * The holder claims through another gateway, with its own signature in a stranger's transaction.
   */
  async function claimElsewhere(
    wallet: { signingKey: { sign(digest: string): { serialized: string } } },
    number: string,
  ): Promise<void> {
    const [invoices, ref] = [
      [{ id: number, version: 0 }],
      `0x${BigInt(number).toString(16).padStart(64, "7")}`,
    ];
    const hash = digest(bench.contracts.domains.ledger, {
      type: "Claim",
      value: { employer: employer.index, ref, invoices },
    });
    const evidence = await createEvidence().get(bench.sql, number);
    const argument: ActArgument = {
      kind: actKinds.indexOf("Claim"),
      to: ZERO_ACCOUNT,
      taxpayer: employer.index,
      ref,
      invoices,
      evidence: evidence ? [evidence] : [],
      signature: compactSignature(wallet.signingKey.sign(hash).serialized) as CompactSignature,
      consent: noSignature,
    };
    expect(
      (await bench.stranger(bench.deployment.ledger, bench.contracts.act([argument]))).ok,
    ).equals(true);
  }

  it("a claim through another gateway that comes first: the red letter is not lost but waits for that employer, and is not issued until then", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    cut();
    const { id, status } = await opened(issuer, number);
    expect(status).equals("01");
    await underWay(id);
    await claimElsewhere(who, number);
    bench.proxy.rule = undefined;
    const asked = await until("its employer is asked", async () => {
      await turn(main);
      const now = await sheet(id);
      return now.status === "02" ? now : undefined;
    });
    expect([asked.employer, asked.acted, asked.number]).deep.equals([employer.index, false, null]);
    expect(await stateOf(number)).deep.equals({ state: "claimed", version: 1 });
    expect(await redsOf(number)).lengthOf(0);
    await bench.sql.begin((tx) => main.redLetters.consent(tx, employer.caller, id));
    const red = await redLetterOf(bench, main, id);
    expect([
      (await sheet(id)).status,
      (await stateOf(number))?.state,
      (await redsOf(number)).map((row) => row.number),
    ]).deep.equals(["04", "reversed", [red]]);
  });

  it("claims elsewhere and red letters at the same moment: each invoice is reversed with its red letter, or claimed without one", async () => {
    const wallets = await Promise.all(Array.from({ length: 6 }, () => holder(bench)));
    const numbers = await Promise.all(
      wallets.map(
        async (who) => (await sealed(bench, main, issuer, { holder: who.address }))[0] as string,
      ),
    );
    const sheets = await Promise.all(
      numbers.map(async (number, i) => {
        const both = [
          claimElsewhere(wallets[i] as (typeof wallets)[number], number),
          codeOf(opened(issuer, number)),
        ];
        await Promise.all(i % 2 ? both : both.reverse());
        const [row] = await bench.sql<
          { id: string }[]
        >`select id from red_letters where invoice = ${number}`;
        return row?.id;
      }),
    );
    for (const [i, id] of sheets.entries()) {
      const number = numbers[i] as string;
      const end = await until("it is decided", async () => {
        await turn(main);
        const now = id === undefined ? undefined : await sheet(id);
        const state = (await stateOf(number))?.state;
        if (state === "reversed") return now?.number ? "reversed" : undefined;
        return state === "claimed" && (now === undefined || now.status === "02")
          ? "claimed"
          : undefined;
      });
      expect(await redsOf(number)).lengthOf(end === "reversed" ? 1 : 0);
    }
  });

  it("an act that a third party relays after the red letter's withdrawal counts: the chain has the act, so the red letter is issued", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, main, issuer, { holder: who.address })) as [string];
    cut();
    const { id, operation } = await opened(issuer, number, { gross: "50.00" });
    const data = await underWay(id);
    expect(
      await codeOf(bench.sql.begin((tx) => main.redLetters.withdraw(tx, issuer.caller, id))),
    ).equals("invoice-busy");
    // as if its transaction could never reach the chain
    await bench.sql`update operations set status = 'failed' where id = ${operation}`;
    await bench.sql`delete from operation_invoices where operation = ${operation}`;
    await bench.sql.begin((tx) => main.redLetters.withdraw(tx, issuer.caller, id));
    expect((await sheet(id)).status).equals("08");
    await bench.stranger(bench.deployment.ledger, data);
    const red = await redLetterOf(bench, main, id);
    expect([(await sheet(id)).status, (await redsOf(number)).map((row) => row.number)]).deep.equals(
      ["01", [red]],
    );
    expect(await stateOf(number)).deep.equals({ state: "issued", version: 1 });
  });

  it("before its act is sent, it can be withdrawn together with the act", async () => {
    const [number] = (await sealed(bench, main, issuer, { buyer: employer })) as [string];
    await main.stop("dispatcher");
    const { id, operation } = await opened(issuer, number);
    await bench.sql.begin((tx) => main.redLetters.withdraw(tx, issuer.caller, id));
    expect([
      (await sheet(id)).status,
      (await bench.operation(operation as string)).status,
    ]).deep.equals(["08", "failed"]);
    main.start();
    const next = await opened(issuer, number, { gross: "50.00" });
    await redLetterOf(bench, main, next.id);
    expect(await stateOf(number)).deep.equals({ state: "issued", version: 1 });
  });

  it("if a process dies between the act and the red letter, the next process issues it; of two active processes only one issues it", async () => {
    const [number] = (await sealed(bench, main, issuer, { buyer: employer })) as [string];
    await main.stop();
    const dying = (await bench.process()).start();
    const { id } = await opened(issuer, number, { whole: true }, dying);
    await until("the chain has the act", async () => (await sheet(id)).acted || undefined);
    await dying.crash();
    expect([(await sheet(id)).number, await redsOf(number)]).deep.equals([null, []]);
    const [first, second] = (await Promise.all([bench.process(), bench.process()])) as [
      Process,
      Process,
    ];
    others.push(first, second);
    await Promise.all([turn(first), turn(second), turn(first), turn(second)]);
    const reds = await redsOf(number);
    expect([reds.map((row) => row.number), (await sheet(id)).number]).deep.equals([
      [reds[0]?.number],
      reds[0]?.number,
    ]);
  });

  it("a process that is cut off in the middle of issuing leaves no partial result", async () => {
    const [number] = (await sealed(bench, main, issuer, { buyer: employer })) as [string];
    const { id } = await opened(issuer, number);
    await until("the chain has the act", async () => (await sheet(id)).acted || undefined);
    const [before] = await bench.sql<
      { accepted: bigint }[]
    >`select sum(accepted)::bigint as accepted from segment_accepted`;
    const cutOff = bench.sql.begin(async (tx) => {
      await main.issuing.issueRedLetter(tx, id);
      throw new Error("the connection is gone");
    });
    expect(await cutOff.catch((error: Error) => error.message)).equals("the connection is gone");
    const [after] = await bench.sql<
      { accepted: bigint }[]
    >`select sum(accepted)::bigint as accepted from segment_accepted`;
    expect([after?.accepted, (await sheet(id)).number]).deep.equals([before?.accepted, null]);
    const red = await redLetterOf(bench, main, id);
    expect((await redsOf(number)).map((row) => row.number)).deep.equals([red]);
  });

  it("two sheets at once from two processes: one is opened", async () => {
    const [number] = (await sealed(bench, main, issuer, { buyer: employer })) as [string];
    const other = await bench.process();
    others.push(other);
    const codes = await Promise.all(
      [main, other, main, other].map((via) =>
        codeOf(opened(issuer, number, { gross: "150.00" }, via)),
      ),
    );
    expect(codes.sort()).deep.equals([
      "done",
      "red-letter-open",
      "red-letter-open",
      "red-letter-open",
    ]);
    const [row] = await bench.sql<
      { id: string }[]
    >`select id from red_letters where invoice = ${number}`;
    await redLetterOf(bench, main, row?.id as string);
    expect(await codeOf(opened(issuer, number, { gross: "150.00" }))).equals("red-letter-refused");
  });

  it("an invoice that was imported from another gateway is reversed there", async () => {
    const [number] = (await sealed(bench, main, issuer, { buyer: employer })) as [string];
    await bench.sql`
      insert into imported (number, lot, path, seal, account, block) values (${number}, ${number}, '{}', '{}', ${employer.account}, 1)`;
    for (const by of [issuer, employer])
      expect(await codeOf(opened(by, number))).equals("red-letter-refused");
    await bench.sql`delete from imported where number = ${number}`;
  });

  it("a sheet that was stored with its original as a text gives the same bytes", async () => {
    const [number] = (await sealed(bench, main, issuer, { buyer: employer })) as [string];
    const { id } = await opened(issuer, number);
    const context = `red-letter/${id}`;
    const [row] = await bench.sql<
      { sealed: Buffer }[]
    >`select sealed from red_letters where id = ${id}`;
    const words = JSON.parse(
      bench.vault.open("documents", context, row?.sealed as Buffer).toString(),
    );
    const text = '\ufeff<?xml version="1.0"?>\r\n<EInvoice>红字𠮷</EInvoice>';
    const before = { ...words, source: text, instead: { document: words.document, source: text } };
    const stored = bench.vault.seal("documents", context, JSON.stringify(before));
    await bench.sql`update red_letters set sealed = ${stored} where id = ${id}`;
    const { source, instead } = await sheet(id);
    expect([source, instead?.source]).deep.equals([Buffer.from(text), Buffer.from(text)]);
    await bench.sql`update red_letters set sealed = ${row?.sealed as Buffer} where id = ${id}`;
    await redLetterOf(bench, main, id);
  });

  it("the 72 hours run by the database's clock: an expired sheet is void, its ids are free, and another can be opened in its place", async () => {
    const [number] = (await sealed(bench, main, issuer, { buyer: employer })) as [string];
    const { id } = await opened(employer, number);
    expect((await sheet(id)).status).equals("03");
    await bench.sql`update red_letters set confirm_by = confirm_by - interval '72 hours' where id = ${id}`;
    expect(
      await codeOf(bench.sql.begin((tx) => main.redLetters.consent(tx, issuer.caller, id))),
    ).equals("red-letter-state");
    const again = await opened(employer, number);
    expect([(await sheet(id)).status, again.status]).deep.equals(["07", "03"]);
    await bench.sql`update red_letters set confirm_by = confirm_by - interval '71 hours' where id = ${again.id}`;
    await turn(main);
    expect((await sheet(again.id)).status).equals("03");
    await bench.sql.begin((tx) => main.redLetters.consent(tx, issuer.caller, again.id));
    await redLetterOf(bench, main, again.id);
  });
});
