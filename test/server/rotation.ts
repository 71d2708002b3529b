/**
 * The operator rotates the master key: by command, with gateways running, and no request fails
 * because of it.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createClient } from "../../clients/typescript/index.ts";
import { type Bench, openBench } from "./support/bench.ts";
import { keyFor, ran, type Serving, serving } from "./support/serving.ts";

describe("the master key, rotated without a stop", function () {
  this.timeout(180_000);
  let bench: Bench;
  let folder: string;
  before(async () => {
    bench = await openBench();
    folder = await mkdtemp(join(tmpdir(), "onepiao-rotation-"));
  });
  after(async () => {
    await bench?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("gateways with the old key and the new one serve side by side, each reads the other's sealed values, and at the end the old key opens nothing", async () => {
    const next = randomBytes(32).toString("hex");
    const file = join(folder, "next.key");
    await writeFile(file, `${next}\n`, { mode: 0o600 });
    const maker = await keyFor(bench, `0x${"b0".repeat(20)}`, ["employer"]);
    // one try only: the test looks for a failed request
    const at = ({ url }: Serving) =>
      createClient({ url, token: maker, patience: { tries: 1, timeoutMs: 120_000 } });
    const make = async (gateway: Serving, name: string) =>
      (await at(gateway)("POST /v1/persons", { body: { name } })).body.account;
    const named = async (gateway: Serving, account: string) =>
      (await at(gateway)("GET /v1/persons/{account}", { params: { account } })).body.name;

    const old = await serving(bench);
    const first = await make(old, "甲");
    // a client sends requests all the time
    let stopped = false;
    const answers: number[] = [];
    const asking = (async () => {
      while (!stopped) answers.push((await at(old).send("GET", `/v1/persons/${first}`)).status);
    })();

    const begun = await ran(bench, ["rotate", file]);
    expect([begun.code, begun.out]).to.satisfy(
      ([code, out]: [number, string]) => code === 0 && out.includes("both master keys"),
    );
    expect(begun.said).to.not.include(next);
    const fresh = await serving(bench, { MASTER_KEY: next });
    const second = await make(fresh, "乙");
    expect([await named(fresh, first), await named(old, second)]).to.deep.equal(["甲", "乙"]);
    const third = await make(old, "丙");
    expect(await named(fresh, third)).to.equal("丙");

    stopped = true;
    await asking;
    expect(answers.length).to.be.greaterThan(3);
    expect(new Set(answers)).to.deep.equal(new Set([200]));
    old.child.kill("SIGTERM");
    await old.ended;
    const done = await ran(bench, ["rotate", "--finish"], { MASTER_KEY: next });
    expect([done.code, done.out]).to.satisfy(
      ([code, out]: [number, string]) => code === 0 && out.includes("destroy"),
    );
    const refused = await ran(bench, ["serve"]);
    expect(refused.code).to.equal(1);
    expect(refused.said).to.include("MASTER_KEY is not the key that this database was made with");
    for (const [account, name] of [
      [first, "甲"],
      [second, "乙"],
      [third, "丙"],
    ] as const)
      expect(await named(fresh, account)).to.equal(name);
    fresh.child.kill("SIGTERM");
    await fresh.ended;
  });
});
