/** `cli.ts admin-key`: another admin key for a party that has lost its last one. */

import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { createClient } from "../../clients/typescript/index.ts";
import { type Bench, openBench } from "./support/bench.ts";
import { keyFor, ran, type Serving, serving } from "./support/serving.ts";

describe("the operator's command for a lost admin key", function () {
  this.timeout(120_000);
  const account = checksummed(`0x${"b0".repeat(20)}`);
  let bench: Bench;
  let gateway: Serving;
  let lost: string;
  before(async () => {
    bench = await openBench();
    lost = await keyFor(bench, account, ["admin"]);
    gateway = await serving(bench);
  });
  after(async () => {
    gateway?.child.kill("SIGKILL");
    await bench?.close();
  });
  const keys = async () =>
    (await bench.sql<{ id: string }[]>`select id from api_keys order by id`).map(({ id }) => id);
  const keyIn = (out: string) => /^API key (\S+)/m.exec(out)?.[1] ?? "";

  it("makes a key that works at once, and the party revokes the lost one with it", async () => {
    const before = await keys();
    const { code, out } = await ran(bench, ["admin-key", account]);
    expect(code, out).to.equal(0);
    const token = keyIn(out);
    const party = createClient({ url: gateway.url, token });
    const [lostId = ""] = lost.split(".");
    const shown = new Map<string, readonly string[]>();
    for await (const key of party.items("GET /v1/api-keys")) shown.set(key.id, key.roles);
    expect(shown.get(token.split(".")[0] ?? "")).to.deep.equal(["admin"]);
    expect(shown.has(lostId)).to.equal(true);
    expect(await keys()).to.have.length(before.length + 1);

    await party("DELETE /v1/api-keys/{id}", { params: { id: lostId } });
    const refused = await createClient({ url: gateway.url, token: lost }).send(
      "GET",
      "/v1/api-keys",
    );
    expect([refused.status, refused.problem?.code]).to.deep.equal([401, "unauthenticated"]);
  });

  it("stores only the key's hash, and prints the secret only to standard output", async () => {
    const { out, said: printed } = await ran(bench, ["admin-key", account]);
    const [id = "", secret = ""] = keyIn(out).split(".");
    expect(secret.length).to.be.at.least(32);
    expect(printed.split(secret)).to.have.length(2);
    const stored = await bench.sql`select * from api_keys where id = ${id}`;
    expect(JSON.stringify(stored)).to.not.include(secret);
  });

  it("makes no key for an account that is not a party here", async () => {
    const before = await keys();
    const { code, said: printed } = await ran(bench, ["admin-key", `0x${"c0".repeat(20)}`]);
    expect(code).to.equal(1);
    expect(printed).to.include("this gateway has no party with the account");
    expect(await keys()).to.deep.equal(before);
  });
});
